"""OIDC ID tokens as credentials: bytes and `now` in, who it is out. No fetching, no clock.

In this order (OpenID Connect Core 1.0, 3.1.3.7; RFC 7519, RFC 7517):

1. parse         three segments; the unverified `iss` and `kid` choose provider and key, no more
2. authenticate  the algorithm is one that this provider is pinned to, the key is one of this
                 provider's and made for it, the signature is good
3. claims        issuer, audience, expiry, time of issue, subject

What the provider signs for another purpose is refused by its type: an access token (RFC 9068) and a
logout token (OpenID Connect Back-Channel Logout 1.0, 2.4) can have our audience too. A token for
several audiences is refused: another one of them could use it here.
"""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from gateway.issuer.errors import CredentialError, KeySetError, UnknownKidError
from transparency_log.strict_json import StrictJSONError, parse_object

PublicKey = RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey

MAX_TOKEN = 16 << 10
"""Bytes of an ID token; usual ones have one or two thousand."""

MAX_KEY_SET = 256 << 10
"""Bytes of a key set; large ones, with certificates, have some tens of thousands."""

MAX_KEYS = 128
"""Keys of a key set."""

LEEWAY = 60
"""Seconds that the provider's clock may differ from ours."""

MIN_RSA_BITS = 2048

ALGORITHMS: Mapping[str, tuple[str, str | None]] = MappingProxyType(
    {
        **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), ("RSA", None)),
        "ES256": ("EC", "P-256"),
        "ES384": ("EC", "P-384"),
        "EdDSA": ("OKP", "Ed25519"),
    }
)
"""Algorithms that may be pinned: type and curve of their keys. None uses a shared secret."""


@dataclass(frozen=True, kw_only=True)
class Provider:
    """What an ID token is held against."""

    issuer: str
    audience: str
    algorithms: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class ProviderKey:
    """One key of a provider: what it may sign is fixed by the key set, not by a token."""

    kind: tuple[str, str | None]
    algorithm: str | None
    public: PublicKey

    def fits(self, algorithm: str) -> bool:
        """Say whether a signature by this algorithm can be this key's."""
        return ALGORITHMS[algorithm] == self.kind and self.algorithm in (None, algorithm)


KeySet = Mapping[str, ProviderKey]
"""The usable keys of a provider, by `kid`."""


@dataclass(frozen=True, kw_only=True)
class Unverified:
    """What a token says before anything is checked: good for choosing what to check it with."""

    issuer: str
    kid: str
    algorithm: str


def subject_digest(issuer: str, subject: str) -> bytes:
    """Name a person of a provider, in the place where an account has the digest of its API key."""
    name = issuer.encode()
    data = b"openpcc oidc account v1\x00" + len(name).to_bytes(8) + name + subject.encode()
    return hashlib.sha256(data).digest()


def is_subject(text: str) -> bool:
    """Say whether a text can be a `sub` (OpenID Connect Core 1.0, section 2)."""
    return 1 <= len(text) <= 255 and text.isascii()


def peek(token: str) -> Unverified:
    """Read which provider and key a token names.

    Raises:
        CredentialError: it is no signed JWT that names both.
    """
    try:
        found = jwt.decode_complete(token[: MAX_TOKEN + 1], options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError, RecursionError) as error:
        raise CredentialError("not a JWT") from error
    issuer, header = found["payload"].get("iss"), found["header"]
    kid, algorithm = header.get("kid"), header.get("alg")
    if str(header.get("typ", "JWT")).upper() != "JWT" or "events" in found["payload"]:
        raise CredentialError("a token for another purpose")
    if not (isinstance(issuer, str) and isinstance(kid, str) and isinstance(algorithm, str)):
        raise CredentialError("the token names no issuer, key or algorithm")
    return Unverified(issuer=issuer, kid=kid, algorithm=algorithm)


