"""ID tokens: what is good is taken, and one thing broken is refused."""

import json

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.issuer.errors import CredentialError, KeySetError, UnknownKidError
from gateway.issuer.id_tokens import (
    ALGORITHMS,
    LEEWAY,
    MAX_KEY_SET,
    Provider,
    Unverified,
    parse_key_set,
    peek,
    subject_digest,
    verify,
)
from tests.gateway.issuer.provider import (
    AUDIENCE,
    EC,
    ISSUER,
    NOW,
    PINNED,
    RSA,
    STRANGER,
    claims,
    confused,
    jwk,
    key_set,
    spelled,
    token,
)
from transparency_log.strict_json import dumps

KEYS = parse_key_set(key_set())


@pytest.mark.parametrize("kid", ["rsa", "ec", "wide", "ed"])
def test_a_good_token_names_its_subject(kid: str) -> None:
    assert verify(token(kid), PINNED, KEYS, now=NOW) == "carol"


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://evil.example"},
        {"iss": ISSUER + "/"},
        {"aud": "another"},
        {"aud": [AUDIENCE, "another"]},
        {"aud": []},
        {"aud": None},
        {"exp": NOW - LEEWAY},
        {"exp": None},
        {"exp": "never"},
        {"exp": True},
        {"exp": float("inf")},
        {"iat": NOW + LEEWAY + 1},
        {"iat": NOW + 3600},
        {"iat": None},
        {"nbf": NOW + LEEWAY + 1},
        {"sub": ""},
        {"sub": "x" * 256},
        {"sub": "é"},
        {"sub": None},
    ],
)
def test_claims_that_are_not_meant_for_us_are_refused(changes) -> None:
    key, algorithm = EC, "ES256"
    made = jwt.PyJWS().encode(json.dumps(claims(**changes)).encode(), key, algorithm, {"kid": "ec"})
    with pytest.raises(CredentialError):
        verify(made, PINNED, KEYS, now=NOW)


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": [AUDIENCE]},
        {"exp": NOW - LEEWAY + 1},
        {"exp": NOW + 0.5},
        {"iat": NOW + LEEWAY},
        {"nbf": NOW + LEEWAY},
    ],
)
def test_what_clocks_and_spelling_may_differ_in_is_taken(changes) -> None:
    assert verify(token(**changes), PINNED, KEYS, now=NOW) == "carol"


@pytest.mark.parametrize("kind", ["at+jwt", "logout+jwt", "application/at+jwt", 7])
def test_what_the_provider_signs_for_another_purpose_is_no_id_token(kind: object) -> None:
    """Access and logout tokens can have our audience, and come into other hands than its own."""
    with pytest.raises(CredentialError):
        verify(token(header={"typ": kind}), PINNED, KEYS, now=NOW)


def test_a_logout_token_without_a_type_is_no_id_token() -> None:
    event: dict[str, object] = {"http://schemas.openid.net/event/backchannel-logout": {}}
    with pytest.raises(CredentialError):
        verify(token(events=event), PINNED, KEYS, now=NOW)


@pytest.mark.parametrize("kind", ["JWT", "jwt", None])
def test_a_type_may_be_left_out(kind: str | None) -> None:
    assert verify(token(header={"typ": kind}), PINNED, KEYS, now=NOW) == "carol"


def test_no_signature_is_no_token() -> None:
    for algorithm in ("none", "None", "NONE", ""):
        made = spelled({"alg": algorithm, "kid": "ec"}, claims())
        with pytest.raises(CredentialError):
            verify(made, PINNED, KEYS, now=NOW)


@pytest.mark.parametrize("kid", ["rsa", "ec"])
def test_a_public_key_is_no_shared_secret(kid: str) -> None:
    with pytest.raises(CredentialError):
        verify(confused(kid), PINNED, KEYS, now=NOW)


def test_no_algorithm_with_a_shared_secret_can_be_pinned() -> None:
    assert not [name for name in ALGORITHMS if name.startswith(("HS", "none"))]


def test_an_algorithm_the_provider_is_not_pinned_to_is_refused() -> None:
    pinned = Provider(issuer=ISSUER, audience=AUDIENCE, algorithms=frozenset({"RS256"}))
    assert verify(token("rsa"), pinned, KEYS, now=NOW) == "carol"
    with pytest.raises(CredentialError):
        verify(token("ec"), pinned, KEYS, now=NOW)
    made = jwt.encode(claims(), RSA, "PS256", {"kid": "rsa"})
    with pytest.raises(CredentialError):
        verify(made, pinned, KEYS, now=NOW)


