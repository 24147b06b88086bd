"""An OIDC identity provider: real keys, real signatures, its key set over HTTP."""

import hashlib
import hmac
import json
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.issuer.id_tokens import Provider
from tests.fakes.node import Exchange
from transparency_log.strict_json import dumps

ISSUER = "https://accounts.example"
AUDIENCE = "openpcc"
NOW = 1_800_000_000

RSA = rsa.generate_private_key(65537, 2048)
SMALL = rsa.generate_private_key(65537, 1024)
EC = ec.generate_private_key(ec.SECP256R1())
WIDE = ec.generate_private_key(ec.SECP384R1())
ED = ed25519.Ed25519PrivateKey.generate()
STRANGER = ec.generate_private_key(ec.SECP256R1())

KEYS: dict[str, tuple[Any, str]] = {
    "rsa": (RSA, "RS256"),
    "small": (SMALL, "RS256"),
    "ec": (EC, "ES256"),
    "wide": (WIDE, "ES384"),
    "ed": (ED, "EdDSA"),
}
PINNED = Provider(
    issuer=ISSUER, audience=AUDIENCE, algorithms=frozenset({"RS256", "ES256", "ES384", "EdDSA"})
)


def jwk(which: str, **changes: Any) -> dict[str, Any]:
    """Write a public key as its provider does."""
    key, algorithm = KEYS[which]
    made = jwt.get_algorithm_by_name(algorithm).to_jwk(key.public_key(), as_dict=True)
    made.pop("key_ops", None)
    made |= {"kid": which, "use": "sig", "alg": algorithm} | changes
    return {name: value for name, value in made.items() if value is not None}


def key_set(*kids: str) -> bytes:
    return dumps({"keys": [jwk(kid) for kid in kids or KEYS]})


def claims(**changes: Any) -> dict[str, Any]:
    good = {"iss": ISSUER, "aud": AUDIENCE, "sub": "carol", "iat": NOW - 10, "exp": NOW + 300}
    return {name: value for name, value in {**good, **changes}.items() if value is not None}


def token(kid: str = "ec", *, header: dict[str, Any] | None = None, **changes: Any) -> str:
    """Sign an ID token with one of the provider's keys."""
    key, algorithm = KEYS[kid]
    return jwt.encode(claims(**changes), key, algorithm, {"kid": kid} | (header or {}))


def spelled(header: dict[str, Any], payload: dict[str, Any], signature: bytes = b"") -> str:
    """Write a token that no library would."""
    parts = (json.dumps(header).encode(), json.dumps(payload).encode(), signature)
    return ".".join(jwt.utils.base64url_encode(part).decode() for part in parts)


def confused(kid: str) -> str:
    """Sign by HS256, with the public key's PEM as the shared secret."""
    key, _ = KEYS[kid]
    secret = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    unsigned = spelled({"alg": "HS256", "kid": kid, "typ": "JWT"}, claims())[:-1]
    mac = hmac.digest(secret, unsigned.encode(), hashlib.sha256)
    return f"{unsigned}.{jwt.utils.base64url_encode(mac).decode()}"


class JwksScript:
    """The provider's server, for `FarEnd`: what it gives, and whether it gives anything."""

    def __init__(self) -> None:
        self.body = key_set()
        self.status = 200

    async def __call__(self, exchange: Exchange) -> None:
        await exchange.answer(self.status, self.body, [("content-type", "application/json")])
