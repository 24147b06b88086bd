"""Verification of tokens: each way not to pay has its own error."""

import ast
import dataclasses
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openpcc.protocol.errors import (
    MalformedError,
    ProtocolError,
    TokenChallengeError,
    TokenError,
    TokenForgedError,
    TokenKeyError,
    TokenTypeError,
)
from openpcc.protocol.privacypass import Token, verify_token
from tests.fakes import issuer_keys

KEY, OTHER = issuer_keys.public(), issuer_keys.public(1)
DIGEST = issuer_keys.CHALLENGE.digest
TOKEN = issuer_keys.token(b"n" * 32)


def verify(token, *keys, digest=DIGEST):
    accepted = {key.id: key for key in keys or (KEY, OTHER)}
    return verify_token(token, keys=accepted, challenge_digest=digest)


def test_accepts_what_the_issuer_signed():
    verified = verify(TOKEN)
    assert (verified.key_id, verified.nonce) == (KEY.id, b"n" * 32)
    assert verify(issuer_keys.token(number=1)).key_id == OTHER.id


def test_has_the_layout_of_the_rfc():
    assert len(TOKEN) == 354
    assert TOKEN[:98] == b"\0\2" + b"n" * 32 + DIGEST + KEY.id
    assert Token.parse(TOKEN).encode() == TOKEN


@pytest.mark.parametrize("kind", [0x0000, 0x0001, 0x0003, 0xDA7A])
def test_another_type_is_said_first_whatever_the_length(kind):
    for rest in (TOKEN[2:], b"", b"short", bytes(1000)):
        with pytest.raises(TokenTypeError):
            verify(kind.to_bytes(2, "big") + rest)


@pytest.mark.parametrize("broken", [b"", b"\0", TOKEN[:-1], TOKEN + b"\0", TOKEN[:2]])
def test_refuses_another_length(broken):
    with pytest.raises(MalformedError):
        verify(broken)


def test_refuses_a_token_for_another_challenge():
    with pytest.raises(TokenChallengeError):
        verify(TOKEN, digest=bytes(32))


def test_refuses_a_token_of_a_key_that_is_not_accepted():
    with pytest.raises(TokenKeyError):
        verify(TOKEN, OTHER)
    with pytest.raises(TokenKeyError):
        verify_token(TOKEN, keys={}, challenge_digest=DIGEST)


def test_refuses_a_token_under_another_keys_name():
    with pytest.raises(TokenForgedError):
        verify(TOKEN[:66] + OTHER.id + TOKEN[98:])


def test_refuses_a_token_under_a_key_filed_wrongly():
    with pytest.raises(TokenForgedError):
        verify_token(TOKEN, keys={KEY.id: OTHER}, challenge_digest=DIGEST)


@pytest.mark.parametrize("at", range(354))
def test_no_byte_can_be_changed(at):
    changed = TOKEN[:at] + bytes([TOKEN[at] ^ 1]) + TOKEN[at + 1 :]
    expected = (
        TokenTypeError if at < 2
        else TokenForgedError if at < 34 or at >= 98
        else TokenChallengeError if at < 66
        else TokenKeyError
    )  # fmt: skip
    with pytest.raises(expected):
        verify(changed)


def test_a_refusal_holds_nothing_of_the_token():
    for changed in (
        TOKEN[:40] + b"x" + TOKEN[41:],
        TOKEN[:70] + b"x" + TOKEN[71:],
        TOKEN[:-1] + b"x",
    ):
        with pytest.raises(TokenError) as refused:
            verify(changed)
        assert "6e6e" not in str(refused.value)
        assert KEY.id.hex()[:8] not in str(refused.value)


@pytest.mark.parametrize("field", ["nonce", "challenge_digest", "key_id"])
def test_an_input_has_fields_of_32_bytes(field):
    whole = Token.parse(TOKEN)
    assert len(whole.input) == 98
    for wrong in (b"", bytes(31), bytes(33)):
        with pytest.raises(MalformedError):
            dataclasses.replace(whole, **{field: wrong}).encode()


def test_a_verified_token_is_made_only_by_verification(root: Path):
    def makes(path: Path) -> bool:
        names = (node.func for node in ast.walk(ast.parse(path.read_text()))
                 if isinstance(node, ast.Call))  # fmt: skip
        return any("VerifiedToken" in (getattr(one, "id", ""), getattr(one, "attr", ""))
                   for one in names)  # fmt: skip

    makers = [
        path.relative_to(root).as_posix()
        for folder in ("openpcc", "gateway", "node_image")
        for path in (root / folder).rglob("*.py")
        if makes(path)
    ]
    assert makers == ["openpcc/protocol/privacypass/token.py"]


@given(st.binary(max_size=400))
def test_any_bytes_are_refused_by_this_packages_error(data):
    for token in (data, b"\0\2" + data, (b"\0\2" + data + bytes(354))[:354]):
        with pytest.raises(ProtocolError):
            verify(token)
