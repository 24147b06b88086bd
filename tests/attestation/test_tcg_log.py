"""A TCG log gives its records and their replay, and ends where firmware stopped writing."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attestation.errors import MalformedEvidenceError
from attestation.eventlog import MAX_EVENTS
from attestation.sections import MAX_EVENT_LOG
from attestation.tcg_log import Bank, TcgLog, replay
from tests.fakes import tcg

TWO = (tcg.SHA1, tcg.SHA256)
LOG = tcg.header(TWO) + tcg.record(1, b"one", banks=TWO) + tcg.record(7, b"two", banks=TWO)


def test_gives_every_record():
    log = TcgLog.parse(LOG)
    assert [(event.register, event.data) for event in log.events] == [(1, b"one"), (7, b"two")]
    assert dict(log.banks) == {4: 20, 11: 32}
    assert log.complete
    assert log.end == len(LOG)
    assert not log.legacy


@pytest.mark.parametrize("bank", [Bank.SHA1, Bank.SHA256, Bank.SHA384, Bank.SHA512])
def test_replays_each_bank_with_its_own_hash(bank: Bank):
    log = tcg.header((bank,)) + tcg.record(2, b"one", banks=(bank,))
    log += tcg.record(2, b"two", banks=(bank,)) + tcg.record(5, b"three", banks=(bank,))
    name = tcg.NAMES[bank]
    assert replay(TcgLog.parse(log), bank) == {
        2: tcg.replayed(name, b"one", b"two"),
        5: tcg.replayed(name, b"three"),
    }


def test_what_only_tells_extends_nothing():
    log = TcgLog.parse(LOG + tcg.record(1, b"told", kind=tcg.NO_ACTION, banks=TWO))
    assert replay(log, Bank.SHA256) == replay(TcgLog.parse(LOG), Bank.SHA256)
    assert [event.data for event in log.of_bank(Bank.SHA256)] == [b"one", b"two"]


def test_the_startup_locality_is_where_pcr_0_begins():
    told = tcg.record(0, tcg.LOCALITY + b"\x03", kind=tcg.NO_ACTION)
    log = TcgLog.parse(tcg.header() + told + tcg.record(0, b"one"))
    start = bytes(47) + b"\x03"
    assert replay(log, Bank.SHA384) == {0: tcg.replayed("sha384", b"one", start=start)}
    late = TcgLog.parse(tcg.header() + tcg.record(0, b"one") + told)
    with pytest.raises(MalformedEvidenceError, match="locality"):
        replay(late, Bank.SHA384)


@pytest.mark.parametrize(
    ("register", "kind", "data"),
    [
        (1, tcg.NO_ACTION, tcg.LOCALITY + b"\x03"),
        (0, tcg.NO_ACTION, tcg.LOCALITY),
        (0, tcg.NO_ACTION, tcg.LOCALITY + b"\x03\x00"),
    ],
)
def test_nothing_else_tells_a_startup_locality(register: int, kind: int, data: bytes):
    log = TcgLog.parse(tcg.header() + tcg.record(register, data, kind=kind))
    assert replay(log, Bank.SHA384) == {}


@pytest.mark.parametrize(
    "rest",
    [
        b"",
        b"\xff" * 2,
        b"\xff" * 500,
        bytes(3),
        bytes(500),
        tcg.record(tcg.END, b"more", banks=TWO),
        tcg.record(1, b"", digests=()) + b"more",
        tcg.record(1, b"", digests=[(4, b"")] * 3) + b"more",
    ],
)
def test_ends_where_nothing_was_written(rest: bytes):
    log = TcgLog.parse(LOG + rest)
    assert log == TcgLog.parse(LOG)
    assert log.end == len(LOG)


def test_says_that_a_log_was_cut():
    second = len(LOG) - len(tcg.record(7, b"two", banks=TWO))
    for size in range(second + 1, len(LOG)):
        log = TcgLog.parse(LOG[:size])
        assert not log.complete
        assert replay(log, Bank.SHA1)[1] == tcg.replayed("sha1", b"one")


def test_a_record_cut_in_its_data_still_says_what_it_extended():
    log = TcgLog.parse(LOG[:-1])
    assert log.events[-1].cut
    assert replay(log, Bank.SHA1) == replay(TcgLog.parse(LOG), Bank.SHA1)


def test_reads_the_older_form():
    told = tcg.old_record(0, tcg.NO_ACTION, b"Spec ID Event00\0", digest=bytes(20))
    data = told + tcg.old_record(4, 5, b"one") + tcg.old_record(4, 5, b"two")
    for rest in (b"", b"\xff" * 64, bytes(4096)):
        log = TcgLog.parse(data + rest)
        assert log.legacy
        assert log.complete
        assert replay(log, Bank.SHA1) == {4: tcg.replayed("sha1", b"one", b"two")}
        assert [event.extends for event in log.events] == [False, True, True]
    assert not TcgLog.parse(data[:-1]).complete


def test_no_bytes_are_no_events():
    assert TcgLog.parse(b"").events == ()
    assert TcgLog.parse(b"").complete


def test_digests_of_other_banks_are_kept_and_not_replayed():
    banks = {0x12: 32, tcg.SHA384: 48}
    digests = [(0x12, bytes(32)), (tcg.SHA384, bytes(48))]
    log = TcgLog.parse(tcg.header(banks) + tcg.record(1, b"one", digests=digests))
    assert log.events[0].digests[0x12] == bytes(32)
    with pytest.raises(MalformedEvidenceError, match="no bank SHA256"):
        replay(log, Bank.SHA256)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (tcg.header(count=0), "0 banks"),
        (tcg.header(count=9), "9 banks"),
        (tcg.header(count=3), "header is cut"),
        (tcg.header({tcg.SHA384: 32}), "0x000c of 32 bytes"),
        (tcg.header({0x12: 0}), "0x0012 of 0 bytes"),
        (tcg.header({0x12: 65}), "0x0012 of 65 bytes"),
        (tcg.header() + tcg.record(1, b"one", banks=(tcg.SHA256,)), "a digest of bank 0x000b"),
        (tcg.header(TWO) + tcg.record(1, b"", digests=[(4, bytes(20))] * 2), "a digest of bank"),
        (tcg.header() + tcg.record(1, b"") * (MAX_EVENTS + 1), "more than 1024 events"),
        (bytes(MAX_EVENT_LOG + 1), "bytes"),
    ],
)
def test_refuses_what_it_cannot_bound_or_measure(data: bytes, why: str):
    with pytest.raises(MalformedEvidenceError, match=why):
        TcgLog.parse(data)


def test_takes_as_many_events_as_it_says():
    full = TcgLog.parse(tcg.header() + tcg.record(1, b"") * MAX_EVENTS)
    assert len(full.events) == MAX_EVENTS


@given(st.binary(max_size=300), st.sampled_from([b"", tcg.header(), LOG]))
def test_any_bytes_give_a_log_or_this_packages_error(data: bytes, before: bytes):
    try:
        log = TcgLog.parse(before + data)
        for bank in log.banks:
            replay(log, Bank(bank))
    except MalformedEvidenceError:
        return
    assert log.end <= len(before + data)


@given(st.integers(0, len(LOG) - 1), st.integers(1, 255))
def test_any_changed_byte_gives_a_log_or_this_packages_error(offset: int, change: int):
    data = bytearray(LOG)
    data[offset] ^= change
    try:
        TcgLog.parse(bytes(data))
    except MalformedEvidenceError:
        return


RECORDS = st.lists(st.tuples(st.integers(0, 23), st.binary(max_size=40), st.booleans()), max_size=8)


@given(RECORDS)
def test_what_is_written_is_read(records):
    parts = [
        tcg.record(register, data, kind=tcg.NO_ACTION if told else tcg.ACTION, banks=TWO)
        for register, data, told in records
    ]
    log = TcgLog.parse(tcg.header(TWO) + b"".join(parts))
    assert [(one.register, one.data, not one.extends) for one in log.events] == records
    assert log == replace(TcgLog.parse(tcg.header(TWO) + b"".join(parts) + bytes(99)), end=log.end)


def test_the_published_logs_replay_to_their_registers(shared: Path):
    folder = shared / "vectors" / "tpm"
    for case in json.loads((folder / "INDEX.json").read_bytes())["cases"]:
        if "event_log" in case["files"]:
            wanted = case["fields"]["event_log"]
            log = TcgLog.parse((folder / case["files"]["event_log"]).read_bytes())
            found = {
                Bank(bank).name.lower(): {
                    str(index): value.hex() for index, value in replay(log, Bank(bank)).items()
                }
                for bank in log.banks
            }
            assert (1 + len(log.events), found) == (wanted["events"], wanted["banks"]), case["id"]
