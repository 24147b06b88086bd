"""A change of the devices is told once, and by name."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from attestation.errors import AttesterError
from attestation.monitor import INTERVAL, DeviceState, MachineState, changes, watch

ONE = DeviceState(name="one", identity=b"1" * 32, running=1000)
TWO = DeviceState(name="two", identity=b"2" * 32, running=1000)
BEFORE = MachineState(mode="on", devices=(ONE, TWO))


@pytest.mark.parametrize(
    ("after", "said"),
    [
        (BEFORE, ()),
        (replace(BEFORE, devices=(TWO, replace(ONE, running=1001))), ()),
        (replace(BEFORE, mode="devtools"), ("mode devtools instead of on",)),
        (replace(BEFORE, devices=(ONE,)), ("two is gone",)),
        (replace(BEFORE, devices=(ONE, TWO, replace(ONE, name="new"))), ("new is new",)),
        (replace(BEFORE, devices=(ONE, replace(TWO, running=999))), ("two was reset",)),
        (
            replace(BEFORE, devices=(ONE, replace(TWO, identity=b"3" * 32, running=9))),
            ("two has another identity",),
        ),
        (replace(BEFORE, devices=(replace(ONE, name="new"),)), ("one is gone", "two is gone",
                                                                "new is new")),
    ],
)  # fmt: skip
def test_says_what_changed(after: MachineState, said: tuple[str, ...]):
    assert changes(BEFORE, after) == said


def looking(*states: MachineState | AttesterError) -> Callable[[], MachineState]:
    left = iter(states)

    def look() -> MachineState:
        state = next(left)
        if isinstance(state, AttesterError):
            raise state
        return state

    return look


def grown(count: int) -> MachineState:
    return replace(BEFORE, devices=(replace(ONE, running=count), TWO))


def test_watches_until_something_changes():
    pauses: list[float] = []

    def pause(seconds: float) -> bool:
        pauses.append(seconds)
        return False

    look = looking(grown(1001), grown(2000), grown(1500))
    assert watch(look, BEFORE, pause=pause) == ("one was reset",)
    assert pauses == [INTERVAL] * 3


def test_a_device_that_does_not_answer_has_changed():
    look = looking(grown(1001), AttesterError("GPU is lost"))
    found = watch(look, BEFORE, pause=lambda _: False)
    assert found == ("the devices do not answer: GPU is lost",)


def test_stops_when_told():
    assert watch(looking(), BEFORE, pause=lambda _: True) == ()
