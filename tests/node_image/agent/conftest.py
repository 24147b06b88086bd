"""One event loop and one engine process per module: starting them costs more than the tests."""

import asyncio
import shutil
import tempfile
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from node_image.agent.config import Image, Model
from node_image.agent.engine_process import ProcessEngine
from tests.node_image.agent.stage import FAKE_ENGINE, MODEL, MODEL_FOLDER


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
def fake_engine(loop: Loop) -> Iterator[ProcessEngine]:
    """An engine that does as the `user` field says; see tests/fakes/engine.py."""
    folder = Path(tempfile.mkdtemp())
    image = Image(
        platform="simulated",
        machine=folder,
        release=bytes(32),
        model=Model(name=MODEL, path=folder),
        engine_python=FAKE_ENGINE,
    )
    engine = ProcessEngine(image)
    loop.run(engine.start())
    yield engine
    loop.run(engine.stop())
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def embedded_engine(loop: Loop) -> Iterator[ProcessEngine]:
    """The real demonstration engine with the committed model."""
    image = Image(
        platform="simulated",
        machine=MODEL_FOLDER,
        release=bytes(32),
        model=Model(name=MODEL, path=MODEL_FOLDER),
    )
    engine = ProcessEngine(image)
    loop.run(engine.start())
    yield engine
    loop.run(engine.stop())
