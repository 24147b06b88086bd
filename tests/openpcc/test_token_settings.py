"""`[tokens]` of a configuration."""

from pathlib import Path
from typing import Any

import pytest

from openpcc.config import Table
from openpcc.errors import ConfigurationError
from openpcc.token_settings import TokenSettings, read_tokens

LEAST: dict[str, Any] = {"issuer": "https://issuer.example", "credential": "key"}


def read(**more: Any) -> TokenSettings:
    return read_tokens(Table(LEAST | more, "client.toml: [tokens]"), Path("folder"))


def test_issuer_and_credential_are_enough():
    found = read()
    assert found == TokenSettings(issuer="https://issuer.example", credential=Path("folder/key"))
    assert (found.stock, found.budget, found.every) == (256, 4096, 900)


def test_paths_are_relative_to_the_configuration():
    assert read(ca="ca.pem").ca == Path("folder/ca.pem")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"issuer": "http://issuer.example"}, "'issuer' must be an https URL"),
        ({"issuer": "https://issuer.example/?a=b"}, "https URL"),
        ({"stock": 0}, "1..4096"),
        ({"stock": 4097}, "1..4096"),
        ({"budget": 1000}, "power of two"),
        ({"budget": 128}, "256.."),
        ({"every": 9}, "10..86400"),
        ({"protection": "none"}, "keystore, file"),
        ({"credential": ""}, "'credential'"),
        ({"secret": "x"}, "unknown key 'secret'"),
    ],
)
def test_what_is_wrong_is_named(more: dict[str, Any], said: str):
    with pytest.raises(ConfigurationError, match=said):
        read(**more)


@pytest.mark.parametrize("name", sorted(LEAST))
def test_both_must_be_there(name: str):
    rest = {key: value for key, value in LEAST.items() if key != name}
    with pytest.raises(ConfigurationError, match=f"'{name}' is missing"):
        read_tokens(Table(rest, "client.toml: [tokens]"), Path())
