"""Event logs in the TCG's form: of TPMs, and of TDX guests."""

from attestation import ccel, tcg_log
from attestation.tdx import authenticate as tdx
from tests.fakes import tcg
from tests.fuzz.target import Bytes, each, target
from tests.fuzz.vectors import published

SMALL = 2**15
"""Bytes of a log worth starting from: a fuzzer goes slowly through the longer ones."""


def tcg_logs() -> Bytes:
    banks = (tcg.SHA1, tcg.SHA256)
    yield tcg.old_record(1, tcg.ACTION, b"older form")
    yield tcg.header(banks) + tcg.record(0, bytes(4), kind=tcg.SEPARATOR, banks=banks)
    yield from ccel_logs()
    yield from (data for data in published("tpm", "event_log") if len(data) < SMALL)


def ccel_logs() -> Bytes:
    yield b""
    yield tcg.header() + tcg.record(1, b"one") + tcg.record(4, b"four") + b"\xff" * 16


@target(tcg_log.TcgLog.parse, tcg_log.replay, seeds=tcg_logs)
def tcg_event_log(data: bytes) -> None:
    """Any bytes give a TCG log, and any log its registers, or MalformedEvidenceError."""
    log = tcg_log.TcgLog.parse(data)
    each(*(lambda bank=bank: tcg_log.replay(log, bank) for bank in tcg_log.Bank))


@target(
    ccel.read_ccel,
    ccel.replay_ccel,
    ccel.ccel_events,
    ccel.append,
    tcg_log.append_text,
    tcg_log.append_event,
    tdx.replay,
    tdx.events,
    seeds=ccel_logs,
)
def ccel_event_log(data: bytes) -> None:
    """Any bytes give a TDX guest's registers, which one more event changes, or are refused."""
    registers = tdx.replay(data)
    if data:
        assert registers == ccel.replay_ccel(data)
        assert tdx.events(data) == ccel.ccel_events(data)
        assert all(0 <= event.register < ccel.RTMRS for event in ccel.ccel_events(data))
        longer = ccel.replay_ccel(ccel.append(data, 3, "one more"))
        assert [one for one in longer if longer[one] != registers[one]] == [3]
