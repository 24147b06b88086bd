"""node_image/agent/engine_process.py and leash.py, with an engine that misbehaves on demand."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import textwrap
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from node_image.agent import engine_process
from node_image.agent.config import Image, Model
from node_image.agent.engine import EngineRequest
from node_image.agent.engine_process import ProcessEngine
from node_image.agent.errors import EngineError

FAKE = Path(__file__).parents[2] / "fakes" / "engine.py"


def image(tmp_path: Path, *arguments: str, python: Path = FAKE) -> Image:
    return Image(
        platform="simulated",
        machine=tmp_path,
        release=bytes(32),
        model=Model(name="demo", path=tmp_path),
        engine_python=python,
        engine_arguments=arguments,
    )


@asynccontextmanager
async def running(tmp_path: Path):
    engine = ProcessEngine(image(tmp_path))
    try:
        await engine.start()
        yield engine
    finally:
        await engine.stop()


def ask(behaviour: str) -> EngineRequest:
    body = json.dumps({"user": behaviour}).encode()
    return EngineRequest(method="POST", path="/v1/completions", body=body)


def beside(engine: ProcessEngine, name: str) -> Path:
    assert engine._folder is not None
    return engine._folder / name


async def until(condition, seconds: float = 10.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - another process sets it
            await asyncio.sleep(0.01)


async def read(engine: ProcessEngine, behaviour: str) -> bytes:
    async with engine.forward(ask(behaviour)) as reply:
        return b"".join([data async for data in reply.chunks])


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(") ")[1][0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_answers_in_a_private_folder_and_leaves_nothing(tmp_path):
    async def run():
        async with running(tmp_path) as engine:
            folder = beside(engine, "")
            assert folder.stat().st_mode & 0o777 == 0o700
            assert b"prompt_tokens" in await read(engine, "")
            pid = int(beside(engine, "pid").read_text())
            assert alive(pid)
        return folder, pid

    folder, pid = asyncio.run(run())
    assert not folder.exists()
    assert not alive(pid)


@pytest.mark.parametrize("behaviour", ["crash", "cut", "cut-document", "garbage", "endless-header"])
def test_an_answer_without_its_end_is_an_error(tmp_path, behaviour):
    async def run():
        async with running(tmp_path) as engine:
            with pytest.raises(EngineError):
                await read(engine, behaviour)

    asyncio.run(run())


def test_restarts_after_a_crash(tmp_path, monkeypatch):
    monkeypatch.setattr(engine_process, "FIRST_PAUSE", 0.05)

    async def run():
        async with running(tmp_path) as engine:
            first = beside(engine, "pid").read_text()
            with pytest.raises(EngineError):
                await read(engine, "crash")
            await until(lambda: not engine.ready)
            with pytest.raises(EngineError, match="not running"):
                await read(engine, "")
            await until(lambda: engine.ready)
            assert beside(engine, "pid").read_text() != first
            assert b"prompt_tokens" in await read(engine, "")

    asyncio.run(run())


@pytest.mark.parametrize("behaviour", ["slow", "silent"])
def test_leaving_an_answer_stops_the_engine_within_a_second(tmp_path, behaviour):
    async def run():
        async with running(tmp_path) as engine:
            reading = asyncio.create_task(read(engine, behaviour))
            if behaviour == "silent":
                await until(lambda: beside(engine, "waiting").exists())
            else:
                await asyncio.sleep(0.2)
            reading.cancel()
            await until(lambda: beside(engine, "left").exists(), seconds=1.0)
            with pytest.raises(asyncio.CancelledError):
                await reading

    asyncio.run(run())


def test_a_slow_reader_makes_the_engine_wait(tmp_path):
    async def run():
        async with running(tmp_path) as engine, engine.forward(ask("flood")) as reply:
            await anext(aiter(reply.chunks))
            await asyncio.sleep(0.3)
            assert int(beside(engine, "flooded").read_text()) < 900

    asyncio.run(run())


def test_says_why_it_did_not_start(tmp_path):
    async def run():
        engine = ProcessEngine(image(tmp_path, "--refuse-to-start"))
        try:
            with pytest.raises(EngineError, match="model weights are missing"):
                await engine.start()
        finally:
            await engine.stop()

    asyncio.run(run())


def test_keeps_nothing_an_engine_prints_once_it_is_ready(tmp_path):
    script = tmp_path / "talkative.py"
    source = FAKE.read_text()
    source = source.replace("asked = json", "print(body, flush=True); asked = json")
    source = source.replace('note("pid"', 'print("loaded", flush=True); note("pid"')
    script.write_text(source)
    script.chmod(0o700)

    async def run():
        engine = ProcessEngine(image(tmp_path, python=script))
        try:
            await engine.start()
            for _ in range(50):  # far more than a pipe holds
                async with engine.forward(
                    EngineRequest(
                        method="POST",
                        path="/v1/completions",
                        body=json.dumps({"x": "secret" * 1000}).encode(),
                    )
                ) as reply:
                    assert b"usage" in b"".join([data async for data in reply.chunks])
            assert engine._output == b""
        finally:
            await engine.stop()

    asyncio.run(run())


def test_the_engine_sees_no_environment_of_the_agents(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENPCC_TEST_SECRET", "x")
    script = tmp_path / "show.py"
    script.write_text(
        FAKE.read_text().replace(
            'note("pid", str(os.getpid()))',
            'note("pid", str(os.getpid())); note("environment", json.dumps(dict(os.environ)))',
        )
    )
    script.chmod(0o700)

    async def run():
        engine = ProcessEngine(image(tmp_path, python=script))
        try:
            await engine.start()
            return json.loads(beside(engine, "environment").read_text())
        finally:
            await engine.stop()

    environment = asyncio.run(run())
    assert "OPENPCC_TEST_SECRET" not in environment
    assert environment["HOME"] == environment["TMPDIR"] != os.environ["HOME"]


def test_the_engine_its_children_and_its_folder_go_with_a_killed_agent(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    child = tmp_path / "child.py"
    child.write_text(
        textwrap.dedent(
            """
            import os, subprocess, sys, time
            grand = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
            print(os.getpid(), grand.pid, flush=True)
            time.sleep(60)
            """
        )
    )
    agent = textwrap.dedent(
        f"""
        import subprocess, sys, time
        subprocess.Popen([sys.executable, "-m", "node_image.agent.leash",
                          {str(folder)!r}, sys.executable,
                          {str(child)!r}], stdin=subprocess.PIPE, start_new_session=True)
        time.sleep(60)
        """
    )
    process = subprocess.Popen(
        [sys.executable, "-c", agent], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout is not None
    with process, process.stdout:
        pids = [int(word) for word in process.stdout.readline().split()]
        assert len(pids) == 2
        assert all(map(alive, pids))
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        asyncio.run(until(lambda: not any(map(alive, pids))))
    assert not folder.exists()
