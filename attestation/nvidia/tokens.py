"""NVIDIA's own opinion: tokens of its remote attestation service. RFC 9711 (EAT), RFC 7515.

    [["JWT", "<overall token>"], {"GPU-0": "<token>", "GPU-1": "<token>"}]

Reported, and never a substitute: a token says that NVIDIA found the evidence good, which
`attestation.nvidia.authenticate` finds out by itself. Nothing that appraises loads this module.

Keys come from whoever calls, as the service publishes them (a JWKS); the algorithm is ES384,
whatever a token says. The signature is checked before anything is read, and PyJWT sees no claim.
"""

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP384R1,
    EllipticCurvePublicKey,
    EllipticCurvePublicNumbers,
)

from attestation.errors import AppraisalError, MalformedEvidenceError
from attestation.strict_json import Members, StrictJSONError, parse_object

ALGORITHM = "ES384"
"""Of every token: ECDSA with P-384 and SHA-384."""

ISSUER = "https://nras.attestation.nvidia.com"
"""The service."""

MAX_BUNDLE = 2**20
"""Bytes of a bundle; that of eight GPUs has about 40 KiB."""

MAX_TOKEN = 2**16
"""Letters of a token."""

MAX_KEYS = 2**18
"""Bytes of a JWKS; the service publishes dozens of keys with their certificates."""

MAX_SKEW = 60
"""Seconds that the service's clock may be ahead of ours."""

BUNDLE = re.compile(
    rb'\s*\[\s*\[\s*"JWT"\s*,\s*"(?P<overall>[\w.-]+)"\s*\]\s*,\s*(?P<devices>\{.*\})\s*\]\s*',
    re.DOTALL | re.ASCII,
)
"""The form of a bundle."""

DEBUG_OFF = frozenset(
    {"disabled", "disabled-since-boot", "disabled-permanently", "disabled-fully-and-permanently"}
)
"""Values of `dbgstat` that say that debug is off. RFC 9711, section 4.2.9."""

Keys = Mapping[str, EllipticCurvePublicKey]
"""Key id to key."""


@dataclass(frozen=True, kw_only=True)
class Opinion:
    """What the service said, if every token held.

    Attributes:
        devices: their names in the bundle, as `GPU-0`.
        expires: first second at which one of the tokens no longer holds.
    """

    devices: tuple[str, ...]
    expires: int


def parse_keys(data: bytes) -> Keys:
    """Read a JWKS; keys of another kind than P-384 are passed over.

    Raises:
        MalformedEvidenceError: no JWKS, or a P-384 key without id or off the curve.
    """
    try:
        keys = parse_object(data, limit=MAX_KEYS, name="JWKS").children("keys", limit=256)
        kinds = ((key.text("kty"), key) for key in keys)
        curves = ((key.text("crv"), key) for kind, key in kinds if kind == "EC")
        return {key.text("kid"): _key(key) for curve, key in curves if curve == "P-384"}
    except StrictJSONError as error:
        raise MalformedEvidenceError(str(error)) from error


def check_opinion(
    bundle: bytes, keys: Keys, *, nonce: bytes, now: int, issuer: str = ISSUER
) -> Opinion:
    """Judge that the service found every device good that was asked with this nonce.

    Args:
        bundle: as the service gave it.
        keys: of the service.
        nonce: of the devices' reports.
        now: Unix seconds.
        issuer: that the tokens must name.

    Raises:
        AppraisalError: a token does not hold, is about something else, or says no.
        MalformedEvidenceError: one is not of its form.
    """
    try:
        return _opinion(bundle, keys, nonce=nonce, now=now, issuer=issuer)
    except StrictJSONError as error:
        raise MalformedEvidenceError(str(error)) from error


def _opinion(bundle: bytes, keys: Keys, *, nonce: bytes, now: int, issuer: str) -> Opinion:
    overall, devices = _split(bundle)
    payloads = {name: _payload(token, keys) for name, token in devices.items()}
    whole = _payload(overall, keys)
    claims = parse_object(whole, limit=MAX_TOKEN, name="overall token")
    ends = [_check_common(claims, nonce=nonce, now=now, issuer=issuer)]
    _require("overall result", claims.boolean("x-nvidia-overall-att-result"), expected=True)
    _require("submodules", _digests(whole), expected=_own_digests(devices))
    for name, payload in payloads.items():
        found = parse_object(payload, limit=MAX_TOKEN, name=name)
        ends.append(_check_common(found, nonce=nonce, now=now, issuer=issuer))
        _check_device(name, found, payload)
    return Opinion(devices=tuple(devices), expires=min(ends))


