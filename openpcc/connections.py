"""Connections of this client, to relay and issuer alike: how they are made, cut, and blamed.

One set of rules: TLS 1.3, no cookies, and a wait that another thread can end. Decides nothing.
"""

import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path
from typing import Any
from weakref import WeakSet

import httpx

from openpcc.errors import ConfigurationError, TransportError

REASONS: tuple[tuple[type[BaseException], str, str], ...] = (
    (ConnectionRefusedError, "connection refused", "{address}, or start it"),
    (socket.gaierror, "its name is not known", "{address} and this machine's network"),
    (ssl.SSLCertVerificationError, "its certificate is not trusted", "{address} and 'ca'"),
    (ssl.SSLError, "it does not speak TLS 1.3", "{address}"),
    (httpx.ConnectTimeout, "no connection in time", "{address} and this machine's network"),
    (httpx.ConnectError, "not reachable", "{address} and this machine's network"),
    (httpx.TimeoutException, "it said nothing for too long", "try again"),
)
"""What a failure means in words, and what to look at: the first that is among its causes."""


class Sockets:
    """The open sockets of a pool, so that another thread can end a wait on them."""

    def __init__(self) -> None:
        self._open: WeakSet[socket.socket] = WeakSet()
        self._lock = threading.Lock()
        self._late = False
        self._ended = False
        self.watched = {"trace": self._trace}
        """The request extension (httpcore, "trace") that tells of new connections."""

    def refuse_late(self) -> None:
        """Begin nothing once the time is over.

        Raises:
            TransportError: it is.
        """
        if self._late or self._ended:
            why = "the connections are closed" if self._ended else "the service took too long"
            raise TransportError(why)

    @contextmanager
    def limited(self, seconds: float) -> Iterator[None]:
        """Cut every connection after so many seconds, unless this ends before."""
        timer = threading.Timer(seconds, self.cut)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()
            self.forgive()

    def cut(self) -> None:
        """Shut every connection down; who reads from it reads its end."""
        with self._lock:
            self._late = True
            for one in self._open:
                _shut_down(one)

    def forgive(self) -> None:
        """Let fetches begin again."""
        self._late = False

    def end(self) -> None:
        """Cut, and let nothing begin any more."""
        self._ended = True
        self.cut()

    def _trace(self, event: str, info: Mapping[str, Any]) -> None:
        if event not in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            return
        found: socket.socket = info["return_value"].get_extra_info("socket")
        with self._lock:
            self._open.add(found)
            if self._late or self._ended:
                _shut_down(found)


def _shut_down(one: socket.socket) -> None:
    with suppress(OSError):  # it is closed already, or lives on as a TLS socket
        # The plain socket's: that of a TLS socket would let a reader go on without TLS.
        socket.socket.shutdown(one, socket.SHUT_RDWR)


def no_cookies() -> CookieJar:
    """Make a jar that takes nothing: a cookie would tell the relay which requests are whose."""
    return CookieJar(policy=DefaultCookiePolicy(allowed_domains=()))


def tls(ca: Path | None) -> ssl.SSLContext:
    """Make what TLS connections are checked with: the system's roots, and one's own if any.

    Raises:
        ConfigurationError: the file is no PEM file of certificates.
    """
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    if ca is not None:
        try:
            context.load_verify_locations(cafile=str(ca))
        except (OSError, ssl.SSLError) as error:
            raise ConfigurationError(f"{ca}: not a PEM file of root certificates") from error
    return context


def reason(error: httpx.HTTPError, *, address: str) -> tuple[str, str]:
    """Say in words why there is no answer, and what to do; the libraries' texts differ too much.

    Args:
        error: what the library says.
        address: what to do about a wrong address.
    """
    causes = tuple(_causes(error))
    for kind, why, remedy in REASONS:
        if any(isinstance(cause, kind) for cause in causes):
            return why, remedy.format(address=address)
    return "it broke the connection", "try again"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Give an error and what lies under it."""
    while error is not None:
        yield error
        if isinstance(error, BaseExceptionGroup):  # one try for each address of a name
            for one in error.exceptions:
                yield from _causes(one)
        error = error.__cause__ or error.__context__
