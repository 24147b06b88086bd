"""`openpcc proxy`: verify first, then listen, then say where and with which key."""

import argparse
import asyncio
import socket
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
    parser.add_argument(
        "--pace",
        choices=PACES,
        help="how replies come back; left out: as the service's entry says first",
    )


def run(args: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT."""
    plan = Plan.of(args)
    transport = AsyncTransport(ClientConfig.load(args.config), pace=args.pace)
    return start(plan, transport)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What the arguments ask for, checked before anything is loaded or sent."""

    where: Listen
    tls: TLS | None
    key: str = field(repr=False)
    key_file: Path | None
    """Where the key came from; None: made for this start."""
    names: tuple[str, ...]
    as_json: bool

    @classmethod
    def of(cls, args: argparse.Namespace) -> "Plan":
        """Read the arguments.

        Raises:
            ConfigurationError: they do not go together, or a file cannot be used.
        """
        where = Listen.parse(args.listen)
        tls = _tls(args.tls_cert, args.tls_key)
        listen.require_protection(where, tls=tls, key_file=args.key_file)
        return cls(
            where=where,
            tls=tls,
            key=listen.new_key() if args.key_file is None else listen.read_key(args.key_file),
            key_file=args.key_file,
            names=where.names(tuple(args.name)),
            as_json=args.json,
        )

    @property
    def scheme(self) -> str:
        """Name the scheme clients use."""
        return "http" if self.tls is None else "https"

    def guard(self, port: int | None) -> Guard:
        """Make the guard of this proxy, now that its port is known."""
        names = authorities(self.names, scheme=self.scheme, port=port)
        return Guard(key=self.key, scheme=self.scheme, authorities=names)

    def base(self, port: int | None) -> str:
        """Write the base URL; over a unix socket clients name the host `localhost`."""
        authority = "localhost" if port is None else f"{self.where.host}:{port}"
        return f"{self.scheme}://{authority}/v1"

    def announce(self, base: str, decision: Decision) -> None:
        """Say where the proxy is: for people, or as one JSON line. A chosen key is not printed."""
        output.note(decision.sentence())
        if self.as_json:
            output.document_line(
                {
                    "base_url": base,
                    "api_key": self.key if self.key_file is None else None,
                    "simulated": decision.simulated,
                    "nodes": decision.trusted,
                    "expires": decision.expires,
                }
            )
            return
        if decision.simulated:
            output.line(f"{SIMULATED}: no hardware vouches for these nodes")
        output.line(f"base URL: {base}")
        output.line(f"API key:  {self.key if self.key_file is None else f'in {self.key_file}'}")
        output.line(f"page:     {base.removesuffix('v1')} (any user name, the key as password)")


def start(plan: Plan, transport: AsyncTransport) -> int:
    """Verify, listen, serve; closes the transport.

    Raises:
        OpenPCCError: not one node may be sent to, or the address cannot be had; nothing listens.
    """
    try:
        # A proxy that listened before it verified would look like one that has.
        transport.book.refresh(clock.now())
        decision = require_trusted(transport.book.view(), now=clock.now())
        with (
            listen.bind(plan.where) as bound,
            asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
        ):
            runner.run(_serve(plan, transport, bound, decision))
    finally:
        transport.book.close()
    return PASSED


async def _serve(
    plan: Plan, transport: AsyncTransport, bound: socket.socket, decision: Decision
) -> None:
    port = None if plan.where.path is not None else bound.getsockname()[1]
    app = ProxyApp(VerifiedUpstream(transport), plan.guard(port))
    try:
        await server.serve(
            app, bound, tls=plan.tls, ready=lambda: plan.announce(plan.base(port), decision)
        )
    finally:
        await transport.aclose()


def _tls(certificate: Path | None, key: Path | None) -> TLS | None:
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise ConfigurationError("--tls-cert and --tls-key go together; give both")
    return TLS(certificate=certificate, key=key)
