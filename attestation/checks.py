"""Every check of the argument, and the collector that records how each ended.

docs/formats.md, 8. `CHECKS` is the table of that section; `attestation.result` makes the report.
A check states only what was tested. What refuses is one rule, `refusing`: a FAIL, a SKIP of a
required check, an INFO of a check that judges, and a check of the table that nobody recorded. So
forgetting a check refuses. Every check is required, but for those of `ONLY_WHERE_ASKED` where there
is nothing to test, and those of `MAY_BE_OPTIONAL` that a policy names; of these alone not even a
FAIL refuses.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeVar

from attestation.errors import AppraisalError, MalformedEvidenceError, UnjudgedError, plain

CHECKS: Mapping[str, str] = {
    "1.parse": "the bundle is the one accepted spelling, within limits",
    "1.leaf": "the bundle is the one its directory leaf names: quote, binding, keys, machine",
    "2.signature": "the quote's signature verifies under the leaf key",
    "2.chain": "leaf to pinned root: names, signatures, validity, CA constraints",
    "2.identity": "the leaf certificate names the machine and version the quote names",
    "2.revocation": "CRLs are signed by their issuers and list none of the chain",
    "2.collateral": "signed TCB data is authentic, in its validity and for this machine",
    "2.tcb": "the platform's TCB status is acceptable",
    "2.recency": "revocation lists inside their validity, all endorsements younger than the "
    "policy's age",
    "2.floors": "no endorsement is below the floors or older than one accepted before",
    "3.binding": "report data equals the digest over the sections",
    "4.epoch": "not_before ≤ now < not_after",
    "4.length": "the epoch is no longer than the policy allows",
    "4.margin": "at least 120 s before not_after remain",
    "5.clock": "the local clock is not more than 5 min behind the newest witnessed time",
    "5.beacon": "the checkpoint in the evidence is signed by the log and a quorum of witnesses",
    "5.age": "the beacon is not from the future and not older than the longest epoch",
    "5.order": "the beacon's time is within 10 min of not_before",
    "5.consistency": "the beacon is consistent with the log this client knows",
    "6.count": "as many devices, of the kinds, as the release says",
    "6.authentic": "every device report and chain verifies to the pinned device root",
    "6.nonce": "every device report carries the device nonce",
    "6.measurements": "every measurement equals the signed RIM",
    "6.mode": "every device is in a confidential mode, as the agent says",
    "7.signers": "the release entry is signed by the threshold of release signers",
    "7.inclusion": "the release entry is in the log at its index",
    "7.witnesses": "the checkpoint it is proved under has a quorum of witnesses",
    "7.status": "the newest status entry lists the release",
    "7.fresh": "that status entry is at most 2 h old",
    "7.expiry": "the release has not expired",
    "7.provenance": "build provenance, where the policy asks for it",
    "8.measurement": "the launch measurement equals the release's",
    "8.eventlog": "the event log replays to the quoted registers, and these are as released",
    "8.model": "the model digests in the evidence are those of the release",
    "8.debug": "debug is off",
    "8.migration": "migration is off",
    "8.guest": "privilege level, guest policy, attributes and reserved bits are as required",
    "9.platform": "the policy accepts the platform",
    "9.tcb": "the TCB reaches the policy's and the status entry's minimum",
    "9.machine": "the machine is on the policy's list, where there is one",
    "9.model": "the model digest is on the policy's list, where there is one",
    "9.suite": "the node offers a sealing suite the policy allows",
    "9.region": "the region, as asserted (INFO)",
}
"""Every check id in order, and what was tested."""

ONLY_WHERE_ASKED = frozenset(
    {"2.collateral"}  # where the platform has any
    | {"2.floors"}  # where there is a floor, or something was accepted before
    | {"6.authentic", "6.nonce", "6.measurements", "6.mode"}  # where the release has devices
    | {"7.provenance", "9.machine", "9.model", "9.region"}  # where the policy asks
)
"""The checks that may be skipped without refusing, if there was nothing to test."""

MAY_BE_OPTIONAL = frozenset({"2.recency"})
"""The checks a policy may make optional: their FAIL is shown and does not refuse. Only what an
installation without a network may be unable to keep up; never a signature, never a list's serials.
"""

TOLD = frozenset({"9.region"})
"""The check that reports what somebody says and judges nothing; of any other, INFO refuses."""

OF_A_QUOTE = (
    *(name for name in CHECKS if name.startswith("2.")),
    *("8.debug", "8.migration", "8.guest", "9.platform", "9.tcb", "9.machine"),
)
"""The checks that a quote with its endorsements can show, without sections, release and log."""

OF_A_DEVICE = ("6.authentic", "6.measurements")
"""The checks that one device's report can show, with its chain, RIMs and OCSP answers."""

