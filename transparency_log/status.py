"""Status entries: which releases count today, and how old endorsements may be.

docs/formats.md, 4.2. At least hourly, numbered and chained. A revocation is a status that no longer
lists a release; status signers can only narrow what release signers have signed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from transparency_log.strict_json import Members, StrictJSONError

STATUS_TYPE = "tag:openpcc.org,2026:status/v1"
"""Predicate type."""

MAX_RELEASES = 512
"""Accepted releases in a status: as hex they fill half of an entry."""

MAX_FLOORS = 64
"""Issuers or platforms with a floor."""


@dataclass(frozen=True, kw_only=True)
class Floor:
    """The oldest acceptable revocation list of one issuer.

    Attributes:
        number: lowest CRL number; 0: any, as where a vendor never counts.
        time: earliest thisUpdate, Unix seconds; 0: any.
    """

    number: int = 0
    time: int = 0


@dataclass(frozen=True, kw_only=True)
class Floors:
    """The lowest acceptable endorsements.

    Attributes:
        crl: SHA-256 of an issuer's SubjectPublicKeyInfo to the floor of its lists.
        tcb_evaluation: lowest tcbEvaluationDataNumber of TDX collateral.
        minimum_tcb: platform to component to its lowest version.
    """

    crl: Mapping[bytes, Floor] = field(default_factory=dict)
    tcb_evaluation: int = 0
    minimum_tcb: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class StatusStatement:
    """What a status entry says. `entry.Status` is one whose signatures were checked.

    Attributes:
        log: origin of the log it is about; the same words in another log say nothing.
        sequence: number in the chain.
        previous: leaf hash of the status before; None for sequence 0 alone.
        issued: Unix seconds.
        releases: leaf hashes of the release entries that count.
        floors: see `Floors`.
    """

    log: str
    sequence: int
    previous: bytes | None
    issued: int
    releases: tuple[bytes, ...]
    floors: Floors

    def predicate(self) -> dict[str, object]:
        """Write the predicate's members, in the order of docs/formats.md."""
        floors = self.floors
        return {
            "sequence": self.sequence,
            "previous": None if self.previous is None else self.previous.hex(),
            "issued": self.issued,
            "releases": [leaf.hex() for leaf in self.releases],
            "floors": {
                "crl": {
                    issuer.hex(): {"number": floor.number, "time": floor.time}
                    for issuer, floor in floors.crl.items()
                },
                "tcb_evaluation": floors.tcb_evaluation,
                "minimum_tcb": {name: dict(tcb) for name, tcb in floors.minimum_tcb.items()},
            },
        }


def parse_status(predicate: Members, *, log: str) -> StatusStatement:
    """Read a status predicate about the log `log`, the statement's subject.

    Raises:
        StrictJSONError: another spelling, or a `previous` that does not fit the sequence.
    """
    sequence, previous = parse_chain(predicate)
    releases = predicate.texts("releases", limit=MAX_RELEASES, length=64)
    status = StatusStatement(
        log=log,
        sequence=sequence,
        previous=previous,
        issued=predicate.integer("issued"),
        releases=tuple(_hash(leaf, predicate) for leaf in releases),
        floors=parse_floors(predicate.child("floors")),
    )
    predicate.end()
    return status


def parse_chain(predicate: Members) -> tuple[int, bytes | None]:
    """Read `sequence` and `previous`, which is null at sequence 0 and nowhere else."""
    sequence = predicate.integer("sequence")
    previous = predicate.hex_or_null("previous", size=32)
    if (sequence == 0) != (previous is None):
        raise StrictJSONError(f"{predicate.name}.previous: null belongs to sequence 0 alone")
    return sequence, previous


def parse_floors(members: Members) -> Floors:
    """Read floors.

    Raises:
        StrictJSONError: another spelling.
    """
    crl, minimum = members.child("crl"), members.child("minimum_tcb")
    floors = Floors(
        crl=dict(_issuer(crl, key) for key in _names(crl)),
        tcb_evaluation=members.integer("tcb_evaluation"),
        minimum_tcb={name: _components(minimum.child(name)) for name in _names(minimum)},
    )
    members.end()
    return floors


def _hash(text: str, members: Members) -> bytes:
    one = Members({"leaf": text}, f"{members.name}.releases")
    return one.hex("leaf", size=32)


def _issuer(members: Members, key: str) -> tuple[bytes, Floor]:
    child = members.child(key)
    floor = Floor(number=child.integer("number"), time=child.integer("time"))
    child.end()
    return Members({"issuer": key}, members.name).hex("issuer", size=32), floor


def _components(members: Members) -> dict[str, int]:
    return {name: members.integer(name, high=2**32 - 1) for name in _names(members)}


def _names(members: Members) -> list[str]:
    names = members.names()
    if len(names) > MAX_FLOORS:
        raise StrictJSONError(f"{members.name}: at most {MAX_FLOORS} members")
    return names