def verify(token: str, provider: Provider, keys: KeySet, *, now: int) -> str:
    """Check an ID token; gives its subject.

    Raises:
        UnknownKidError: none of `keys` is named; newer ones may have it.
        CredentialError: anything else that is wrong with it.
    """
    said = peek(token)
    if said.issuer != provider.issuer or said.algorithm not in provider.algorithms:
        raise CredentialError("another issuer, or an algorithm it is not pinned to")
    if (key := keys.get(said.kid)) is None:
        raise UnknownKidError("no such key")
    if not key.fits(said.algorithm):
        raise CredentialError("the key is not for this algorithm")
    try:
        claims = jwt.decode(token, key.public, [said.algorithm], options=_SIGNATURE_ONLY)
    except (jwt.PyJWTError, ValueError, RecursionError) as error:
        raise CredentialError("the signature is not the provider's") from error
    _check_times(claims, now)
    return _subject(claims, provider)


_SIGNATURE_ONLY: Any = {
    "verify_signature": True,
    "enforce_minimum_key_length": True,
    **dict.fromkeys(("verify_exp", "verify_iat", "verify_nbf", "verify_aud", "verify_iss"), False),
    **dict.fromkeys(("verify_sub", "verify_jti"), False),
}
"""The library judges times by its own clock, and audiences by one match among several."""


def _check_times(claims: dict[str, Any], now: int) -> None:
    if _time(claims, "exp") <= now - LEEWAY:
        raise CredentialError("the token has expired")
    if _time(claims, "iat") > now + LEEWAY:
        raise CredentialError("the token is of the future")
    if "nbf" in claims and _time(claims, "nbf") > now + LEEWAY:
        raise CredentialError("the token is not valid yet")


def _time(claims: dict[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise CredentialError(f"{name}: not a time")
    return value


def _subject(claims: dict[str, Any], provider: Provider) -> str:
    audience = claims.get("aud")
    if claims.get("iss") != provider.issuer or audience not in (
        provider.audience,
        [provider.audience],
    ):
        raise CredentialError("another issuer or audience")
    subject = claims.get("sub")
    if not isinstance(subject, str) or not is_subject(subject):
        raise CredentialError("sub: not 1 to 255 ASCII characters")
    return subject


def parse_key_set(data: bytes) -> KeySet:
    """Read a provider's key set (RFC 7517), and leave out what cannot check an ID token.

    Raises:
        KeySetError: not a key set, or one name for two usable keys.
    """
    keys: dict[str, ProviderKey] = {}
    try:
        document = parse_object(data, limit=MAX_KEY_SET, name="key set")
        for one in document.children("keys", limit=MAX_KEYS):
            members = {name: one.text(name, limit=MAX_KEY_SET) for name in _MEMBERS if name in one}
            kid, key = members.get("kid"), _usable(members)
            if kid is None or key is None:
                continue
            if kid in keys:
                raise KeySetError("two keys of one name")
            keys[kid] = key
    except StrictJSONError as error:
        raise KeySetError("not a key set") from error
    return MappingProxyType(keys)


_MEMBERS = ("kid", "kty", "use", "alg", "crv", "n", "e", "x", "y")
"""Members of a JWK that are looked at; private ones have no business in a key set."""


def _usable(members: dict[str, str]) -> ProviderKey | None:
    kind = (members.get("kty", ""), members.get("crv"))
    algorithm = members.get("alg")
    fitting = next((name for name, made_for in ALGORITHMS.items() if made_for == kind), None)
    if fitting is None or members.get("use", "sig") != "sig":
        return None
    if algorithm is not None and ALGORITHMS.get(algorithm) != kind:
        return None
    try:
        public = jwt.PyJWK(members, algorithm or fitting).key
    except (jwt.PyJWTError, ValueError) as error:
        raise KeySetError("a key that is none") from error
    if isinstance(public, RSAPublicKey) and public.key_size < MIN_RSA_BITS:
        return None
    return ProviderKey(kind=kind, algorithm=algorithm, public=public)
