"""deploy/compose as a user starts it: a sealed request, its walls, its counters, restarts, the end.

One service for the whole module, begun by `first-start.sh` from what `openpcc init` writes; the
tests stand in the order in which an operator would do these things.
"""

import json
import re
import socket
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from openpcc.client import OpenPCC
from openpcc.errors import OpenPCCError
from tests.deploy import containers
from tests.deploy.compose.stack import COMPOSE, PROJECT, Stack, begun

pytestmark = [pytest.mark.deploy, pytest.mark.timeout(240)]

PUBLIC = {"relay": 8000, "issuer": 8003, "log": 8090}
OURS = ("log", "publisher", "gateway-1", "gateway-2", "relay", "issuer", "status")
CONNECT = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 2)"
RESTARTED = (("gateway-1", 9001, 12.0), ("gateway-2", 9001, 1.0), ("node-1", 8081, 1.0))
"""Services with their control ports, and seconds until the next one: the relay asks DNS anew after
10 (README.md, Restart)."""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    made = begun(tmp_path_factory.mktemp("compose") / "service")
    yield made
    made.down()


def chat(client: OpenPCC, number: int) -> str:
    answer = client.chat.completions.create(
        model="demo", messages=[{"role": "user", "content": f"What is {number} + 1?"}],
        max_tokens=8,
    )  # fmt: skip
    return answer.choices[0].message.content or ""


def test_a_sealed_request_is_paid_for_and_answered_through_the_relay(stack: Stack):
    said = stack.follow("Ask something", seconds=120)
    assert "2 nodes verified" in said
    assert re.search("[0-9]+ tokens came", said)
    assert "list in Python is" in said


def test_the_client_refuses_a_relay_of_another_ca(stack: Stack, tmp_path: Path):
    other = stack.folder / "public" / "other.pem"
    other.write_text((stack.folder / "tls" / "issuer.pem").read_text())
    config = stack.folder / "public" / "other.toml"
    config.write_text(stack.client.read_text().replace('"ca.pem"', '"other.pem"', 1))
    with pytest.raises(OpenPCCError), OpenPCC(config) as client:
        chat(client, 1)


def test_every_service_is_confined(stack: Stack):
    found = stack.inspect()
    assert len(found) == 15
    for name, one in found.items():
        host, config = one["HostConfig"], one["Config"]
        assert host["ReadonlyRootfs"], name
        assert one["EffectiveCaps"] in (None, []), name
        assert one["BoundingCaps"] in (None, []), name
        assert "no-new-privileges" in str(host["SecurityOpt"]), name
        assert not host["Privileged"], name
        assert 0 < host["Memory"] <= 1 << 30, name
        assert 0 < host["PidsLimit"] <= 256, name
        assert config["User"].split(":")[0] not in ("", "0", "root"), name
        assert config["Healthcheck"]["Test"], name


def test_what_a_service_writes_is_its_state_and_nothing_else(stack: Stack):
    for name, one in stack.inspect().items():
        writable = {mount["Destination"] for mount in one["Mounts"] if mount["RW"]}
        keys = {"/etc/openpcc/secrets/keys"} if name == "issuer" else set()
        state = {"/var/lib/openpcc", "/var/lib/postgresql/data", "/data", "/prometheus"}
        assert writable <= state | keys, name
        environment = " ".join(one["Config"]["Env"])
        secrets = re.findall(r"(?i)(?:key|token|password|secret)\w*=(?!/)\S+", environment)
        assert secrets == [], name


def test_every_health_check_passes(stack: Stack):
    for name in stack.inspect():
        containers.run("healthcheck", "run", stack.name(name))


def test_a_health_check_can_fail(stack: Stack):
    asked = stack.exec("relay", "sh", "-c", "openpcc-ready 9001; echo $?", check=False)
    assert asked == "1\n"


def test_only_relay_issuer_and_log_have_ports_and_on_the_loopback(stack: Stack):
    found = {}
    for name, one in stack.inspect().items():
        for port, places in (one["HostConfig"]["PortBindings"] or {}).items():
            assert [place["HostIp"] for place in places] == ["127.0.0.1"]
            found[name] = int(port.split("/")[0])
    assert found == PUBLIC


def reaches(stack: Stack, service: str, host: str, port: int) -> bool:
    script = f"python3 -c '{CONNECT}' {host} {port} 2>&1 && echo reached"
    done = stack.exec(service, "sh", "-c", script, check=False)
    assert done.endswith("reached\n") or re.search("[Ee]rror", done), done
    return done.endswith("reached\n")


