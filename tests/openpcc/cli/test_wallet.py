"""`openpcc wallet`: counts, and nothing but counts."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from openpcc import clock
from openpcc.cli.main import main
from openpcc.config import ClientConfig
from openpcc.errors import IssuerError
from openpcc.token_settings import TokenSettings
from openpcc.tokens.store import FILE, Store
from tests.fakes.issuer import CREDENTIAL, MemoryIssuer, served
from tests.fakes.memory_service import SERVICE, MemoryService, as_relay
from tests.fakes.node import FarEnd
from tests.fakes.paying_service import PayingService
from tests.fakes.world import NOW

EMPTY = {"stock": 0, "sent": 0, "pending": 0, "expired": 0}


@pytest.fixture
def service(tmp_path: Path) -> PayingService:
    return PayingService(tmp_path / "service")


@pytest.fixture
def issuer() -> MemoryIssuer:
    return MemoryIssuer()


@pytest.fixture
def config(
    service: MemoryService, issuer: MemoryIssuer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ClientConfig]:
    credential = tmp_path / "credential"
    credential.touch(mode=0o600)
    credential.write_text(CREDENTIAL)
    with served(issuer) as far, FarEnd(as_relay(service)) as relay:
        tokens = TokenSettings(issuer=far.url, credential=credential, stock=20, protection="file")
        made = replace(service.config, relays=(relay.url,), state=tmp_path / "state", tokens=tokens)
        monkeypatch.setattr(ClientConfig, "load", lambda _: made)
        monkeypatch.setattr(clock, "now", lambda: NOW)
        yield made


def ran(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> dict[str, Any]:
    assert main(["wallet", *words, "--json"]) == code
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_before_the_first_token_there_is_no_wallet(
    config: ClientConfig, capsys: pytest.CaptureFixture[str]
):
    found = ran(capsys)
    assert found == EMPTY | {"protection": None, "path": str(config.state / FILE)}
    assert ran(capsys, "check") == {"whole": 0, "damaged": 0, "dropped": False}
    assert not (config.state / FILE).exists()


def test_it_is_filled_when_the_user_says_so(
    config: ClientConfig,
    service: PayingService,
    issuer: MemoryIssuer,
    capsys: pytest.CaptureFixture[str],
):
    assert ran(capsys, "fill") == EMPTY | {"came": 32, "stock": 32}
    assert ran(capsys, "fill") == EMPTY | {"came": 0, "stock": 32}
    assert ran(capsys, "status")["protection"] == "file"
    assert issuer.tokens == 32
    # Gateway and issuer may be one: a shard asked for now would be known to be this account's.
    assert not [path for path in service.asked if path.startswith(("/directory", "/bundle"))]
    assert ran(capsys, "check") == {"whole": 32, "damaged": 0, "dropped": False}


def test_people_see_counts_and_where(config: ClientConfig, capsys: pytest.CaptureFixture[str]):
    assert main(["wallet", "fill"]) == 0
    assert main(["wallet"]) == 0
    out = capsys.readouterr().out
    assert "32 tokens came; 32 can be spent" in out
    assert "in the clear, mode 600" in out
    assert str(config.state / FILE) in out


def test_damage_is_counted_and_dropped_only_when_told(
    config: ClientConfig, capsys: pytest.CaptureFixture[str]
):
    ran(capsys, "fill")
    store = Store(config.state, SERVICE)
    with store.step() as (db, _):
        db.execute("UPDATE tokens SET row = x'00' WHERE id < 3")
    store.close()
    assert ran(capsys, "check", code=1) == {"whole": 30, "damaged": 2, "dropped": False}
    assert main(["wallet", "check"]) == 1
    assert "--drop-damaged" in capsys.readouterr().out
    found = ran(capsys, "check", "--drop-damaged")
    assert found == {"whole": 30, "damaged": 2, "dropped": True}
    assert ran(capsys)["stock"] == 30


def test_a_service_with_open_admission_takes_no_tokens(
    config: ClientConfig,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    service = MemoryService(tmp_path / "open", nodes=1)
    with FarEnd(as_relay(service)) as relay:
        there = replace(service.config, relays=(relay.url,), tokens=config.tokens)
        monkeypatch.setattr(ClientConfig, "load", lambda _: there)
        assert ran(capsys, "fill", code=2)["error"]["code"] == "configuration"


@pytest.mark.parametrize(
    ("words", "code"), [(["fill", "--drop-damaged"], 2), (["--drop-damaged"], 2)]
)
def test_arguments_that_do_not_go_together(
    config: ClientConfig, words: list[str], code: int, capsys: pytest.CaptureFixture[str]
):
    assert ran(capsys, *words, code=code)["error"]["code"] == "configuration"


def test_without_settings_it_says_what_is_missing(
    config: ClientConfig, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(ClientConfig, "load", lambda _: replace(config, tokens=None))
    assert "[tokens]" in ran(capsys, code=2)["error"]["message"]


@pytest.mark.parametrize(
    ("refusal", "exit_code", "code"),
    [("quota", 3, "issuer.quota"), ("key", 1, "issuer.key"), ("down", 3, "issuer.unreachable")],
)
def test_errors_have_their_exit_codes(
    config: ClientConfig,
    issuer: MemoryIssuer,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    refusal: str,
    exit_code: int,
    code: str,
):
    assert config.tokens is not None
    if refusal == "quota":
        issuer.refusal = IssuerError("quota", 429, "no")
    elif refusal == "key":
        issuer.keys = MemoryIssuer(1).keys
    else:
        gone = replace(config.tokens, issuer="http://127.0.0.1:1")
        monkeypatch.setattr(ClientConfig, "load", lambda _: replace(config, tokens=gone))
    assert ran(capsys, "fill", code=exit_code)["error"]["code"] == code


def test_the_doctor_looks_into_the_wallet(config: ClientConfig, capsys: pytest.CaptureFixture[str]):
    def row() -> dict[str, Any]:
        main(["doctor", "--json", "--config", "any"])
        rows = json.loads(capsys.readouterr().out)["checks"]
        return next(one for one in rows if one["id"] == "8.wallet")

    assert row()["outcome"] == "FAIL"
    ran(capsys, "fill")
    assert (row()["outcome"], row()["detail"]) == ("PASS", "32 tokens can be spent")
    (config.state / FILE).chmod(0o644)
    assert "chmod 600" in row()["detail"]
