"""The HTTP fields of Privacy Pass (RFC 9577, section 2): what an origin asks, what a client sends.

    WWW-Authenticate: PrivateToken challenge="AAIAD…==", token-key="MIIBU…AB", max-age="10"
    Authorization: PrivateToken token="AAIz…=="

A field is a list of challenges of any scheme (RFC 9110, section 11.6.1), and its parameters are
separated by the same commas as its challenges. Reading is as generous as the RFC wants: values as
tokens or quoted strings, any order, unknown parameters and other schemes passed over, base64url
with or without its padding. Writing has one form. A challenge of a token type unknown here is
listed like any other: servers send some on purpose (greasing).
"""

import base64
import binascii
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from openpcc.protocol.errors import MalformedError, TooLargeError

SCHEME = "privatetoken"

MAX_FIELD = 2**16
"""Characters of a field value; HTTP servers take far less."""

MAX_CHALLENGES = 32
"""Challenges in a field."""

_ITEM = re.compile(r'(?:"(?:[^"\\]|\\.)*+"|[^",])++')
"""What stands between two commas outside quoted strings."""

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]++"  # noqa: S105 - RFC 9110's token, no secret
_PARAMETER = re.compile(
    rf'({_TOKEN})[ \t]*+=[ \t]*+(?:"((?:[^"\\]|\\.)*+)"|([!#$%&\'*+./^_`|~0-9A-Za-z-]++=*+))'
)
"""Name, and a quoted string or a token; padding of base64 is no token character but is seen."""

_SCHEMED = re.compile(rf"({_TOKEN})(?:[ \t]++(.*+))?", re.DOTALL)
_TOKEN68 = re.compile(r"[A-Za-z0-9._~+/-]++=*+")


@dataclass(frozen=True, kw_only=True)
class AuthenticateChallenge:
    """One PrivateToken challenge of a WWW-Authenticate field.

    Attributes:
        challenge: a TokenChallenge in its bytes, of any token type.
        token_key: the issuer's public key; None if the client is to know it otherwise.
        max_age: seconds for which the challenge is accepted; None says nothing.
    """

    challenge: bytes
    token_key: bytes | None = None
    max_age: int | None = None

    @property
    def token_type(self) -> int:
        """The token type, whether or not it is known here."""
        return int.from_bytes(self.challenge[:2], "big")


def parse_www_authenticate(value: str) -> tuple[AuthenticateChallenge, ...]:
    """Read the PrivateToken challenges of a field; several lines are joined with commas first.

    Raises:
        TooLargeError: longer, or more challenges, than any origin has use for.
        MalformedError: not such a list, or a PrivateToken challenge is none. All is refused then.
    """
    found = [_challenge(one) for scheme, one in _schemes(value) if scheme == SCHEME]
    if len(found) > MAX_CHALLENGES:
        raise TooLargeError(f"WWW-Authenticate: at most {MAX_CHALLENGES} challenges are accepted")
    return tuple(found)


def format_www_authenticate(challenges: Iterable[AuthenticateChallenge]) -> str:
    """Write a field value."""
    return ", ".join(_formatted(challenge) for challenge in challenges)


def parse_authorization(value: str) -> bytes:
    """Read the token of an Authorization field, of whatever type.

    Raises:
        TooLargeError: longer than any token.
        MalformedError: not one PrivateToken with a token.
    """
    credentials = _schemes(value)
    if len(credentials) != 1 or credentials[0][0] != SCHEME:
        raise MalformedError("Authorization: expected one PrivateToken")
    return _bytes_of(credentials[0][1], "token")


def format_authorization(token: bytes) -> str:
    """Write a field value."""
    return f'PrivateToken token="{base64url(token)}"'


def base64url(data: bytes) -> str:
    """Write base64url with padding, as emitters must (RFC 9577, section 2)."""
    return base64.urlsafe_b64encode(data).decode("ascii")


def parse_base64url(text: str, name: str) -> bytes:
    """Read base64url, with all of its padding or none.

    Raises:
        MalformedError: another alphabet, other padding, or spare bits that are not zero.
    """
    bare = text.rstrip("=")
    padded = bare + "=" * (-len(bare) % 4)
    try:
        data = base64.b64decode(padded, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise MalformedError(f"{name}: not base64url") from error
    if text not in (bare, padded) or base64url(data) != padded:
        raise MalformedError(f"{name}: not canonical base64url")
    return data


def _schemes(value: str) -> list[tuple[str, dict[str, str]]]:
    """Group parameters under their scheme; scheme and names in lower case."""
    found: list[tuple[str, dict[str, str]]] = []
    for item in _items(value):
        parameter = _PARAMETER.fullmatch(item)
        if parameter is None:
            scheme, parameter = _begun(item)
            found.append((scheme, {}))
        if not found:
            raise MalformedError("HTTP authentication: a parameter before any scheme")
        if parameter is not None:
            _enter(found[-1][1], parameter)
    return found


def _items(value: str) -> Iterator[str]:
    if len(value) > MAX_FIELD:
        raise TooLargeError(f"HTTP authentication: at most {MAX_FIELD} characters are accepted")
    at = 0
    while at < len(value):
        if value[at] == ",":
            at += 1
            continue
        item = _ITEM.match(value, at)
        if item is None:
            raise MalformedError("HTTP authentication: a quoted string does not end")
        at = item.end()
        if text := item[0].strip(" \t"):
            yield text


def _begun(item: str) -> tuple[str, re.Match[str] | None]:
    """Read an item that begins a challenge: a scheme, alone or with a first parameter."""
    begun = _SCHEMED.fullmatch(item)
    if begun is None:
        raise MalformedError("HTTP authentication: neither a scheme nor a parameter")
    rest = begun[2] or ""
    parameter = _PARAMETER.fullmatch(rest)
    if rest and parameter is None and _TOKEN68.fullmatch(rest) is None:
        raise MalformedError("HTTP authentication: neither a parameter nor a token68")
    return begun[1].lower(), parameter


def _enter(parameters: dict[str, str], parameter: re.Match[str]) -> None:
    name, quoted, token = parameter.groups()
    if name.lower() in parameters:
        raise MalformedError("HTTP authentication: a parameter is repeated")
    parameters[name.lower()] = token if quoted is None else re.sub(r"\\(.)", r"\1", quoted)


def _challenge(parameters: Mapping[str, str]) -> AuthenticateChallenge:
    challenge = _bytes_of(parameters, "challenge")
    if len(challenge) < 2:
        raise MalformedError("PrivateToken: a challenge begins with its token type")
    return AuthenticateChallenge(
        challenge=challenge,
        token_key=_bytes_of(parameters, "token-key") if "token-key" in parameters else None,
        max_age=_seconds(parameters["max-age"]) if "max-age" in parameters else None,
    )


def _bytes_of(parameters: Mapping[str, str], name: str) -> bytes:
    if name not in parameters:
        raise MalformedError(f"PrivateToken: no {name}")
    return parse_base64url(parameters[name], f"PrivateToken {name}")


def _seconds(text: str) -> int:
    if re.fullmatch(r"[0-9]{1,10}", text) is None:
        raise MalformedError("PrivateToken: max-age is not a number of seconds")
    return int(text)


def _formatted(challenge: AuthenticateChallenge) -> str:
    text = f'PrivateToken challenge="{base64url(challenge.challenge)}"'
    if challenge.token_key is not None:
        text += f', token-key="{base64url(challenge.token_key)}"'
    if challenge.max_age is not None:
        text += f', max-age="{challenge.max_age}"'
    return text
