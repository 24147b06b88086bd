"""What is sent is paid for as it is sent; forged tokens are what they say."""

import secrets
from dataclasses import replace

import pytest

from openpcc.audit.attack import letters
from openpcc.audit.attack.forged_tokens import Stranger, forged
from openpcc.errors import IssuerError, IssuerKeyError
from openpcc.protocol import hpke, sealing
from openpcc.protocol.errors import TokenForgedError, TokenKeyError
from openpcc.protocol.payment import carried_tokens
from openpcc.protocol.privacypass import Token, verify_token
from openpcc.tokens.issuance import choose_key
from openpcc.tokens.payment import Payment
from tests.fakes.issuer_keys import public
from tests.fakes.paying_service import terms_of

TERMS = terms_of(0)


@pytest.fixture
def payment() -> Payment:
    return Payment(max_output=256, tokens=(forged(TERMS),))


@pytest.fixture
def sealed(payment: Payment) -> sealing.SealedRequest:
    node = sealing.NodePrivateKey.generate(kem_id=hpke.KEM_X25519, key_id=1)
    return sealing.seal_request(
        [node.node_key],
        b"hello",
        model="demo",
        expires=1_800_000_000,
        max_output=256,
        token_digest=payment.token_digest,
    )


def nonce(payment: Payment) -> bytes:
    return Token.parse(payment.tokens[0].token).nonce


def test_an_honest_letter_is_what_a_client_sends(sealed: sealing.SealedRequest, payment: Payment):
    letter = letters.write(sealed, payment)
    assert (letter.body, letter.request_digest) == (sealed.body, sealed.request_digest)
    assert letter.fields == payment.fields(sealed.request_digest)


def test_an_unpaid_letter_carries_nothing(sealed: sealing.SealedRequest):
    assert letters.write(sealed, None).fields == ()


def test_an_altered_letter_is_paid_for_as_it_is_sent(
    sealed: sealing.SealedRequest, payment: Payment
):
    def later(one: sealing.SealedRequest, _: Payment | None) -> bytes:
        header = replace(one.header, expires=one.header.expires + 60)
        return header.encode() + one.body[header.size :]

    letter = letters.write(sealed, payment, alter=later)
    digest = sealing.Prefix.parse(letter.body).request_digest
    assert letter.request_digest == digest != sealed.request_digest
    (carried,) = carried_tokens(letter.fields)
    sealing.check_proof(carried.proof, nonce=nonce(payment), request_digest=digest)


@pytest.mark.parametrize("size", [0, 7, 115, 200])
def test_what_has_no_digest_is_paid_for_as_it_was_sealed(
    sealed: sealing.SealedRequest, payment: Payment, size: int
):
    letter = letters.write(sealed, payment, alter=lambda one, _: one.body[:size])
    assert letter.request_digest == sealed.request_digest


def test_a_letter_shows_no_token(sealed: sealing.SealedRequest, payment: Payment):
    shown = repr(letters.write(sealed, payment))
    assert "openpcc-token" not in shown
    assert payment.tokens[0].seed.hex() not in shown
    assert "token=" not in shown


def test_a_forged_token_lacks_the_signature_alone():
    key = public(0)
    for _ in range(3):
        with pytest.raises(TokenForgedError):
            verify_token(
                forged(TERMS).token, keys={key.id: key}, challenge_digest=TERMS.challenge_digest
            )


def test_a_stranger_s_token_lacks_nothing_but_that_his_key_is_listed():
    stranger, key = Stranger(), public(0)
    token = stranger.token(TERMS)
    facts = {"challenge_digest": TERMS.challenge_digest}
    verify_token(token.token, keys={stranger.key.id: stranger.key}, **facts)
    with pytest.raises(TokenKeyError):
        verify_token(token.token, keys={key.id: key}, **facts)
    digest = secrets.token_bytes(32)
    proof = token.pay(digest).proof
    sealing.check_proof(proof, nonce=Token.parse(token.token).nonce, request_digest=digest)


def test_a_stranger_s_offer_is_a_directory_that_a_client_can_read_and_refuses():
    stranger = Stranger()
    assert [one.id for one in stranger.directory().issuer_keys()] == [stranger.key.id]
    with pytest.raises(IssuerKeyError):
        choose_key(stranger.directory(), TERMS)


def test_a_stranger_notes_who_asks():
    stranger = Stranger()
    with pytest.raises(IssuerError):
        stranger.sign(b"blinded", 1)
    assert stranger.asked == [b"blinded"]
