"""A log is bound to its words, and replays to the registers that its events give."""

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attestation.errors import AttestationError, MalformedEvidenceError
from attestation.eventlog import UNTOUCHED
from attestation.simulated.eventlog import SimulatedEventLog

LOG = SimulatedEventLog().then(0, "one").then(2, "two").then(0, "three")


def test_replays_in_order():
    def digest(text: str) -> bytes:
        return hashlib.sha384(text.encode()).digest()

    first = hashlib.sha384(bytes(48) + digest("one")).digest()
    second = hashlib.sha384(first + digest("three")).digest()
    two = hashlib.sha384(bytes(48) + digest("two")).digest()
    assert LOG.replay() == (second, UNTOUCHED, two, UNTOUCHED)
    swapped = SimulatedEventLog().then(0, "three").then(2, "two").then(0, "one")
    assert swapped.replay() != LOG.replay()


def test_a_log_survives_the_wire():
    assert SimulatedEventLog.parse(LOG.encode()) == LOG


@pytest.mark.parametrize(
    ("member", "value"),
    [("register", 4), ("digest", "00" * 48), ("text", "another"), ("text", "a\nb"), ("more", 1)],
)
def test_refuses_an_event_that_does_not_fit_itself(member: str, value: object):
    events = json.loads(LOG.encode())["events"]
    events[0][member] = value
    with pytest.raises(MalformedEvidenceError):
        SimulatedEventLog.parse(json.dumps({"events": events}).encode())


@given(st.binary())
def test_any_bytes_give_a_log_or_this_packages_error(data: bytes):
    try:
        SimulatedEventLog.parse(data)
    except AttestationError:
        return


@given(st.lists(st.tuples(st.integers(0, 3), st.text(min_size=1, max_size=20)), max_size=5))
def test_what_is_written_is_read_or_refused(events):
    log = SimulatedEventLog()
    for register, text in events:
        log = log.then(register, text)
    if all(text.isprintable() for _, text in events):
        assert SimulatedEventLog.parse(log.encode()) == log
