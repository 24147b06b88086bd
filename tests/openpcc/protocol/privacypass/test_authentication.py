"""RFC 9577's fields: read generously, written in one form."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openpcc.protocol.errors import MalformedError, ProtocolError, TooLargeError
from openpcc.protocol.privacypass import (
    AuthenticateChallenge,
    TokenChallenge,
    format_authorization,
    format_www_authenticate,
    parse_authorization,
    parse_www_authenticate,
)
from openpcc.protocol.privacypass.authentication import base64url, parse_base64url

ONE = AuthenticateChallenge(
    challenge=TokenChallenge(issuer_name="the.issuer.example").encode(),
    token_key=b"key",
    max_age=10,
)
GREASE = AuthenticateChallenge(challenge=b"\x5a\x5a\xff")
TEXT = base64url(ONE.challenge)


def test_writes_quoted_and_padded():
    assert format_www_authenticate([ONE, GREASE]) == (
        f'PrivateToken challenge="{TEXT}", token-key="a2V5", max-age="10", '
        'PrivateToken challenge="Wlr_"'
    )
    assert TEXT.endswith("=")


@pytest.mark.parametrize(
    "value",
    [
        f'PrivateToken challenge="{TEXT}", token-key="a2V5", max-age="10"',
        f"PrivateToken challenge={TEXT}, token-key=a2V5, max-age=10",
        f"PrivateToken challenge={TEXT.rstrip('=')},token-key=a2V5,max-age=10",
        f'PrivateToken max-age=10, token-key=a2V5, challenge="{TEXT}"',
        f'privatetoken Challenge = "{TEXT}" ,\tTOKEN-KEY=a2V5 , Max-Age="1\\0"',
        f'PrivateToken challenge="{TEXT}",unknown="a, \\"b\\" = c", token-key=a2V5, max-age=10',
        f', ,PrivateToken challenge="{TEXT}", , token-key=a2V5, max-age=10,,',
        f'Basic realm="PrivateToken challenge=x", PrivateToken challenge="{TEXT}", token-key=a2V5,'
        " max-age=10",
        f"Negotiate, PrivateToken challenge={TEXT}, token-key=a2V5, max-age=10, Negotiate YWJj==",
    ],
)
def test_reads_every_way_to_write_it(value):
    assert parse_www_authenticate(value) == (ONE,)


def test_lists_challenges_of_every_type_in_their_order():
    found = parse_www_authenticate(format_www_authenticate([GREASE, ONE, GREASE]))
    assert found == (GREASE, ONE, GREASE)
    assert [one.token_type for one in found] == [0x5A5A, 2, 0x5A5A]


@pytest.mark.parametrize("value", ["", ",", 'Basic realm="x"', "Negotiate", "Bearer YWJj"])
def test_a_field_may_hold_no_token_challenge(value):
    assert parse_www_authenticate(value) == ()


@pytest.mark.parametrize(
    "value",
    [
        "PrivateToken",
        'PrivateToken token-key="a2V5"',
        "PrivateToken YWJj",
        'PrivateToken challenge=""',
        'PrivateToken challenge="AA=="',
        'PrivateToken challenge="AAI',
        'PrivateToken challenge="AAI" token-key="a2V5"',
        'PrivateToken challenge="AA I"',
        'PrivateToken challenge="AA+/"',
        'PrivateToken challenge="AAJ="',
        'PrivateToken challenge="AAI=="',
        'PrivateToken challenge="AAI=", challenge="AAI="',
        'PrivateToken challenge="AAI=", Challenge="AAI="',
        'PrivateToken challenge="AAI=", max-age="-1"',
        'PrivateToken challenge="AAI=", max-age="1_0"',
        'PrivateToken challenge="AAI=", max-age="99999999999"',
        'PrivateToken challenge="AAI=", max-age="٣"',
        'PrivateToken challenge="AAI=", token-key="!"',
        'challenge="AAI="',
        "Private(Token) challenge=AAI",
        "Basic (x), PrivateToken challenge=AAI",
        'Basic realm="x" y, PrivateToken challenge=AAI',
        "PrivateToken challenge=",
        "PrivateToken challenge==",
        'PrivateToken\nchallenge="AAI="',
        'PrivateToken challenge="AAI=", "x"',
    ],
)
def test_refuses_what_is_no_such_field(value):
    with pytest.raises(MalformedError):
        parse_www_authenticate(value)


def test_refuses_too_much():
    with pytest.raises(TooLargeError):
        parse_www_authenticate("PrivateToken challenge=" + "A" * 2**16)
    with pytest.raises(TooLargeError):
        parse_www_authenticate(format_www_authenticate([GREASE] * 33))
    assert len(parse_www_authenticate(format_www_authenticate([GREASE] * 32))) == 32


@pytest.mark.parametrize("token", [b"t", b"to", b"token" * 70])
def test_an_authorization_carries_one_token(token):
    value = format_authorization(token)
    assert value == f'PrivateToken token="{base64.urlsafe_b64encode(token).decode()}"'
    for spelling in (value, value.replace('"', "")):
        assert parse_authorization(spelling) == token
    bare = base64.urlsafe_b64encode(token).decode().rstrip("=")
    assert parse_authorization(f'privatetoken extensions="AA==", token={bare}') == token


@pytest.mark.parametrize(
    "value",
    [
        "",
        "Bearer dA==",
        "PrivateToken",
        "PrivateToken dA==",
        'PrivateToken extensions="AA=="',
        'PrivateToken token="dA==", token="dA=="',
        'PrivateToken token="dA==", PrivateToken token="dA=="',
        'Basic YQ==, PrivateToken token="dA=="',
    ],
)
def test_refuses_an_authorization_without_exactly_one(value):
    with pytest.raises(MalformedError):
        parse_authorization(value)


@given(st.binary(max_size=50))
def test_base64url_has_two_spellings(data):
    text = base64url(data)
    assert parse_base64url(text, "text") == parse_base64url(text.rstrip("="), "text") == data


@given(st.text(st.sampled_from('AQabw-_=+/ \n"é'), max_size=12))
def test_no_other_base64url_is_read(text):
    try:
        data = parse_base64url(text, "text")
    except MalformedError:
        return
    assert text in (base64url(data), base64url(data).rstrip("="))


CHALLENGES = st.builds(
    AuthenticateChallenge,
    challenge=st.binary(min_size=2, max_size=40),
    token_key=st.none() | st.binary(max_size=40),
    max_age=st.none() | st.integers(0, 10**10 - 1),
)


@given(st.lists(CHALLENGES, max_size=5))
def test_reads_what_it_wrote(challenges):
    assert parse_www_authenticate(format_www_authenticate(challenges)) == tuple(challenges)


@given(
    st.text(st.sampled_from('PrivateToken challenge=AAI", \t\\;') | st.characters(), max_size=60)
)
def test_any_text_is_a_field_or_this_packages_error(text):
    for read in (parse_www_authenticate, parse_authorization):
        for value in (text, f"PrivateToken {text}"):
            try:
                read(value)
            except ProtocolError:
                continue
