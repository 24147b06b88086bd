"""The attestation result: what `--json` prints and every refusal carries. docs/formats.md, 8.

The verdict is not stored: it follows from the checks, by the one rule of `checks.refusing`. A
report says what was found; it is not itself a reason to trust anybody.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from attestation.checks import (
    CHECKS,
    NOT_OF_A_BUNDLE,
    OF_A_DEVICE,
    OF_A_QUOTE,
    OF_A_RELEASE,
    OF_A_RIM,
    OF_A_TPM,
    ONLY_WHERE_ASKED,
    Check,
    Checks,
    Outcome,
    refusing,
)
from attestation.errors import MalformedEvidenceError
from attestation.evidence import PLATFORMS, SIMULATED_PLATFORMS
from attestation.policy import MACHINE_SIZES
from attestation.strict_json import Members, StrictJSONError, parse_object

__all__ = ["CHECKS", "Check", "Checks", "Outcome", "Report", "Scope", "Verdict"]

UNKNOWN_PLATFORM = "unknown"
"""Platform of a report on bytes that are no bundle."""

MAX_REPORT = 2**17
"""Bytes of a report: 40 checks of at most two short texts come to 30 KiB."""

MAX_REGION = 256
"""Characters of an asserted region."""


class Scope(StrEnum):
    """How much was judged; what lies outside stands as SKIP and is not required.

    Only a report on a node says that something may be sealed to it.
    """

    NODE = "node"
    """A node of a service, with everything the client knows: all checks."""
    BUNDLE = "bundle"
    """A bundle alone: not its place in a directory, nor whether its release is still listed."""
    PARTS = "parts"
    """A quote with its endorsements: steps 2, 8 and 9 as far as these show."""
    DEVICE = "device"
    """One device's report with chain, RIMs and answers: not its nonce, nor whose machine it is in.
    """
    RIM = "rim"
    """A RIM alone: that the vendor made it and stands by it."""
    TPM = "tpm"
    """A TPM's quote with the certificates of its AK: nothing about the hardware below."""
    RELEASE = "release"
    """A release's log entry with its proof; with a status entry, whether it is still listed."""


OUTSIDE: Mapping[Scope, frozenset[str]] = {
    Scope.NODE: frozenset(),
    Scope.BUNDLE: NOT_OF_A_BUNDLE,
    Scope.PARTS: frozenset(CHECKS) - frozenset(OF_A_QUOTE),
    Scope.DEVICE: frozenset(CHECKS) - frozenset(OF_A_DEVICE),
    Scope.RIM: frozenset(CHECKS) - frozenset(OF_A_RIM),
    Scope.TPM: frozenset(CHECKS) - frozenset(OF_A_TPM),
    Scope.RELEASE: (frozenset(CHECKS) - frozenset(OF_A_RELEASE)) | NOT_OF_A_BUNDLE,
}
"""What each scope does not judge."""

KINDS: Mapping[Scope, str] = {
    Scope.DEVICE: "nvidia",
    Scope.RIM: "nvidia",
    Scope.TPM: "tpm",
    Scope.RELEASE: "release",
}
"""Scopes of what belongs to no platform, and what stands in the platform's place."""


class Verdict(StrEnum):
    """What the checks come to, within the scope."""

    ACCEPTED = "accepted"
    REFUSED = "refused"


