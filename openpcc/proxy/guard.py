"""Who may ask this proxy: pure, over the fields of one request.

A loopback port is open to every program and, through the browser, to every web page on this
machine. So each request passes three checks before its content is read:

1. Host     names this proxy: a page that rebound its own name to 127.0.0.1 fails here.
2. Origin   is absent or this proxy's own: a page of another site fails here.
3. key      the per-start secret, compared in constant time.

The API takes the key as `Authorization: Bearer`, the page as the password of HTTP Basic (RFC 7617;
any user name). A `?key=` would stand in histories, logs and referrers. Basic is taken on the page
alone: a browser adds it by itself to every later request, and that must not open the API.
"""

import base64
import binascii
import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field

from openpcc.errors import OpenPCCError

Fields = Iterable[tuple[bytes, bytes]]
"""Header fields as ASGI gives them: lower-case names, raw values."""

DEFAULT_PORTS = {"http": 80, "https": 443}
SAME_SITE = frozenset({b"same-origin", b"none"})
"""`Sec-Fetch-Site` of this page's own requests and of an address typed by the user."""


class NotAdmittedError(OpenPCCError):
    """A request was turned away before its content was read.

    Attributes:
        status: 400, 401 or 403.
        code: `host`, `origin` or `invalid_api_key`.
    """

    def __init__(self, status: int, code: str, message: str) -> None:
        self.status = status
        self.code = code
        super().__init__(message)


@dataclass(frozen=True, kw_only=True)
class Guard:
    """The checks of one proxy."""

    key: str = field(repr=False)
    scheme: str
    """`http` or `https`."""
    authorities: frozenset[str]
    """Values of Host that name this proxy, lower case."""

    def admit_to_api(self, fields: Fields) -> None:
        """Let an API request pass.

        Raises:
            NotAdmittedError: it may not.
        """
        found = _Found(fields)
        self._same_site(found)
        self._compare(_bearer(found.one(b"authorization")))

    def admit_to_page(self, fields: Fields) -> None:
        """Let a request for the page pass.

        Raises:
            NotAdmittedError: it may not.
        """
        found = _Found(fields)
        self._same_site(found)
        self._compare(_password(found.one(b"authorization")))

    def _same_site(self, found: "_Found") -> None:
        host = found.one(b"host")
        if host is None or host.decode("latin-1").lower() not in self.authorities:
            raise NotAdmittedError(403, "host", "the Host field does not name this proxy")
        origin = found.one(b"origin")
        own = f"{self.scheme}://".encode() + host
        if origin is not None and origin.lower() != own.lower():
            raise NotAdmittedError(403, "origin", "pages of another origin may not ask this proxy")
        # Absent outside browsers. Inside them it also marks what carries no Origin, such as images.
        site = found.one(b"sec-fetch-site")
        if site is not None and site not in SAME_SITE:
            raise NotAdmittedError(403, "origin", "pages of another site may not ask this proxy")

    def _compare(self, given: bytes | None) -> None:
        if given is None or not hmac.compare_digest(given, self.key.encode()):
            raise NotAdmittedError(
                401, "invalid_api_key", "this proxy needs the API key it printed when it started"
            )


def authorities(names: Iterable[str], *, scheme: str, port: int | None) -> frozenset[str]:
    """List the values of Host that name a proxy.

    Args:
        names: host names; IPv6 addresses in brackets.
        scheme: `http` or `https`.
        port: TCP port; None on a unix socket, where clients send the name alone.
    """
    lower = [name.lower() for name in names]
    bare = port is None or port == DEFAULT_PORTS[scheme]
    numbered = [] if port is None else [f"{name}:{port}" for name in lower]
    return frozenset([*(lower if bare else []), *numbered])


class _Found:
    """Fields by name; one that decides something may not come twice."""

    def __init__(self, fields: Fields) -> None:
        self._fields = tuple(fields)

    def one(self, name: bytes) -> bytes | None:
        values = [value for found, value in self._fields if found == name]
        if len(values) > 1:
            raise NotAdmittedError(400, "host", f"the field {name.decode()} came more than once")
        return values[0] if values else None


def _bearer(field_value: bytes | None) -> bytes | None:
    return _credentials(field_value, b"bearer")


def _password(field_value: bytes | None) -> bytes | None:
    credentials = _credentials(field_value, b"basic")
    if credentials is None:
        return None
    try:
        decoded = base64.b64decode(credentials, validate=True)
    except (binascii.Error, ValueError):
        return None
    _, colon, password = decoded.partition(b":")
    return password if colon else None


def _credentials(field_value: bytes | None, scheme: bytes) -> bytes | None:
    if field_value is None:
        return None
    name, _, credentials = field_value.partition(b" ")
    return credentials.strip(b" ") if name.lower() == scheme else None
