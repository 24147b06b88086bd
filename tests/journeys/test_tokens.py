"""Paying through the whole service: two gateways, one store, an issuer; each its own process."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from openpcc import OpenPCC
from openpcc.cli import demo
from openpcc.cli.demo.issuing import OUTPUT
from openpcc.cli.demo.stack import EngineChoice
from openpcc.cli.main import main
from openpcc.errors import WalletEmptyError
from tests.journeys.paid_stack import PaidStack, running_paid

MESSAGES = [{"role": "user", "content": "What is a list in Python?"}]


@pytest.fixture(scope="module")
def paid(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PaidStack]:
    engine = EngineChoice(kind="embedded", model=demo.embedded_model())
    with running_paid(tmp_path_factory.mktemp("paid"), engine) as stack:
        yield stack


def counts(client: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, int]:
    capsys.readouterr()
    assert main(["wallet", "--json", "--config", str(client)]) == 0
    found: dict[str, int] = json.loads(capsys.readouterr().out)
    return found


def ask(client: Path, **options: object) -> str:
    with OpenPCC(client) as opened:
        answer = opened.chat.completions.create(
            model="demo",
            messages=MESSAGES,  # type: ignore[arg-type]
            **options,
        )
    return str(answer.choices[0].message.content)


def test_requests_are_paid_by_their_budget(paid: PaidStack, capsys) -> None:
    client = paid.write_client("payer", paid.relay.listening)
    paid.fill(client)
    before = counts(client, capsys)
    assert ask(client, max_tokens=20)
    assert ask(client, max_tokens=2 * OUTPUT)
    after = counts(client, capsys)
    assert before["stock"] - after["stock"] == 1 + 2


def test_an_empty_wallet_buys_nothing_by_itself(paid: PaidStack, capsys) -> None:
    client = paid.write_client("poor", paid.relay.listening)
    with pytest.raises(WalletEmptyError):
        ask(client, max_tokens=20)
