"""`openpcc demo` as a person runs it: it ends by itself, leaves nothing behind, and can stay up."""

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

DEMO = [str(Path(sys.executable).with_name("openpcc")), "demo"]


def programs_below(folder: Path) -> list[str]:
    """Every process that names a file of the demonstration on its command line."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue  # it has just ended
        if str(folder) in line:
            found.append(line)
    return found


def test_the_demo_shows_trust_chat_parties_and_refusals_and_leaves_nothing(tmp_path: Path):
    done = subprocess.run(
        DEMO, capture_output=True, text=True, check=False, timeout=110,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for word in ("SIMULATED", "2 of 2 nodes trusted", "what each party saw", "refusals",
                 "2.signature", "replayed", "TruncatedReplyError", "7.status"):  # fmt: skip
        assert word in done.stdout
    assert list(tmp_path.iterdir()) == []
    assert programs_below(tmp_path) == []


@pytest.mark.long
def test_the_demo_pays_with_tokens_and_shows_what_they_do_not_buy(tmp_path: Path):
    done = subprocess.run(
        [*DEMO, "--tokens"], capture_output=True, text=True, check=False, timeout=160,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for word in ("256 tokens came; 256 can be spent", "255 are left", "an account, and how many",
                 "the same token for another request", "token-spent", "7.status"):  # fmt: skip
        assert word in done.stdout
    assert list(tmp_path.iterdir()) == []
    assert programs_below(tmp_path) == []


@pytest.fixture
def kept(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen(
        [*DEMO, "--keep", *getattr(request, "param", ())],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        env={**os.environ, "TMPDIR": str(tmp_path), "PYTHONUNBUFFERED": ""},
    )  # fmt: skip
    yield process
    process.kill()
    process.wait()
    if process.stdout:
        process.stdout.close()


def test_a_kept_demo_prints_base_url_and_key_and_ends_with_ctrl_c(
    kept: "subprocess.Popen[str]", tmp_path: Path
):
    assert kept.stdout is not None
    facts: dict[str, str] = {}
    for line in kept.stdout:  # a pipe, so this also shows that nothing is held back
        if found := re.match(r"(configuration|base URL|API key) +(\S+)", line):
            facts[found[1]] = found[2]
        if line.startswith("stop with"):
            break
    assert Path(facts["configuration"]).is_file()
    request = urllib.request.Request(
        facts["base URL"] + "/models", headers={"authorization": f"Bearer {facts['API key']}"}
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=20) as answer:
        assert json.load(answer)["data"][0]["id"] == "demo"
    kept.send_signal(signal.SIGINT)
    assert kept.wait(timeout=30) == 0
    assert list(tmp_path.iterdir()) == []
    assert programs_below(tmp_path) == []


@pytest.mark.long
@pytest.mark.parametrize("kept", [("--tokens",)], indirect=True)
def test_a_kept_demo_with_tokens_prints_commands_that_work(
    kept: "subprocess.Popen[str]", tmp_path: Path
):
    assert kept.stdout is not None
    said = list(iter(kept.stdout.readline, "stop with Ctrl-C\n"))
    [config] = [line.split("=")[1].strip() for line in said if "OPENPCC_CONFIG=" in line]
    commands = [line.split()[1:] for line in said if line.startswith("  .venv/bin/openpcc ")]
    words = [" ".join(one[:2]) for one in commands]
    assert {"wallet", "wallet fill", "audit attack"} <= set(words)
    for command in [one for one in commands if one[0] in ("wallet", "audit")]:
        done = subprocess.run(
            [DEMO[0], *command], capture_output=True, text=True, check=False, timeout=110,
            cwd=tmp_path, env={**os.environ, "OPENPCC_CONFIG": config},
        )  # fmt: skip
        assert done.returncode == 0, (command, done.stdout, done.stderr)


def test_a_kept_demo_ends_and_tidies_up_when_it_is_terminated(
    kept: "subprocess.Popen[str]", tmp_path: Path
):
    assert kept.stdout is not None
    kept.stdout.readline()
    kept.send_signal(signal.SIGTERM)
    assert kept.wait(timeout=30) != 0
    assert list(tmp_path.iterdir()) == []
    assert programs_below(tmp_path) == []


def test_a_model_that_is_none_is_one_line_and_leaves_nothing(tmp_path: Path):
    done = subprocess.run(
        [*DEMO, "--model", str(tmp_path / "absent")], capture_output=True, text=True, check=False,
        timeout=60, env={**os.environ, "TMPDIR": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "not a model's folder" in done.stderr
    assert list(tmp_path.iterdir()) == []
