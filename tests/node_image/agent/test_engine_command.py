"""node_image/agent/engine_command.py"""

import sys
from dataclasses import replace
from pathlib import Path

from node_image.agent.config import Image, Model
from node_image.agent.engine_command import engine_command

IMAGE = Image(
    platform="simulated",
    machine=Path("/machine"),
    release=bytes(32),
    model=Model(name="demo", path=Path("/model")),
    engine_arguments=("--max-model-len", "512"),
)
VLLM = replace(IMAGE, engine="vllm", engine_python=Path("/vllm/bin/python"))


def command(image: Image):
    return engine_command(image, socket=Path("/private/s"), home=Path("/private/home"))


def test_embedded_runs_under_the_agents_interpreter():
    found = command(IMAGE)
    assert found.arguments[:3] == (sys.executable, "-m", "node_image.embedded.main")
    assert not found.prefix_cache
    assert found.version is not None


def test_vllm_runs_under_its_own_with_logs_telemetry_and_downloads_off():
    found = command(VLLM)
    assert found.arguments[0] == "/vllm/bin/python"
    assert found.prefix_cache
    assert {
        "--no-enable-log-requests",
        "--disable-uvicorn-access-log",
        "--disable-fastapi-docs",
    } <= set(found.arguments)
    assert "--enable-prompt-embeds" not in found.arguments
    for name in ("HF_HUB_OFFLINE", "VLLM_NO_USAGE_STATS", "DO_NOT_TRACK"):
        assert found.environment[name] == "1"


def test_both_serve_the_one_model_on_the_private_socket_with_the_releases_arguments():
    for image in (IMAGE, VLLM):
        line = " ".join(command(image).arguments)
        assert "--model /model --served-model-name demo --uds /private/s" in line
        assert line.endswith("--max-model-len 512")
        assert "--host" not in line


def test_the_environment_is_written_from_nothing(monkeypatch):
    monkeypatch.setenv("OPENPCC_TEST_SECRET", "x")
    for image in (IMAGE, VLLM):
        environment = command(image).environment
        assert "OPENPCC_TEST_SECRET" not in environment
        assert environment["HOME"] == "/private/home"
