"""The attestation result: what `--json` prints and every refusal carries. docs/formats.md, 8.

The verdict is not stored: it follows from the checks, by the one rule of `checks.refusing`. A
report says what was found; it is not itself a reason to trust anybody.
"""

from dataclasses import dataclass
from enum import StrEnum

from attestation.checks import CHECKS, Check, Checks, Outcome, refusing
from attestation.errors import MalformedEvidenceError
from attestation.evidence import PLATFORMS, SIMULATED_PLATFORMS
from attestation.strict_json import Members, StrictJSONError, parse_object

__all__ = ["CHECKS", "Check", "Checks", "Outcome", "Report", "Verdict"]

UNKNOWN_PLATFORM = "unknown"
"""Platform of a report on bytes that are no bundle."""

MAX_REPORT = 2**17
"""Bytes of a report: 40 checks of at most two short texts come to 30 KiB."""

MAX_REGION = 256
"""Characters of an asserted region."""


class Verdict(StrEnum):
    """What the checks come to."""

    ACCEPTED = "accepted"
    REFUSED = "refused"


@dataclass(frozen=True, kw_only=True)
class Report:
    """What was tested of one bundle, and how it ended.

    Attributes:
        platform: as the bundle claims; `UNKNOWN_PLATFORM` if it did not parse.
        at: the time it was judged at, Unix seconds.
        checks: in the order of the table; one that is missing counts as skipped.
        expires: Unix seconds until which an acceptance holds; None if refused.
        machine: the platform's machine id; None if it names none, or could not be read.
        release: leaf hash of the release entry; None if it could not be read.
        region: as asserted; None if nobody does.
    """

    platform: str
    at: int
    checks: tuple[Check, ...]
    expires: int | None = None
    machine: bytes | None = None
    release: bytes | None = None
    region: str | None = None

    @property
    def simulated(self) -> bool:
        """Say whether the platform is simulated, and so protects nothing."""
        return self.platform in SIMULATED_PLATFORMS

    @property
    def failed(self) -> tuple[Check, ...]:
        """Give every check that refuses, failures before what could not be judged."""
        return refusing(self.checks, CHECKS)

    @property
    def verdict(self) -> Verdict:
        """Say what the checks come to."""
        return Verdict.REFUSED if self.failed else Verdict.ACCEPTED

    def to_json(self) -> dict[str, object]:
        """Write the document's members, in the order of docs/formats.md."""
        return {
            "version": 1,
            "verdict": self.verdict.value,
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
        platform=members.choice("platform", frozenset({*PLATFORMS, UNKNOWN_PLATFORM})),
        at=members.integer("at"),
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
    if report.verdict != verdict or report.simulated != simulated:
        raise StrictJSONError("report: verdict or simulated is not what its own members give")
    return report


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
    """Take a machine id: 32 bytes on the simulated platform, 64 on SEV-SNP, null on others."""
    text = members.text_or_null("machine", limit=128)
    if text is None:
        return None
    return Members({"machine": text}, members.name).hex(
        "machine", size=64 if len(text) > 64 else 32
    )


def _text(members: Members, key: str, *, limit: int = 512) -> str | None:
    text = members.text_or_null(key, limit=limit)
    if text is not None and not text.isprintable():
        raise StrictJSONError(f"{members.name}.{key}: expected printable characters")
    return text
