"""node_image/agent/main.py: the program, as a process."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from attestation.evidence import EvidenceBundle, KeysSection, SoftwareSection
from attestation.model import model_digest
from attestation.simulated.vendor import SimulatedVendor
from openpcc.protocol import bhttp, messages
from openpcc.protocol.sealing import NodeKey, seal_request
from tests.node_image.agent.stage import BEACON, FAKE_ENGINE, MODEL_FOLDER, Answer, opened, request

IMAGE = """
platform = "simulated"
machine = "machine"
release = "release"
engine = "embedded"
engine_arguments = ["--max-model-len", "512"]
[model]
name = "demo"
path = "{model}"
"""

SETTINGS = """
gateway = "gateway.example"
[limits]
max_requests = 4
"""


@pytest.fixture
def folder(tmp_path):
    SimulatedVendor.create(int(time.time())).machine().save(tmp_path / "machine")
    (tmp_path / "release").write_text("a4" * 32)
    (tmp_path / "node.toml").write_text(SETTINGS)
    (tmp_path / "image.toml").write_text(IMAGE.format(model=MODEL_FOLDER))
    return tmp_path


def with_digest(folder: Path, digest: bytes) -> None:
    text = IMAGE.format(model=MODEL_FOLDER) + f'digest = "{digest.hex()}"\n'
    (folder / "image.toml").write_text(text)


def test_a_model_that_is_not_the_releases_never_becomes_ready_and_is_named(folder):
    with_digest(folder, bytes(32))
    done = subprocess.run(command(folder), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert f"model demo: digest {bytes(32).hex()} expected" in done.stderr
    assert model_digest(MODEL_FOLDER).hex() in done.stderr


def test_the_releases_model_is_served(folder):
    with_digest(folder, model_digest(MODEL_FOLDER))
    with running(folder) as (process, said):
        assert said
        assert process.poll() is None


def command(folder: Path, *more: str) -> list[str]:
    files = ("--config", str(folder / "node.toml"), "--image", str(folder / "image.toml"))
    return [sys.executable, "-m", "node_image.agent.main", *files, *more]


@contextmanager
def running(folder: Path) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    with subprocess.Popen(
        command(folder), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield process, json.loads(process.stdout.readline())
        finally:
            process.kill()
            process.communicate()


def until_ready(control: str) -> None:
    deadline = time.monotonic() + 20
    while httpx.get(f"{control}/readyz").status_code != 200:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def descendants(pid: int) -> set[int]:
    """The leash and the engine of a node."""
    parents = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, parent = entry.read_text().rsplit(") ", 1)[1].split()[:2]
            if state != "Z":
                parents[int(entry.parent.name)] = int(parent)
    found, last = {pid}, set[int]()
    while found != last:
        last = found
        found = found | {child for child, parent in parents.items() if parent in found}
    return found - {pid}


def wait_until_gone(pids: set[int]) -> None:
    deadline = time.monotonic() + 10
    while any(is_alive(pid) for pid in pids):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1][0] != "Z"
    except OSError:
        return False


def test_serves_from_start_to_sigterm(folder):
    with running(folder) as (process, where):
        service, control = where["listening"], where["control"]
        assert httpx.get(f"{control}/healthz").status_code == 200
        assert httpx.get(f"{control}/readyz").status_code == 503
        assert httpx.put(f"{service}/beacon", content=BEACON).status_code == 204
        until_ready(control)
        bundle = EvidenceBundle.parse(httpx.get(f"{service}/evidence").content)
        software = SoftwareSection.parse(bundle.software)
        assert software.settings == SETTINGS.encode()
        assert software.release == bytes.fromhex("a4" * 32)

        keys = [NodeKey.parse(config) for config in KeysSection.parse(bundle.keys).hpke]
        sealed = seal_request(
            keys[:1],
            bhttp.encode_request(
                request(messages=[{"role": "user", "content": "Hello"}], max_tokens=4, stream=True)
            ),
            model="demo",
            expires=(int(time.time()) + 120) // 60 * 60,
            max_output=256,
        )
        fields = {"content-type": messages.SEALED_REQUEST}
        found = httpx.post(f"{service}/sealed", content=sealed.body, headers=fields)
        inner = opened(sealed.open_reply(), Answer(200, parts=[found.content], ended=True))
        assert inner.content.endswith(b"data: [DONE]\n\n")
        assert messages.RECEIPT in inner.trailers
        again = httpx.post(f"{service}/sealed", content=sealed.body, headers=fields)
        assert (again.status_code, messages.decode_error(again.content)) == (409, "replayed")
        metrics = httpx.get(f"{control}/metrics").text
        assert 'outcome="answered"} 1.0' in metrics
        assert httpx.get(f"{service}/metrics").status_code == 404

        started = descendants(process.pid)
        assert len(started) == 2
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=20)
        assert process.returncode == 0, errors
        wait_until_gone(started)
        events = [json.loads(line)["event"] for line in errors.splitlines()]
        assert events == ["started", "epoch made", "engine ready", "stopped", "epoch erased"] or (
            set(events) == {"started", "epoch made", "engine ready", "stopped", "epoch erased"}
        )
        assert "Hello" not in errors


def test_the_engine_dies_with_a_killed_node(folder):
    with running(folder) as (process, where):
        httpx.put(f"{where['listening']}/beacon", content=BEACON)
        until_ready(where["control"])
        started = descendants(process.pid)
        assert len(started) == 2
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        wait_until_gone(started)


def finished(folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(folder, *more), capture_output=True, text=True, timeout=30)


def test_checks_its_configuration_and_does_nothing_else(folder):
    found = finished(folder, "--check-config")
    assert (found.returncode, found.stdout) == (0, "configuration is in order\n")


@pytest.mark.parametrize(
    ("file", "text", "names"),
    [
        ("node.toml", 'platform = "simulated"', "found an unknown key"),
        ("node.toml", 'listen = "192.0.2.1:80"', "listen"),
        ("image.toml", IMAGE.replace('"machine"', '"nowhere"'), "nowhere"),
        ("image.toml", IMAGE.replace('"simulated"', '"tdx"'), "tdx"),
        ("release", "a4", "release"),
        ("machine/machine.key", "", "machine.key"),
    ],
)
def test_a_mistake_is_one_line_and_exit_2(folder, file, text, names):
    (folder / file).write_text(text.replace("{model}", str(MODEL_FOLDER)))
    found = finished(folder)
    assert found.returncode == 2, found.stderr
    last = found.stderr.splitlines()[-1]
    assert last.startswith("openpcc-node: ")
    assert names in last


def test_an_engine_that_does_not_start_is_exit_1(folder):
    lines = f'engine_python = "{FAKE_ENGINE}"\nengine_arguments = ["--refuse-to-start"]\n'
    text = IMAGE.replace('engine_arguments = ["--max-model-len", "512"]\n', lines)
    (folder / "image.toml").write_text(text.format(model=MODEL_FOLDER))
    found = finished(folder)
    assert found.returncode == 1
    assert "model weights are missing" in found.stderr
