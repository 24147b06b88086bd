"""A change of the devices is told once, and by name."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from attestation.errors import AttesterError
from attestation.monitor import DeviceMonitor, DeviceState, MachineState, changes

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


def test_compares_with_the_last_look():
    monitor = DeviceMonitor(looking(BEFORE, grown(5000), grown(2000), grown(3000)))
    assert [monitor.changes() for _ in range(3)] == [(), ("one was reset",), ()]


def test_a_device_that_does_not_answer_has_changed():
    lost = AttesterError("GPU is lost")
    monitor = DeviceMonitor(looking(grown(1001), lost, lost, grown(7), grown(8)))
    assert monitor.changes() == ("the devices do not answer: GPU is lost",)
    assert monitor.changes() == ("the devices do not answer: GPU is lost",)
    assert monitor.changes() == ("one was reset",)
    assert monitor.changes() == ()


def test_does_not_begin_with_devices_that_do_not_answer():
    with pytest.raises(AttesterError, match="GPU is lost"):
        DeviceMonitor(looking(AttesterError("GPU is lost")))
