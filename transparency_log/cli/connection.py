"""A log over HTTP: its public files, and `POST /add`. Nothing it answers is believed unchecked.

Redirects are not followed: the token is for one address. Without TLS it goes to this machine alone.
"""

import time
from types import TracebackType
from urllib.parse import urlsplit

import httpx

from transparency_log.errors import (
    ConfigurationError,
    FetchError,
    MalformedError,
    NotFoundError,
)
from transparency_log.strict_json import StrictJSONError, parse_object

TIMEOUT = httpx.Timeout(60.0, connect=10.0)
"""Seconds; a log holds `POST /add` until witnesses have cosigned, half a minute at the most."""

MAX_ANSWER = 4096
"""Bytes of an answer to a submission."""

WHOLE = 120.0
"""Seconds for a whole answer, however steadily it drips."""

PATIENCE = 90.0
"""Seconds in which a submission that was not acknowledged is repeated; repeating it is safe."""

PAUSE = 2.0
"""Seconds between two tries."""

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
"""Hosts to which plain HTTP may carry a token: it does not leave the machine."""

REFUSALS = {
    400: "the log does not take such an entry",
    401: "the log does not know this token; name its file with --token-file",
    403: "the log does not take entries with this token; name its file with --token-file",
    413: "the entry is too long for the log",
    429: "the quota of this token is used up; try again later, or ask the log's operator",
}
"""What a status means, where repeating does not help."""


class LogConnection:
    """One log at an address. Close it, or use it in a `with`."""

    def __init__(self, url: str, *, token: str | None = None) -> None:
        self._url = _checked(url, secret=token is not None)
        self._token = token
        # No redirects, no proxy and no credentials from the surroundings.
        self._http = httpx.Client(timeout=TIMEOUT, trust_env=False, follow_redirects=False)

    def __enter__(self) -> "LogConnection":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._http.close()

    def fetch(self, path: str, limit: int) -> bytes:
        """Read a public file, as a `client.Fetch`."""
        status, body = self._ask("GET", path, limit=limit)
        if status == 404:
            raise NotFoundError(f"{path}: the log has no such file")
        if status != 200:
            raise FetchError(f"{path}: the log answered {status}")
        return body

    def submit(self, entry: bytes) -> tuple[int, bytes]:
        """Send an entry until the log acknowledges it; give index and leaf hash, as it says.

        Raises:
            ConfigurationError: it refuses, and would again.
            FetchError: it does not acknowledge in time. The same entry may be sent again.
        """
        give_up = time.monotonic() + PATIENCE
        while True:
            status, body = self._ask("POST", "add", limit=MAX_ANSWER, content=entry)
            if status == 200:
                return parse_acknowledgement(body)
            if status in REFUSALS:
                raise ConfigurationError(f"{REFUSALS[status]} ({status})")
            if status != 503 or time.monotonic() + PAUSE > give_up:
                raise FetchError(f"the log did not acknowledge ({status}); send the entry again")
            time.sleep(PAUSE)

    def _ask(
        self, method: str, path: str, *, limit: int, content: bytes | None = None
    ) -> tuple[int, bytes]:
        headers = {"accept-encoding": "identity"}
        if content is not None and self._token is not None:
            headers["authorization"] = f"Bearer {self._token}"
        body, end = bytearray(), time.monotonic() + WHOLE
        try:
            with self._http.stream(
                method, f"{self._url}/{path}", content=content, headers=headers
            ) as answer:
                for chunk in answer.iter_raw():
                    body += chunk
                    if len(body) > limit:
                        raise FetchError(f"{path}: the log answers more than {limit} bytes")
                    if time.monotonic() > end:
                        raise FetchError(f"{path}: the log takes more than {WHOLE:.0f} s to answer")
                return answer.status_code, bytes(body)
        except httpx.HTTPError as error:
            raise FetchError(f"{self._url}: {type(error).__name__}; is the log up?") from error


def parse_acknowledgement(body: bytes) -> tuple[int, bytes]:
    """Read what a log answers to an entry that it has taken: index and leaf hash.

    Raises:
        MalformedError: another spelling.
    """
    try:
        members = parse_object(body, limit=MAX_ANSWER, name="answer")
        found = members.integer("index"), members.hex("leaf_hash", size=32)
        members.end()
    except StrictJSONError as error:
        raise MalformedError(f"the log's acknowledgement is none: {error}") from error
    return found


def _checked(url: str, *, secret: bool) -> str:
    try:
        parts = urlsplit(url)
        plain = parts.scheme == "http" and (not secret or parts.hostname in LOOPBACK)
        extra = parts.username or parts.password or parts.query or parts.fragment
        usable = parts.hostname and not extra and (parts.scheme == "https" or plain)
        _ = parts.port
    except ValueError:
        usable = False
    if not usable:
        raise ConfigurationError(
            "the log's URL must be https (http only to read, or on this machine), and bare"
        )
    return url.rstrip("/")
