"""Proofs that pay for one request, with one token."""

import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from openpcc.protocol.errors import MalformedError, ProtocolError, UnsealableError
from openpcc.protocol.sealing import check_proof, holder_nonce, redemption_proof, token_digest

HOLDER = Ed25519PrivateKey.generate()
NONCE = holder_nonce(HOLDER.public_key().public_bytes_raw())
DIGEST = b"d" * 32
PROOF = redemption_proof(HOLDER, DIGEST)


def test_a_proof_pays_for_its_request():
    assert len(PROOF) == 96
    check_proof(PROOF, nonce=NONCE, request_digest=DIGEST)


def test_a_proof_pays_for_no_other_request():
    with pytest.raises(UnsealableError):
        check_proof(PROOF, nonce=NONCE, request_digest=b"e" * 32)


def test_a_proof_needs_the_holders_key():
    thief = Ed25519PrivateKey.generate()
    with pytest.raises(UnsealableError):
        check_proof(redemption_proof(thief, DIGEST), nonce=NONCE, request_digest=DIGEST)
    mixed = PROOF[:32] + redemption_proof(thief, DIGEST)[32:]
    with pytest.raises(UnsealableError):
        check_proof(mixed, nonce=NONCE, request_digest=DIGEST)


@pytest.mark.parametrize("proof", [b"", PROOF[:-1], PROOF + b"\0"])
def test_refuses_a_proof_of_another_length(proof):
    with pytest.raises(MalformedError):
        check_proof(proof, nonce=NONCE, request_digest=DIGEST)


@given(st.binary(min_size=64, max_size=64))
def test_any_bytes_are_refused_with_this_packages_error(signature):
    with pytest.raises(ProtocolError):
        check_proof(PROOF[:32] + signature, nonce=NONCE, request_digest=DIGEST)


def test_the_digest_binds_tokens_and_their_order():
    assert token_digest([b"a", b"b"]) == hashlib.sha256(b"ab").digest()
    assert token_digest([b"b", b"a"]) != token_digest([b"a", b"b"])
    assert token_digest([]) == bytes(32)
