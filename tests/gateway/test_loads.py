"""Which candidate comes first: by load and health, and in the header's order among equals."""

from gateway.loads import Loads
from gateway.routing import Outcome


def test_orders_candidates_by_load_with_busy_ones_later_and_failing_ones_last() -> None:
    now = [0.0]
    loads = Loads(lambda: now[0])
    loads.begin("a")
    assert loads.order(["a", "b", "c"]) == ["b", "c", "a"]
    loads.report("b", Outcome.LOST)
    loads.report("c", Outcome.BUSY)
    assert loads.order(["a", "b", "c"]) == ["a", "c", "b"]
    now[0] = 2.0
    assert loads.order(["a", "b", "c"]) == ["c", "a", "b"]
    now[0] = 10.0
    loads.end("a")
    assert loads.order(["a", "b", "c"]) == ["a", "b", "c"]
