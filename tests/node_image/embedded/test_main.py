import json
import os
import signal
import socket
import subprocess
import sys

import pytest

from node_image.embedded.main import model_folder


def refused(*options: str) -> str:
    command = [sys.executable, "-m", "node_image.embedded.main", *options]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert result.returncode != 0
    assert "Traceback" not in result.stderr
    return result.stderr


def test_says_at_start_what_it_is_and_ends_cleanly(launch):
    engine = launch()
    engine.process.send_signal(signal.SIGTERM)
    printed, _ = engine.process.communicate(timeout=30)
    assert engine.greeting.startswith("demonstration engine: openpcc-demo")
    assert printed == ""
    assert engine.process.returncode == 0
    assert not engine.socket.exists()


def test_the_socket_is_private(launch):
    engine = launch()
    assert engine.socket.stat().st_mode & 0o777 == 0o600
    assert engine.socket.parent.stat().st_mode & 0o777 == 0o700


def test_answers_that_run_at_the_end_are_broken_off_openly(launch):
    engine = launch()
    body = {"model": "openpcc-demo", "prompt": "A", "stream": True, "ignore_eos": True}
    with (
        engine.http() as client,
        client.stream(
            "POST", "/v1/completions", json=body | {"max_tokens": 2000, "n": 8}
        ) as answer,
    ):
        lines = answer.iter_lines()
        next(lines)
        engine.process.send_signal(signal.SIGTERM)
        events = [line for line in lines if line]
    assert engine.process.wait(30) == 0
    assert "error" in json.loads(events[-1].removeprefix("data: ")) or events[-1].endswith("[DONE]")


def test_takes_the_place_of_a_dead_engine(launch, private):
    path = private / "engine.sock"
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
    assert path.exists()
    assert launch().load()["status"] == "ok"


def test_takes_no_place_of_a_living_engine(launch):
    engine = launch()
    assert "another engine" in refused("--uds", str(engine.socket))
    assert engine.load()["status"] == "ok"


def test_removes_no_file(private):
    (private / "engine.sock").write_text("precious")
    assert "not a socket" in refused("--uds", str(private / "engine.sock"))
    assert (private / "engine.sock").read_text() == "precious"


def test_refuses_a_directory_that_others_can_enter(private):
    private.chmod(0o755)
    assert "0700" in refused("--uds", str(private / "engine.sock"))


def test_refuses_a_folder_without_a_model(private, tmp_path):
    assert "config.json" in refused("--uds", str(private / "s"), "--model", str(tmp_path))


@pytest.mark.parametrize("value", ["0", "-1", "x", "٣", "1_0"])
def test_refuses_a_number_that_is_none(private, value):
    assert "positive" in refused("--uds", str(private / "s"), f"--max-model-len={value}")


def test_serves_under_another_name_and_context(launch):
    engine = launch("--served-model-name", "tiny", "--max-model-len", "64")
    with engine.http() as client:
        (model,) = client.get("/v1/models").json()["data"]
        assert (model["id"], model["max_model_len"]) == ("tiny", 64)
        body = {"model": "tiny", "prompt": "word " * 80}
        answer = client.post("/v1/completions", json=body)
    assert answer.json()["error"]["code"] == "context_length_exceeded"


def test_no_content_of_a_request_is_printed(launch):
    engine = launch()
    secret = "unmistakable-secret"
    with engine.http() as client:
        for body in ({"model": secret}, {"model": "openpcc-demo", "prompt": secret, secret: 1}):
            client.post("/v1/completions", json=body)
        client.get(f"/{secret}")
    engine.process.send_signal(signal.SIGTERM)
    assert secret not in engine.process.communicate(timeout=30)[0]


def test_the_committed_model_is_small_and_complete():
    names = set(os.listdir(model_folder()))
    assert {"model.safetensors", "config.json", "tokenizer.json", "tokenizer_config.json",
            "chat_template.jinja", "generation_config.json", "MODEL_CARD.md"} <= names  # fmt: skip
    assert sum(path.stat().st_size for path in model_folder().iterdir()) < 8 * 2**20
