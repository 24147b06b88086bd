"""A quote's signature has one spelling, and counts under one key, scheme and hash."""

import struct

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from hypothesis import given
from hypothesis import strategies as st

from attestation.errors import AppraisalError, MalformedEvidenceError
from attestation.tcg_log import Bank
from attestation.tpm.public import read_spki
from attestation.tpm.signature import Scheme, Signature, check_signature
from tests.fakes.tpm import (
    ECDSA,
    HASHES,
    RSAPSS,
    RSASSA,
    SHA1,
    SHA256,
    SHA384,
    SHA512,
    Ak,
    ec_ak,
    rsa_ak,
    sized,
)

DATA = b"a quote message"
P384 = ec.SECP384R1
KINDS = [
    pytest.param(rsa_ak(), RSASSA, rsa_ak("other"), id="RSASSA"),
    pytest.param(rsa_ak(), RSAPSS, rsa_ak("other"), id="RSAPSS"),
    pytest.param(ec_ak(), ECDSA, ec_ak("other"), id="P-256"),
    pytest.param(ec_ak(curve=P384), ECDSA, ec_ak("other", P384), id="P-384"),
]


@pytest.mark.parametrize(("ak", "scheme", "other"), KINDS)
@pytest.mark.parametrize("hashed", [SHA256, SHA384, SHA512])
def test_accepts_every_scheme_and_hash(ak: Ak, scheme: int, other: Ak, hashed: int):
    data = ak.sign(DATA, scheme=scheme, hashed=hashed)
    signature = Signature.parse(data)
    assert (signature.scheme, signature.hashed) == (scheme, hashed)
    assert signature.encode() == data
    check_signature(DATA, signature, read_spki(ak.spki))


@pytest.mark.parametrize(("ak", "scheme", "other"), KINDS)
def test_refuses_other_bytes_and_other_keys(ak: Ak, scheme: int, other: Ak):
    signature = Signature.parse(ak.sign(DATA, scheme=scheme))
    for data, key in ((DATA + b"!", ak), (DATA, other)):
        with pytest.raises(AppraisalError, match="the signature does not verify"):
            check_signature(data, signature, read_spki(key.spki))


def test_accepts_the_longest_salt():
    key, hashed = rsa_ak().key, HASHES[SHA256]
    assert isinstance(key, rsa.RSAPrivateKey)
    pss = padding.PSS(padding.MGF1(hashed), padding.PSS.MAX_LENGTH)
    data = struct.pack(">HH", RSAPSS, SHA256) + sized(key.sign(DATA, pss, hashed))
    check_signature(DATA, Signature.parse(data), read_spki(rsa_ak().spki))


def test_refuses_sha_1():
    signature = Signature.parse(rsa_ak().sign(DATA, hashed=SHA1))
    with pytest.raises(AppraisalError, match="expected SHA256 or SHA384 or SHA512, found SHA1"):
        check_signature(DATA, signature, read_spki(rsa_ak().spki))


@pytest.mark.parametrize(("signer", "key"), [(rsa_ak(), ec_ak()), (ec_ak(), rsa_ak())])
def test_refuses_a_scheme_of_another_kind_of_key(signer: Ak, key: Ak):
    signature = Signature.parse(signer.sign(DATA))
    with pytest.raises(AppraisalError, match="AK: expected a key for"):
        check_signature(DATA, signature, read_spki(key.spki))


@pytest.mark.parametrize(("r", "s"), [(b"", b""), (b"\0", b"\1"), (b"\1", b"\0" * 32)])
def test_zero_is_no_signature(r: bytes, s: bytes):
    data = struct.pack(">HH", ECDSA, SHA256) + sized(r) + sized(s)
    with pytest.raises(AppraisalError, match="does not verify"):
        check_signature(DATA, Signature.parse(data), read_spki(ec_ak().spki))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is cut"),
        (struct.pack(">HH", 0x10, SHA256), "scheme 0x0010 with hash 0x000b"),
        (struct.pack(">HH", 0x1A, SHA256), "scheme 0x001a"),
        (struct.pack(">HH", RSASSA, 0x12), "with hash 0x0012"),
        (struct.pack(">HH", RSASSA, SHA256) + sized(bytes(513)), "RSA signature of 513 bytes"),
        (struct.pack(">HH", ECDSA, SHA256) + sized(bytes(49)) + sized(b"\1"), "r of 49 bytes"),
        (struct.pack(">HH", RSASSA, SHA256) + sized(bytes(256)) + b"\0", "1 bytes follow"),
    ],
)
def test_refuses_by_name(data: bytes, reason: str):
    with pytest.raises(MalformedEvidenceError, match=reason):
        Signature.parse(data)


def test_a_bare_rsa_signature_is_rsassa_with_sha_256():
    whole = rsa_ak().sign(DATA)
    found = Signature.parse_any(whole[6:])
    assert found == Signature.parse(whole) == Signature.parse_any(whole)
    with pytest.raises(MalformedEvidenceError):
        Signature.parse_any(whole[7:])
    with pytest.raises(MalformedEvidenceError):
        Signature.parse(whole[6:])


@given(st.binary(max_size=300))
def test_any_bytes_are_a_signature_or_refused(data: bytes):
    for whole in (data, rsa_ak().sign(DATA)[:4] + data):
        try:
            signature = Signature.parse(whole)
        except MalformedEvidenceError:
            continue
        assert signature.encode() == whole
        with pytest.raises(AppraisalError):
            check_signature(DATA, signature, read_spki(ec_ak().spki))
        assert signature.scheme in set(Scheme)
        assert signature.hashed in set(Bank)
