"""TCB info and QE identity: what Intel says of the versions in the field. Bytes become fields.

Intel Trusted Services API, "Get TCB Info" (version 3) and "Get Quote Identity" (version 2). These
documents are Intel's and grow: members nobody here reads are passed over. Whatever is read has its
type, its range and one spelling, except that hex digits come in either case; repeated members,
fractions, deep nesting and long lists are refused. Who signed a document is for
`attestation.tdx.collateral`.

    {"id":"TDX","version":3,"issueDate":"2026-03-16T22:06:09Z","fmspc":"90c06f000000",...}
"""

import calendar
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from attestation.errors import MalformedEvidenceError
from attestation.strict_json import Members, StrictJSONError, parse_object
from attestation.tdx.endorsements import COMPONENTS
from attestation.tdx.layout import REGISTER_SIZE

MAX_DOCUMENT = 2**17
"""Bytes of a document; the longest known have 20 KB."""

MAX_LEVELS = 64
"""TCB levels of a document or module; the most known are 20."""

MAX_MODULES = 64
"""TDX module identities; one per major version."""

MAX_ADVISORIES = 256
"""Advisories of a level; a machine of some years collects dozens."""

MAX_EVALUATION = 2**31 - 1
"""Highest tcbEvaluationDataNumber; Intel counts them up a few times a year."""

STATUSES = (
    "UpToDate",
    "SWHardeningNeeded",
    "ConfigurationNeeded",
    "ConfigurationAndSWHardeningNeeded",
    "OutOfDate",
    "OutOfDateConfigurationNeeded",
    "Revoked",
)
"""What Intel calls a TCB level, best first."""

_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z", re.ASCII)

Document = TypeVar("Document")


@dataclass(frozen=True, kw_only=True)
class Level:
    """What is common to every TCB level.

    Attributes:
        status: one of `STATUSES`.
        date: what was fixed up to this day is fixed in this level.
        advisory_ids: what is not fixed in it.
    """

    status: str
    date: str
    advisory_ids: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class PlatformLevel(Level):
    """A level of a platform: the lowest versions that reach it; those of TDX only for TDX."""

    components: tuple[int, ...]
    pcesvn: int
    tdx_components: tuple[int, ...] | None


@dataclass(frozen=True, kw_only=True)
class IsvLevel(Level):
    """A level of an enclave or module: the lowest SVN that reaches it."""

    isv_svn: int


@dataclass(frozen=True, kw_only=True)
class ModuleIdentity:
    """Which TDX module of one major version is Intel's.

    Attributes:
        id: `TDX_` and two hex digits, in upper case.
        attributes: of the module, where `attributes_mask` has ones.
    """

    id: str
    mr_signer: bytes
    attributes: bytes
    attributes_mask: bytes
    levels: tuple[IsvLevel, ...]


@dataclass(frozen=True, kw_only=True)
class Issued:
    """What is common to both documents.

    Attributes:
        id: what it speaks of: `TDX` or `SGX`; `TD_QE` or `QE`.
        issue_date: Unix seconds.
        next_update: Unix seconds; after it the document says nothing.
        evaluation: tcbEvaluationDataNumber: how much Intel knew.
    """

    id: str
    issue_date: int
    next_update: int
    evaluation: int

    @property
    def newness(self) -> tuple[int, int]:
        """Order documents about one subject: by what Intel knew, then by when it said so."""
        return self.evaluation, self.issue_date


@dataclass(frozen=True, kw_only=True)
class TcbInfo(Issued):
    """TCB levels of one kind of machine, best first."""

    fmspc: bytes
    pce_id: bytes
    levels: tuple[PlatformLevel, ...]
    modules: tuple[ModuleIdentity, ...]

    @classmethod
    def parse(cls, data: bytes) -> "TcbInfo":
        """Read a TCB info. Raises: MalformedEvidenceError."""
        return _document(data, "TCB info", _tcb_info)


@dataclass(frozen=True, kw_only=True)
class QeIdentity(Issued):
    """Which quoting enclave is Intel's; under a mask, bits count where it has ones."""

    misc_select: bytes
    misc_select_mask: bytes
    attributes: bytes
    attributes_mask: bytes
    mr_signer: bytes
    isv_prod_id: int
    levels: tuple[IsvLevel, ...]

    @classmethod
    def parse(cls, data: bytes) -> "QeIdentity":
        """Read a QE identity. Raises: MalformedEvidenceError."""
        return _document(data, "QE identity", _qe_identity)


def _document(data: bytes, name: str, read: Callable[[Members], Document]) -> Document:
    try:
        return read(parse_object(data, limit=MAX_DOCUMENT, name=name))
    except StrictJSONError as error:
        raise MalformedEvidenceError(str(error)) from error


