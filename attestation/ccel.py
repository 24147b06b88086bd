"""The event log of a TDX guest: the TCG's form, found by the ACPI table CCEL.

UEFI 2.10, section 38.4: register 0 of the log is MRTD, 1 to 4 are RTMR0 to RTMR3. Firmware, loader
and kernel write to the first three; RTMR3 is free for what runs on top, and takes what our agent
measures: `append` puts it behind the firmware's records in the same form, so that one log replays
to all four registers.
"""

from collections.abc import Mapping
from dataclasses import replace

from attestation.errors import AttesterError, MalformedEvidenceError
from attestation.eventlog import UNTOUCHED, Event
from attestation.tcg_log import Bank, TcgLog, append_text, replay

RTMRS = 4
"""Registers that a guest can extend."""


def replay_ccel(data: bytes) -> Mapping[int, bytes]:
    """Give RTMR0 to RTMR3 after a log, by their numbers; of no log, nothing.

    A guest without a log so agrees with no quote of a TDX guest, but with one of a platform that
    has no registers.

    Raises:
        MalformedEvidenceError: see `read_ccel`.
    """
    if not data:
        return {}
    registers = replay(read_ccel(data), Bank.SHA384)
    return {number: registers.get(number + 1, UNTOUCHED) for number in range(RTMRS)}


def ccel_events(data: bytes) -> tuple[Event, ...]:
    """Give what extended the RTMRs, in order, by their numbers. Raises: see `read_ccel`."""
    return tuple(
        replace(event, register=event.register - 1)
        for event in read_ccel(data).of_bank(Bank.SHA384)
    )


def read_ccel(data: bytes) -> TcgLog:
    """Read a log that can be one of a TDX guest.

    Raises:
        MalformedEvidenceError: no log of the newer form, cut, or a measurement without SHA-384 or
            into a register that is no RTMR. MRTD is such a register: the TDX module closes it
            before the guest's first instruction, so no record of it is true.
    """
    log = TcgLog.parse(data)
    if log.legacy or Bank.SHA384 not in log.banks or not log.complete:
        raise MalformedEvidenceError("event log: not a whole TCG log with SHA-384")
    for event in log.events:
        if event.extends and not 1 <= event.register <= RTMRS:
            raise MalformedEvidenceError(f"event log: register {event.register} is no RTMR")
        if event.extends and Bank.SHA384 not in event.digests:
            raise MalformedEvidenceError("event log: a measurement without SHA-384")
    return log


def append(data: bytes, register: int, text: str) -> bytes:
    """Give the log with one more event: SHA-384 of a text, extended into RTMR `register`.

    Room behind the last record is left out. No bytes are a log without events.

    Raises:
        MalformedEvidenceError: see `read_ccel`.
        AttesterError: a text or register that no log can have, or a log that is full.
    """
    if not 0 <= register < RTMRS:
        raise AttesterError(f"RTMR{register}: expected 0 to {RTMRS - 1}")
    if data:
        read_ccel(data)
    return append_text(data, register + 1, text)
