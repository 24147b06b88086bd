"""The harness interleaves and keeps every sample."""

import json

from bench import harness


def test_every_way_is_measured_once_a_round_in_turns():
    calls: list[str] = []
    ways = {"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}
    samples = harness.compare(ways, rounds=4, warm_up=1)
    assert calls == ["a", "b", "a", "b", "b", "a", "a", "b", "b", "a"]
    assert {name: len(values) for name, values in samples.items()} == {"a": 4, "b": 4}


def test_the_report_scales_and_names_the_machine():
    text = harness.report("t", {"a": [0.001, 0.002, 0.003]}, unit="ms", scale=1e3)
    document = json.loads(text)
    assert document["results"]["a"]["median"] == 2.0
    assert document["machine"]["cores"]
