"""Issuer keys: one spelling, the numbers of the token type, and the id over it."""

import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
)
from hypothesis import given
from hypothesis import strategies as st

from openpcc.protocol.errors import MalformedError
from openpcc.protocol.privacypass import IssuerKey
from tests.fakes import issuer_keys

KEY = issuer_keys.public()
SPKI = KEY.spki
HEAD = (
    "30820152303d06092a864886f70d01010a3030a00d300b0609608648016503040202"
    "a11a301806092a864886f70d010108300b0609608648016503040202a203020130"
)


def rebuilt(body):
    return b"\x30\x82" + len(body).to_bytes(2, "big") + body


def test_writes_342_bytes_with_explicit_parameters():
    assert len(SPKI) == 342
    assert SPKI.hex().startswith(HEAD)
    assert KEY.id == hashlib.sha256(SPKI).digest()
    assert KEY.truncated_id == KEY.id[31]


def test_the_crypto_library_reads_the_same_key():
    loaded = load_der_public_key(SPKI)
    assert isinstance(loaded, rsa.RSAPublicKey)
    assert loaded.public_numbers() == rsa.RSAPublicNumbers(KEY.e, KEY.n)


@pytest.mark.parametrize("e", [65537, 65539, 2**31 - 1, 2**32 - 1])
def test_reads_what_it_wrote(e):
    key = IssuerKey(n=KEY.n, e=e)
    assert IssuerKey.parse(key.spki) == key


def test_refuses_the_same_key_as_plain_rsa():
    plain = rsa.RSAPublicNumbers(KEY.e, KEY.n).public_key()
    with pytest.raises(MalformedError):
        IssuerKey.parse(plain.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("a203020130", "a203020120"),  # salt length 32
        ("06092a864886f70d01010a", "06092a864886f70d01010b"),  # sha256WithRSA
        ("a00d300b0609608648016503040202", "a00d300b0609608648016503040201"),  # SHA-256
        ("300b0609608648016503040202a203", "300b0609608648016503040203a203"),  # MGF1-SHA-512
    ],
)
def test_refuses_other_parameters(old, new):
    changed = SPKI.hex().replace(old, new, 1)
    assert changed != SPKI.hex()
    with pytest.raises(MalformedError):
        IssuerKey.parse(bytes.fromhex(changed))


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"\x30",
        b"\x30\x80",
        SPKI[:-1],
        SPKI + b"\0",
        b"\x30\x83\0" + SPKI[2:],
        SPKI.replace(b"\x03\x82\x01\x0f\x00", b"\x03\x82\x01\x0f\x01"),
        rebuilt(SPKI[4:] + b"\x05\x00"),
        bytes(1 << 16),
    ],
)
def test_refuses_another_spelling(broken):
    with pytest.raises(MalformedError):
        IssuerKey.parse(broken)


@pytest.mark.parametrize(
    ("n", "e"),
    [
        (KEY.n >> 1, 65537),
        (KEY.n << 1 | 1, 65537),
        (-KEY.n, 65537),
        (KEY.n - 1, 65537),
        (KEY.n, 3),
        (KEY.n, 65535),
        (KEY.n, 65538),
        (KEY.n, 2**32 + 1),
    ],
    ids=range(8),  # the numbers are drawn at random
)
def test_refuses_numbers_the_token_type_does_not_have(n, e):
    with pytest.raises(MalformedError):
        IssuerKey(n=n, e=e)


@given(st.integers(0, len(SPKI) - 1), st.binary(max_size=4))
def test_an_accepted_key_has_one_spelling(at, new):
    data = SPKI[:at] + new + SPKI[at + 1 :]
    try:
        key = IssuerKey.parse(data)
    except MalformedError:
        return
    assert key.spki == data
