"""The raw private operation: right or not at all."""

import base64
import builtins
import importlib
import sys

import gmpy2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway import rsa_private
from gateway.errors import FaultError, PrivateKeyError
from gateway.rsa_private import PrivateKey
from openpcc.protocol.errors import MalformedError

RAW = rsa.generate_private_key(65537, 1024)
NUMBERS = RAW.private_numbers()
KEY = PrivateKey(RAW)
MESSAGE = (2**1000 + 12345).to_bytes(128, "big")


def number(data):
    return int.from_bytes(data, "big")


def expected(message):
    return pow(number(message), NUMBERS.d, KEY.n).to_bytes(128, "big")


@settings(max_examples=50)
@given(st.integers(0, KEY.n - 1))
def test_signs_every_number_below_the_modulus(value):
    message = value.to_bytes(128, "big")
    assert KEY.blind_sign(message) == expected(message)


@pytest.mark.parametrize("bits", [1024, 1025, 1031, 1536, 2048])
def test_signs_with_keys_of_any_size(bits):
    raw = rsa.generate_private_key(65537, bits)
    key = PrivateKey(raw)
    assert key.size == (bits + 7) // 8
    message = (key.n - 2).to_bytes(key.size, "big")
    d = raw.private_numbers().d
    assert number(key.blind_sign(message)) == pow(number(message), d, key.n)


def test_signs_numbers_that_share_a_factor_with_the_modulus():
    for value in (0, 1, NUMBERS.p, NUMBERS.q, KEY.n - 1):
        message = value.to_bytes(128, "big")
        assert KEY.blind_sign(message) == expected(message)


@pytest.mark.parametrize("size", [0, 127, 129])
def test_refuses_another_length(size):
    with pytest.raises(MalformedError):
        KEY.blind_sign(bytes(size))


@pytest.mark.parametrize("above", [0, 1])
def test_refuses_a_number_that_is_not_below_the_modulus(above):
    with pytest.raises(MalformedError):
        KEY.blind_sign((KEY.n + above).to_bytes(128, "big"))


@pytest.mark.parametrize("half", ["_p", "_q", "_dp", "_dq", "_q_inverse"])
def test_a_fault_in_any_part_of_the_key_gives_nothing_out(half):
    faulty = PrivateKey(RAW)
    setattr(faulty, half, getattr(faulty, half) + 2)
    with pytest.raises(FaultError) as refused:
        faulty.blind_sign(MESSAGE)
    assert_holds_no_number(refused.value)


@pytest.mark.parametrize("call", range(4))
def test_a_fault_in_any_exponentiation_gives_nothing_out(call, monkeypatch):
    """The classic attack flips one bit of one half; the factors follow from what comes out."""
    made = []

    def faulty(name):
        real = getattr(gmpy2, name)

        def power(*arguments):
            made.append(name)
            return real(*arguments) ^ (len(made) == call + 1)

        return power

    monkeypatch.setattr(gmpy2, "powmod_sec", faulty("powmod_sec"))
    monkeypatch.setattr(gmpy2, "powmod", faulty("powmod"))
    with pytest.raises(FaultError) as refused:
        KEY.blind_sign(MESSAGE)
    assert made == ["powmod_sec", "powmod_sec", "powmod_sec", "powmod"]
    assert_holds_no_number(refused.value)


def assert_holds_no_number(error):
    assert not any(digit in str(error) for digit in "0123456789")


def test_what_is_raised_to_the_power_is_never_what_was_asked(monkeypatch):
    bases = []
    real = gmpy2.powmod_sec

    def watched(base, *rest):
        bases.append(int(base))
        return real(base, *rest)

    monkeypatch.setattr(gmpy2, "powmod_sec", watched)
    for _ in range(2):
        KEY.blind_sign(MESSAGE)
    asked = number(MESSAGE)
    assert len(set(bases)) == 6
    assert {asked, asked % NUMBERS.p, asked % NUMBERS.q}.isdisjoint(bases)


@pytest.mark.parametrize("algorithm", ["rsaEncryption", "id-RSASSA-PSS"])
def test_loads_what_it_wrote_and_both_names_of_the_algorithm(algorithm):
    pem = KEY.pem()
    if algorithm == "id-RSASSA-PSS":
        der = RAW.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        pem = as_pss(der)
    loaded = PrivateKey.load(pem)
    assert (loaded.n, loaded.e) == (KEY.n, KEY.e)
    assert loaded.blind_sign(MESSAGE) == expected(MESSAGE)


def as_pss(der):
    """Give the same PKCS#8 key under the other identifier."""
    plain = bytes.fromhex("300d06092a864886f70d0101010500")
    params = bytes.fromhex(
        "303d06092a864886f70d01010a3030a00d300b0609608648016503040202"
        "a11a301806092a864886f70d010108300b0609608648016503040202a203020130"
    )
    body = der[4:].replace(plain, params, 1)
    assert len(body) > len(der) - 4
    whole = b"\x30\x82" + len(body).to_bytes(2, "big") + body
    return (
        b"-----BEGIN PRIVATE KEY-----\n"
        + base64.encodebytes(whole)
        + b"-----END PRIVATE KEY-----\n"
    )


def broken_keys():
    pem = KEY.pem()
    pkcs8 = PrivateFormat.PKCS8
    yield b""
    yield b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"
    yield pem.replace(b"A", b"B")
    yield pem + b"#" * 20000
    yield RAW.private_bytes(Encoding.PEM, pkcs8, BestAvailableEncryption(b"secret"))
    yield RAW.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    yield RAW.private_bytes(Encoding.DER, pkcs8, NoEncryption())
    yield ec.generate_private_key(ec.SECP256R1()).private_bytes(Encoding.PEM, pkcs8, NoEncryption())


@pytest.mark.parametrize("pem", list(broken_keys()))
def test_refuses_a_file_that_is_no_such_key(pem):
    with pytest.raises(PrivateKeyError) as refused:
        PrivateKey.load(pem)
    assert "AAAA" not in str(refused.value)


def test_a_new_key_is_one_for_tokens():
    key = PrivateKey.generate()
    assert (key.n.bit_length(), key.e) == (2048, 65537)
    assert key.n != PrivateKey.generate().n


def test_shows_nothing_of_the_key():
    assert str(NUMBERS.p)[:20] not in repr(KEY)
    assert repr(KEY).startswith("<gateway.rsa_private.PrivateKey object")


def test_without_gmpy2_it_says_what_to_install(monkeypatch):
    real = builtins.__import__

    def missing(name, *rest):
        if name == "gmpy2":
            raise ModuleNotFoundError("No module named 'gmpy2'", name="gmpy2")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", missing)
    monkeypatch.delitem(sys.modules, "gateway.rsa_private")
    with pytest.raises(ImportError, match=r"openpcc\[issuer\]"):
        importlib.import_module("gateway.rsa_private")
    assert rsa_private.BITS == 2048
