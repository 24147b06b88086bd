"""Running a program: bind, say where, serve until SIGTERM, finish the open streams, leave.

Two addresses: the service, and the control address with /healthz, /readyz and /metrics. Binding
comes first, so a port in use stops the start before anything else happens. uvicorn's access log is
off. The end has an order, so that nobody is sent to a program that is about to close:

1. SIGTERM   /readyz says no; requests are still taken for `notice` seconds
2. close     no new connections; open streams go on for at most `drain` seconds
3. leave     the control address closes last; a second SIGTERM skips what is left of 1
"""

import asyncio
import json
import signal
import socket
import ssl
import sys
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager, suppress
from typing import Protocol

import uvicorn
import uvloop

from gateway.asgi import Receive, Scope, Send, refuse, respond
from gateway.config import ServerConfig
from gateway.errors import ConfigurationError, RefusedError
from gateway.telemetry import Telemetry, configure_logging, log
from gateway.values import parse_address
from openpcc.protocol import messages
from transparency_log.server.bounded_http import BoundedHttpProtocol

BACKLOG = 2048
"""Connections that may wait to be accepted."""

KEEP_ALIVE = 75
"""Seconds an idle connection is kept: longer than our own clients keep theirs (`relay`), so that
they never send into a connection that is being closed."""


class Program(Protocol):
    """What is served."""

    telemetry: Telemetry

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""

    def ready(self) -> bool:
        """Say whether the program has what it needs."""
        ...

    def running(self) -> AbstractAsyncContextManager[None]:
        """Open pools and start background tasks; leaving it stops them."""
        ...


class _Server(uvicorn.Server):
    """A server that leaves signals to us: there are two in the process."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def run(program: Program, config: ServerConfig) -> None:
    """Serve a program until SIGTERM or SIGINT.

    Raises:
        ConfigurationError: an address or certificate cannot be used.
    """
    configure_logging()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(program, config))


async def serve(program: Program, config: ServerConfig) -> None:
    """Bind both addresses, announce them, and serve."""
    public = _server(program, config, secure=True)
    health = Control(program)
    control = _server(health, config, secure=False)
    sockets = _bind(config.listen, "listen"), _bind(config.control, "control")
    stop = Stop()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    async with program.running():
        tasks = [
            asyncio.create_task(server.serve([one]))
            for server, one in zip((public, control), sockets, strict=True)
        ]
        _announce(sockets, secure=config.tls_certificate is not None)
        log("started", role=program.telemetry.role)
        await stop.asked.wait()
        health.leaving = True  # 1
        await stop.notice(config.notice)
        public.should_exit = True  # 2
        await tasks[0]
        control.should_exit = True  # 3
        await tasks[1]
    log("stopped", role=program.telemetry.role)


class Stop:
    """What signals ask for: the first one to stop, the next to be quick about it."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self._pressed = asyncio.Event()

    def __call__(self) -> None:
        """Take a signal."""
        (self._pressed if self.asked.is_set() else self.asked).set()

    async def notice(self, seconds: float) -> None:
        """Wait, unless a second signal comes."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._pressed.wait()


def _server(app: object, config: ServerConfig, *, secure: bool) -> _Server:
    settings = uvicorn.Config(
        app,  # type: ignore[arg-type]
        http=BoundedHttpProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=max(1, round(config.drain)),
        ssl_certfile=config.tls_certificate if secure else None,
        ssl_keyfile=config.tls_key if secure else None,
    )
    try:
        settings.load()
    except (OSError, ssl.SSLError) as error:  # it was right a moment ago (`tls_files`)
        raise ConfigurationError(
            "tls_certificate, tls_key: not a certificate and its key in PEM; give both files"
        ) from error
    return _Server(settings)


def _bind(address: str, name: str) -> socket.socket:
    host, port = parse_address(address, name)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
        bound.listen(BACKLOG)
    except OSError as error:
        bound.close()
        raise ConfigurationError(
            f"{name} = {address}: {error.strerror}; choose a free address of this machine"
        ) from error
    bound.setblocking(False)
    return bound


def _announce(sockets: tuple[socket.socket, socket.socket], *, secure: bool) -> None:
    public, control = sockets
    line = {
        "listening": _url(public, "https" if secure else "http"),
        "control": _url(control, "http"),
    }
    sys.stdout.write(json.dumps(line, separators=(",", ":")) + "\n")
    sys.stdout.flush()


def _url(bound: socket.socket, scheme: str) -> str:
    host, port = bound.getsockname()[:2]
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


class Control:
    """/healthz, /readyz and /metrics of a program."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self.leaving = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["method"] not in ("GET", "HEAD"):
            return await refuse(send, RefusedError("method"))
        match scope["path"]:
            case "/healthz":
                await respond(send, 200, messages.TEXT, b"ok\n")
            case "/readyz" if self._program.ready() and not self.leaving:
                await respond(send, 200, messages.TEXT, b"ready\n")
            case "/readyz":
                await refuse(send, RefusedError("not-ready"))
            case "/metrics":
                await respond(send, 200, messages.TEXT, self._program.telemetry.metrics())
            case _:
                await refuse(send, RefusedError("not-found"))
        return None
