"""`openpcc audit attack` on a service that is paid: all refused, at the price that was said.

As `test_attack`: without its check each attack on payment succeeds, and no other. What is tried
against every service is tried here where it must be paid for.
"""

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from openpcc.audit.attack import allowance, replies, requests, tokens
from openpcc.audit.attack.allowance import MOST
from openpcc.audit.attack.attempt import attempt
from openpcc.audit.attack.stack_keys import StackKeys
from openpcc.audit.attack.target import Target
from openpcc.audit.report import Outcome
from openpcc.cli import demo
from openpcc.cli.demo.issuing import Payment
from openpcc.cli.demo.stack import DemoStack, EngineChoice
from openpcc.cli.installed import run
from openpcc.config import ClientConfig
from tests.journeys import weakened_client as weak
from tests.journeys.test_attack import COMMAND, FAMILIES, OF_PROXY, OF_TARGET, SERVERS, WEAKENED

pytestmark = pytest.mark.long

NAMES = {one.name for one in tokens.ATTACKS}

GATEWAY = {
    "token-count": {"token-unpaid", "token-short"},
    "token-twice": {"token-twice"},
    "token-reused": {"token-reused"},
    # Its nodes must have forgotten the request as well: they are the second line.
    "token-second-reply,replay-node": {"token-second-reply"},
    "token-forged": {"token-forged"},
    "token-key": {"token-key"},
    "token-origin": {"token-origin"},
    "token-proof": {"token-proof"},
    "token-thief": {"token-thief"},
    "token-stolen-back": {"token-stolen-back"},
    "token-spent-back": {"token-spent-back"},
}
"""Check taken out of the gateway, and the attacks that then succeed: these and no others."""


@pytest.fixture(scope="module")
def paid(flag: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoStack]:
    engine = EngineChoice(kind="embedded", model=demo.embedded_model())
    found = DemoStack(tmp_path_factory.mktemp("stack"), engine, print, payment=Payment())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(WEAKENED))
        patch.setenv("OPENPCC_TEST_WEAKENED", str(flag))
        try:
            found.start()
            fill(found.client)
            yield found
        finally:
            found.close()


