"""The signed result: for one audience, alone on standard output or in a file of its own."""

import base64
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from attestation import ear_token
from attestation.ear import Ear, Tier
from openpcc import __version__
from openpcc.cli.main import main
from openpcc.cli.verify.ear import LIFETIME, nonce_of
from openpcc.errors import ConfigurationError
from tests.fakes import kept
from tests.fakes.amd import NOW

KEY = Ed25519PrivateKey.generate()
NONCE = base64.urlsafe_b64encode(bytes(range(200, 232))).rstrip(b"=").decode()


@pytest.fixture
def words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Good raw evidence, and a key, at a clock that stands."""
    monkeypatch.setattr("openpcc.clock.now", lambda: NOW)
    ear = ["--ear", str(save(tmp_path, KEY)), "--ear-audience", "me"]
    return ["verify", "evidence", *kept.snp().words(tmp_path), *ear]


def save(folder: Path, key, encryption=NoEncryption()) -> Path:  # noqa: B008
    path = folder / "ear.pem"
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))
    return path


def result(token: str, key=KEY) -> Ear:
    return ear_token.verify(token.strip(), key.public_key(), audience="me", now=NOW)


def test_the_token_stands_alone_and_the_verdict_beside_it(words, capsys):
    assert main(words) == 0
    out, err = capsys.readouterr()
    found = result(out)
    assert out.count("\n") == 1
    assert err.startswith("openpcc: ACCEPTED, SIMULATED: these parts alone")
    assert (found.build, found.issued) == (f"openpcc {__version__}", NOW)
    assert found.expires == NOW + LIFETIME
    assert found.nonces == ()
    assert found.status is not Tier.AFFIRMING  # parts prove nothing about a node
    assert found.about["scope"] == "parts"


def test_the_nonce_of_who_asked_is_repeated(words, capsys):
    assert main([*words, "--ear-nonce", NONCE]) == 0
    assert result(capsys.readouterr().out).nonces == (NONCE,)


def test_a_file_for_it_leaves_standard_output_to_the_report(words, capsys, tmp_path):
    path = tmp_path / "result.jwt"
    assert main([*words, "--ear-out", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["verdict"] == "accepted"
    assert result(path.read_text()).about["verdict"] == "accepted"
    assert main([*words, "--ear-out", str(path)]) == 0
    assert capsys.readouterr().out.startswith("ACCEPTED")


def test_a_refusal_is_signed_too(words, capsys, tmp_path):
    (tmp_path / "crl.bin").write_bytes(b"")
    assert main(words) == 1
    assert result(capsys.readouterr().out).about["verdict"] == "refused"


@pytest.mark.parametrize("key", [ec.generate_private_key(ec.SECP384R1())])
def test_keys_of_other_kinds_sign(words, capsys, tmp_path, key):
    save(tmp_path, key)
    assert main(words) == 0
    result(capsys.readouterr().out, key)


def test_nobody_signs_what_is_to_come(words, capsys):
    assert main([*words, "--at", str(NOW + 1)]) == 2
    assert "--at to come" in capsys.readouterr().err
    assert main([*words, "--at", str(NOW - 1)]) == 0


@pytest.mark.parametrize(
    "pem",
    [
        b"",
        b"-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n",
        b"x" * 2**17,
        KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")),
        rsa.generate_private_key(65537, 2048).private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        ),
    ],
)
def test_a_file_that_is_no_such_key_is_named(words, capsys, tmp_path, pem):
    (tmp_path / "ear.pem").write_bytes(pem)
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "ear.pem: " in err
    assert "P-256" in err


def test_the_result_does_not_replace_the_key(words, capsys, tmp_path):
    before = (tmp_path / "ear.pem").read_bytes()
    (tmp_path / "link").symlink_to("ear.pem")
    for name in ("ear.pem", "link"):
        assert main([*words, "--ear-out", str(tmp_path / name)]) == 2
        assert "is the key" in capsys.readouterr().err
    assert (tmp_path / "ear.pem").read_bytes() == before


def test_a_place_that_cannot_be_written_is_named(words, capsys, tmp_path):
    assert main([*words, "--ear-out", str(tmp_path)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "name another file with --ear-out" in err


@pytest.mark.parametrize(
    "text", ["", "AAAA", "A" * 10 + "!", "A" * 88, NONCE[:-1] + "B", "a+b/" * 4]
)
def test_a_nonce_has_one_spelling(text: str):
    with pytest.raises(ConfigurationError, match="--ear-nonce"):
        nonce_of(text)


def test_a_nonce_may_be_padded():
    assert nonce_of(NONCE + "=") == nonce_of(NONCE) == bytes(range(200, 232))