OF_A_RIM = ("6.measurements",)
"""The check that a RIM by itself can show, as far as it is about the RIM."""

OF_A_TPM = ("2.signature", "2.chain", "2.identity")
"""The checks that a TPM's quote can show, with the certificates of its AK, without hardware."""

OF_A_RELEASE = ("5.consistency", *(name for name in CHECKS if name.startswith("7.")))
"""The checks that a release's log entry can show, with its proof and a status entry."""

NOT_OF_A_BUNDLE = frozenset({"1.leaf", "5.clock", "5.consistency", "7.status", "7.fresh"})
"""The checks that a bundle alone cannot show: they need the log or the directory."""

Value = TypeVar("Value")


class Outcome(StrEnum):
    """How a check ended."""

    PASS = "PASS"  # noqa: S105 - an outcome, no password
    FAIL = "FAIL"
    SKIP = "SKIP"
    INFO = "INFO"


@dataclass(frozen=True, kw_only=True)
class Check:
    """One check of the table and how it ended.

    Attributes:
        id: `<step>.<noun>`, of `CHECKS`.
        outcome: see `Outcome`.
        required: whether a SKIP refuses, and of `MAY_BE_OPTIONAL` also a FAIL; others always do.
        expected: what would have passed; None where the text says it all.
        actual: what was found, or why the check was skipped.
    """

    id: str
    outcome: Outcome
    required: bool = True
    expected: str | None = None
    actual: str | None = None

    @property
    def step(self) -> int:
        """Give the number of the step of the argument."""
        return int(self.id.split(".", 1)[0])

    @property
    def text(self) -> str:
        """Say what was tested."""
        return CHECKS[self.id]

    @property
    def refusal(self) -> str:
        """Say how it refused: `8.debug failed: debug is off (expected off, found on)`."""
        if self.outcome is Outcome.SKIP:
            return (
                f"{self.id} could not be judged: {self.text} ({self.actual or 'no reason given'})"
            )
        if self.outcome is Outcome.INFO:
            return f"{self.id} was told and not judged: {self.text}"
        found = "" if self.actual is None else f"found {self.actual}"
        if self.expected is not None:
            found = f"expected {self.expected}, found {self.actual or 'nothing'}"
        return f"{self.id} failed: {self.text}" + (f" ({found})" if found else "")

    @property
    def refuses(self) -> bool:
        """Say whether this outcome alone refuses."""
        if self.outcome is Outcome.PASS:
            return False
        if self.outcome is Outcome.FAIL:
            return self.required or self.id not in MAY_BE_OPTIONAL
        if self.outcome is Outcome.INFO:
            return self.id not in TOLD
        return self.required  # a SKIP


PASSED: Mapping[str, Check] = {name: Check(id=name, outcome=Outcome.PASS) for name in CHECKS}
"""Every check as it is recorded when it passed: there is nothing to say about it but its name."""


