"""An EAR as a JWT: signed by the verifier, checked by whom it was made for. RFC 7519, RFC 8725.

Only this module loads PyJWT, and nothing that appraises loads this module. The algorithm follows
from the type of the key, on both sides, never from the token. The signature is checked before
anything is read, then the exact bytes that were signed are read by `attestation.ear`; PyJWT sees no
claim, and its clock is not asked.
"""

from typing import cast

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    SECP384R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from attestation.ear import MAX_EAR, Ear
from attestation.errors import AppraisalError, MalformedEvidenceError, PolicyError

PrivateKey = Ed25519PrivateKey | EllipticCurvePrivateKey
"""Keys that sign results."""

PublicKey = Ed25519PublicKey | EllipticCurvePublicKey
"""Keys that results are checked with."""

CURVES = {SECP256R1.name: "ES256", SECP384R1.name: "ES384"}
"""Curve to algorithm. RFC 7518, section 3.1; Ed25519 is EdDSA, RFC 8037."""

MEDIA_TYPE = "eat+jwt"
"""The token's `typ`: application/eat+jwt. RFC 9782."""

MAX_TOKEN = 2 * MAX_EAR
"""Letters of a token: base64 of the claims, and some hundreds."""

MAX_SKEW = 60
"""Seconds that the clock of an honest verifier may be ahead of ours."""


def sign(ear: Ear, key: PrivateKey) -> str:
    """Give the token of a result, which must name its audience and when it expires.

    Raises:
        ValueError: the result names none.
        PolicyError: a key of another kind than Ed25519, P-256, P-384.
    """
    if ear.expires is None or not ear.audience:
        raise ValueError("a token needs an audience and a time it expires at")
    algorithm = algorithm_of(key)
    return jwt.PyJWS([algorithm]).encode(
        ear.encode(), key, algorithm=algorithm, headers={"typ": MEDIA_TYPE}
    )


def verify(token: str, key: PublicKey, *, audience: str, now: int) -> Ear:
    """Read a result that this key signed, for this audience, and that is good now.

    Raises:
        MalformedEvidenceError: no token, or its claims are no EAR, or lack `aud` or `exp`.
        AppraisalError: another signature, another audience, expired, or from the future.
        PolicyError: a key of another kind than Ed25519, P-256, P-384.
    """
    ear = Ear.parse(_signed_bytes(token, key))
    if ear.expires is None or not ear.audience:
        raise MalformedEvidenceError("EAR: without an audience, or a time it expires at")
    if audience not in ear.audience:
        raise AppraisalError("audience", expected=audience, actual=", ".join(ear.audience))
    begins = max(ear.issued, ear.not_before or 0) - MAX_SKEW
    if not begins <= now < ear.expires:
        raise AppraisalError(
            "time", expected=f"{begins} ≤ now < {ear.expires}", actual=f"now is {now}"
        )
    return ear


def algorithm_of(key: object) -> str:
    """Give the one algorithm a key is used with.

    Raises:
        PolicyError: a key of another kind; any object, because it may come from a file.
    """
    if isinstance(key, Ed25519PrivateKey | Ed25519PublicKey):
        return "EdDSA"
    if isinstance(key, EllipticCurvePrivateKey | EllipticCurvePublicKey) and (
        key.curve.name in CURVES
    ):
        return CURVES[key.curve.name]
    raise PolicyError(
        "EAR key",
        expected="Ed25519, P-256 or P-384",
        found=type(key).__name__,
        remedy="make one, for instance by `openssl genpkey -algorithm ed25519`",
    )


def _signed_bytes(token: str, key: PublicKey) -> bytes:
    if len(token) > MAX_TOKEN or not token.isascii():
        raise MalformedEvidenceError(f"EAR token: expected at most {MAX_TOKEN} ASCII letters")
    algorithm = algorithm_of(key)
    try:
        opened = jwt.PyJWS([algorithm]).decode_complete(token, key, algorithms=[algorithm])
    except jwt.InvalidSignatureError as error:
        raise AppraisalError(
            "EAR signature", expected="one by the given key", actual="another"
        ) from error
    except jwt.InvalidAlgorithmError as error:
        raise AppraisalError(
            "EAR algorithm", expected=f"{algorithm}, as the key", actual="another"
        ) from error
    except jwt.PyJWTError as error:
        raise MalformedEvidenceError("EAR token: not a signed JWT") from error
    return cast("bytes", opened["payload"])
