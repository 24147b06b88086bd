"""PCRs become registers only if all are quoted, and a log leads to all of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attestation.errors import MalformedEvidenceError
from attestation.eventlog import UNTOUCHED
from attestation.tcg_log import Bank
from attestation.tpm.evidence import Attest
from attestation.tpm.pcrs import DYNAMIC, STATIC, registers, replay_pcrs, selection_faults
from tests.fakes import tcg
from tests.fakes.tpm import SHA256, SHA384, message, pcr_values, selection


def faults(*selections: bytes) -> list[str]:
    attest = Attest.parse(message(pcr_values(), selections=selections))
    return [fault.actual for fault in selection_faults(attest)]


def test_all_pcrs_of_one_bank_must_be_quoted_and_no_others():
    assert faults(selection()) == []
    without = tuple(pcr for pcr in range(24) if pcr != 8)
    for wrong in (
        (),
        (selection(without),),
        (selection(bank=SHA256),),
        (selection(), selection((0,), SHA256)),
        (selection(), selection()),
        (selection(without), selection((8,))),
        (selection(size=4),),
        (selection((*range(24), 31), size=4),),
    ):
        assert len(faults(*wrong)) == 1
    assert faults(selection((0, 8))) == ["algorithm 0x000c PCRs 0 8"]


def test_a_dynamic_pcr_is_a_claim_only_if_it_was_touched():
    untouched = pcr_values()
    assert set(registers({Bank.SHA384: untouched})) == set(STATIC)
    for value in (bytes(48), b"x" * 48):
        touched = registers({Bank.SHA384: untouched | {17: value}})
        assert touched[17] == value


def test_a_static_pcr_is_a_claim_whatever_it_holds():
    values = pcr_values() | dict.fromkeys(STATIC, b"\xff" * 48)
    assert set(registers({Bank.SHA384: values})) == set(STATIC)
    assert registers({Bank.SHA256: pcr_values(SHA256)}) == {}
    assert registers({}) == {}


def test_no_log_touches_nothing():
    assert replay_pcrs(b"") == dict.fromkeys(STATIC, UNTOUCHED)


def test_a_log_leads_to_every_static_pcr():
    banks = (tcg.SHA256, tcg.SHA384)
    log = tcg.header(banks) + tcg.record(0, b"a", banks=banks) + tcg.record(23, b"b", banks=banks)
    found = replay_pcrs(log)
    assert set(found) == set(STATIC)
    assert found[0] == tcg.replayed("sha384", b"a")
    assert found[23] == tcg.replayed("sha384", b"b")
    assert all(found[pcr] == UNTOUCHED for pcr in STATIC if pcr not in {0, 23})


def test_pcr_0_begins_with_the_locality():
    locality = tcg.record(0, tcg.LOCALITY + b"\3", kind=tcg.NO_ACTION)
    found = replay_pcrs(tcg.header() + locality + tcg.record(0, b"a"))
    assert found[0] == tcg.replayed("sha384", b"a", start=bytes(47) + b"\3")


@pytest.mark.parametrize(
    ("log", "reason"),
    [
        (tcg.header() + tcg.record(0, b"a")[:-1], "not a whole TCG log"),
        (tcg.header((tcg.SHA256,)), "not a whole TCG log with SHA384"),
        (tcg.old_record(0, tcg.ACTION, b"a"), "not a whole TCG log with SHA384"),
        (b"{}", "not a whole TCG log"),
        (tcg.header() + tcg.record(17, b"a"), "register 17 is no static PCR"),
        (tcg.header() + tcg.record(24, b"a"), "register 24 is no static PCR"),
        (
            tcg.header((tcg.SHA256, tcg.SHA384)) + tcg.record(1, b"a", banks=(tcg.SHA256,)),
            "register 1 is no static PCR, or lacks SHA384",
        ),
    ],
)
def test_refuses_a_log_by_name(log: bytes, reason: str):
    with pytest.raises(MalformedEvidenceError, match=f"event log: {reason}"):
        replay_pcrs(log)


@given(st.binary(max_size=200))
def test_any_bytes_lead_to_all_static_pcrs_or_are_refused(data: bytes):
    for log in (data, tcg.header() + data):
        try:
            found = replay_pcrs(log)
        except MalformedEvidenceError:
            continue
        assert set(found) == set(STATIC)
        assert DYNAMIC.isdisjoint(found)
        assert {len(value) for value in found.values()} == {Bank(SHA384).size}
