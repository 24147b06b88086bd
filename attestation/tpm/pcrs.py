"""PCRs as registers: which of them a quote must have, and what a log leads to.

TCG PC Client Platform TPM Profile, section 4.6: a PCR begins with zeros, but for 17 to 22, which
begin with all bits set and wait for a dynamic launch.
"""

from collections.abc import Iterator, Mapping

from attestation.claims import Fault
from attestation.errors import MalformedEvidenceError
from attestation.eventlog import Event
from attestation.tcg_log import Bank, TcgLog, replay
from attestation.tpm.evidence import PCRS, Attest, Pcrs, Selection

BANK = Bank.SHA384
"""The bank whose PCRs are registers."""

DYNAMIC = frozenset(range(17, 23))
"""PCRs of dynamic launches, which no guest of ours makes."""

STATIC = tuple(pcr for pcr in range(PCRS) if pcr not in DYNAMIC)
"""The others."""

NEVER_LAUNCHED = b"\xff" * BANK.size
"""A PCR of `DYNAMIC` that nothing was measured into."""

ALL = Selection.of(BANK, tuple(range(PCRS)))
"""What a quote selects, and all it selects."""


def registers(pcrs: Pcrs) -> Mapping[int, bytes]:
    """Give the registers that PCR values claim: those of the bank, but for dynamic untouched ones.

    A dynamic PCR that was touched is a claim, which no log of ours leads to.
    """
    return {
        pcr: value
        for pcr, value in pcrs.get(BANK, {}).items()
        if pcr not in DYNAMIC or value != NEVER_LAUNCHED
    }


def selection_faults(attest: Attest) -> Iterator[Fault]:
    """Give what 8.guest refuses about a selection: a PCR that is not quoted may hold anything."""
    if attest.selections != (ALL,):
        yield Fault(
            claim="PCR selection",
            expected=f"all {PCRS} PCRs of {BANK.name}, and no other selection",
            actual=", ".join(map(_named, attest.selections)) or "none",
        )


def pcr_events(event_log: bytes) -> tuple[Event, ...]:
    """Give what extended PCRs of the bank, in order. Raises: see `replay_pcrs`."""
    replay_pcrs(event_log)
    return TcgLog.parse(event_log).of_bank(BANK)


def replay_pcrs(event_log: bytes) -> Mapping[int, bytes]:
    """Give every PCR of the bank after a log, but for dynamic ones; no log touches none.

    Raises:
        MalformedEvidenceError: no whole log of the newer form with this bank, or one that measures
            without it or into a register that is no static PCR.
    """
    untouched = dict.fromkeys(STATIC, bytes(BANK.size))
    if not event_log:
        return untouched
    log = TcgLog.parse(event_log)
    if log.legacy or BANK not in log.banks or not log.complete:
        raise MalformedEvidenceError(f"event log: not a whole TCG log with {BANK.name}")
    for event in log.events:
        if event.extends and (event.register not in STATIC or BANK not in event.digests):
            raise MalformedEvidenceError(
                f"event log: register {event.register} is no static PCR, or lacks {BANK.name}"
            )
    return {**untouched, **replay(log, BANK)}


def _named(selection: Selection) -> str:
    numbers = " ".join(map(str, selection.pcrs))
    return f"algorithm {selection.algorithm:#06x} PCRs {numbers or 'none'}"
