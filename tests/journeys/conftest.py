"""One real service per engine: every program a process of its own, as the demo starts them."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from openpcc import AsyncOpenPCC, OpenPCC
from openpcc.cli import demo
from openpcc.cli.demo.stack import DemoStack

ENGINES = ["embedded", pytest.param("vllm", marks=pytest.mark.vllm)]


@contextmanager
def running(engine: str, root: Path, folder: Path) -> Iterator[DemoStack]:
    """Start a service; end it whatever happens."""
    python = root / ".venv-vllm/bin/python"
    args = argparse.Namespace(engine=engine, engine_python=python, model=None)
    found = DemoStack(folder, demo.engine_choice(args), print)
    try:
        found.start()
        yield found
    finally:
        found.close()


@pytest.fixture(scope="session", params=ENGINES)
def stack(request, root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoStack]:
    with running(request.param, root, tmp_path_factory.mktemp("stack")) as found:
        yield found


@pytest.fixture(scope="session")
def doomed(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoStack]:
    """A service of its own for tests that take its release back: a log never forgets that."""
    with running("embedded", root, tmp_path_factory.mktemp("doomed")) as found:
        yield found


@pytest.fixture(scope="module")
def flag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Names the checks that are taken out of the programs of a weakened stack; see `weakened`."""
    path = tmp_path_factory.mktemp("weakened") / "flag"
    path.write_text("")
    return path


@pytest.fixture
def client(stack: DemoStack) -> Iterator[OpenPCC]:
    with OpenPCC(stack.client) as opened:
        yield opened


@pytest.fixture
async def async_client(stack: DemoStack):
    async with AsyncOpenPCC(stack.client) as opened:
        yield opened