def _split(bundle: bytes) -> tuple[str, dict[str, str]]:
    """Give the overall token and those of the devices, of which there is at least one."""
    found = BUNDLE.fullmatch(bundle) if len(bundle) <= MAX_BUNDLE else None
    if found is None:
        raise MalformedEvidenceError("token: not a bundle of an overall token and others")
    members = parse_object(found["devices"], limit=MAX_BUNDLE, name="tokens")
    devices = {name: members.text(name, limit=MAX_TOKEN) for name in members.names()}
    if not devices:
        raise MalformedEvidenceError("token: a bundle without devices")
    return found["overall"].decode(), devices


def _payload(token: str, keys: Keys) -> bytes:
    """Give the bytes that the service signed; the token itself names which of its keys."""
    if len(token) > MAX_TOKEN or not token.isascii():
        raise MalformedEvidenceError(f"token: expected at most {MAX_TOKEN} ASCII letters")
    try:
        name = jwt.get_unverified_header(token).get("kid")
        key = keys.get(name) if isinstance(name, str) else None
        if key is None:
            raise AppraisalError("token", expected="signed by a known key", actual="another")
        opened = jwt.PyJWS([ALGORITHM]).decode_complete(token, key, algorithms=[ALGORITHM])
    except jwt.InvalidSignatureError as error:
        raise AppraisalError("token", expected="signed by its key", actual="it is not") from error
    except jwt.InvalidAlgorithmError as error:
        raise AppraisalError("token", expected=ALGORITHM, actual="another algorithm") from error
    except (jwt.PyJWTError, RecursionError) as error:  # a header may be nested without end
        raise MalformedEvidenceError("token: not a signed JWT") from error
    return bytes(opened["payload"])


def _check_common(claims: Members, *, nonce: bytes, now: int, issuer: str) -> int:
    """Judge what every token says; give when it expires."""
    _require("issuer", claims.text("iss"), expected=issuer)
    _require("nonce", claims.text("eat_nonce").lower(), expected=nonce.hex())
    expires, issued, begins = (claims.integer(name) for name in ("exp", "iat", "nbf"))
    if not max(issued, begins) - MAX_SKEW <= now < expires:
        raise AppraisalError(
            "token", expected=f"valid at {now}", actual=f"valid from {begins} to {expires}"
        )
    return expires


def _check_device(name: str, claims: Members, payload: bytes) -> None:
    """Judge what a device's token says: every finding, however it is called, must be good."""
    _require(f"{name} measurements", claims.text("measres").lower(), expected="success")
    _require(f"{name} secure boot", claims.boolean("secboot"), expected=True)
    _require(f"{name} debug off", claims.text("dbgstat") in DEBUG_OFF, expected=True)
    bad = ", ".join(_false(json.loads(payload)))
    _require(f"{name} claims that are false", bad, expected="")


def _false(claims: Mapping[str, object]) -> Iterator[str]:
    """Give the names of claims that are false, also inside others."""
    for name, value in claims.items():
        if value is False:
            yield name
        elif isinstance(value, dict):
            yield from _false(value)


def _digests(payload: bytes) -> object:
    """Give what the overall token says of the others; it has passed the strict reader before."""
    found = json.loads(payload).get("submods")
    if not isinstance(found, dict):
        raise MalformedEvidenceError("token: names no others")
    return {name: _digest(entry) for name, entry in found.items()}


def _digest(entry: object) -> str:
    """Read `["DIGEST", ["SHA-256", "<hex>"]]`."""
    match entry:
        case ["DIGEST", ["SHA256" | "SHA-256", str(value)]]:
            return value.lower()
        case _:
            raise MalformedEvidenceError("token: another digest than SHA-256")


def _own_digests(devices: Mapping[str, str]) -> dict[str, str]:
    return {name: hashlib.sha256(token.encode()).hexdigest() for name, token in devices.items()}


def _require(claim: str, actual: object, *, expected: object) -> None:
    if actual != expected:
        raise AppraisalError(claim, expected=str(expected) or "none", actual=str(actual))


def _key(members: Members) -> EllipticCurvePublicKey:
    numbers = EllipticCurvePublicNumbers(
        _coordinate(members, "x"), _coordinate(members, "y"), SECP384R1()
    )
    try:
        return numbers.public_key()
    except ValueError as error:
        raise MalformedEvidenceError("JWKS: a key is no point of the curve") from error


def _coordinate(members: Members, name: str) -> int:
    text = members.text(name)
    try:
        data = base64.b64decode(text, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise MalformedEvidenceError(f"JWKS: {name} is not base64url") from error
    if len(data) != 48:
        raise MalformedEvidenceError(f"JWKS: {name} is not of 48 bytes")
    return int.from_bytes(data, "big")
