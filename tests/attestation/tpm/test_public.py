"""An AK is read in the spellings it travels in, and only of kinds and sizes that count."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from attestation.errors import MalformedEvidenceError
from attestation.tpm.public import read_public, read_spki, rsa_key, spki
from tests.fakes.tpm import Ak, ec_ak, rsa_ak, sized

AKS = [
    pytest.param(rsa_ak(), id="RSA"),
    pytest.param(ec_ak(), id="P-256"),
    pytest.param(ec_ak(curve=ec.SECP384R1), id="P-384"),
]


def pem(ak: Ak) -> bytes:
    return ak.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@pytest.mark.parametrize("ak", AKS)
def test_every_spelling_is_the_same_key(ak: Ak):
    for data in (ak.spki, pem(ak), ak.tpmt(), sized(ak.tpmt()), ak.tpmt(scheme=0x16)):
        assert spki(read_public(data)) == ak.spki


def test_documents_hold_der_alone():
    for data in (pem(rsa_ak()), rsa_ak().tpmt(), rsa_ak().spki + b"\0", rsa_ak().spki[:-1]):
        with pytest.raises(MalformedEvidenceError):
            read_spki(data)


def test_refuses_another_spelling_of_the_same_key():
    """A compressed point names the key as well, and another digest would name it."""
    point = ec_ak().key.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    whole = ec_ak().spki
    body = whole[2:23] + bytes((0x03, 1 + len(point), 0)) + point
    with pytest.raises(MalformedEvidenceError, match="AK: not the one spelling"):
        read_spki(bytes((0x30, len(body))) + body)


@pytest.mark.parametrize(
    "key",
    [
        rsa_ak("short", 1024).key,
        ec.generate_private_key(ec.SECP521R1()),
        ec.generate_private_key(ec.SECP256K1()),
        ed25519.Ed25519PrivateKey.generate(),
    ],
)
def test_refuses_keys_that_do_not_count(key):
    der = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    for read in (read_spki, read_public):
        with pytest.raises(MalformedEvidenceError, match="AK: not RSA of 2048 to 4096 bits"):
            read(der)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "AK"),
        (b"\0\1", "is cut"),
        (rsa_ak().tpmt() + b"\0", "1 bytes follow"),
        (rsa_ak().tpmt(kind=0x23), "curve|cut|follow"),
        (rsa_ak().tpmt(kind=0x08), "AK"),
        (rsa_ak().tpmt(cipher=6), "a cipher of its own"),
        (rsa_ak().tpmt(bits=3072), "a modulus that has not 3072 bits"),
        (ec_ak().tpmt(curve=5), "a curve other than"),
        (ec_ak().tpmt(curve=4), "no point of its curve"),
        (b"-----BEGIN PUBLIC KEY-----\n", "not a PEM public key"),
        (bytes(2000), "more than 1024 bytes"),
    ],
)
def test_refuses_by_name(data: bytes, reason: str):
    with pytest.raises(MalformedEvidenceError, match=reason):
        read_public(data)


def test_an_rsa_key_of_nonsense_is_refused():
    for modulus, exponent in ((b"", 65537), (b"\1" * 256, 0), (b"\2" * 256, 2)):
        with pytest.raises(MalformedEvidenceError):
            rsa_key(modulus, exponent)


@given(st.binary(max_size=400))
def test_any_bytes_are_a_key_or_refused(data: bytes):
    for whole in (data, rsa_ak().tpmt()[:20] + data, b"\0\x23" + data, sized(data)):
        try:
            key = read_public(whole)
        except MalformedEvidenceError:
            continue
        assert read_spki(spki(key)) == key
