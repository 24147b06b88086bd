"""Token challenges: one encoding, and the origins they are for."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openpcc.protocol.errors import (
    MalformedError,
    ProtocolError,
    TokenChallengeError,
    UnsupportedError,
)
from openpcc.protocol.privacypass import TokenChallenge

CHALLENGE = TokenChallenge(
    issuer_name="issuer.example",
    redemption_context=b"c" * 32,
    origin_info=("one.example", "two.example:8443"),
)
ENCODED = CHALLENGE.encode()

NAMES = st.text(st.characters(codec="ascii", exclude_characters=","), min_size=1, max_size=20)


def test_writes_the_layout_of_the_rfc():
    assert ENCODED == (
        b"\0\2" + b"\0\x0eissuer.example" + b"\x20" + b"c" * 32
        + b"\0\x1cone.example,two.example:8443"
    )  # fmt: skip
    assert CHALLENGE.digest == hashlib.sha256(ENCODED).digest()


@given(NAMES, st.sampled_from([b"", b"c" * 32]), st.lists(NAMES, max_size=4))
def test_reads_what_it_wrote(issuer, context, origins):
    challenge = TokenChallenge(
        issuer_name=issuer, redemption_context=context, origin_info=tuple(origins)
    )
    assert TokenChallenge.parse(challenge.encode()) == challenge


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"\0",
        b"\0\2",
        ENCODED[:-1],
        ENCODED + b"\0",
        ENCODED[:17],
        b"\0\2" + b"\0\0" + b"\0" + b"\0\0",
        b"\0\2" + b"\0\1i" + b"\x1f" + b"c" * 31 + b"\0\0",
        b"\0\2" + b"\0\1i" + b"\x21" + b"c" * 33 + b"\0\0",
        b"\0\2" + b"\0\1i" + b"\0" + b"\0\2a,",
        b"\0\2" + b"\0\1i" + b"\0" + b"\0\1,",
        b"\0\2" + b"\0\1\xff" + b"\0" + b"\0\0",
        b"\0\2" + b"\0\1i" + b"\0" + b"\0\2\xc3\xa9",
        bytes(1 << 18),
    ],
)
def test_refuses_what_is_no_challenge(broken):
    with pytest.raises(MalformedError):
        TokenChallenge.parse(broken)


@pytest.mark.parametrize("kind", [0x0000, 0x0001, 0xDA7A, 0xFFFF])
def test_another_token_type_is_unsupported_whatever_follows(kind):
    for rest in (b"", ENCODED[2:], b"garbage"):
        with pytest.raises(UnsupportedError):
            TokenChallenge.parse(kind.to_bytes(2, "big") + rest)


@pytest.mark.parametrize(
    "fields",
    [
        {"issuer_name": ""},
        {"issuer_name": "é"},
        {"issuer_name": "i" * 2**16},
        {"redemption_context": b"c"},
        {"origin_info": ("",)},
        {"origin_info": ("a,b",)},
        {"origin_info": ("a" * 2**15, "b" * 2**15)},
        {"token_type": 2**16},
        {"token_type": -1},
    ],
)
def test_cannot_be_made_of_what_cannot_be_written(fields):
    with pytest.raises(MalformedError):
        TokenChallenge(**{"issuer_name": "issuer.example", **fields})


@pytest.mark.parametrize("origin", ["one.example", "ONE.Example", "two.example:8443"])
def test_is_for_the_origins_it_lists_in_any_case(origin):
    CHALLENGE.check_origin(origin)


@pytest.mark.parametrize("origin", ["", "three.example", "two.example", "one.example,two"])
def test_is_for_no_other_origin(origin):
    with pytest.raises(TokenChallengeError):
        CHALLENGE.check_origin(origin)


def test_is_for_every_origin_if_it_lists_none():
    TokenChallenge(issuer_name="issuer.example").check_origin("any.example")


@given(st.binary(max_size=60), st.integers(0, len(ENCODED)))
def test_an_accepted_challenge_has_one_spelling(tail, cut):
    data = ENCODED[:cut] + tail
    try:
        challenge = TokenChallenge.parse(data)
    except ProtocolError:
        return
    assert challenge.encode() == data
