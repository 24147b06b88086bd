import argparse
import json
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from openpcc.cli import proxy
from openpcc.cli.main import main
from openpcc.cli.proxy import Plan
from openpcc.decision import Decision
from tests.fakes.book_views import NOW, book_view, good_node

DECISION = Decision.of(book_view(good_node()), now=NOW)
BASE = "http://127.0.0.1:8419/v1"
ROOT = Path(__file__).parents[3]


def plan(*words: str) -> Plan:
    parser = argparse.ArgumentParser()
    proxy.add_arguments(parser)
    return Plan.of(parser.parse_args(words))


def test_people_read_base_url_key_and_simulated(capsys):
    made = plan()
    made.announce(BASE, DECISION)
    out, err = capsys.readouterr()
    assert f"base URL: {BASE}\n" in out
    assert f"API key:  {made.key}\n" in out
    assert "page:     http://127.0.0.1:8419/ " in out
    assert "SIMULATED" in out
    assert "1 node verified, SIMULATED" in err


def test_programs_read_one_json_line(capsys):
    made = plan("--json")
    made.announce(BASE, DECISION)
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    found = json.loads(out)
    assert (found["base_url"], found["api_key"], found["simulated"]) == (BASE, made.key, True)


@pytest.mark.parametrize("words", [(), ("--json",)])
def test_a_chosen_key_is_not_printed(words, tmp_path, capsys):
    file = tmp_path / "key"
    file.write_text("k" * 40)
    file.chmod(0o600)
    made = plan("--key-file", str(file), *words)
    made.announce(BASE, DECISION)
    assert made.key == "k" * 40
    assert made.key not in "".join(capsys.readouterr())


def test_the_base_url_is_one_that_the_guard_admits():
    for words, port in (((), 8419), (("--listen", "[::1]:0"), 7), (("--listen", "unix:/x"), None)):
        made = plan(*words)
        assert httpx.URL(made.base(port)).netloc.decode() in made.guard(port).authorities


@pytest.mark.parametrize(
    "words",
    [
        ["--listen", "nonsense"],
        ["--listen", "0.0.0.0:8419"],
        ["--tls-cert", "cert.pem"],
        ["--key-file", "nowhere"],
    ],
)
def test_wrong_arguments_end_with_2_before_anything_is_sent(words, capsys):
    assert main(["proxy", *words]) == 2
    assert capsys.readouterr().err.startswith("openpcc: --")


def test_an_unknown_pace_is_a_usage_error():
    with pytest.raises(SystemExit):
        plan("--pace", "fast")


# The whole program but its transport, whose twin answers from memory.
PROGRAM = """
import argparse, sys, time
from types import SimpleNamespace
import httpx
from openpcc.cli import proxy
from openpcc.cli.failures import describe
from openpcc.errors import OpenPCCError
from tests.fakes.book_views import NOW, book_view, good_node, refused_node

node = good_node(expires=int(time.time()) - NOW + 900) if sys.argv[1] == "good" else refused_node()
view = book_view(node, valid=int(time.time()) - NOW + 600)

class Twin:
    config = SimpleNamespace(policy=SimpleNamespace(service="demo.example"))
    book = SimpleNamespace(refresh=lambda now: None, view=lambda: view, close=lambda: None)

    async def handle_async_request(self, request):
        return httpx.Response(200, json={"path": request.url.path})

    async def aclose(self):
        print("closed", file=sys.stderr)

parser = argparse.ArgumentParser()
proxy.add_arguments(parser)
plan = proxy.Plan.of(parser.parse_args(["--json", "--listen", sys.argv[2]]))
try:
    sys.exit(proxy.start(plan, Twin()))
except OpenPCCError as error:
    print(describe(error).line, file=sys.stderr)
    sys.exit(describe(error).exit_code)
"""


def program(*words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serves_until_a_signal_and_ends_with_0(number):
    with program("good", "127.0.0.1:0") as running:
        assert running.stdout is not None
        started = json.loads(running.stdout.readline())
        reply = httpx.get(
            f"{started['base_url']}/models",
            headers={"authorization": f"Bearer {started['api_key']}"},
        )
        running.send_signal(number)
        _, err = running.communicate()
    assert reply.json() == {"path": "/v1/models"}
    assert running.returncode == 0, err
    assert "closed" in err
    assert started["api_key"] not in err


def test_never_listens_without_a_verified_node():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with program("refused", f"127.0.0.1:{port}") as running:
        assert running.stdout is not None
        said = running.stdout.readline()
        if said:
            running.terminate()
        _, err = running.communicate()
    assert said == ""
    assert running.returncode == 1
    assert "8.debug failed: debug is off" in err
