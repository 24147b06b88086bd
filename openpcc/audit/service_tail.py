"""The end of the log along every way to a service: service entry and status, as clients read them.

Every way is read with one memory, so each must be of one history with the ways before it; then all
must have led to the same entries. A way that is a moment behind gets a second chance, as a client
gives one; what differs after that is shown apart.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from openpcc import directory
from openpcc.audit.gateway_tests import GATEWAY
from openpcc.audit.report import Finding, Section
from openpcc.audit.service_path import MissingError, PathError, ServicePath
from openpcc.directory import Hint, MalformedDirectoryError
from openpcc.errors import DirectoryError
from openpcc.judging import contradicted
from openpcc.lookup import BEHIND
from openpcc.record import LapsedEntryError, Record, RecordReader
from openpcc.state import StateFile
from openpcc.trust import LogView
from transparency_log.client import LogClient
from transparency_log.errors import EquivocationError, LogError

MOST_MODELS = 64
"""Models that the report names."""

LOG = "log"
"""How the way to the log itself is named."""


@dataclass(frozen=True, kw_only=True)
class Tail:
    """What the ways led to. `record` is None where none led to a record that counts."""

    record: Record | None
    findings: tuple[Finding, ...]
    split: Finding
    """Whether all ways led to the same entries."""

    @property
    def view(self) -> LogView | None:
        """Give what judging a node needs."""
        found = self.record
        if found is None:
            return None
        return LogView(newest=found.newest, status=found.status.entry, witnessed=found.witnessed)


@dataclass(frozen=True, kw_only=True)
class TailReader:
    """Reads the end of the log along given ways.

    Attributes:
        service: whose entry is looked for.
        records: reads and remembers.
        states: where contradictions are kept.
        wait: waits so many seconds.
        log: of the log itself, or a mirror of it; None: there is no such way.
    """

    service: str
    records: RecordReader
    states: StateFile
    wait: Callable[[float], object]
    log: LogClient | None = None

    def read(self, paths: Sequence[ServicePath], *, now: int) -> Tail:
        """Read along every way.

        Raises:
            OutOfTimeError: the time for the audit is over.
        """
        first = self._round(paths, now)
        if first.agree() and not first.stale:
            return Tail(record=first.newest, findings=tuple(first.findings), split=first.split())
        self.wait(BEHIND)
        again = self._round(paths, now + BEHIND)
        # A way that shows an old record once more is refused by then, for the new one is known.
        caught_up = first.found.keys() <= again.found.keys()
        split = again.split() if caught_up else first.split()
        return Tail(record=again.newest, findings=tuple(again.findings), split=split)

    def _round(self, paths: Sequence[ServicePath], now: int) -> "_Reading":
        reading = _Reading(reader=self, now=now)
        reading.all(paths)
        return reading


@dataclass
class _Reading:
    """One round along all ways."""

    reader: TailReader
    now: int
    found: dict[str, Record] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    hint: Hint | None = None
    stale: bool = False
    """Whether a way showed an older record than another: a copy may be a moment behind."""

    def all(self, paths: Sequence[ServicePath]) -> None:
        for path in paths:
            self._one(path.name, path.log, lambda path=path: self._hinted(path))  # type: ignore[misc]
        if self.reader.log is not None and self.hint is not None:
            hint = self.hint
            self._one(LOG, self.reader.log, lambda: hint)

    @property
    def newest(self) -> Record | None:
        found = self.found.values()
        return max(found, key=lambda one: one.newest.checkpoint.size, default=None)

    def agree(self) -> bool:
        return len({_named(one) for one in self.found.values()}) < 2

    def split(self) -> Finding:
        if len(self.found) < 2:
            return GATEWAY.skipped("gateway.tail-split", "fewer than two ways led to a record")
        said = [f"{name}: {_told(one)}" for name, one in self.found.items()]
        return GATEWAY.judged(
            "gateway.tail-split", [] if self.agree() else said, actual=_told(self._any())
        )

    def _any(self) -> Record:
        return next(iter(self.found.values()))

    def _one(self, name: str, log: LogClient, hint: Callable[[], Hint]) -> None:
        try:
            found = self.reader.records.read(log, hint(), now=self.now)
        except EquivocationError as error:
            kept = contradicted(self.reader.states, error)
            self.findings.append(GATEWAY.failed("gateway.equivocation", f"{name}: {kept}"))
        except LapsedEntryError as error:
            self.findings.append(GATEWAY.failed("gateway.lapsed", f"{name}: {error}"))
        except (DirectoryError, MalformedDirectoryError, LogError, PathError) as error:
            if isinstance(error, DirectoryError) and error.code == "stale":
                self.stale = True
            self.findings.append(GATEWAY.failed("gateway.record", f"{name}: {error}"))
        else:
            self.found[name] = found
            said = f"{name}: {_told(found)}, checkpoint of {found.newest.checkpoint.size} entries"
            self.findings.append(GATEWAY.passed("gateway.record", said))

    def _hinted(self, path: ServicePath) -> Hint:
        try:
            hint = directory.parse_hint(path.get("/service", directory.MAX_HINT))
        except MissingError as error:
            raise MalformedDirectoryError(str(error)) from error
        if hint.service != self.reader.service:
            raise MalformedDirectoryError("service hint: of another service")
        self.hint = hint
        return hint


def unread_tail(why: str) -> Tail:
    """Give what stands where nothing could be read."""
    return Tail(
        record=None,
        findings=(GATEWAY.skipped("gateway.record", why),),
        split=GATEWAY.skipped("gateway.tail-split", why),
    )


def ways_section(paths: Sequence[ServicePath]) -> Section:
    """Say what came along each way at all."""
    findings = []
    for path in paths:
        more = path.trouble_count - len(path.troubles)
        said = [*path.troubles, *([f"{more} more"] if more > 0 else [])]
        findings.append(GATEWAY.judged("gateway.answer", [f"{path.name}: {one}" for one in said]))
    facts = {"ways": [path.name for path in paths]}
    return Section(name="ways", title="Ways to the service", findings=tuple(findings), facts=facts)


def keys_split(paths: Sequence[ServicePath]) -> Finding:
    """Judge the keys that came along all ways against each other."""
    digests = {path.name: hashlib.sha256(path.keys).hexdigest() for path in paths if path.keys}
    if len(digests) < 2:
        return GATEWAY.skipped("gateway.keys-split", "keys came along fewer than two ways")
    said = [f"{name}: {one}" for name, one in digests.items()]
    return GATEWAY.judged("gateway.keys-split", said if len(set(digests.values())) > 1 else [])


def keys_logged(path: ServicePath, record: Record | None) -> Finding:
    """Judge the keys that came along a way against the log."""
    if not path.keys:
        return GATEWAY.skipped("gateway.keys", f"{path.name}: no keys came")
    if record is None:
        return GATEWAY.skipped("gateway.keys", f"{path.name}: there is no record to hold them to")
    found, expected = hashlib.sha256(path.keys).digest(), record.service.entry.ohttp_keys
    said = f"{path.name}: {found.hex()}"
    if found == expected:
        return GATEWAY.passed("gateway.keys", said)
    return GATEWAY.failed("gateway.keys", said, expected=expected.hex())


def tail_facts(record: Record | None) -> Mapping[str, object]:
    """Say what the log says of the service."""
    if record is None:
        return {}
    service, status = record.service.entry, record.status.entry
    return {
        "service": service.service,
        "sequence": service.sequence,
        "index": record.service.index,
        "not_before": service.not_before,
        "not_after": service.not_after,
        "status": status.sequence,
        "issued": status.issued,
        "log_size": record.newest.checkpoint.size,
        "witnessed": record.witnessed,
        "candidates": service.parameters.candidates,
        "models": [one.name for one in service.models[:MOST_MODELS]],
        "nodes_listed": [one.directory.size for one in service.models[:MOST_MODELS]],
    }


def _named(record: Record) -> tuple[bytes, bytes]:
    return record.service.entry.payload_digest, record.status.entry.payload_digest


def _told(record: Record) -> str:
    return f"service entry {record.service.entry.sequence}, status {record.status.entry.sequence}"
