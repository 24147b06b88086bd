"""One real service per engine: every program a process of its own, as the demo starts them."""

import argparse
from collections.abc import Iterator
from pathlib import Path

import pytest

from openpcc import AsyncOpenPCC, OpenPCC
from openpcc.cli import demo
from openpcc.cli.demo.stack import DemoStack

ENGINES = ["embedded", pytest.param("vllm", marks=pytest.mark.vllm)]


@pytest.fixture(scope="session", params=ENGINES)
def stack(request, root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoStack]:
    args = argparse.Namespace(
        engine=request.param, engine_python=root / ".venv-vllm/bin/python", model=None
    )
    found = DemoStack(tmp_path_factory.mktemp("stack"), demo.engine_choice(args), print)
    try:
        found.start()
        yield found
    finally:
        found.close()


@pytest.fixture
def client(stack: DemoStack) -> Iterator[OpenPCC]:
    with OpenPCC(stack.client) as opened:
        yield opened


@pytest.fixture
async def async_client(stack: DemoStack):
    async with AsyncOpenPCC(stack.client) as opened:
        yield opened