def test_a_key_signs_only_with_the_algorithm_that_its_set_names() -> None:
    both = Provider(issuer=ISSUER, audience=AUDIENCE, algorithms=frozenset({"RS256", "PS256"}))
    made = jwt.encode(claims(), RSA, "PS256", {"kid": "rsa"})
    with pytest.raises(CredentialError):
        verify(made, both, KEYS, now=NOW)
    free = parse_key_set(dumps({"keys": [jwk("rsa", alg=None)]}))
    assert verify(made, both, free, now=NOW) == "carol"


def test_a_key_of_another_kind_does_not_fit_a_token_that_names_it() -> None:
    for kid, algorithm in (("rsa", "ES256"), ("wide", "ES256"), ("ed", "ES256")):
        made = jwt.encode(claims(), EC, algorithm, {"kid": kid})
        with pytest.raises(CredentialError):
            verify(made, PINNED, KEYS, now=NOW)


def test_a_strangers_signature_under_a_known_name_is_refused() -> None:
    made = jwt.encode(claims(), STRANGER, "ES256", {"kid": "ec"})
    with pytest.raises(CredentialError, match="signature"):
        verify(made, PINNED, KEYS, now=NOW)


def test_a_key_in_the_token_itself_is_not_looked_at() -> None:
    public = jwt.get_algorithm_by_name("ES256").to_jwk(STRANGER.public_key(), as_dict=True)
    header = {"kid": "ec", "jwk": public, "jku": "https://evil.example/keys"}
    made = jwt.encode(claims(), STRANGER, "ES256", header)
    with pytest.raises(CredentialError, match="signature"):
        verify(made, PINNED, KEYS, now=NOW)


def test_an_unknown_key_is_told_apart_for_the_one_who_can_fetch_it() -> None:
    made = jwt.encode(claims(), STRANGER, "ES256", {"kid": "new"})
    with pytest.raises(UnknownKidError):
        verify(made, PINNED, KEYS, now=NOW)


def test_small_keys_are_left_out() -> None:
    assert sorted(KEYS) == ["ec", "ed", "rsa", "wide"]


def test_what_cannot_sign_tokens_is_left_out_of_a_key_set() -> None:
    others = [
        {"kty": "oct", "k": "c2VjcmV0", "kid": "a"},
        jwk("ec", kid="b", use="enc"),
        jwk("ec", kid="c", alg="HS256"),
        jwk("ec", kid=None),
        {"kty": "EC", "crv": "P-521", "x": "AA", "y": "AA", "kid": "d"},
        {"kty": "new", "kid": "e"},
    ]
    found = parse_key_set(dumps({"keys": [*others, jwk("ec")], "more": 1}))
    assert list(found) == ["ec"]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        b'{"keys":1}',
        b'{"keys":[1]}',
        b'{"keys":[{"kid":1}]}',
        dumps({"keys": [jwk("ec"), jwk("ec")]}),
        dumps({"keys": [jwk("ec", x="AA")]}),
        dumps({"keys": [jwk("rsa", n="AA")]}),
        dumps({"keys": [{"kid": str(one)} for one in range(200)]}),
        b" " * (MAX_KEY_SET + 1),
    ],
)
def test_what_is_no_key_set_is_refused(data: bytes) -> None:
    with pytest.raises(KeySetError):
        parse_key_set(data)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_key_set_or_refused(data: bytes) -> None:
    try:
        parse_key_set(data)
    except KeySetError:
        pass


@given(
    st.text(max_size=80)
    | st.builds(lambda a, b: f"{a}.{b}.", st.text("eyJhbGciOiJub2", max_size=30), st.text())
    | st.builds(
        lambda head, body: spelled(head, body, b"x" * 64),
        st.dictionaries(st.sampled_from(["alg", "kid", "crit", "b64", "typ"]),
                        st.none() | st.booleans() | st.text(max_size=5) | st.lists(st.text())),
        st.dictionaries(st.sampled_from(["iss", "aud", "exp", "iat", "sub", "nbf"]),
                        st.none() | st.integers() | st.text(max_size=5) | st.floats()),
    )
)  # fmt: skip
def test_any_text_names_a_key_or_is_refused(text: str) -> None:
    for read in (peek, lambda one: verify(one, PINNED, KEYS, now=NOW)):
        try:
            assert isinstance(read(text), Unverified)
        except CredentialError:
            pass


def test_people_of_two_providers_are_two_people() -> None:
    named = {subject_digest(a, b) for a, b in (("x", "yz"), ("xy", "z"), ("x", "y"), ("", "xyz"))}
    assert len(named) == 4
