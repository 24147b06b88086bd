"""What `audit log` tests: an id, one sentence, and what to do where it fails. docs/audit.md.

Finding ids are stable; the metrics file has no other label values.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from openpcc.audit.report import Extract, Finding, Outcome

OPERATOR = "ask the log's operator, and tell the witnesses"
SIGNERS = "ask the signers; use no release that is listed before you know why"
PROOF = "tell everybody who uses the log: both statements are kept, and their signatures prove it"
AGAIN = "run it again, it goes on where it stopped; if it fails again, ask the log's operator"


@dataclass(frozen=True, kw_only=True)
class Tested:
    """One thing that is tested; `remedy` is empty where it is only counted."""

    text: str
    remedy: str = ""


TESTS: Mapping[str, Tested] = {
    "log.served": Tested(
        text="the log served every file that was asked for, in time and within its size",
        remedy=AGAIN,
    ),
    "log.checkpoint": Tested(
        text="the newest checkpoint is signed by the log that the policy names",
        remedy=f"see whether the policy is for this log; then {OPERATOR}",
    ),
    "log.quorum": Tested(
        text="witnesses of as many operators as the policy asks for cosigned it",
        remedy="see whether the policy's witnesses are current; then ask the log's operator which "
        "witnesses are missing",
    ),
    "log.operators": Tested(text="operators whose witnesses cosigned it, of those in the policy"),
    "log.checkpoint-age": Tested(
        text="the newest checkpoint is no older than two windows of service entries",
        remedy=f"see whether this machine's clock is right; then {OPERATOR}",
    ),
    "log.clock": Tested(
        text="this machine's clock is not more than 5 min behind the witnesses",
        remedy="set the clock",
    ),
    "log.rollback": Tested(
        text="the log has no fewer entries than it was seen to have", remedy=OPERATOR
    ),
    "log.split-view": Tested(
        text="the newest checkpoint is proved to be of the history that was seen before",
        remedy=PROOF,
    ),
    "log.proved": Tested(
        text="every entry is proved to be the one that the checkpoint commits to",
        remedy=f"the files are not those of the log: read them elsewhere with --log, or {OPERATOR}",
    ),
    "log.malformed": Tested(text="entries that are no entry of a known kind; anybody may submit"),
    "log.unsigned": Tested(
        text="entries that too few of the policy's signers have signed; anybody may submit"
    ),
    "log.foreign": Tested(
        text="signed entries about other logs, of more services than are followed, and "
        "announcements of others' keys"
    ),
    "log.repeated": Tested(text="entries that repeat a statement; they say nothing new"),
    "log.restarted": Tested(text="entries judged anew, because the policy changed"),
    "log.equivocation": Tested(text="no two statements have one number in a chain", remedy=PROOF),
    "log.chain-gap": Tested(
        text="no number is missing in a chain of statuses or service entries",
        remedy="ask its signers for what they signed and did not log; --since leaves out what "
        "they have explained",
    ),
    "log.chain-link": Tested(
        text="every entry of a chain names the one before it",
        remedy="ask its signers what they saw before it; --since leaves out what they explained",
    ),
    "log.chain-late": Tested(
        text="no entry of a chain came after one with a higher number",
        remedy="ask its signers who held it back; --since leaves out what they have explained",
    ),
    "log.rotation": Tested(
        text="the policy lists no keys whose announced successors have taken over",
        remedy="take the new keys into the policy: openpcc policy rotate",
    ),
    "log.status-age": Tested(
        text="the newest status is not from the future and no older than 2 h",
        remedy=f"clients refuse every node now; {SIGNERS}",
    ),
    "log.release-logged": Tested(
        text="every listed release is in the log, signed by the release signers", remedy=SIGNERS
    ),
    "log.release-expired": Tested(
        text="no listed release has expired", remedy="ask the signers for a status without it"
    ),
    "log.release-revoked": Tested(
        text="no listed release was taken off the list before", remedy=SIGNERS
    ),
    "log.release-provenance": Tested(
        text="every listed release has the build provenance that the policy asks for",
        remedy="ask for the Sigstore bundle of the release, and name it with --provenance",
    ),
    "log.service-lapsed": Tested(
        text="the newest entry of the policy's service is valid now",
        remedy="clients find no nodes now; ask the operator of the service",
    ),
}


def passed(name: str, actual: str | None = None) -> Finding:
    """Note a test that passed."""
    return Finding(id=name, outcome=Outcome.PASS, text=TESTS[name].text, actual=actual)


def failed(
    name: str, actual: str, *, expected: str | None = None, extracts: tuple[Extract, ...] = ()
) -> Finding:
    """Note a test that failed."""
    test = TESTS[name]
    return Finding(
        id=name,
        outcome=Outcome.FAIL,
        text=test.text,
        expected=expected,
        actual=actual,
        remedy=test.remedy,
        extracts=extracts,
    )


def skipped(name: str, why: str, *, required: bool = True) -> Finding:
    """Note a test that could not be done."""
    return Finding(
        id=name, outcome=Outcome.SKIP, text=TESTS[name].text, actual=why, required=required
    )


def skipped_all(names: Iterable[str], why: str) -> tuple[Finding, ...]:
    """Note tests that could not be done, all for one reason."""
    return tuple(skipped(name, why) for name in names)


def told(name: str, actual: str) -> Finding:
    """Note what is only reported."""
    return Finding(id=name, outcome=Outcome.INFO, text=TESTS[name].text, actual=actual)


def judged(name: str, wrong: str, *, actual: str | None = None) -> Finding:
    """Note a test by what is wrong; nothing: it passed."""
    return failed(name, wrong) if wrong else passed(name, actual)
