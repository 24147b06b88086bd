"""One event loop, one engine and one machine per module: making them costs more than the tests."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from attestation.simulated.vendor import SimulatedVendor
from node_image.agent.engine_process import ProcessEngine
from tests.node_image.agent.stage import FAKE_ENGINE, NOW, Stage, image, started

Body = Callable[[Stage], Coroutine[Any, Any, None]]


class Loop:
    """Runs coroutines of several tests on one loop."""

    def __init__(self, runner: asyncio.Runner) -> None:
        self._runner = runner

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self._runner.run(work)


@pytest.fixture(scope="module")
def loop() -> Iterator[Loop]:
    with asyncio.Runner() as runner:
        yield Loop(runner)


@pytest.fixture(scope="module")
def vendor() -> SimulatedVendor:
    return SimulatedVendor.create(NOW)


@pytest.fixture(scope="module")
def machine(vendor: SimulatedVendor, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a simulated machine."""
    folder = tmp_path_factory.mktemp("machine")
    vendor.machine().save(folder)
    return folder


def running(loop: Loop, engine: ProcessEngine) -> Iterator[ProcessEngine]:
    loop.run(engine.start())
    yield engine
    loop.run(engine.stop())


@pytest.fixture(scope="module")
def fake_engine(loop: Loop, machine: Path) -> Iterator[ProcessEngine]:
    """An engine that does as the `user` field says; see tests/fakes/engine.py."""
    yield from running(loop, ProcessEngine(image(machine, engine_python=FAKE_ENGINE)))


@pytest.fixture(scope="module")
def embedded_engine(loop: Loop, machine: Path) -> Iterator[ProcessEngine]:
    """The real demonstration engine with the committed model."""
    yield from running(loop, ProcessEngine(image(machine)))


@pytest.fixture
def on_stage(loop: Loop, machine: Path, fake_engine: ProcessEngine) -> Callable[..., None]:
    """Run a test's body with a fresh node on the fake engine."""
    return staged(loop, machine, fake_engine)


def staged(loop: Loop, machine: Path, engine: ProcessEngine) -> Callable[..., None]:
    def run(body: Body, **options: Any) -> None:
        async def within() -> None:
            async with started(engine, machine, **options) as stage:
                await body(stage)

        loop.run(within())

    return run
