"""`openpcc proxy`: verify first, then listen, then say where and with which key."""

import argparse
import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import uvloop

from openpcc import clock
from openpcc.answers import PACES
from openpcc.cli import output
from openpcc.cli.failures import PASSED
from openpcc.config import ClientConfig
from openpcc.decision import SIMULATED, Decision, require_trusted
from openpcc.errors import ConfigurationError
from openpcc.proxy import listen, server
from openpcc.proxy.app import ProxyApp
from openpcc.proxy.guard import Guard, authorities
from openpcc.proxy.listen import TLS, Listen
from openpcc.proxy.upstream import VerifiedUpstream
from openpcc.transport import AsyncTransport


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    output.add_common(parser)
    parser.add_argument(
        "--listen",
        default=listen.DEFAULT,
        metavar="ADDRESS",
        help="HOST:PORT or unix:PATH (default: %(default)s; port 0 takes a free one)",
    )
    parser.add_argument("--key-file", type=Path, metavar="F", help="use the API key in this file")
    parser.add_argument("--tls-cert", type=Path, metavar="PEM", help="certificate chain")
    parser.add_argument("--tls-key", type=Path, metavar="PEM", help="its private key")
    parser.add_argument(
        "--name",
        action="append",
        default=[],
        metavar="HOST",
        help="a further host name that clients reach this proxy by; may be repeated",
    )
    parser.add_argument("--pace", choices=PACES, default=PACES[0], help="how replies come back")


def run(args: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT."""
    where = Listen.parse(args.listen)
    tls = _tls(args.tls_cert, args.tls_key)
    listen.require_protection(where, tls=tls, key_file=args.key_file)
    key = listen.new_key() if args.key_file is None else listen.read_key(args.key_file)
    transport = AsyncTransport(ClientConfig.load(args.config), pace=args.pace)
    try:
        # A proxy that listened before it verified would look like one that has.
        transport.book.refresh(clock.now())
        decision = require_trusted(transport.book.view(), now=clock.now())
        with (
            listen.bind(where) as bound,
            asyncio.Runner(loop_factory=uvloop.new_event_loop) as loop,
        ):
            port = None if where.path is not None else bound.getsockname()[1]
            guard = Guard(
                key=key,
                scheme=_scheme(tls),
                authorities=authorities(
                    where.names(tuple(args.name)), scheme=_scheme(tls), port=port
                ),
            )
            started = _Started(
                base=_base(where, _scheme(tls), port),
                key=key,
                file=args.key_file,
                as_json=args.json,
            )
            app = ProxyApp(VerifiedUpstream(transport), guard)
            loop.run(_serve(transport, app, bound, tls, lambda: started.announce(decision)))
    finally:
        transport.book.close()
    return PASSED


async def _serve(
    transport: AsyncTransport,
    app: ProxyApp,
    bound: socket.socket,
    tls: TLS | None,
    ready: Callable[[], None],
) -> None:
    try:
        await server.serve(app, bound, tls=tls, ready=ready)
    finally:
        await transport.aclose()


@dataclass(frozen=True, kw_only=True)
class _Started:
    """What is said once: where the proxy is, and its key."""

    base: str
    key: str = field(repr=False)
    file: Path | None
    as_json: bool

    def announce(self, decision: Decision) -> None:
        output.note(decision.sentence())
        if self.as_json:
            output.document_line(
                {
                    "base_url": self.base,
                    "api_key": None if self.file else self.key,
                    "simulated": decision.simulated,
                    "nodes": decision.trusted,
                    "expires": decision.expires,
                }
            )
            return
        if decision.simulated:
            output.line(f"{SIMULATED}: no hardware vouches for these nodes")
        output.line(f"base URL: {self.base}")
        output.line(f"API key:  {f'in {self.file}' if self.file else self.key}")
        output.line(
            f"page:     {self.base.removesuffix('v1')} (any user name, the key as password)"
        )


def _tls(certificate: Path | None, key: Path | None) -> TLS | None:
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise ConfigurationError("--tls-cert and --tls-key go together; give both")
    return TLS(certificate=certificate, key=key)


def _scheme(tls: TLS | None) -> str:
    return "http" if tls is None else "https"


def _base(where: Listen, scheme: str, port: int | None) -> str:
    """Write the base URL; over a unix socket clients name the host `localhost`."""
    return f"{scheme}://localhost/v1" if port is None else f"{scheme}://{where.host}:{port}/v1"
