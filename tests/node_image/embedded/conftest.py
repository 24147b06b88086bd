"""One engine process for the session, and the loaded model for what needs no process."""

import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import httpx2
import openai
import pytest

from node_image.embedded import assembly
from node_image.embedded.main import model_folder

MODEL = "openpcc-demo"


@dataclass(frozen=True, kw_only=True)
class Running:
    """An engine process and how to reach it."""

    process: subprocess.Popen[str]
    socket: Path
    greeting: str

    def http(self) -> httpx2.Client:
        transport = httpx2.HTTPTransport(uds=str(self.socket))
        return httpx2.Client(base_url="http://engine", transport=transport, timeout=60)

    def load(self) -> dict[str, object]:
        with self.http() as client:
            state: dict[str, object] = client.get("/health").json()
        return state


def start(socket: Path, *options: str) -> Running:
    """Start an engine and wait until it listens."""
    command = [sys.executable, "-m", "node_image.embedded.main", "--uds", str(socket), *options]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=Path.cwd(),
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
    )  # fmt: skip
    assert process.stdout is not None
    first = process.stdout.readline()
    assert first.startswith("demonstration engine"), first + process.communicate()[0]
    return Running(process=process, socket=socket, greeting=first)


def stop(running: Running) -> str:
    """Stop an engine as an init system would; give what it printed."""
    running.process.send_signal(signal.SIGTERM)
    printed, _ = running.process.communicate(timeout=30)
    return printed


@pytest.fixture
def private(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir(mode=0o700)
    return folder


@pytest.fixture(scope="session")
def engine(tmp_path_factory):
    folder = tmp_path_factory.mktemp("engine")
    folder.chmod(0o700)
    running = start(folder / "engine.sock")
    yield running
    printed = stop(running)
    assert running.process.returncode == 0
    assert "Traceback" not in printed


@pytest.fixture(scope="session")
def client(engine):
    http = httpx2.Client(transport=httpx2.HTTPTransport(uds=str(engine.socket)))
    with openai.OpenAI(
        base_url="http://engine/v1", api_key="none", http_client=http, max_retries=0
    ) as sdk:
        yield sdk


@pytest.fixture
def http(engine):
    with engine.http() as client:
        yield client


@pytest.fixture(scope="session")
def loaded():
    return assembly.load(
        model_folder(), name=MODEL, context=None, active=4, queued=16, clock=lambda: 1_800_000_000
    )


@pytest.fixture
def launch(private):
    """Start engines of one's own; they are stopped at the end."""
    started: list[Running] = []

    def launch_one(*options: str, socket: Path | None = None) -> Running:
        started.append(start(socket or private / "engine.sock", *options))
        return started[-1]

    yield launch_one
    for running in started:
        if running.process.poll() is None:
            running.process.terminate()
        running.process.communicate(timeout=30)
