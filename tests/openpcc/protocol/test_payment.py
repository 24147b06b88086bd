"""The form in which tokens travel: one spelling, and this package's error for all others."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from openpcc.protocol.errors import MalformedError, UnsealableError
from openpcc.protocol.payment import (
    CARRIED_SIZE,
    MAX_RECLAIM,
    PAYMENT_FIELD,
    CarriedToken,
    Reclaim,
    Reclaimed,
    carried_tokens,
    encode_reclaimed,
    parse_reclaimed,
    token_fields,
)
from openpcc.protocol.sealing import (
    check_proof,
    check_reclaim,
    holder_nonce,
    reclaim_proof,
    redemption_proof,
)

TOKENS = tuple(CarriedToken(token=bytes([n]) * 354, proof=bytes([n + 1]) * 96) for n in range(3))
DIGEST = b"d" * 32


def test_the_lines_of_a_request_are_read_in_their_order() -> None:
    fields = (("content-type", "x"), *token_fields(TOKENS), ("accept", "y"))
    assert carried_tokens(fields) == TOKENS
    assert carried_tokens((("content-type", "x"),)) == ()
    assert {len(value) for _, value in token_fields(TOKENS)} == {600}


def test_one_spelling_of_a_line() -> None:
    ((_, line),) = token_fields(TOKENS[:1])
    spellings = ["", line[:-4], line + "AAAA", "-" + line[1:], " " + line[1:], line[:-1] + "="]
    for spelling in (*spellings, line[:-1] + "\n", line[:-1] + "\u00ff"):
        with pytest.raises(MalformedError):
            carried_tokens(((PAYMENT_FIELD, spelling),))


@given(st.text(max_size=700))
def test_any_line_gives_a_token_or_this_packages_error(value: str) -> None:
    try:
        (found,) = carried_tokens(((PAYMENT_FIELD, value),))
    except MalformedError:
        return
    assert token_fields([found]) == ((PAYMENT_FIELD, value),)


def test_a_request_for_tokens_back_is_read_as_written() -> None:
    asked = Reclaim(request_digest=DIGEST, tokens=TOKENS)
    assert Reclaim.parse(asked.encode()) == asked
    assert len(Reclaim(request_digest=DIGEST, tokens=TOKENS[:1] * 64).encode()) == MAX_RECLAIM


@pytest.mark.parametrize(
    "size", [0, 31, 32, 33, 32 + CARRIED_SIZE - 1, 33 + CARRIED_SIZE, 32 + 65 * CARRIED_SIZE]
)
def test_refuses_another_length(size: int) -> None:
    with pytest.raises(MalformedError):
        Reclaim.parse(bytes(size))


def test_the_answer_has_one_byte_for_each_token() -> None:
    outcomes = (Reclaimed.FREE, Reclaimed.SPENT, Reclaimed.PENDING)
    assert encode_reclaimed(outcomes) == b"\0\1\2"
    assert parse_reclaimed(b"\0\1\2", 3) == outcomes
    for body, count in ((b"\0\1", 3), (b"\0\1\2\0", 3), (b"\3", 1)):
        with pytest.raises(MalformedError):
            parse_reclaimed(body, count)


def test_a_proof_that_pays_asks_nothing_back_nor_the_other_way_round() -> None:
    holder = Ed25519PrivateKey.generate()
    nonce = holder_nonce(holder.public_key().public_bytes_raw())
    pays, asks = redemption_proof(holder, DIGEST), reclaim_proof(holder, DIGEST)
    check_proof(pays, nonce=nonce, request_digest=DIGEST)
    check_reclaim(asks, nonce=nonce, request_digest=DIGEST)
    with pytest.raises(UnsealableError):
        check_proof(asks, nonce=nonce, request_digest=DIGEST)
    with pytest.raises(UnsealableError):
        check_reclaim(pays, nonce=nonce, request_digest=DIGEST)
    with pytest.raises(UnsealableError):
        check_reclaim(asks, nonce=nonce, request_digest=b"e" * 32)
    with pytest.raises(UnsealableError):
        check_reclaim(asks, nonce=b"n" * 32, request_digest=DIGEST)
