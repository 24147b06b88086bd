"""What an issuer publishes about itself (RFC 9578, section 4).

    {"issuer-request-uri": "/token-request",
     "token-keys": [{"token-type": 2, "token-key": "MIIBUj…", "not-before": 1790000000}]}

`application/private-token-issuer-directory`, at `/.well-known/private-token-issuer-directory`.
Unknown members and keys of unknown types are ignored, as the RFC asks. Everything else that is
wrong refuses the document: recovering parts would let an issuer tell clients apart. Whether a key
is everyone's key is not decided here: a client uses only keys that the service entry lists.
"""

import json
from dataclasses import dataclass

from openpcc.protocol.errors import MalformedError, TooLargeError, UnknownKeyError
from openpcc.protocol.privacypass.authentication import base64url, parse_base64url
from openpcc.protocol.privacypass.challenge import TOKEN_TYPE
from openpcc.protocol.privacypass.issuer_key import IssuerKey

DIRECTORY_MEDIA_TYPE = "application/private-token-issuer-directory"
DIRECTORY_PATH = "/.well-known/private-token-issuer-directory"

MAX_DIRECTORY = 2**16
"""Bytes of a directory: more than a hundred keys."""

MAX_KEYS = 64
MAX_URI = 2048
MAX_TOKEN_KEY = 4096
"""Characters of a token key, whatever its type."""

MAX_TIME = 2**53 - 1
"""The latest time that every JSON reader keeps exact."""


@dataclass(frozen=True, kw_only=True)
class DirectoryKey:
    """One entry of `token-keys`.

    Attributes:
        not_before: when clients may begin to use the key, Unix seconds; None means at once.
    """

    token_type: int
    token_key: bytes
    not_before: int | None = None


@dataclass(frozen=True, kw_only=True)
class IssuerDirectory:
    """Where tokens are requested, and the issuer's keys in the order of its preference."""

    request_uri: str
    keys: tuple[DirectoryKey, ...]

    @staticmethod
    def parse(data: bytes) -> "IssuerDirectory":
        """Read a directory.

        Raises:
            TooLargeError: longer than 64 KiB.
            MalformedError: not a directory, or a key of type 0x0002 is none.
        """
        if len(data) > MAX_DIRECTORY:
            raise TooLargeError(f"issuer directory: at most {MAX_DIRECTORY} bytes are accepted")
        document = _document(data)
        uri, entries = document.get("issuer-request-uri"), document.get("token-keys")
        if not isinstance(uri, str) or not 0 < len(uri) <= MAX_URI or not uri.isascii():
            raise MalformedError("issuer directory: issuer-request-uri is not a URI")
        if not isinstance(entries, list) or len(entries) > MAX_KEYS:
            raise MalformedError(
                f"issuer directory: token-keys is not a list of at most {MAX_KEYS}"
            )
        directory = IssuerDirectory(request_uri=uri, keys=tuple(_key(entry) for entry in entries))
        directory.issuer_keys()  # refuses the document if one of them is none
        return directory

    def encode(self) -> bytes:
        """Write the directory."""
        entries = [_entry(key) for key in self.keys]
        document = {"issuer-request-uri": self.request_uri, "token-keys": entries}
        return json.dumps(document, separators=(",", ":")).encode()

    def issuer_keys(self) -> tuple[IssuerKey, ...]:
        """Give all keys of type 0x0002, whatever their time.

        Raises:
            MalformedError: one of them is none.
        """
        return tuple(IssuerKey.parse(key.token_key) for key in self._usable())

    def pick(self, *, now: int) -> IssuerKey:
        """Give the key that a client uses: the first of type 0x0002 whose time has come.

        Raises:
            UnknownKeyError: there is none.
        """
        for key in self._usable():
            if key.not_before is None or key.not_before <= now:
                return IssuerKey.parse(key.token_key)
        raise UnknownKeyError("issuer directory: no key of token type 0x0002 is in use now")

    def _usable(self) -> tuple[DirectoryKey, ...]:
        return tuple(key for key in self.keys if key.token_type == TOKEN_TYPE)


def _document(data: bytes) -> dict[str, object]:
    try:
        document = json.loads(data.decode("utf-8"), object_pairs_hook=_members)
    except (ValueError, RecursionError) as error:
        raise MalformedError("issuer directory: not a JSON document") from error
    if not isinstance(document, dict):
        raise MalformedError("issuer directory: expected an object")
    return document


def _members(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise MalformedError("issuer directory: a member is repeated")
    return members


def _key(entry: object) -> DirectoryKey:
    if not isinstance(entry, dict):
        raise MalformedError("issuer directory: a token key is not an object")
    text = entry.get("token-key")
    if not isinstance(text, str) or len(text) > MAX_TOKEN_KEY:
        raise MalformedError("issuer directory: token-key is not a text of its length")
    not_before = None
    if "not-before" in entry:
        not_before = _integer(entry, "not-before", high=MAX_TIME)
    return DirectoryKey(
        token_type=_integer(entry, "token-type", high=2**16 - 1),
        token_key=parse_base64url(text, "issuer directory: token-key"),
        not_before=not_before,
    )


def _integer(entry: dict[str, object], name: str, *, high: int) -> int:
    value = entry.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= high:
        raise MalformedError(f"issuer directory: {name} is not a number of 0..{high}")
    return value


def _entry(key: DirectoryKey) -> dict[str, object]:
    entry: dict[str, object] = {
        "token-type": key.token_type,
        "token-key": base64url(key.token_key),
    }
    if key.not_before is not None:
        entry["not-before"] = key.not_before
    return entry