def _tcb_info(members: Members) -> TcbInfo:
    members.integer("version", low=3, high=3)
    members.integer("tcbType", high=0)
    kind = members.choice("id", frozenset({"TDX", "SGX"}))
    modules = "tdxModuleIdentities"
    return TcbInfo(
        id=kind,
        issue_date=_unix(members, "issueDate"),
        next_update=_unix(members, "nextUpdate"),
        evaluation=members.integer("tcbEvaluationDataNumber", high=MAX_EVALUATION),
        fmspc=_hex(members, "fmspc", 6),
        pce_id=_hex(members, "pceId", 2),
        levels=tuple(
            _platform_level(one, tdx=kind == "TDX")
            for one in members.children("tcbLevels", limit=MAX_LEVELS)
        ),
        modules=tuple(
            _module(one)
            for one in (members.children(modules, limit=MAX_MODULES) if modules in members else ())
        ),
    )


def _qe_identity(members: Members) -> QeIdentity:
    members.integer("version", low=2, high=2)
    return QeIdentity(
        id=members.choice("id", frozenset({"TD_QE", "QE"})),
        issue_date=_unix(members, "issueDate"),
        next_update=_unix(members, "nextUpdate"),
        evaluation=members.integer("tcbEvaluationDataNumber", high=MAX_EVALUATION),
        misc_select=_hex(members, "miscselect", 4),
        misc_select_mask=_hex(members, "miscselectMask", 4),
        attributes=_hex(members, "attributes", 16),
        attributes_mask=_hex(members, "attributesMask", 16),
        mr_signer=_hex(members, "mrsigner", 32),
        isv_prod_id=members.integer("isvprodid", high=0xFFFF),
        levels=_isv_levels(members),
    )


def _module(members: Members) -> ModuleIdentity:
    name = members.text("id", limit=16).upper()
    if not re.fullmatch(r"TDX_[0-9A-F]{2}", name, re.ASCII):
        raise StrictJSONError(f"{members.name}.id: expected TDX_ and two hex digits")
    return ModuleIdentity(
        id=name,
        mr_signer=_hex(members, "mrsigner", REGISTER_SIZE),
        attributes=_hex(members, "attributes", 8),
        attributes_mask=_hex(members, "attributesMask", 8),
        levels=_isv_levels(members),
    )


def _platform_level(members: Members, *, tdx: bool) -> PlatformLevel:
    tcb = members.child("tcb")
    return PlatformLevel(
        status=members.choice("tcbStatus", frozenset(STATUSES)),
        date=_time(members, "tcbDate"),
        advisory_ids=_advisories(members),
        components=_svns(tcb, "sgxtcbcomponents"),
        pcesvn=tcb.integer("pcesvn", high=0xFFFF),
        tdx_components=_svns(tcb, "tdxtcbcomponents") if tdx else None,
    )


def _isv_levels(members: Members) -> tuple[IsvLevel, ...]:
    return tuple(
        IsvLevel(
            status=one.choice("tcbStatus", frozenset(STATUSES)),
            date=_time(one, "tcbDate"),
            advisory_ids=_advisories(one),
            isv_svn=one.child("tcb").integer("isvsvn", high=0xFFFF),
        )
        for one in members.children("tcbLevels", limit=MAX_LEVELS)
    )


def _svns(members: Members, key: str) -> tuple[int, ...]:
    found = members.children(key, limit=COMPONENTS)
    if len(found) != COMPONENTS:
        raise StrictJSONError(f"{members.name}.{key}: expected {COMPONENTS} components")
    return tuple(one.integer("svn", high=0xFF) for one in found)


def _advisories(members: Members) -> tuple[str, ...]:
    if "advisoryIDs" not in members:
        return ()
    return tuple(sorted(members.texts("advisoryIDs", limit=MAX_ADVISORIES, length=64)))


def _hex(members: Members, key: str, size: int) -> bytes:
    text = members.text(key, limit=2 * size)
    if not re.fullmatch(rf"[0-9A-Fa-f]{{{2 * size}}}", text, re.ASCII):
        raise StrictJSONError(f"{members.name}.{key}: expected {2 * size} hex digits")
    return bytes.fromhex(text)


def _time(members: Members, key: str) -> str:
    text = members.text(key, limit=20)
    if not _TIME.fullmatch(text):
        raise StrictJSONError(f"{members.name}.{key}: expected a time like 2026-03-16T22:06:09Z")
    return text


def _unix(members: Members, key: str) -> int:
    try:
        return calendar.timegm(time.strptime(_time(members, key), "%Y-%m-%dT%H:%M:%SZ"))
    except ValueError as error:
        raise StrictJSONError(f"{members.name}.{key}: is no time") from error
