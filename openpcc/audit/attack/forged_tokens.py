"""Tokens that an attacker can make himself: nobody's, a key's of his own, another service's.

`Stranger` is an issuer's key that nobody lists; it signs as an issuer does. A token for another
service is a genuine one: an issuer cannot see what it signs, so anybody with an account has some.
"""

import secrets
from functools import cache

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA384

from openpcc.audit.attack import allowance
from openpcc.audit.attack.target import Target
from openpcc.errors import IssuerError
from openpcc.protocol import sealing
from openpcc.protocol.errors import ProtocolError
from openpcc.protocol.privacypass import (
    TOKEN_SIZE,
    DirectoryKey,
    IssuerDirectory,
    IssuerKey,
    TokenChallenge,
    token_input,
)
from openpcc.protocol.privacypass.challenge import TOKEN_TYPE
from openpcc.tokens.held import AskedToken, HeldToken
from openpcc.tokens.issuance import choose_key
from openpcc.tokens.issuer import Issuer
from openpcc.tokens.terms import Terms

ELSEWHERE = "other.invalid"
"""A service that is another one."""

KEY_BITS, EXPONENT = 2048, 65537
SALT_SIZE = 48
"""Bytes of the salt of token type 0x0002 (RFC 9578, section 6)."""


class Stranger:
    """An issuer's key of the attacker's own, as the client's issuer offers it.

    Attributes:
        asked: batches that somebody wanted signed.
    """

    def __init__(self) -> None:
        self._private = _private_key()
        self.asked: list[bytes] = []

    @property
    def key(self) -> IssuerKey:
        """Its public half."""
        return IssuerKey(n=self._private.public_key().public_numbers().n, e=EXPONENT)

    def token(self, terms: Terms) -> HeldToken:
        """Sign a token for the service."""
        holder = Ed25519PrivateKey.generate()
        made = token_input(
            nonce=_nonce(holder), challenge_digest=terms.challenge_digest, key_id=self.key.id
        )
        pss = padding.PSS(mgf=padding.MGF1(SHA384()), salt_length=SALT_SIZE)
        signature = self._private.sign(made, pss, SHA384())
        return HeldToken(token=made + signature, seed=holder.private_bytes_raw())

    def directory(self) -> IssuerDirectory:
        """Offer this key alone; see `issuance.Issues`."""
        offered = DirectoryKey(token_type=TOKEN_TYPE, token_key=self.key.spki)
        return IssuerDirectory(request_uri="/token-request", keys=(offered,))

    def sign(self, body: bytes, count: int) -> tuple[bytes, ...]:
        """Note that somebody asked, which is all that the attacker wants; see `issuance.Issues`."""
        self.asked.append(body)
        raise IssuerError("busy", 503, f"{count} messages were blinded to it")


def forged(terms: Terms) -> HeldToken:
    """Make a token that names the issuer's key, signed by nobody."""
    holder = Ed25519PrivateKey.generate()
    made = token_input(
        nonce=_nonce(holder), challenge_digest=terms.challenge_digest, key_id=terms.keys[0]
    )
    signature = b"\x00" + secrets.token_bytes(TOKEN_SIZE - len(made) - 1)
    return HeldToken(token=made + signature, seed=holder.private_bytes_raw())


def of_another_service(target: Target, terms: Terms) -> HeldToken:
    """Buy a genuine token for another service, by the user's account.

    Raises:
        NotTriedError: there is no account.
        IssuerError, IssuerKeyError, ConfigurationError: the issuer did not issue.
    """
    purse = allowance.require(target.purse)
    tokens = target.snapshot.service.parameters.tokens
    name = "" if tokens is None else tokens.issuer
    challenge = TokenChallenge(issuer_name=name, origin_info=(ELSEWHERE,))
    issuer = Issuer(purse.settings)
    try:
        key = choose_key(issuer.directory(), terms)
        asked = AskedToken.begin(key, challenge.digest)
        (signature,) = issuer.sign(asked.pending.request.encode(), 1)
        return asked.finish(signature)
    except ProtocolError as error:
        raise IssuerError("answer", 200, "a signature is not of its key") from error
    finally:
        issuer.close()


@cache
def _private_key() -> rsa.RSAPrivateKey:
    """Make a key for this process: one takes a while, and shows as much as many."""
    return rsa.generate_private_key(EXPONENT, KEY_BITS)


def _nonce(holder: Ed25519PrivateKey) -> bytes:
    return sealing.holder_nonce(holder.public_key().public_bytes_raw())
