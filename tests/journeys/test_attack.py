"""`openpcc audit attack` on a whole service: all refused; and without its check each succeeds.

The servers run with `weakened/sitecustomize.py`, which takes one check out of them when told; the
client's checks are taken out in this process.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from openpcc.audit.attack import proxy
from openpcc.audit.attack.attempt import attempt
from openpcc.audit.attack.run import PLACES
from openpcc.audit.attack.stack_keys import StackKeys
from openpcc.audit.attack.target import Target
from openpcc.audit.attack.tokens import ATTACKS as OF_TOKENS
from openpcc.audit.report import Outcome
from openpcc.cli import demo
from openpcc.cli.demo.stack import DemoStack
from openpcc.config import ClientConfig
from tests.journeys import weakened_client as weak

COMMAND = str(Path(sys.executable).with_name("openpcc"))
WEAKENED = Path(__file__).with_name("weakened")

FAMILIES = [attacks for name, _, attacks in PLACES if name != "tokens"]
"""Those of a service with open admission; of one that is paid: `test_attack_tokens`."""
OF_TARGET = {one.name: one for attacks in FAMILIES for one in attacks}
OF_PROXY = {one.name: one for one in proxy.ATTACKS}

CLIENT: dict[str, tuple[weak.Weaken, set[str]]] = {
    "1.leaf": (weak.checks_out("1.leaf"), {"bundle-swap"}),
    "2.signature": (weak.checks_out("2.signature"), {"quote-edit"}),
    "3.binding": (weak.checks_out("3.binding"), {"evidence-splice"}),
    "3.binding, 6.nonce": (
        weak.checks_out("3.binding", "6.nonce"),
        {"evidence-splice", "key-swap", "gpu-splice"},
    ),
    "6.nonce": (weak.checks_out("6.nonce"), {"gpu-splice"}),
    "revocation": (
        weak.checks_out("2.revocation", "2.recency", "2.floors", "6.authentic"),
        {"revocation-lists", "stale-endorsements"},
    ),
    "2.floors, 6.authentic": (
        weak.checks_out("2.floors", "6.authentic"),
        {"stale-endorsements"},
    ),
    "4.margin": (weak.checks_out("4.margin"), {"expiring-keys"}),
    "2.chain": (
        weak.checks_out("2.chain", "6.authentic", "6.measurements"),
        {"foreign-root"},
    ),
    "9.suite": (weak.any_suite, {"downgrade"}),
    "7.status": (weak.checks_out("7.status"), {"unlisted-release"}),
    "7.witnesses": (weak.no_witnesses, {"unwitnessed-release", "unwitnessed-log"}),
    "8.measurement": (weak.checks_out("8.measurement"), {"other-software"}),
    "8.debug": (weak.checks_out("8.debug"), {"debug"}),
    "gateway keys": (weak.any_gateway_keys, {"gateway-key", "gateway-downgrade"}),
    "directory proof": (weak.any_directory, {"narrowed-directory"}),
    "age of the record": (weak.any_age, {"frozen-log"}),
    "sequence": (weak.any_sequence, {"withheld-revocation"}),
    "one history": (weak.any_history, {"log-rollback", "split-view", "forked-log"}),
    "one entry a number": (weak.any_twin, {"two-entries"}),
    "end of the wire": (weak.any_wire_end, {"cut-stream"}),
    "end of the reply": (weak.any_reply_end, {"cut-reply"}),
    "tags": (weak.any_tag, {"edited-reply"}),
    "seal": (weak.no_seal, {"forged-reply"}),
    "request of a reply": (weak.any_request, {"replayed-reply"}),
    "the gateway's word": (weak.any_gateway_code, {"gateway-code"}),
    "the relay's word": (weak.any_relay_code, {"relay-code"}),
}
"""Check taken out of the client, and the attacks that then succeed: these and no others."""

SERVERS = {
    "replay-gateway": {"replay-gateway"},
    "replay-node": {"replay-node"},
    "moved-wraps": {"moved-wraps"},
    "header-edit": {"header-edit"},
    "suite-edit": {"suite-edit"},
    "expiry": {"expired-request", "far-expiry"},
    "cut-request": {"cut-request"},
    "cut-envelope": {"cut-envelope"},
    "foreign-service": {"foreign-service"},
    "other-model": {"other-model"},
    "kept-state": {"kept-state"},
    "hidden-route": {"hidden-route"},
}
"""As `CLIENT`, of gateway and nodes."""


@pytest.fixture(scope="module")
def own_stack(
    root: Path, flag: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[DemoStack]:
    args = argparse.Namespace(engine="embedded", engine_python=root, model=None)
    found = DemoStack(tmp_path_factory.mktemp("stack"), demo.engine_choice(args), print)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(WEAKENED))
        patch.setenv("OPENPCC_TEST_WEAKENED", str(flag))
        try:
            found.start()
            yield found
        finally:
            found.close()


@pytest.fixture
def target(own_stack: DemoStack, tmp_path: Path) -> Iterator[Target]:
    made = Target(ClientConfig.load(own_stack.client), tmp_path, StackKeys(own_stack.folder))
    yield made
    made.close()


@pytest.fixture(scope="module")
def running(own_stack: DemoStack) -> Iterator[proxy.Proxy]:
    program = own_stack.start_proxy()
    yield proxy.Proxy(base_url=str(program.said["base_url"]), key=str(program.said["api_key"]))
    own_stack.programs.stop(program)


def outcomes(target: Target, names: set[str]) -> dict[str, Outcome]:
    """Try every attack of the families that these belong to."""
    families = [one for one in FAMILIES if names & {attack.name for attack in one}]
    return {
        attack.name: attempt(attack, target).outcome for family in families for attack in family
    }


def expected(found: dict[str, Outcome], broken: set[str]) -> dict[str, Outcome]:
    return {name: Outcome.FAIL if name in broken else Outcome.PASS for name in found}


def test_every_attack_is_refused(own_stack: DemoStack):
    done = subprocess.run(
        [COMMAND, "audit", "attack", own_stack.relay.listening, "--json",
         "--config", str(own_stack.client), "--stack", str(own_stack.folder)],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [one for section in json.loads(done.stdout)["sections"] for one in section["findings"]]
    asked = [one for one in rows if one["required"]]
    assert {one["id"].removeprefix("attack.") for one in asked} == {*OF_TARGET, *OF_PROXY}
    assert {one["outcome"] for one in asked} == {"PASS"}
    rest = [one for one in rows if not one["required"]]
    assert {one["id"].removeprefix("attack.") for one in rest} == {one.name for one in OF_TOKENS}
    assert {one["actual"] for one in rest} == {"the admission is open: nothing is paid"}


@pytest.mark.parametrize("check", CLIENT)
def test_without_a_check_of_the_client_its_attacks_succeed_and_no_others(
    check: str, target: Target, monkeypatch: pytest.MonkeyPatch
):
    weaken, broken = CLIENT[check]
    weaken(monkeypatch)
    found = outcomes(target, broken)
    assert found == expected(found, broken)


@pytest.mark.parametrize("check", SERVERS)
def test_without_a_check_of_a_server_its_attacks_succeed_and_no_others(
    check: str, target: Target, flag: Path, monkeypatch: pytest.MonkeyPatch
):
    if check == "header-edit":  # what both ends would have to leave out
        weak.no_header(monkeypatch)
    flag.write_text(check)
    try:
        found = outcomes(target, SERVERS[check])
    finally:
        flag.write_text("")
    assert found == expected(found, SERVERS[check])


@pytest.mark.parametrize("check", OF_PROXY)
def test_without_a_check_of_the_proxy_its_attack_succeeds_and_no_other(
    check: str, running: proxy.Proxy, flag: Path
):
    flag.write_text(check)
    try:
        found = {name: attempt(one, running).outcome for name, one in OF_PROXY.items()}
    finally:
        flag.write_text("")
    assert found == expected(found, {check})


def test_every_attack_has_a_check_without_which_it_succeeds():
    broken = {name for _, names in CLIENT.values() for name in names}
    assert broken.union(*SERVERS.values()) == {*OF_TARGET}


def test_without_the_stack_s_keys_what_needs_them_is_not_tried_and_so_no_pass(own_stack: DemoStack):
    done = subprocess.run(
        [COMMAND, "audit", "attack", own_stack.relay.listening, "--json",
         "--config", str(own_stack.client)],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 1
    document = json.loads(done.stdout)
    assert document["verdict"] == "INCOMPLETE"
    rows = [one for section in document["sections"] for one in section["findings"]]
    asked = [one for one in rows if one["required"]]
    skipped = {one["id"]: one["actual"] for one in asked if one["outcome"] != "PASS"}
    assert {one.removeprefix("attack.") for one in skipped} == {
        "other-software", "debug", "log-rollback", "split-view", "forked-log", "two-entries",
    }  # fmt: skip
    assert all("--stack" in why for why in skipped.values())
