"""Settings of admission by tokens: what is read, and what a program does not start with."""

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.config import GatewayConfig, PublisherConfig
from gateway.config_file import load
from gateway.errors import ConfigurationError
from gateway.main import GatewayProgram
from gateway.store_address import StoreAddress, parse_store
from tests.gateway.service import SERVICE, made_keys


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("redis://valkey.example", StoreAddress(host="valkey.example")),
        ("redis://10.0.0.1:7000/3", StoreAddress(host="10.0.0.1", port=7000, database=3)),
        ("redis://gate@[::1]:7000", StoreAddress(host="::1", port=7000, user="gate")),
        ("rediss://valkey.example/", StoreAddress(host="valkey.example", tls=True)),
        ("unix:///run/valkey.sock", StoreAddress(path="/run/valkey.sock")),
    ],
)
def test_reads_where_a_server_is(text: str, address: StoreAddress) -> None:
    assert parse_store("spent", text) == address


@pytest.mark.parametrize(
    "text",
    [
        "", "Memory", "valkey.example:6379", "http://valkey.example", "redis://", "redis://:1",
        "redis://h:99999", "redis://h:x", "redis://h/one", "redis://h/-1", "redis://h/1/2",
        "redis://h?db=1", "redis://h#1", "unix://host/path", "unix://", "unix:///", "sredis://h",
    ],
)  # fmt: skip
def test_refuses_another_address(text: str) -> None:
    with pytest.raises(ConfigurationError, match="spent"):
        parse_store("spent", text)


def test_a_password_in_an_address_is_refused_and_not_shown() -> None:
    with pytest.raises(ConfigurationError, match="store_password") as refused:
        parse_store("spent", "redis://gate:hunter2@valkey.example")
    assert "hunter2" not in str(refused.value)


def gateway(folder: Path, **changes: Any) -> GatewayConfig:
    made_keys(folder)
    settings = {
        "service": SERVICE,
        "ohttp_keys": ["ohttp-keys.json"],
        "publisher": "http://127.0.0.1:9",
        "log": "http://127.0.0.1:9",
        **changes,
    }
    path = folder / "gateway.toml"
    path.write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in settings.items()))
    return load(path, GatewayConfig)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"admission": "open"},
        {"admission": "tokens", "spent": "memory"},
        {"admission": "tokens", "spent": "unix:///s", "replay": "redis://h", "store_timeout": 2},
    ],
)
def test_starts_with(tmp_path: Path, changes: dict[str, Any]) -> None:
    GatewayProgram(gateway(tmp_path, **changes))


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"admission": "token"}, "admission"),
        ({"admission": "tokens"}, "spent"),
        ({"spent": "memory"}, "spent"),
        ({"admission": "tokens", "spent": "nowhere"}, "spent"),
        ({"replay": "nowhere"}, "replay"),
        ({"admission": "tokens", "spent": "memory", "max_spent": 0}, "max_spent"),
        ({"store_timeout": 0}, "store_timeout"),
    ],
)
def test_does_not_start_with(tmp_path: Path, changes: dict[str, Any], word: str) -> None:
    with pytest.raises(ConfigurationError, match=word):
        gateway(tmp_path, **changes)


def test_a_password_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.write_text("a-password-of-the-server\n")
    path.chmod(0o644)
    settings = gateway(tmp_path, admission="tokens", spent="unix:///s", store_password="password")
    with pytest.raises(ConfigurationError, match="password"):
        GatewayProgram(settings)
    path.chmod(0o600)
    GatewayProgram(settings)


def publisher(folder: Path, tokens: str) -> PublisherConfig:
    path = folder / "publisher.toml"
    path.write_text(
        f'service = "{SERVICE}"\nlog = "http://l"\nservice_key = "k"\nstatus_keys = []\n'
        f'ohttp_keys = "o"\nstate = "s"\narchive = "a"\n[[nodes]]\nurl = "http://n"\n{tokens}'
    )
    return load(path, PublisherConfig)


def test_the_publisher_reads_its_table(tmp_path: Path) -> None:
    assert publisher(tmp_path, "").tokens is None
    found = publisher(
        tmp_path, '[tokens]\nissuer = "https://i.example"\nname = "i.example"\n'
    ).tokens
    assert found is not None
    assert (found.issuer, found.name, found.output) == ("https://i.example", "i.example", 1024)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ('issuer = "i.example"', "tokens.issuer"),
        ('issuer = "https://i.example/"', "tokens.issuer"),
        ('issuer = "http://i.example"', "tokens.issuer"),
        ('issuer = "http://10.0.0.1:8003"', "tokens.issuer"),
        ('name = ""', "tokens.name"),
        ('name = "two words"', "tokens.name"),
        ("output = 1000", "tokens.output"),
        ("output = 128", "tokens.output"),
        ("output = 33554432", "tokens.output"),
        ("output = true", "tokens.output"),
        ('isuer = "https://i.example"', "isuer"),
    ],
)
def test_the_publisher_refuses(tmp_path: Path, change: str, word: str) -> None:
    table = {"issuer": 'issuer = "https://i.example"', "name": 'name = "i.example"'}
    table[change.split(" ", 1)[0]] = change
    with pytest.raises(ConfigurationError, match=word):
        publisher(tmp_path, "[tokens]\n" + "\n".join(table.values()) + "\n")
