"""Where machines stood in a service's directories when they were last audited.

DESIGN 4.3: a machine keeps its position while it is listed. An operator that moves machines could
bring one of his choice into the shard that a client keeps for a day. The log has roots alone, so
positions are remembered here, in `directory.json` of the audit's state folder.

Only the step from one window to the next proves anything: over a longer time a machine may have
been taken off the list, its place given to another, and come back elsewhere, as it must.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from openpcc.audit.gateway_tests import GATEWAY
from openpcc.audit.listing import Listing
from openpcc.audit.report import Finding
from openpcc.directory import model_id
from openpcc.errors import ConfigurationError
from transparency_log.server.durable import write_file
from transparency_log.strict_json import Members, StrictJSONError, dumps, parse_object

FILE = "directory.json"

MAX_FILE = 2**22
"""Bytes of the file: 2^15 positions of 67 bytes come to 2.1 MiB."""

MAX_LISTED = 2**15
"""Positions of one directory; more are not audited."""

Places = Mapping[str, tuple[bytes | None, ...]]
"""By model id in hex, the machine digest at each position; None: empty, or no machine named."""


@dataclass(frozen=True, kw_only=True)
class KnownPlaces:
    """Who stood where in the directories of one service entry."""

    service: str
    sequence: int
    models: Places

    @classmethod
    def of(cls, service: str, sequence: int, listing: Listing) -> "KnownPlaces":
        """Take them from a complete listing."""
        return cls(
            service=service,
            sequence=sequence,
            models={
                model_id(name): tuple(one if one and any(one) else None for one in rows)
                for name, rows in listing.positions.items()
            },
        )

    def encode(self) -> bytes:
        """Write the document."""
        rows = {
            name: ["" if one is None else one.hex() for one in places]
            for name, places in self.models.items()
        }
        return dumps(
            {"version": 1, "service": self.service, "sequence": self.sequence, "models": rows}
        )

    @classmethod
    def parse(cls, data: bytes) -> "KnownPlaces":
        """Read the document.

        Raises:
            StrictJSONError: it is none.
        """
        members = parse_object(data, limit=MAX_FILE, name="known places")
        members.integer("version", low=1, high=1)
        models = members.child("models")
        known = cls(
            service=members.text("service", limit=255),
            sequence=members.integer("sequence"),
            models={
                name: tuple(map(_place, models.texts(name, limit=MAX_LISTED, length=64)))
                for name in sorted(models.names())
            },
        )
        models.end()
        members.end()
        return known


def moved(old: KnownPlaces, new: KnownPlaces) -> list[str]:
    """Name every machine that stands in a directory again and keeps no place of its own there."""
    return [
        f"machine {machine.hex()[:16]}…, model {model[:16]}…: at {_list(before[machine])} in entry "
        f"{old.sequence}, at {_list(now[machine])} in entry {new.sequence}"
        for model, rows in new.models.items()
        for before, now in [(_by_machine(old.models.get(model, ())), _by_machine(rows))]
        for machine in sorted(before.keys() & now.keys())
        if not before[machine] & now[machine]
    ]


def places_finding(folder: Path | None, new: KnownPlaces, *, complete: bool) -> Finding:
    """Compare with what is remembered in a folder, and remember the new places.

    Raises:
        ConfigurationError: the folder cannot be used, or what is there is damaged.
    """
    if folder is None:
        why = "nothing is remembered of earlier audits; name a folder with --state"
        return GATEWAY.skipped("gateway.moved", why, required=False)
    old = _load(folder / FILE)
    finding = _judged(old, new)
    if complete and (old is None or new.sequence >= old.sequence):
        _store(folder / FILE, new)
    return finding


def _judged(old: KnownPlaces | None, new: KnownPlaces) -> Finding:
    if old is None or old.service != new.service:
        return GATEWAY.skipped("gateway.moved", "this is the first audit here", required=False)
    wrong, gap = moved(old, new), new.sequence - old.sequence
    if not wrong:
        return GATEWAY.passed("gateway.moved", f"compared with entry {old.sequence}")
    if gap in (0, 1):
        return GATEWAY.judged("gateway.moved", wrong)
    return GATEWAY.told(
        "gateway.moved",
        f"{len(wrong)} stand elsewhere than {gap} entries before, which may be well",
    )


def _by_machine(rows: tuple[bytes | None, ...]) -> dict[bytes, set[int]]:
    found: dict[bytes, set[int]] = {}
    for position, machine in enumerate(rows):
        if machine is not None:
            found.setdefault(machine, set()).add(position)
    return found


def _list(positions: set[int]) -> str:
    return ", ".join(map(str, sorted(positions)[:8]))


def _place(text: str) -> bytes | None:
    return None if not text else Members({"machine": text}, "known places").hex("machine", size=32)


def _load(path: Path) -> KnownPlaces | None:
    try:
        with path.open("rb") as file:
            return KnownPlaces.parse(file.read(MAX_FILE + 1))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigurationError(
            f"{path}: cannot be read ({error.strerror}); set --state"
        ) from error
    except StrictJSONError as error:
        raise ConfigurationError(
            f"{path}: damaged ({error}); restore it, or remove it to start afresh"
        ) from error


def _store(path: Path, places: KnownPlaces) -> None:
    try:
        write_file(path, places.encode())
    except OSError as error:
        raise ConfigurationError(
            f"{path}: cannot be written ({error.strerror}); set --state"
        ) from error
