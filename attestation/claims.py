"""The seam between the verifier and a platform: what a platform folder takes and gives.

The verifier judges claims and knows no quote format; a platform's `authenticate.py` knows one
format and judges nothing of the later steps. Each platform module satisfies `Platform`, each module
for devices `DeviceFamily`; `verifier.PLATFORMS` and `devices.FAMILIES` name them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from attestation.checks import Checks
from attestation.eventlog import Event
from attestation.evidence import DeviceEvidence, Endorsement
from attestation.policy import AppraisalPolicy, Floors, Mark, NewestAccepted


@dataclass(frozen=True, kw_only=True)
class Context:
    """Everything a platform judges against; nothing else may decide.

    Attributes:
        now: Unix seconds.
        endorsements: as stapled, unchecked.
        policy: of this relying party; pins the roots that are not published vendor roots.
        floors: of the newest status entry.
        newest: what this client accepted before.
    """

    now: int
    endorsements: tuple[Endorsement, ...]
    policy: AppraisalPolicy
    floors: Floors
    newest: NewestAccepted


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One thing about the guest that is not as the platform's rules ask."""

    claim: str
    expected: str
    actual: str


@dataclass(frozen=True, kw_only=True)
class Ground:
    """The very bytes behind a check, for whoever wants to look for themselves.

    Attributes:
        check: id of the check.
        part: name of what the bytes are in, as `report`, `certificate 0`, `collateral tcb_info`.
        offset: of the first byte, in that part.
        size: bytes.
        field: name of the field.
        value: the bytes.
    """

    check: str
    part: str
    offset: int
    size: int
    field: str
    value: bytes


@dataclass(frozen=True, kw_only=True)
class QuoteClaims:
    """What a quote says, in words every platform shares; true only if every check of step 2 passed.

    Attributes:
        report_data: what the guest asked to be signed.
        measurement: launch measurement.
        registers: index to value, of all registers the quote covers.
        machine: id of the physical machine; None where the platform names none.
        tcb: component to version.
        line: product line, where versions of one platform's lines are not of one kind; else empty.
        faults: what 8.guest refuses; nothing where the guest runs as it must.
    """

    report_data: bytes
    measurement: bytes
    registers: Mapping[int, bytes]
    debug: bool
    migratable: bool
    machine: bytes | None
    tcb: Mapping[str, int]
    line: str = ""
    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True, kw_only=True)
class QuoteAppraisal:
    """What step 2 found.

    Attributes:
        claims: None if the quote does not parse.
        expires: last second at which chain and endorsements hold; None unless they do.
        marks: how new the endorsements are that were signed by a pinned vendor and recent.
    """

    claims: QuoteClaims | None = None
    expires: int | None = None
    marks: Mapping[bytes, Mark] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class DeviceClaims:
    """What a device report says; true only if 6.authentic passed.

    Attributes:
        identity: SHA-256 of the key that signs its reports; one per device.
        nonce: what the report was asked with.
        measurements: block index to value.
    """

    identity: bytes
    nonce: bytes
    measurements: Mapping[int, bytes]


@dataclass(frozen=True, kw_only=True)
class DeviceAppraisal:
    """What holds for a device, or for its RIMs: until when, and on which lists or answers."""

    expires: int
    marks: Mapping[bytes, Mark] = field(default_factory=dict)


class Platform(Protocol):
    """What a platform's `authenticate` module offers."""

    def authenticate(self, quote: bytes, context: Context, checks: Checks) -> QuoteAppraisal:
        """Judge step 2, recording each of its checks."""
        ...

    def report_data(self, binding: bytes) -> bytes:
        """Give the report data that a quote over this binding carries."""
        ...

    def explain(self, quote: bytes, context: Context) -> tuple[Ground, ...]:
        """Give the bytes behind the checks; what does not parse has none."""
        ...

    def replay(self, event_log: bytes) -> Mapping[int, bytes]:
        """Give the registers that this event log leads to. Raises: MalformedEvidenceError."""
        ...

    def events(self, event_log: bytes) -> tuple[Event, ...]:
        """Give what extended registers, in order. Raises: MalformedEvidenceError."""
        ...


class DeviceFamily(Protocol):
    """What a module for devices offers."""

    def read_device(self, device: DeviceEvidence) -> DeviceClaims:
        """Read a report, trusting nothing. Raises: MalformedEvidenceError."""
        ...

    def authenticate_device(self, device: DeviceEvidence, context: Context) -> DeviceAppraisal:
        """Judge signature, chain and revocation. Raises: AppraisalError."""
        ...

    def appraise_measurements(
        self, device: DeviceEvidence, claims: DeviceClaims, context: Context
    ) -> DeviceAppraisal:
        """Judge the measurements; give what holds for the RIMs. Raises: AppraisalError."""
        ...
