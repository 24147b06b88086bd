"""`openpcc-gateway`: builds the programs from their files; the only place that reads the clock.

openpcc-gateway --config FILE [--role gateway|publisher] [--check-config]
openpcc-gateway keys --out DIR            make a pair of OHTTP keys
openpcc-gateway publisher-init --config FILE   begin the chain of service entries
"""

import argparse
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from gateway import chain, files, keys
from gateway.app import Buffered, Gateway
from gateway.asgi import Receive, Scope, Send
from gateway.challenges import Allowances, Challenger
from gateway.config import GatewayConfig, PublisherConfig
from gateway.config_file import load
from gateway.errors import ConfigurationError
from gateway.forwarding import Forwarder
from gateway.loads import Loads
from gateway.mirror import Mirror, Origins
from gateway.outbound import Outbound
from gateway.publisher_app import PublisherProgram
from gateway.replica import Replica
from gateway.serving import run
from gateway.stores import Stores
from gateway.telemetry import Telemetry
from gateway.token_gate import Gate, OpenGate, TokenGate

NODE_KEEP_ALIVE = 2.0
"""Seconds an idle connection to a node is kept: less than the five after which a node's server
closes it. A request sent into a closing connection is lost and costs one of its candidates."""


class GatewayProgram:
    """The program `openpcc-gateway --role gateway`."""

    def __init__(self, config: GatewayConfig) -> None:
        """Read the keys and put the parts together."""
        self.telemetry = Telemetry("gateway")
        self._keys = keys.load(config.ohttp_keys)
        self._outbound = Outbound(
            connect_timeout=config.connect_timeout,
            reply_timeout=config.reply_timeout,
            keep_alive=NODE_KEEP_ALIVE,
            ca=config.ca,
        )
        self._replica = Replica(
            publisher=config.publisher,
            service=config.service,
            public_keys=self._keys.public,
            poll=config.poll,
            outbound=self._outbound,
            telemetry=self.telemetry,
            clock=time.time,
            admission=config.admission,
        )
        self._stores = Stores(config, self.telemetry, time.monotonic)
        self._app = self._gateway(config)

    def _gateway(self, config: GatewayConfig) -> Gateway:
        return Gateway(
            service=config.service,
            keys=self._keys,
            max_request=config.max_request,
            replay=self._stores.replay,
            replica=self._replica,
            gate=self._gate(),
            forwarder=Forwarder(self._outbound, Loads(time.monotonic), self.telemetry),
            challenger=Challenger(self._outbound, Allowances(time.monotonic)),
            mirror=Mirror(self._outbound, max_cached=config.max_cached, clock=time.monotonic),
            origins=Origins(publisher=config.publisher, log=config.log),
            buffered=Buffered(config.max_buffered),
            telemetry=self.telemetry,
            clock=time.time,
        )

    def _gate(self) -> Gate:
        spent = self._stores.spent
        if spent is None:
            return OpenGate(self._replica)
        return TokenGate(self._replica, spent, time.time)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        await self._app(scope, receive, send)

    def ready(self) -> bool:
        """Say whether there is a valid publication, with OHTTP keys of ours, and the stores."""
        return self._replica.ready() and self._stores.ready()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep the pool, the copy of the publication and the stores."""
        async with (
            self._outbound,
            self._replica.polling(),
            self._stores.running(self._replica),
        ):
            yield


def main(arguments: Sequence[str] | None = None) -> None:
    """Run `openpcc-gateway`."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        match given[:1]:
            case ["keys"]:
                _make_keys(given[1:])
            case ["publisher-init"]:
                _init_publisher(given[1:])
            case _:
                _serve(given)
    except ConfigurationError as error:
        for line in str(error).splitlines():
            sys.stderr.write(f"openpcc-gateway: {line}\n")
        sys.exit(2)


def _serve(given: list[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="openpcc-gateway",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--config", type=Path, required=True, help="TOML file")
    parser.add_argument("--role", choices=("gateway", "publisher"), default="gateway")
    parser.add_argument("--check-config", action="store_true", help="read all files and leave")
    options = parser.parse_args(given)
    if options.role == "publisher":
        settings = load(options.config, PublisherConfig, files.publisher)
        publisher = PublisherProgram(settings, time.time)
        if not options.check_config:
            run(publisher, settings)
    else:
        config = load(options.config, GatewayConfig, files.gateway)
        program = GatewayProgram(config)
        if not options.check_config:
            run(program, config)


def _make_keys(given: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="openpcc-gateway keys")
    parser.add_argument("--out", type=Path, required=True, help="folder without keys")
    keys.generate(parser.parse_args(given).out, now=int(time.time()))


def _init_publisher(given: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="openpcc-gateway publisher-init")
    parser.add_argument("--config", type=Path, required=True, help="TOML file of the publisher")
    config = load(parser.parse_args(given).config, PublisherConfig)
    chain.create(config.state, service=config.service)
    try:
        config.archive.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"{config.archive}: {error.strerror}; make this folder for the archive"
        ) from error