@pytest.fixture(scope="module")
def target(paid: DemoStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """One for all tests here: what is taken out of the servers is not what it looked at."""
    folder = tmp_path_factory.mktemp("attacker")
    made = Target(ClientConfig.load(paid.client), folder, StackKeys(paid.folder))
    assert made.purse is not None
    made.purse.most = 1000
    yield made
    made.close()


def fill(client: Path) -> None:
    run("openpcc", ["wallet", "fill", "--config", str(client)])


def left(client: Path) -> int:
    found = json.loads(run("openpcc", ["wallet", "--json", "--config", str(client)]))
    return int(found["stock"])


def outcomes(target: Target) -> dict[str, Outcome]:
    return {one.name: attempt(one, target).outcome for one in tokens.ATTACKS}


def expected(broken: set[str]) -> dict[str, Outcome]:
    return {name: Outcome.FAIL if name in broken else Outcome.PASS for name in NAMES}


def attack(paid: DemoStack, client: Path) -> tuple[int, dict[str, dict[str, str]], str]:
    done = subprocess.run(
        [COMMAND, "audit", "attack", paid.relay.listening, "--json", "--config", str(client),
         "--stack", str(paid.folder)],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    rows = [one for part in json.loads(done.stdout)["sections"] for one in part["findings"]]
    return done.returncode, {one["id"].removeprefix("attack."): one for one in rows}, done.stderr


def test_every_attack_is_refused_at_the_price_that_was_said(paid: DemoStack):
    before = left(paid.client)
    code, rows, said = attack(paid, paid.client)
    assert code == 0, rows
    assert rows.keys() == {*OF_TARGET, *OF_PROXY, *NAMES}
    unasked = {name for name, one in rows.items() if one["outcome"] == "SKIP"}
    assert unasked == {"replay-node"}
    assert {one["outcome"] for name, one in rows.items() if name not in unasked} == {"PASS"}
    [stated] = re.findall(r"at most ([0-9]+) tokens are taken", said)
    assert int(stated) == MOST
    assert 0 < before - left(paid.client) <= MOST


def test_without_a_wallet_what_must_be_paid_for_is_not_tried(paid: DemoStack, tmp_path: Path):
    client = paid.write_client("unready", paid.relay.listening)
    target = Target(ClientConfig.load(client), tmp_path, StackKeys(None))
    costly = [*requests.ATTACKS, *replies.ATTACKS, *tokens.ATTACKS]
    try:
        found = {one.name: attempt(one, target) for one in costly}
    finally:
        target.close()
    free = {found.pop(name).outcome for name in ("replay-gateway", "token-issuer-key")}
    assert free == {Outcome.PASS}
    assert not found.pop("replay-node").required
    why = f"there is no wallet to pay from; {allowance.FILL}"
    assert {(one.outcome, one.required, one.actual) for one in found.values()} == {
        (Outcome.SKIP, True, why)
    }
    assert not (client.parent / "unready-state" / "wallet.sqlite").exists()


def test_a_client_that_pays_with_nothing_tries_what_costs_nothing(paid: DemoStack, tmp_path: Path):
    config = replace(ClientConfig.load(paid.client), tokens=None)
    target = Target(config, tmp_path, StackKeys(None))
    try:
        found = {one.name: attempt(one, target) for one in tokens.ATTACKS}
    finally:
        target.close()
    assert found.pop("token-issuer-key").outcome is Outcome.PASS
    assert {one.outcome for one in found.values()} == {Outcome.SKIP}
    assert all("add [tokens]" in (one.actual or "") for one in found.values())


def test_no_more_is_taken_than_is_allowed(
    paid: DemoStack, target: Target, monkeypatch: pytest.MonkeyPatch
):
    assert target.purse is not None
    monkeypatch.setattr(target.purse, "most", target.purse.taken + 2)
    before = left(paid.client)
    found = {one.name: attempt(one, target) for one in tokens.ATTACKS}
    assert before - left(paid.client) == 2
    assert "tokens that were said" in (found["token-spent-back"].actual or "")


@pytest.mark.parametrize("check", GATEWAY)
def test_without_a_check_of_the_gateway_its_attacks_succeed_and_no_others(
    check: str, target: Target, flag: Path
):
    flag.write_text(check)
    try:
        found = outcomes(target)
    finally:
        flag.write_text("")
    assert found == expected(GATEWAY[check])


def test_without_the_client_s_check_of_the_issuer_key_it_blinds_to_another(
    target: Target, monkeypatch: pytest.MonkeyPatch
):
    weak.any_issuer_key(monkeypatch)
    [one] = [one for one in tokens.ATTACKS if one.name == "token-issuer-key"]
    assert attempt(one, target).outcome is Outcome.FAIL


def test_every_attack_on_payment_has_a_check_without_which_it_succeeds():
    assert {"token-issuer-key"}.union(*GATEWAY.values()) == NAMES


@pytest.mark.parametrize("check", [one for one in SERVERS if one != "replay-node"])
def test_payment_hides_no_other_check(
    check: str, paid: DemoStack, target: Target, flag: Path, monkeypatch: pytest.MonkeyPatch
):
    """A request that is altered after it was sealed is paid for as it is sent."""
    if check == "header-edit":
        weak.no_header(monkeypatch)
    fill(paid.client)
    families = [one for one in FAMILIES if SERVERS[check] & {row.name for row in one}]
    flag.write_text(check)
    try:
        found = {one.name: attempt(one, target).outcome for family in families for one in family}
    finally:
        flag.write_text("")
    assert {name for name, one in found.items() if one is Outcome.FAIL} == SERVERS[check]
    assert {name for name, one in found.items() if one is Outcome.SKIP} <= {"replay-node"}


def test_the_audit_of_a_paid_service_passes_and_judges_its_issuer(paid: DemoStack):
    done = subprocess.run(
        [COMMAND, "audit", "--gateway", paid.gateway.listening, "--json",
         "--config", str(paid.client)],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    rows = [one for part in json.loads(done.stdout)["sections"] for one in part["findings"]]
    found = {one["id"]: one["outcome"] for one in rows if one["id"].startswith("gateway.i")}
    assert found == {
        "gateway.issuer-keys": "PASS",
        "gateway.issuer-rotation": "INFO",
        "gateway.issuer-directory": "PASS",
    }