@dataclass(frozen=True, kw_only=True)
class Report:
    """What was tested of one bundle, and how it ended.

    Attributes:
        platform: as the bundle claims; `UNKNOWN_PLATFORM` if it did not parse; of evidence that
            belongs to no platform its kind, see `KINDS`.
        at: the time it was judged at, Unix seconds.
        scope: see `Scope`.
        simulated: whether no vendor vouches for the machine, so that it protects nothing: on a
            simulated platform always, on others where the policy pins a root of its own.
        checks: in the order of the table; one that is missing counts as skipped.
        expires: Unix seconds until which an acceptance holds; None if refused.
        machine: the platform's machine id; None if it names none, or could not be read.
        release: leaf hash of the release entry; None if it could not be read.
        region: as asserted; None if nobody does.
    """

    platform: str
    at: int
    checks: tuple[Check, ...]
    scope: Scope = Scope.NODE
    simulated: bool = False
    expires: int | None = None
    machine: bytes | None = None
    release: bytes | None = None
    region: str | None = None

    def __post_init__(self) -> None:
        if self.platform in SIMULATED_PLATFORMS:
            object.__setattr__(self, "simulated", True)

    @property
    def failed(self) -> tuple[Check, ...]:
        """Give every check that refuses, failures before what could not be judged.

        A report that was read says of each check whether it was required; only for those that may
        be without a test, or lie outside the scope, is that believed.
        """
        # Of a device's own evidence its checks are asked, whatever releases have.
        own = self.scope in KINDS and self.scope is not Scope.RELEASE
        unasked = frozenset() if own else ONLY_WHERE_ASKED
        free = unasked | OUTSIDE[self.scope]
        judged = (one if one.id in free else _required(one) for one in self.checks)
        return refusing(judged, CHECKS)

    @property
    def verdict(self) -> Verdict:
        """Say what the checks come to."""
        return Verdict.REFUSED if self.failed else Verdict.ACCEPTED

    def to_json(self) -> dict[str, object]:
        """Write the document's members, in the order of docs/formats.md."""
        return {
            "version": 1,
            "verdict": self.verdict.value,
            "scope": self.scope.value,
            "platform": self.platform,
            "simulated": self.simulated,
            "at": self.at,
            "expires": self.expires,
            "machine": None if self.machine is None else self.machine.hex(),
            "release": None if self.release is None else self.release.hex(),
            "region": self.region,
            "checks": [_check_json(check) for check in self.checks],
        }

    @classmethod
    def parse(cls, data: bytes) -> "Report":
        """Read a report.

        Raises:
            MalformedEvidenceError: another spelling, or a verdict that its checks do not give.
        """
        try:
            return _read(parse_object(data, limit=MAX_REPORT, name="report"))
        except StrictJSONError as error:
            raise MalformedEvidenceError(str(error)) from error


def _required(check: Check) -> Check:
    return replace(check, required=True) if check.outcome is Outcome.SKIP else check


def _check_json(check: Check) -> dict[str, object]:
    return {
        "id": check.id,
        "step": check.step,
        "outcome": check.outcome.value,
        "required": check.required,
        "text": check.text,
        "expected": check.expected,
        "actual": check.actual,
    }


def _read(members: Members) -> Report:
    members.integer("version", low=1, high=1)
    verdict = members.choice("verdict", frozenset(Verdict))
    simulated = members.boolean("simulated")
    report = Report(
        platform=members.choice(
            "platform", frozenset({*PLATFORMS, UNKNOWN_PLATFORM, *KINDS.values()})
        ),
        at=members.integer("at"),
        scope=Scope(members.choice("scope", frozenset(Scope))),
        simulated=simulated,
        expires=members.integer_or_null("expires"),
        machine=_machine(members),
        release=members.hex_or_null("release", size=32),
        region=_text(members, "region", limit=MAX_REGION),
        checks=tuple(_check(one) for one in members.children("checks", limit=len(CHECKS))),
    )
    members.end()
    ids = [check.id for check in report.checks]
    if ids != [name for name in CHECKS if name in ids]:
        raise StrictJSONError("report.checks: expected each check once, in the order of the table")
    if not _fits(report.platform, report.scope):
        raise StrictJSONError("report: its scope is not that of its platform")
    if report.verdict != verdict or report.simulated != simulated:
        raise StrictJSONError("report: verdict or simulated is not what its own members give")
    return report


def _fits(platform: str, scope: Scope) -> bool:
    """Say whether what stands as platform is what a report of this scope may be about."""
    if scope in KINDS:
        return platform == KINDS[scope]
    return platform not in KINDS.values()


def _check(members: Members) -> Check:
    check = Check(
        id=members.choice("id", frozenset(CHECKS)),
        outcome=Outcome(members.choice("outcome", frozenset(Outcome))),
        required=members.boolean("required"),
        expected=_text(members, "expected"),
        actual=_text(members, "actual"),
    )
    step, text = members.integer("step"), members.text("text")
    members.end()
    if step != check.step or text != check.text:
        raise StrictJSONError(f"{members.name}: step or text is not that of {check.id}")
    return check


def _machine(members: Members) -> bytes | None:
    """Take a machine id: of one of the lengths a platform gives, or null."""
    text = members.text_or_null("machine", limit=2 * max(MACHINE_SIZES))
    if text is None:
        return None
    size = min((one for one in MACHINE_SIZES if 2 * one >= len(text)), default=max(MACHINE_SIZES))
    return Members({"machine": text}, members.name).hex("machine", size=size)


def _text(members: Members, key: str, *, limit: int = 512) -> str | None:
    text = members.text_or_null(key, limit=limit)
    if text is not None and not text.isprintable():
        raise StrictJSONError(f"{members.name}.{key}: expected printable characters")
    return text