@contextmanager
def outside() -> Iterator[tuple[str, int]]:
    """Listen on this machine's own address: for a container, the nearest place outside."""
    with socket.socket(type=socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # nothing is sent; it chooses an address
        host = probe.getsockname()[0]
    with socket.create_server((host, 0)) as listener:
        yield host, listener.getsockname()[1]


def test_nodes_reach_nothing_outside_and_nobody_they_have_no_business_with(stack: Stack):
    assert reaches(stack, "gateway-1", "node-1", 8080)  # there is something to be reached
    with outside() as (host, port):
        assert reaches(stack, "log", host, port)
        for name in ("node-1", "node-2", "gateway-1", "publisher", "witness-1"):
            assert not reaches(stack, name, host, port), name
    for host, port in [("log", 8090), ("relay", 8000), ("issuer", 8003), ("postgres", 5432)]:
        assert not reaches(stack, "node-1", host, port), host
    for one in stack.inspect()["log"]["NetworkSettings"]["Networks"].values():
        assert not reaches(stack, "node-1", one["IPAddress"], 8090)


def test_the_relay_reaches_the_gateways_alone(stack: Stack):
    assert reaches(stack, "relay", "gateway", 8001)
    for host, port in [("publisher", 8002), ("node-1", 8080), ("log", 8090), ("issuer", 8003),
                       ("valkey", 6379), ("postgres", 5432)]:  # fmt: skip
        assert not reaches(stack, "relay", host, port), host


def test_spent_tokens_and_accounts_are_where_they_should_be(stack: Stack):
    count = "select tokens from issuer_usage"
    found = stack.exec("postgres", "psql", "-h", "/run/postgresql", "-U", "issuer", "-tAc", count)
    assert int(found.split()[0]) > 0
    refused = stack.exec("valkey", "valkey-cli", "dbsize", check=False)
    assert "NOAUTH" in refused or "NOPERM" in refused


def query(stack: Stack, expression: str) -> list[dict[str, Any]]:
    url = "http://127.0.0.1:9090/api/v1/query?query=" + urllib.parse.quote(expression)
    answer = json.loads(stack.exec("prometheus", "wget", "-q", "-O", "-", url))
    assert answer["status"] == "success", expression
    found: list[dict[str, Any]] = answer["data"]["result"]
    return found


def panels() -> list[tuple[str, str]]:
    board = json.loads((COMPOSE / "grafana" / "dashboards" / "openpcc.json").read_text())
    return [
        (panel["title"], target["expr"])
        for panel in board["panels"]
        for target in panel.get("targets", [])
    ]


def eventually(holds: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not (done := holds()) and time.monotonic() < deadline:
        time.sleep(1)
    return done


def test_prometheus_reaches_every_role(stack: Stack):
    def all_up() -> bool:
        found = query(stack, "up")
        return len(found) == 11 and {one["value"][1] for one in found} == {"1"}

    assert eventually(all_up, 60), query(stack, "up")


def test_no_panel_of_the_dashboard_is_dead(stack: Stack):
    def dead() -> list[tuple[str, str]]:
        return [
            (title, expr)
            for title, expr in panels()
            if not query(stack, expr.replace("$__rate_interval", "1m"))
        ]

    assert len(panels()) > 20
    assert eventually(lambda: not dead(), 60), dead()


def test_prometheus_has_the_rules_and_none_fires(stack: Stack):
    url = "http://127.0.0.1:9090/api/v1/rules"
    answer = json.loads(stack.exec("prometheus", "wget", "-q", "-O", "-", url))
    rules = [rule for group in answer["data"]["groups"] for rule in group["rules"]]
    assert len(rules) == 13
    assert [rule for rule in rules if rule["state"] == "firing"] == []
    assert [rule for rule in rules if rule["health"] == "err"] == []


class Stream:
    """Requests, one after the other, until the block ends."""

    def __init__(self, config: Path) -> None:
        self._config = config
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.answered = 0
        self.failures: list[str] = []

    def __enter__(self) -> "Stream":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(60)

    def _run(self) -> None:
        with OpenPCC(self._config) as client:
            while not self._stop.wait(0.2):
                try:
                    chat(client, self.answered)
                    self.answered += 1
                except OpenPCCError as error:
                    self.failures.append(f"{type(error).__name__}: {error}")


def test_gateways_and_a_node_are_restarted_and_no_request_fails(stack: Stack):
    with Stream(stack.client) as stream:
        time.sleep(2)
        for service, port, pause in RESTARTED:
            before = stream.answered
            stack.compose("restart", "-t", "20", service)
            stack.wait_ready(service, port)
            time.sleep(pause)
            assert stream.answered > before
    assert stream.failures == []
    assert stream.answered > 20


def test_it_does_not_begin_twice(stack: Stack):
    with pytest.raises(AssertionError, match="has begun already"):
        begin_again(stack)


def begin_again(stack: Stack) -> None:
    containers.script(COMPOSE / "first-start.sh", stack.folder)


def test_a_service_that_has_lost_its_state_does_not_begin_anew(stack: Stack):
    command = ("openpcc-witness", "--config", "/etc/openpcc/witness.toml")
    mounts = ("-v", f"{stack.folder}/witness-1:/etc/openpcc:ro")
    said = containers.run(
        "run", "--rm", *mounts, containers.SERVER, "sh", "-c",
        " ".join(command) + " 2>&1; echo exit $?", check=False,
    )  # fmt: skip
    assert said.endswith("exit 2\n")
    assert "init" in said


def test_nothing_is_left_after_down(stack: Stack):
    stack.down()
    label = f"label=io.podman.compose.project={PROJECT}"
    assert containers.run("ps", "-aq", "--filter", label) == ""
    names = containers.run("volume", "ls", "-q") + containers.run("network", "ls", "-q")
    assert PROJECT not in names
