"""uvicorn around the application: one listening socket, served until SIGTERM or SIGINT."""

import asyncio
import logging
import signal
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn

from openpcc.errors import ConfigurationError
from openpcc.proxy.app import ProxyApp
from openpcc.proxy.listen import TLS
from transparency_log.server.bounded_http import BoundedHttpProtocol

DRAIN = 3
"""Seconds that open streams get after a signal; then they are cut, visibly."""

SIGNALS = (signal.SIGTERM, signal.SIGINT)


async def serve(
    app: ProxyApp, listening: socket.socket, *, tls: TLS | None, ready: Callable[[], None]
) -> None:
    """Serve until a signal comes; call `ready` when connections are taken.

    Raises:
        ConfigurationError: the certificate or its key cannot be used.
    """
    server = _Server(_settings(app, tls))
    loop = asyncio.get_running_loop()
    for number in SIGNALS:
        loop.add_signal_handler(number, server.stop)
    try:
        ready()
        await server.serve([listening])
    finally:
        for number in SIGNALS:
            loop.remove_signal_handler(number)


class _Server(uvicorn.Server):
    """A server that leaves signals to us: its own handling ends the process by the signal."""

    def stop(self) -> None:
        self.should_exit = True

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class _TypeOnly(logging.Filter):
    """Keeps the kind of an unexpected error and drops its text, which may quote a request."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.exc_info:
            kind = record.exc_info[0]
            record.msg, record.args = "internal error: %s", (kind.__name__ if kind else "unknown",)
            record.exc_info = None
        return True


_TYPE_ONLY = _TypeOnly()


def _settings(app: ProxyApp, tls: TLS | None) -> uvicorn.Config:
    logging.getLogger("uvicorn.error").addFilter(_TYPE_ONLY)
    settings = uvicorn.Config(
        app,
        http=BoundedHttpProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=DRAIN,
        ssl_certfile=tls.certificate if tls else None,
        ssl_keyfile=tls.key if tls else None,
    )
    try:
        settings.load()
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(
            "--tls-cert, --tls-key: not a PEM certificate and its private key"
        ) from error
    if settings.ssl is not None:
        settings.ssl.minimum_version = ssl.TLSVersion.TLSv1_3
    return settings
