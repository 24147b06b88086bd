"""Audits of a real service, every program a process of its own: it passes, planted faults do not.

Faults that an operator would plant with programs of his own are planted by a relay that is none of
ours: what it changes, a real client refuses and a real audit names. The others are in memory:
`tests/openpcc/audit`.
"""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from openpcc.cli.demo.stack import DemoStack
from openpcc.cli.installed import find
from tests.fakes.node import Exchange, FarEnd


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("audit")


def openpcc(*words: str) -> tuple[int, dict[str, Any]]:
    done = subprocess.run(
        [str(find("openpcc")), *words, "--json"], capture_output=True, check=False, timeout=120
    )
    assert done.stdout, done.stderr.decode()
    return done.returncode, json.loads(done.stdout)


def failed(report: dict[str, Any]) -> set[str]:
    return {
        one["id"]
        for section in report["sections"]
        for one in section["findings"]
        if one["outcome"] == "FAIL"
    }


def test_the_whole_service_passes(stack: DemoStack, state: Path):
    page = state / "page.html"
    code, report = openpcc(
        "audit", "--gateway", stack.gateway.listening, "--log", stack.log.listening,
        "--config", str(stack.client), "--state", str(state), "--report", str(page),
    )  # fmt: skip
    assert (code, report["verdict"], failed(report)) == (0, "PASS", set())
    assert report["simulated"]
    names = [section["name"] for section in report["sections"]]
    assert {name.partition(":")[0] for name in names} == {"log", "gateway", "nodes"}
    assert sum(name.startswith("nodes: node ") for name in names) == 2
    assert "SIMULATED" in page.read_text()


def test_the_gateway_passes_on_every_way(stack: DemoStack, state: Path):
    code, report = openpcc(
        "audit", "gateway", stack.gateway.listening, "--log", stack.log.listening,
        "--config", str(stack.client), "--state", str(state),
    )  # fmt: skip
    assert (code, report["verdict"]) == (0, "PASS")
    facts = {section["name"]: section["facts"] for section in report["sections"]}
    assert (facts["nodes"]["machines"], facts["nodes"]["accepted"]) == (2, 2)


def test_the_log_passes_as_the_gateway_mirrors_it(stack: DemoStack, state: Path):
    code, report = openpcc(
        "audit", "log", "--config", str(stack.client), "--state", str(state / "mirror")
    )
    assert (code, report["verdict"]) == (0, "PASS")


def test_a_node_answers_a_challenge(stack: DemoStack):
    code, report = openpcc("audit", "node", "--config", str(stack.client))
    assert (code, report["verdict"]) == (0, "PASS")
    [node] = [one for one in report["sections"] if one["name"].startswith("node ")]
    assert {"node.challenge", "node.keys", "3.binding"} <= {one["id"] for one in node["findings"]}


def through(stack: DemoStack, script: Any) -> tuple[int, dict[str, Any]]:
    """Audit the gateway with a relay of somebody else on the other way."""
    with FarEnd(script) as relay:
        return openpcc(
            "audit", "gateway", stack.gateway.listening, "--relay", relay.url,
            "--config", str(stack.client),
        )  # fmt: skip


def test_a_relay_with_keys_of_its_own(stack: DemoStack):
    keys = (stack.folder / "ohttp" / "ohttp-keys").read_bytes()

    async def script(exchange: Exchange) -> None:
        forged = keys[:-40] + bytes(32) + keys[-8:]
        kind = [("content-type", "application/ohttp-keys")]
        await exchange.answer(200 if exchange.got.method == "GET" else 502, forged, kind)

    code, report = through(stack, script)
    assert code == 1
    assert {"gateway.keys-split", "gateway.keys"} <= failed(report)


@pytest.mark.parametrize("how", ["nothing", "garbage", "a flood"])
def test_a_relay_that_gives(stack: DemoStack, how: str):
    keys = (stack.folder / "ohttp" / "ohttp-keys").read_bytes()

    async def script(exchange: Exchange) -> None:
        if exchange.got.method == "GET":
            return await exchange.answer(200, keys, [("content-type", "application/ohttp-keys")])
        if how == "nothing":
            return exchange.drop()
        await exchange.start("message/ohttp-chunked-res")
        for _ in range(1 if how == "garbage" else 64):
            await exchange.chunk(bytes(1 << 20))
        return await exchange.end()

    code, report = through(stack, script)
    assert code == 1
    assert "gateway.answer" in failed(report)


def test_nobody_there(stack: DemoStack):
    done = subprocess.run(
        [str(find("openpcc")), "audit", "gateway", "http://127.0.0.1:9", "--relay",
         "http://127.0.0.1:9", "--config", str(stack.client)],
        capture_output=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 3


def test_a_withdrawn_release_fails_every_node(doomed: DemoStack):
    doomed.publish_status([])
    code, report = openpcc(
        "audit", "gateway", doomed.gateway.listening, "--config", str(doomed.client)
    )
    assert code == 1
    assert {"gateway.node", "7.status"} <= failed(report)
