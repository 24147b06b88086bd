"""NVIDIA's tokens hold if every one of them does, and every finding in them is good."""

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from attestation.errors import AppraisalError, AttestationError, MalformedEvidenceError
from attestation.nvidia.tokens import ISSUER, check_opinion, parse_keys
from tests.fakes.amd import NOW
from tests.fakes.nvidia import NONCE, Key, key_of


def jwk(key: Key, kid: str = "k1", **changes: Any) -> dict[str, Any]:
    numbers = key.public_key().public_numbers()
    coordinates = {
        name: base64.urlsafe_b64encode(value.to_bytes(48, "big")).decode()
        for name, value in (("x", numbers.x), ("y", numbers.y))
    }
    return {"kty": "EC", "crv": "P-384", "kid": kid, **coordinates, **changes}


def keys_of(*keys: dict[str, Any]) -> bytes:
    return json.dumps({"keys": list(keys)}).encode()


KEYS = parse_keys(keys_of(jwk(key_of("service"))))
COMMON = {"iss": ISSUER, "eat_nonce": NONCE.hex(), "iat": NOW, "nbf": NOW - 5, "exp": NOW + 600}
DEVICE = {
    "measres": "success",
    "secboot": True,
    "dbgstat": "disabled",
    "hwmodel": "GH100",
    "x-nvidia-gpu-attestation-report-nonce-match": True,
    "x-nvidia-attestation-warning": None,
    "x-nvidia-gpu-driver-rim-cert-chain": {"x-nvidia-cert-ocsp-status": "good"},
}


def token(claims: Mapping[str, Any], *, key: Any = None, **headers: Any) -> str:
    algorithm = headers.pop("algorithm", "ES384")
    shown = {"kid": "k1", **headers}
    return jwt.PyJWS().encode(
        json.dumps(claims).encode(), key or key_of("service"), algorithm=algorithm, headers=shown
    )


def without(claims: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in claims.items() if value is not ...}


def bundle(
    *, overall: Mapping[str, Any] | None = None, devices: Mapping[str, str] | None = None
) -> bytes:
    """Give a bundle; an overall claim that is `...` is left out."""
    found = {"GPU-0": device()} if devices is None else dict(devices)
    digests = {name: hashlib.sha256(one.encode()).hexdigest() for name, one in found.items()}
    submods = {name: ["DIGEST", ["SHA-256", digest]] for name, digest in digests.items()}
    usual = {**COMMON, "x-nvidia-overall-att-result": True, "submods": submods}
    whole = token(without({**usual, **(overall or {})}))
    return json.dumps([["JWT", whole], found]).encode()


def device(*, key: Any = None, **claims: Any) -> str:
    return token(without({**COMMON, **DEVICE, **claims}), key=key)


def check(data: bytes, **changes: Any):
    return check_opinion(data, KEYS, **{"nonce": NONCE, "now": NOW, **changes})


def test_accepts_a_good_opinion_on_every_device():
    devices = {"GPU-0": device(), "GPU-1": device(exp=NOW + 300)}
    opinion = check(bundle(devices=devices))
    assert opinion.devices == ("GPU-0", "GPU-1")
    assert opinion.expires == NOW + 300


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"iss": "https://example.com"}, "issuer"),
        ({"eat_nonce": bytes(32).hex()}, "nonce"),
        ({"exp": NOW}, "valid at"),
        ({"iat": NOW + 61}, "valid at"),
        ({"nbf": NOW + 61}, "valid at"),
        ({"x-nvidia-overall-att-result": False}, "overall result"),
        ({"submods": {}}, "submodules"),
        ({"submods": {"GPU-0": ["DIGEST", ["SHA-256", "00" * 32]]}}, "submodules"),
    ],
)
def test_rejects_an_overall_token_with_one_thing_wrong(claims, why):
    with pytest.raises(AppraisalError, match=why):
        check(bundle(overall=claims))


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"iss": "https://example.com"}, "issuer"),
        ({"eat_nonce": bytes(32).hex()}, "nonce"),
        ({"exp": NOW}, "valid at"),
        ({"measres": "fail"}, "measurements"),
        ({"secboot": False}, "secure boot"),
        ({"dbgstat": "enabled"}, "debug"),
        ({"x-nvidia-gpu-attestation-report-nonce-match": False}, "nonce-match"),
        ({"x-nvidia-gpu-driver-rim-cert-chain": {"x-ok": False}}, "x-ok"),
    ],
)
def test_rejects_a_device_token_with_one_thing_wrong(claims, why):
    with pytest.raises(AppraisalError, match=why):
        check(bundle(devices={"GPU-0": device(), "GPU-1": device(**claims)}))