class Checks:
    """Runs checks, records how each ended, and goes on.

    Args:
        optional: of `MAY_BE_OPTIONAL`: what this policy does not insist on.
        required: of `ONLY_WHERE_ASKED`: what this policy insists on, so that nothing to test
            refuses.
    """

    def __init__(
        self, *, optional: frozenset[str] = frozenset(), required: frozenset[str] = frozenset()
    ) -> None:
        if not optional <= MAY_BE_OPTIONAL or not required <= ONLY_WHERE_ASKED:
            raise ValueError("not a check that a policy decides about")
        self._optional = optional
        self._required = required
        self._done: dict[str, Check] = {}

    def run(
        self, check_id: str, test: Callable[[], Value], *, needs: Sequence[str] = ()
    ) -> Value | None:
        """Run one check: it passes if `test` returns; see `attestation.errors` for what it raises.

        Args:
            check_id: of `CHECKS`.
            test: judges one claim; what it returns is handed on.
            needs: checks that must have passed for this one to mean anything; else it is skipped.

        Returns:
            What `test` returned, or None if the check did not pass.
        """
        for other in needs:
            if not self.passed(other):
                self.skip(check_id, f"{other} did not pass")
                return None
        try:
            value = test()
        except UnjudgedError as error:
            self.skip(check_id, str(error))
        except AppraisalError as error:
            self.fail(check_id, expected=error.expected, actual=error.actual)
        except MalformedEvidenceError as error:
            self.fail(check_id, expected=None, actual=str(error))
        else:
            self._record(PASSED.get(check_id) or Check(id=check_id, outcome=Outcome.PASS))
            return value
        return None

    def fail(self, check_id: str, *, expected: str | None, actual: str | None) -> None:
        """Record a failure that was found elsewhere."""
        self._record(
            Check(
                id=check_id,
                outcome=Outcome.FAIL,
                expected=None if expected is None else plain(expected),
                actual=None if actual is None else plain(actual),
            )
        )

    def skip(self, check_id: str, because: str) -> None:
        """Record that a required check could not be judged; this refuses."""
        self._record(Check(id=check_id, outcome=Outcome.SKIP, actual=plain(because)))

    def not_asked(self, check_id: str, because: str) -> None:
        """Record that there was nothing to test; only for checks of `ONLY_WHERE_ASKED`."""
        if check_id not in ONLY_WHERE_ASKED:
            raise ValueError(f"{check_id} is asked of every bundle")
        self._record(
            Check(
                id=check_id,
                outcome=Outcome.SKIP,
                required=check_id in self._required,
                actual=plain(because),
            )
        )

    def out_of_scope(self, check_id: str, because: str) -> None:
        """Record that a check is no part of what is judged here; see `result.Scope`."""
        self._record(
            Check(id=check_id, outcome=Outcome.SKIP, required=False, actual=plain(because))
        )

    def info(self, check_id: str, actual: str) -> None:
        """Record something that is reported and judged by nobody; only for checks of `TOLD`."""
        if check_id not in TOLD:
            raise ValueError(f"{check_id} is judged, not told")
        self._record(Check(id=check_id, outcome=Outcome.INFO, required=False, actual=plain(actual)))

    def extend(self, checks: Iterable[Check]) -> None:
        """Record what others have run."""
        for check in checks:
            self._record(check)

    def passed(self, check_id: str) -> bool:
        """Say whether a check was run and passed."""
        done = self._done.get(check_id)
        return done is not None and done.outcome is Outcome.PASS

    def done(self) -> tuple[Check, ...]:
        """Give the recorded checks in the order of the table."""
        return tuple(self._done[name] for name in CHECKS if name in self._done)

    def _record(self, check: Check) -> None:
        if check.id not in CHECKS or check.id in self._done:
            raise ValueError(f"{check.id}: not a check of the table, or run twice")
        if check.required and check.id in self._optional:
            check = replace(check, required=False)
        self._done[check.id] = check


def given(value: Value | None, name: str) -> Value:
    """Give what a check judges, where it is there.

    Raises:
        UnjudgedError: it is not.
    """
    if value is None:
        raise UnjudgedError(f"there is no {name} to judge")
    return value


def readable(read: Callable[[], Value]) -> Value | None:
    """Read something that another check already reports if it is not there or bad; None then."""
    try:
        return read()
    except (AppraisalError, MalformedEvidenceError, UnjudgedError):
        return None


def refusing(checks: Iterable[Check], ids: Iterable[str]) -> tuple[Check, ...]:
    """Give those of these checks that refuse, failures first; one nobody recorded is a SKIP."""
    done = {check.id: check for check in checks}
    judged = [
        done.get(name) or Check(id=name, outcome=Outcome.SKIP, actual="was not judged")
        for name in ids
    ]
    refuses = [check for check in judged if check.refuses]
    return tuple(sorted(refuses, key=lambda check: check.outcome is Outcome.SKIP))
