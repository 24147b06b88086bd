"""What the issuer refuses or fails at; the rest of the tree stands in `gateway.errors`.

GatewayError
  RefusedError
    IssuanceRefusedError   an answer with a code of docs/formats.md 9 and 11; nothing was charged
  CredentialError          the credential names no account of ours
    UnknownKidError        ... it may be signed with a key that we have not fetched yet
  AccountsError            the database does not do what it should: 503, and not ready
  KeySetError              an identity provider's keys cannot be had, or are none
"""

from collections.abc import Mapping
from types import MappingProxyType

from gateway.errors import GatewayError, RefusedError

CODES: Mapping[str, tuple[int, str]] = MappingProxyType(
    {
        "malformed": (422, "not a batch of token requests"),
        "unsupported": (422, "another token type or media type"),
        "unknown-token-key": (422, "the key is retired or not ours"),
        "account": (401, "no account has this credential"),
        "quota": (429, "the account's day (UTC) is used up"),
        "too-large": (413, "over the limit"),
        "busy": (503, "not taken, try again later"),
        "not-ready": (503, "starting, or without what is needed"),
        "not-found": (404, "no such resource"),
        "method": (405, "the resource has no such method"),
    }
)
"""Every code the issuer answers with: status and text. RFC 9578 wants 422 where others say 400."""


class IssuanceRefusedError(RefusedError):
    """An answer with a code of `CODES`; the account was not charged."""

    codes = CODES


class CredentialError(GatewayError):
    """The credential names no account of ours. Which check failed is not for the sender."""


class UnknownKidError(CredentialError):
    """The token names a key that its provider's key set does not have, as far as we know."""


class AccountsError(GatewayError):
    """The database failed. Whether a charge went through, the same batch finds out next time."""


class KeySetError(GatewayError):
    """An identity provider did not give its keys, or what it gave is not a key set."""
