"""Serving until SIGTERM: bind, say where, serve, let open replies finish, leave.

Two addresses: the service, and the control address with /healthz, /readyz and /metrics. Binding
comes first, so a port in use stops the start before anything else happens.
"""

import json
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn

from node_image.agent.asgi import Receive, Scope, Send, refuse, respond
from node_image.agent.errors import ConfigurationError
from openpcc.protocol import messages
from transparency_log.server.bounded_http import BoundedHttpProtocol

BACKLOG = 2048
"""Connections that may wait to be accepted."""

KEEP_ALIVE = 75
"""Seconds an idle connection is kept: longer than gateways keep theirs."""

DRAIN = 5
"""Seconds that open replies may go on after SIGTERM."""


class Server(uvicorn.Server):
    """One address. Signals are left to the program: there are two servers in it."""

    def __init__(self, app: object, bound: socket.socket) -> None:
        super().__init__(
            uvicorn.Config(
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
                timeout_graceful_shutdown=DRAIN,
            )
        )
        self.bound = bound

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave them."""
        yield


def bind(address: str, name: str) -> socket.socket:
    """Bind "host:port".

    Raises:
        ConfigurationError: the address cannot be used.
    """
    host, _, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, int(port)))
        bound.listen(BACKLOG)
    except OSError as error:
        bound.close()
        text = f"{name} = {address}: {error.strerror}; choose a free address of this machine"
        raise ConfigurationError(text) from error
    bound.setblocking(False)
    return bound


def announce(service: socket.socket, control: socket.socket) -> None:
    """Print where both addresses are, on one line."""
    line = {"listening": _url(service), "control": _url(control)}
    sys.stdout.write(json.dumps(line, separators=(",", ":")) + "\n")
    sys.stdout.flush()


def _url(bound: socket.socket) -> str:
    host, port = bound.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class Control:
    """/healthz, /readyz and /metrics.

    Args:
        waiting: what the node waits for; None when it is ready.
        metrics: all counters in the Prometheus text format.
    """

    def __init__(self, waiting: Callable[[], str | None], metrics: Callable[[], bytes]) -> None:
        self._waiting = waiting
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        waiting = self._waiting()
        match scope["method"], scope["path"]:
            case "GET", "/healthz":
                await respond(send, 200, messages.TEXT, b"ok\n")
            case "GET", "/readyz" if waiting is None:
                await respond(send, 200, messages.TEXT, b"ready\n")
            case "GET", "/readyz":
                await refuse(send, 503, "not-ready", f"waiting for {waiting}")
            case "GET", "/metrics":
                await respond(send, 200, messages.TEXT, self._metrics())
            case _, "/healthz" | "/readyz" | "/metrics":
                await refuse(send, 405, "method", "only GET is answered here")
            case _:
                await refuse(send, 404, "not-found", "no such resource")
