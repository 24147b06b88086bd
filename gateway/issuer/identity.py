"""From a credential to an account: `Authorization: Bearer CREDENTIAL` (RFC 6750, section 2.1).

An API key of ours is `openpcc_` and 32 random bytes in base64url: scanners for leaked secrets know
it by its beginning. Everything else is tried as an ID token. All refusals look alike.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping

from gateway.issuer.accounts import Account, Accounts
from gateway.issuer.errors import CredentialError
from gateway.issuer.id_tokens import MAX_TOKEN, peek, subject_digest
from gateway.issuer.jwks import ProviderKeys

InDatabase = Callable[[Callable[[Accounts], Account | None]], Awaitable[Account | None]]
"""Runs a function with a connection, in a thread."""

API_KEY = re.compile(r"openpcc_[A-Za-z0-9_-]{43}")
BEARER = re.compile(rb"[Bb][Ee][Aa][Rr][Ee][Rr] +([A-Za-z0-9._~+/-]+=*)")


def new_api_key() -> str:
    """Make an API key."""
    return f"openpcc_{secrets.token_urlsafe(32)}"


def key_digest(api_key: str) -> bytes:
    """Give what the database knows of an API key."""
    return hashlib.sha256(api_key.encode()).digest()


def read_bearer(authorization: bytes | None) -> str:
    """Take the credential out of the header field.

    Raises:
        CredentialError: there is none, or it is none.
    """
    if authorization is None or len(authorization) > MAX_TOKEN:
        raise CredentialError("no credential, or too long a one")
    if (found := BEARER.fullmatch(authorization)) is None:
        raise CredentialError("not a bearer credential")
    return found[1].decode("ascii")


class Identities:
    """Finds the account of a credential."""

    def __init__(
        self, providers: Mapping[str, ProviderKeys], anyone: frozenset[str], database: InDatabase
    ) -> None:
        """Take the providers by issuer, and those that may enroll whom they vouch for."""
        self._providers = providers
        self._anyone = anyone
        self._database = database

    async def account(self, authorization: bytes | None, *, now: int, day: int) -> Account:
        """Find the account of an `authorization` field.

        Raises:
            CredentialError: there is none that is in use.
            KeySetError: nobody can tell at present.
            AccountsError: the database fails.
        """
        token = read_bearer(authorization)
        if API_KEY.fullmatch(token):
            account = await self._by_credential(key_digest(token))
        else:
            account = await self._by_identity(token, now=now, day=day)
        if account is None or account.revoked is not None:
            raise CredentialError("no such account, or it is revoked")
        return account

    async def _by_credential(self, digest: bytes) -> Account | None:
        account = await self._database(lambda accounts: accounts.find(digest))
        # The database compares in no constant time, but what it compares is a hash: what its time
        # might tell of a stored one is no help in finding a key for it.
        if account is not None and not hmac.compare_digest(account.credential, digest):
            raise CredentialError("the database gave another account")
        return account

    async def _by_identity(self, token: str, *, now: int, day: int) -> Account | None:
        issuer = peek(token).issuer
        if (keys := self._providers.get(issuer)) is None:
            raise CredentialError("no such provider")
        digest = subject_digest(issuer, await keys.subject(token, now=now))
        account = await self._by_credential(digest)
        if account is None and issuer in self._anyone:
            return await self._database(lambda accounts: accounts.enroll(digest, day=day))
        return account
