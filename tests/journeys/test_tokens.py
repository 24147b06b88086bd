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
from openpcc.config import ClientConfig
from openpcc.errors import WalletEmptyError
from openpcc.protocol.privacypass import Token
from openpcc.tokens.held import HeldToken
from openpcc.tokens.store import Store
from tests.journeys import capturing
from tests.journeys.capturing import decapsulated, of_client, of_request, search, told
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
        answer = opened.chat.completions.create(  # type: ignore[call-overload]
            model="demo",
            messages=MESSAGES,
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


def of_payment(client: Path, held: set[bytes], left: set[bytes]) -> dict[str, bytes]:
    """Name what must not show on the way: what was spent, what is left, and whose account it is."""
    settings = ClientConfig.load(client).tokens
    assert settings is not None
    spent = [Token.parse(one) for one in held - left]
    return {
        "credential": settings.credential.read_bytes().strip(),
        **{f"token {number}": one.encode() for number, one in enumerate(spent)},
        **{f"nonce {number}": one.nonce for number, one in enumerate(spent)},
        **{f"signature {number}": one.authenticator for number, one in enumerate(spent)},
        **{f"left {number}": Token.parse(one).nonce for number, one in enumerate(left)},
    }


def wallet(client: Path) -> set[bytes]:
    """Give all tokens of a wallet, as another process of the user would read them."""
    config = ClientConfig.load(client)
    store = Store(config.state, config.policy.service, protection="file")
    try:
        with store.reading() as (db, vault):
            rows = db.execute("SELECT row FROM tokens").fetchall()
            return {HeldToken.parse(vault.open(b"token", row)).token for (row,) in rows}
    finally:
        store.close()


def test_a_payment_is_seen_by_the_gateway_and_by_nobody_on_the_way(paid: PaidStack) -> None:
    """The relay sees no token, the gateway no address and no account, in whatever spelling."""
    with capturing.capturing(paid, "watched") as capture:
        paid.fill(capture.config)
        held = wallet(capture.config)
        capturing.ask(capture.client, max_tokens=2 * OUTPUT)
        capturing.ask(capture.client, stream=True)
        left = wallet(capture.config)
        assert len(held - left) == 3
        payment = of_payment(capture.config, held, left)
        passed = capture.near.everything() + capture.far.everything()
        request = of_request(capture.client)
        assert search(passed, payment | request) == set()
        assert search(told(capture.relay), payment | request | of_client()) == set()
        opened = decapsulated(paid, capture.far.bodies())
        seen = search(opened, payment | request | of_client())
        spent = {name for name in payment if name.split()[0] in ("token", "nonce", "signature")}
        assert seen == spent | set(request) - {"prompt"}
        servers = [one for one in paid.programs.running if one is not capture.relay and one.control]
        hidden = {name: secret for name, secret in payment.items() if name in spent}
        assert search(told(*servers), of_client() | hidden) == set()
