"""A token is good for one audience, for a while, under one key and its one algorithm."""

import base64
import json
import subprocess
import sys
from dataclasses import replace

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from attestation.ear import Appraisal, Ear, Tier
from attestation.ear_token import MAX_SKEW, algorithm_of, sign, verify
from attestation.errors import AppraisalError, MalformedEvidenceError, PolicyError

NOW = 1_800_000_000
ED25519 = Ed25519PrivateKey.generate()
P256 = ec.generate_private_key(ec.SECP256R1())
P384 = ec.generate_private_key(ec.SECP384R1())
EAR = Ear(
    developer="d",
    build="b",
    issued=NOW,
    expires=NOW + 60,
    audience=("me",),
    status=Tier.AFFIRMING,
    submods={"cpu": Appraisal(status=Tier.AFFIRMING, vector={"hardware": 2})},
)


def check(token: str, key=ED25519, *, audience: str = "me", now: int = NOW) -> Ear:
    return verify(token, key.public_key(), audience=audience, now=now)


@pytest.mark.parametrize(
    ("key", "algorithm"), [(ED25519, "EdDSA"), (P256, "ES256"), (P384, "ES384")]
)
def test_what_is_signed_is_verified(key, algorithm: str):
    token = sign(EAR, key)
    assert check(token, key) == EAR
    assert jwt.get_unverified_header(token) == {"alg": algorithm, "typ": "eat+jwt"}
    # and by any other reader of tokens
    jwt.decode(
        token,
        key.public_key(),
        algorithms=[algorithm],
        audience="me",
        options={"verify_iat": False},
    )


@pytest.mark.parametrize("other", [Ed25519PrivateKey.generate(), P256, P384])
def test_refuses_another_key(other):
    with pytest.raises(AppraisalError):
        check(sign(EAR, ED25519), other)


def test_refuses_a_changed_claim():
    header, claims, signature = sign(EAR, ED25519).split(".")
    for index in range(len(claims) // 4):
        changed = bytearray(claims.encode())
        changed[4 * index] ^= 1
        with pytest.raises((AppraisalError, MalformedEvidenceError)):
            check(f"{header}.{changed.decode()}.{signature}")


@pytest.mark.parametrize("algorithm", ["none", "HS256", "ES256", "Ed25519", "", None])
def test_takes_the_algorithm_from_the_key_and_not_from_the_token(algorithm: str | None):
    _, claims, signature = sign(EAR, ED25519).split(".")
    header = base64.urlsafe_b64encode(json.dumps({"alg": algorithm}).encode()).rstrip(b"=").decode()
    with pytest.raises(AppraisalError):
        check(f"{header}.{claims}.{signature}")


def test_refuses_a_public_key_as_a_shared_secret():
    public = ED25519.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    token = jwt.PyJWS(["HS256"]).encode(EAR.encode(), public, algorithm="HS256")
    with pytest.raises(AppraisalError, match="algorithm"):
        check(token)


@pytest.mark.parametrize("now", [NOW - MAX_SKEW - 1, NOW + 60, NOW + 10**9])
def test_refuses_outside_its_time(now: int):
    with pytest.raises(AppraisalError, match="time"):
        check(sign(EAR, ED25519), now=now)
    for good in (NOW - MAX_SKEW, NOW + 59):
        check(sign(EAR, ED25519), now=good)


def test_refuses_before_its_time():
    with pytest.raises(AppraisalError, match="time"):
        check(sign(replace(EAR, not_before=NOW + MAX_SKEW + 1), ED25519))


@pytest.mark.parametrize("audience", ["", "m", "ME", "you"])
def test_refuses_another_audience(audience: str):
    with pytest.raises(AppraisalError, match="audience"):
        check(sign(EAR, ED25519), audience=audience)


@pytest.mark.parametrize("lacking", [{"audience": ()}, {"expires": None}])
def test_signs_and_accepts_nothing_without_audience_and_end(lacking):
    ear = replace(EAR, **lacking)
    with pytest.raises(ValueError, match="audience"):
        sign(ear, ED25519)
    token = jwt.PyJWS(["EdDSA"]).encode(ear.encode(), ED25519, algorithm="EdDSA")
    with pytest.raises(MalformedEvidenceError):
        check(token)


@pytest.mark.parametrize("claims", [b"", b"{}", b"[]", EAR.encode()[:-1] + b',"iat":1}'])
def test_refuses_signed_claims_that_are_no_result(claims: bytes):
    token = jwt.PyJWS(["EdDSA"]).encode(claims, ED25519, algorithm="EdDSA")
    with pytest.raises(MalformedEvidenceError):
        check(token)


def test_refuses_a_token_with_critical_headers():
    header = {"crit": ["b64"], "b64": False}
    token = jwt.PyJWS(["EdDSA"]).encode(
        EAR.encode(), ED25519, algorithm="EdDSA", headers=header, is_payload_detached=True
    )
    with pytest.raises(MalformedEvidenceError):
        check(token)


@pytest.mark.parametrize(
    "key", [ec.generate_private_key(ec.SECP521R1()), rsa.generate_private_key(65537, 2048), None]
)
def test_says_which_keys_sign(key):
    with pytest.raises(PolicyError, match="Ed25519, P-256 or P-384"):
        algorithm_of(key)
    with pytest.raises(PolicyError):
        sign(EAR, key)


@given(st.text(max_size=80) | st.binary(max_size=80).map(lambda data: data.decode("latin-1")))
def test_any_text_gives_this_packages_error(token: str):
    for text in (token, sign(EAR, ED25519) + token + ".", token + sign(EAR, ED25519)):
        if text != sign(EAR, ED25519):
            with pytest.raises((MalformedEvidenceError, AppraisalError)):
                check(text)


@pytest.mark.parametrize("module", ["openpcc", "attestation.verifier", "attestation.ear_report"])
def test_nothing_that_appraises_loads_pyjwt(module: str):
    script = f"import sys, {module}; sys.exit('jwt' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script]).returncode == 0
