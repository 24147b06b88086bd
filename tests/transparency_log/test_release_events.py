"""Rules for registers in a release: one spelling; a register has a value or rules, not both."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from openpcc.release_checks import reference_values
from tests.transparency_log.memory_log import MemoryLog, release_statement
from transparency_log.entry import sign_entry, verify_release
from transparency_log.release import EventRule, ReleaseStatement, parse_release
from transparency_log.strict_json import StrictJSONError, parse_object

RULES = (
    EventRule(type=0x80000001, digests=(bytes(48), bytes(range(48))), least=1, most=1),
    EventRule(type=10, digests=(), least=0, most=64),
)


def statement() -> ReleaseStatement:
    plain = release_statement()
    platform = replace(plain.platforms["simulated"], events={1: RULES})
    return replace(plain, platforms={"simulated": platform})


def parsed(predicate: object) -> ReleaseStatement:
    data = json.dumps(predicate).encode()
    return parse_release(parse_object(data, limit=10**6, name="release"))


def test_rules_read_back() -> None:
    assert parsed(statement().predicate()) == statement()


def test_a_release_without_rules_is_written_as_before() -> None:
    platforms = release_statement().predicate()["platforms"]
    assert "events" not in json.dumps(platforms)


def test_rules_reach_the_verifier() -> None:
    log = MemoryLog()
    entry = sign_entry(statement(), [log.release])
    values = reference_values(verify_release(entry, log.signers(log.release)), "simulated")
    assert values is not None
    assert [(one.type, len(one.digests), one.least, one.most) for one in values.events[1]] == [
        (0x80000001, 2, 1, 1),
        (10, 0, 0, 64),
    ]


def platform(change: Callable[[dict[str, Any]], object]) -> object:
    predicate: Any = json.loads(json.dumps(statement().predicate()))
    change(predicate["platforms"]["simulated"])
    return predicate


def rule(**changed: object) -> Callable[[dict[str, Any]], object]:
    return lambda one: one["events"]["1"][0].update(changed)


@pytest.mark.parametrize(
    "change",
    [
        lambda one: one.update(events={}),
        lambda one: one.update(events=[]),
        lambda one: one["events"].update({"24": []}),
        lambda one: one["events"].update({"01": []}),
        lambda one: one["events"].update({"0": []}),
        lambda one: one["events"].update({"1": one["events"]["1"] * 33}),
        lambda one: one["events"]["1"][0].pop("digests"),
        rule(more=1),
        rule(type=-1),
        rule(type=1 << 32),
        rule(digests=["00" * 47]),
        rule(digests=["0A" * 48]),
        rule(digests=["00" * 48] * 2),
        rule(digests=[f"{n:096x}" for n in range(65)]),
        rule(least=2),
        rule(most=0),
        rule(most=1025),
        rule(least="1"),
    ],
)
def test_refuses_another_spelling(change: Callable[[dict[str, Any]], object]) -> None:
    with pytest.raises(StrictJSONError):
        parsed(platform(change))


def test_an_unchanged_one_is_accepted() -> None:
    assert parsed(platform(lambda _: None)) == statement()
