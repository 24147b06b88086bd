"""A TDX guest's log replays to its RTMRs, with what the agent measured on top."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attestation.ccel import append, ccel_events, replay_ccel
from attestation.errors import AttesterError, MalformedEvidenceError
from attestation.eventlog import MAX_TEXT, UNTOUCHED
from attestation.sections import MAX_EVENT_LOG
from tests.fakes import tcg

LOG = tcg.header() + tcg.record(1, b"firmware") + tcg.record(2, b"loader")


def test_numbers_the_registers_as_a_quote_does():
    assert replay_ccel(LOG) == {
        0: tcg.replayed("sha384", b"firmware"),
        1: tcg.replayed("sha384", b"loader"),
        2: UNTOUCHED,
        3: UNTOUCHED,
    }
    assert [(event.register, event.text) for event in ccel_events(LOG)] == [
        (0, "firmware"),
        (1, "loader"),
    ]


def test_no_log_explains_no_register():
    assert replay_ccel(b"") == {}
    assert ccel_events(tcg.header()) == ()


@pytest.mark.parametrize("before", [b"", LOG, LOG + b"\xff" * 4096, LOG + bytes(100)])
def test_what_the_agent_measures_comes_last(before: bytes):
    log = append(append(before, 3, "model demo"), 3, "--max-model-len 1024")
    assert [event.text for event in ccel_events(log)][-2:] == ["model demo", "--max-model-len 1024"]
    expected = {**dict.fromkeys(range(4), UNTOUCHED), **replay_ccel(before)}
    expected[3] = tcg.replayed("sha384", b"model demo", b"--max-model-len 1024")
    assert replay_ccel(log) == expected


@pytest.mark.parametrize(
    "log",
    [
        pytest.param(tcg.old_record(1, 5, b"one"), id="of the older form"),
        pytest.param(tcg.header((tcg.SHA256,)), id="without SHA-384"),
        pytest.param(LOG[:-1], id="cut in its data"),
        pytest.param(LOG[:-20], id="cut in a digest"),
        pytest.param(LOG + b"\x01", id="cut in a register"),
        pytest.param(LOG + tcg.record(0, b"one"), id="into MRTD"),
        pytest.param(LOG + tcg.record(5, b"one"), id="into a fifth RTMR"),
        pytest.param(
            tcg.header((tcg.SHA256, tcg.SHA384)) + tcg.record(1, b"one", banks=(tcg.SHA256,)),
            id="measured without SHA-384",
        ),
    ],
)
def test_refuses_what_no_guest_can_have(log: bytes):
    for use in (replay_ccel, ccel_events, lambda data: append(data, 3, "more")):
        with pytest.raises(MalformedEvidenceError):
            use(log)


def test_words_count_only_if_they_were_measured():
    forged = tcg.record(3, b"model demo", digests=[(tcg.SHA384, b"\x01" * 48)])
    assert ccel_events(LOG + forged)[-1].text is None


@pytest.mark.parametrize(
    ("register", "text"), [(4, "a"), (-1, "a"), (3, ""), (3, "a\nb"), (3, "a" * (MAX_TEXT + 1))]
)
def test_measures_no_event_that_a_log_cannot_have(register: int, text: str):
    with pytest.raises(AttesterError):
        append(LOG, register, text)


def test_says_when_the_log_is_full():
    full = LOG + tcg.record(1, bytes(MAX_EVENT_LOG - len(LOG) - 100))
    with pytest.raises(AttesterError, match="measure less"):
        append(full, 3, "a" * 100)


@given(st.binary(max_size=200), st.sampled_from([b"", tcg.header(), LOG]))
def test_any_bytes_give_registers_or_this_packages_error(data: bytes, before: bytes):
    try:
        registers = replay_ccel(before + data)
    except MalformedEvidenceError:
        return
    assert set(registers) == ({0, 1, 2, 3} if before + data else set())


@given(st.lists(st.tuples(st.integers(0, 3), st.text(min_size=1, max_size=9)), max_size=5))
def test_what_is_appended_is_read(events):
    events = [(register, text) for register, text in events if text.isprintable()]
    log = LOG
    for register, text in events:
        log = append(log, register, text)
    assert [(event.register, event.text) for event in ccel_events(log)][2:] == events


def test_a_published_log_gives_the_registers_of_its_quote(shared: Path):
    folder = shared / "vectors" / "tpm"
    cases = json.loads((folder / "INDEX.json").read_bytes())["cases"]
    (case,) = [case for case in cases if "rtmr_matches" in case.get("fields", {})]
    registers = replay_ccel((folder / case["files"]["event_log"]).read_bytes())
    quote = (folder / case["files"]["td_quote"]).read_bytes()
    first = 48 + 0x148
    quoted = {index: quote[first + 48 * index :][:48] for index in range(4)}
    matches = [f"rt_mr{index}" for index in range(3) if registers[index] == quoted[index]]
    assert matches == case["fields"]["rtmr_matches"]
