"""Rules over event logs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attestation import appraise, event_rules
from attestation.errors import AppraisalError
from attestation.event_rules import EventRule
from attestation.eventlog import Event, text_digest

ACPI, KEYS = 0xA, 0x80000001


def event(kind: int, text: str, register: int = 0) -> Event:
    return Event(register=register, digest=text_digest(text), data=text.encode(), type=kind)


def rule(kind: int, *texts: str, least: int = 1, most: int = 1) -> EventRule:
    return EventRule(type=kind, digests=frozenset(map(text_digest, texts)), least=least, most=most)


BOOT = [event(KEYS, "PK"), event(ACPI, "one"), event(ACPI, "two"), event(4, "line")]
RULES = [rule(KEYS, "PK", "other PK"), rule(ACPI, least=1, most=3), rule(4, "line")]


def test_accepts_what_the_rules_allow() -> None:
    event_rules.judge(BOOT, {0: RULES})


def test_leaves_registers_without_rules_to_others() -> None:
    event_rules.judge([*BOOT, event(4, "elsewhere", register=1)], {0: RULES})


@pytest.mark.parametrize(
    ("events", "said"),
    [
        ([event(KEYS, "a PK of the host's"), *BOOT[1:]], "event 1"),
        (BOOT[1:], "event 1"),
        ([*BOOT[:1], *BOOT[3:]], "event 2"),
        ([*BOOT[:3], event(ACPI, "three"), event(ACPI, "four"), BOOT[3]], "event 5"),
        (BOOT[:3], "the register's 3 events end there"),
        ([*BOOT, event(ACPI, "after the line")], "event 5"),
        ([BOOT[1], BOOT[0], *BOOT[2:]], "event 1"),
        ([event(ACPI, "PK"), *BOOT[1:]], "event 1"),
        ([], "the register's 0 events end there"),
    ],
)
def test_refuses_what_no_rule_allows(events: list[Event], said: str) -> None:
    with pytest.raises(AppraisalError, match="register 0") as refused:
        event_rules.judge(events, {0: RULES})
    assert said in refused.value.actual


def test_a_rule_of_none_takes_an_absent_event() -> None:
    event_rules.judge(BOOT[1:], {0: [rule(KEYS, least=0), *RULES[1:]]})


@given(st.lists(st.sampled_from([ACPI, KEYS, 4]), max_size=6), st.integers(0, 3))
def test_what_is_allowed_has_as_many_events_as_the_rules_say(kinds: list[int], most: int) -> None:
    rules = [rule(kind, least=0, most=most) for kind in (KEYS, ACPI)] if most else []
    try:
        event_rules.judge([event(kind, "x") for kind in kinds], {0: rules})
    except AppraisalError:
        return
    assert kinds == sorted(kinds, reverse=True)
    assert all(kinds.count(kind) <= most for kind in kinds)


def test_a_ruled_register_still_has_to_be_what_the_log_leads_to() -> None:
    appraise.registers({0: b"quoted"}, {0: b"quoted"}, {}, ruled={0})
    with pytest.raises(AppraisalError, match="register 0"):
        appraise.registers({0: b"quoted"}, {0: b"another"}, {}, ruled={0})


def test_a_ruled_register_has_to_be_quoted() -> None:
    with pytest.raises(AppraisalError, match="nothing quoted"):
        appraise.registers({}, {}, {}, ruled={0})
