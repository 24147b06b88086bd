"""The installed commands, with every extra and without any."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
SERVERS = {name: target for name, target in PROJECT["scripts"].items() if name != "openpcc"}


def names(requirements: list[str]) -> set[str]:
    """Name the modules of requirements; ours are called like their distributions."""
    found = {re.split(r"[^a-z0-9-]", text)[0] for text in requirements}
    return {name.replace("-", "_") for name in found}


OPTIONAL = set().union(*map(names, EXTRAS.values())) - {"openpcc"}
"""What is there only with some extra."""


def called(target: str, *words: str, without: set[str]) -> subprocess.CompletedProcess[str]:
    """Run an entry point where some packages are not installed."""
    module, function = target.split(":")
    code = (
        f"import sys\nsys.modules.update(dict.fromkeys({sorted(without)!r}))\n"
        f"sys.argv[1:] = {list(words)!r}\n"
        f"from {module} import {function} as command\nsys.exit(command())"
    )
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )


@pytest.mark.parametrize("name", SERVERS)
def test_every_server_explains_itself(name):
    done = called(SERVERS[name], "--help", without=set())
    assert (done.returncode, done.stderr) == (0, "")
    assert "--help" in done.stdout


@pytest.mark.parametrize("name", SERVERS)
def test_a_server_without_its_extra_says_in_one_line_what_to_install(name):
    done = called(SERVERS[name], "--help", without=OPTIONAL)
    found = re.fullmatch(
        rf"{name} needs the package (\w+); run: pip install '\.\[(\w+)\]' in the source tree\n",
        done.stderr,
    )
    assert found is not None, done.stderr
    assert (done.returncode, done.stdout) == (2, "")
    assert found[2] in EXTRAS
    assert found[1] in names(EXTRAS[found[2]]) | names(EXTRAS["server"])


def test_an_engine_without_its_libraries_says_so_too(tmp_path):
    uds = ["--uds", str(tmp_path / "socket")]
    done = called(SERVERS["openpcc-embedded-engine"], *uds, without={"numpy"})
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "needs the package numpy" in done.stderr


@pytest.mark.parametrize("words", [["--help"], ["nodes", "--help"], ["chat", "--help"]])
def test_the_client_needs_no_extra(words):
    done = called(PROJECT["scripts"]["openpcc"], *words, without=OPTIONAL)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_missing_module_of_ours_is_not_taken_for_an_extra():
    done = called(SERVERS["openpcc-relay"], "--help", without={"gateway.config"})
    assert done.returncode == 1
    assert "Traceback" in done.stderr
