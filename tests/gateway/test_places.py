"""Where nodes may be: what is kept when sources fail, change or give too much."""

import asyncio
import json

import pytest

from gateway.errors import UpstreamError
from gateway.places import LEAVING, Place, Places, StaticSource
from gateway.telemetry import LineFormatter


class Script:
    """A source that answers what the test says."""

    def __init__(self, *names: str) -> None:
        self.names = names
        self.fails = False
        self.hangs = False

    async def find(self) -> tuple[Place, ...]:
        if self.hangs:
            await asyncio.sleep(3600)
        if self.fails:
            raise UpstreamError("DNS gave no answer")
        return tuple(at(name) for name in self.names)


def at(name: str) -> Place:
    place, _, address = name.partition("@")
    return Place(name=place, url=f"http://{address or place}")


class Stand:
    """Places of scripts, and a clock."""

    def __init__(self, *sources: Script | StaticSource, limit: int = 8) -> None:
        self.now = 0.0
        self.places = Places(sources, limit=limit, within=0.2, clock=lambda: self.now)

    def look(self) -> tuple[list[str], list[str]]:
        asyncio.run(self.places.refresh())
        return list(self.places.named), list(self.places.leaving)


def test_a_source_that_fails_keeps_its_answer_and_is_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", "openpcc.gateway")
    source = Script("secret-a", "secret-b")
    stand = Stand(StaticSource(urls=("http://fixed",)), source)
    assert stand.look() == (["http://fixed", "secret-a", "secret-b"], [])
    source.fails = True
    for _ in range(3):
        stand.now += LEAVING
        assert stand.look() == (["http://fixed", "secret-a", "secret-b"], [])
    source.fails, source.hangs = False, True
    assert stand.look() == (["http://fixed", "secret-a", "secret-b"], [])
    lines = [LineFormatter().format(record) for record in caplog.records]
    (line,) = [json.loads(line) for line in lines]
    assert (line["event"], line["source"]) == ("names-not-resolved", 1)
    assert "secret" not in lines[0]
    source.hangs = False
    stand.look()
    source.fails = True
    stand.look()
    assert len(caplog.records) == 2


def test_nothing_is_complete_before_every_source_has_answered() -> None:
    source = Script("a")
    stand = Stand(Script("b"), source)
    source.fails = True
    stand.look()
    assert not stand.places.answered
    source.fails = False
    stand.look()
    assert stand.places.answered


def test_who_is_no_longer_named_is_leaving_for_three_windows() -> None:
    source = Script("a", "b")
    stand = Stand(source)
    stand.look()
    source.names = ("b",)
    assert stand.look() == (["b"], ["a"])
    stand.now = LEAVING - 1
    assert stand.look() == (["b"], ["a"])
    stand.now = LEAVING
    assert stand.look() == (["b"], [])
    source.names = ("a", "b")
    assert stand.look() == (["a", "b"], [])


def test_an_address_that_another_has_now_is_nobodys_to_leave() -> None:
    source = Script("a@h1", "b@h2")
    stand = Stand(source)
    stand.look()
    source.names = ("b@h1",)
    assert stand.look() == (["b"], [])
    assert stand.places.named["b"].url == "http://h1"


def test_a_flood_of_names_does_not_push_out_those_that_are_known(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", "openpcc.gateway")
    source = Script("m", "n")
    stand = Stand(source, limit=4)
    stand.look()
    flood = tuple(f"a{number}" for number in range(1000))
    source.names = (*flood, "m", "n")
    for _ in range(2):
        named, leaving = stand.look()
        assert len(named) == 4
        assert {"m", "n"} <= set(named)
        assert leaving == []
    (line,) = (json.loads(LineFormatter().format(record)) for record in caplog.records)
    assert (line["event"], line["count"]) == ("places-over-limit", 1002)


def test_names_that_change_all_the_time_grow_nothing() -> None:
    source = Script()
    stand = Stand(source, limit=4)
    for number in range(50):
        stand.now += 1
        source.names = tuple(f"{number}-{one}" for one in range(4))
        stand.look()
    assert len(stand.places.named) == 4
    assert list(stand.places.leaving) == [f"48-{one}" for one in range(4)]


def test_a_place_that_is_named_twice_stands_once() -> None:
    stand = Stand(Script("a@h", "a@h"), Script("b@h", "a@other"))
    assert stand.look() == (["a"], [])
    assert stand.places.named["a"].url == "http://h"