@pytest.mark.parametrize("name", ["iss", "eat_nonce", "exp", "iat", "nbf", "submods"])
def test_rejects_an_overall_token_that_lacks_a_claim(name):
    with pytest.raises(MalformedEvidenceError):
        check(bundle(overall={name: ...}))


@pytest.mark.parametrize("name", ["iss", "eat_nonce", "exp", "measres", "secboot", "dbgstat"])
def test_rejects_a_device_token_that_lacks_a_claim(name):
    with pytest.raises(MalformedEvidenceError):
        check(bundle(devices={"GPU-0": device(**{name: ...})}))


def test_rejects_a_device_that_the_overall_token_does_not_name():
    data = json.loads(bundle())
    data[1]["GPU-1"] = device()
    with pytest.raises(AppraisalError, match="submodules"):
        check(json.dumps(data).encode())
    data[1] = {"GPU-1": data[1]["GPU-0"]}
    with pytest.raises(AppraisalError, match="submodules"):
        check(json.dumps(data).encode())


def test_rejects_another_key():
    with pytest.raises(AppraisalError, match="signed by its key"):
        check(bundle(devices={"GPU-0": device(key=key_of("other"))}))
    with pytest.raises(AppraisalError, match="a known key"):
        check_opinion(bundle(), {}, nonce=NONCE, now=NOW)


@pytest.mark.parametrize(
    ("algorithm", "key"),
    [("none", ""), ("HS384", "k" * 48), ("ES256", ec.generate_private_key(ec.SECP256R1()))],
)
def test_rejects_other_algorithms(algorithm, key):
    made = jwt.PyJWS().encode(b"{}", key, algorithm=algorithm, headers={"kid": "k1"})
    with pytest.raises(AppraisalError, match="another algorithm"):
        check(bundle(devices={"GPU-0": made}))


def test_rejects_a_header_that_is_nested_without_end():
    header = base64.urlsafe_b64encode(b"[" * 20000).decode().rstrip("=")
    with pytest.raises(MalformedEvidenceError, match="not a signed JWT"):
        check(bundle(devices={"GPU-0": f"{header}.e30.AAAA"}))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[]",
        b'[["JWT", "a.b.c"], {}]',
        b'[["JWT", "a.b.c"], {"GPU-0": "x"}]',
        b'[["jwt", "a.b.c"], {"GPU-0": "x"}]',
        b'[["JWT", "a.b.c"], {"GPU-0": "x", "GPU-0": "y"}]',
        b'[["JWT", "a.b.c"], {"GPU-0": 7}]',
        b'[["JWT", "a.b.c"], {"GPU-0": "\xc3\xa9"}]',
        bytes(2**20 + 1),
    ],
)
def test_rejects_what_is_no_bundle(data):
    with pytest.raises(MalformedEvidenceError):
        check(data)


@settings(deadline=None)
@given(st.binary(max_size=60), st.integers(0, 400))
def test_any_bytes_are_refused(data, offset):
    whole = bundle()
    for changed in (data, whole[:offset] + data, b'[["JWT", "a.b.c"], {' + data + b"}]"):
        with pytest.raises(AttestationError):
            check(changed)


def test_keys_of_other_kinds_are_passed_over():
    others = ({"kty": "RSA", "kid": "r", "n": "AQ", "e": "AQAB"}, jwk(key_of("x"), crv="P-256"))
    assert list(parse_keys(keys_of(*others, jwk(key_of("service"))))) == ["k1"]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b'{"keys": 7}',
        keys_of(jwk(key_of("service"), x="AAAA")),
        keys_of(jwk(key_of("service"), x="!" * 64)),
        keys_of(jwk(key_of("service"), x="A" * 64)),
        keys_of({"kty": "EC", "crv": "P-384", "x": "A" * 64, "y": "A" * 64}),
    ],
)
def test_rejects_what_are_no_keys(data):
    with pytest.raises(MalformedEvidenceError):
        parse_keys(data)
