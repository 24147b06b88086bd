"""What strangers send to an issuer beside token requests: credentials; and providers' key sets."""

from gateway.issuer.errors import CredentialError, KeySetError
from gateway.issuer.id_tokens import ALGORITHMS, parse_key_set, peek, verify
from gateway.issuer.identity import read_bearer
from tests.fuzz.target import Bytes, target
from tests.gateway.issuer.provider import NOW, PINNED, claims, confused, key_set, spelled, token

KEYS = parse_key_set(key_set())


def key_sets() -> Bytes:
    return [key_set(), key_set("ec"), b'{"keys":[]}', b'{"keys":[{"kty":"EC","kid":"x"}]}']


def tokens() -> Bytes:
    unsigned = spelled({"alg": "none", "kid": "ec"}, claims())
    return [one.encode() for one in (token(), token("ed"), token("rsa"), confused("ec"), unsigned)]


def bearers() -> Bytes:
    return [
        b"Bearer openpcc_" + b"A" * 43,
        b"bearer  a.b.c",
        *(b"Bearer " + one for one in tokens()),
    ]


@target(parse_key_set, seeds=key_sets, refusals=(KeySetError,))
def provider_key_set(data: bytes) -> None:
    """Any bytes give keys that fit an algorithm each, or KeySetError."""
    for key in parse_key_set(data).values():
        assert any(key.fits(algorithm) for algorithm in ALGORITHMS)


@target(peek, verify, seeds=tokens, refusals=(CredentialError,))
def id_token(data: bytes) -> None:
    """Any text names provider and key, and only the provider's own tokens name a subject."""
    text = data.decode("latin-1")
    peek(text)
    assert verify(text, PINNED, KEYS, now=NOW) == "carol"


@target(read_bearer, seeds=bearers, refusals=(CredentialError,))
def bearer(data: bytes) -> None:
    """Any field gives one printable word that stands in it, or CredentialError."""
    found = read_bearer(data)
    assert found.isascii()
    assert found.isprintable()
    assert " " not in found
    assert data.endswith(found.encode())
