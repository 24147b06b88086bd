"""`openpcc-issuer`: builds the issuer from its file; the only place that reads the clock.

openpcc-issuer --config FILE [--check-config]
openpcc-issuer init --config FILE                     make the database of a new issuer
openpcc-issuer keys new|list|retire --config FILE     signing keys
openpcc-issuer account add|list|key|quota|revoke|usage --config FILE

docs/issuer.md has them all, in order.
"""

import argparse
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from gateway.asgi import Receive, Scope, Send
from gateway.config_file import load
from gateway.errors import ConfigurationError, FaultError
from gateway.issuer import account_commands, key_commands
from gateway.issuer.app import DAY, IssuerApp
from gateway.issuer.check import behind
from gateway.issuer.config import IssuerConfig
from gateway.issuer.connections import create_accounts
from gateway.issuer.errors import AccountsError
from gateway.issuer.telemetry import IssuerTelemetry
from gateway.issuer.workshop import Workshop
from gateway.serving import run
from gateway.telemetry import Telemetry

NAME = "openpcc-issuer"


class IssuerProgram:
    """The program `openpcc-issuer`."""

    def __init__(self, config: IssuerConfig, clock: Callable[[], float] = time.time) -> None:
        """Read the keys, open the database and put the parts together."""
        self.telemetry: Telemetry = (counters := IssuerTelemetry())
        self._workshop = Workshop(config, clock)
        self._app = IssuerApp(
            name=config.name,
            workshop=self._workshop,
            max_waiting=config.max_waiting,
            telemetry=counters,
            clock=clock,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        await self._app(scope, receive, send)

    def ready(self) -> bool:
        """Say whether there is a key in use and a database that answers."""
        return self._workshop.ready()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep threads and connections."""
        async with self._workshop.running():
            yield


def main(arguments: Sequence[str] | None = None) -> None:
    """Run `openpcc-issuer`."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        match given[:1]:
            case ["init"]:
                create_accounts(_init_options(given[1:]).database)
            case ["account" | "keys"]:
                _command(given)
            case _:
                _serve(given)
    except (ConfigurationError, AccountsError) as error:
        _end(2, *str(error).splitlines())


def _init_options(given: list[str]) -> IssuerConfig:
    parser = argparse.ArgumentParser(prog=f"{NAME} init")
    _add_config(parser)
    return load(parser.parse_args(given).config, IssuerConfig)


def _command(given: list[str]) -> None:
    now = int(time.time())
    chosen = account_commands if given[0] == "account" else key_commands
    parser = argparse.ArgumentParser(prog=f"{NAME} {given[0]}", description=chosen.__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    chosen.add_parsers(commands)
    for one in commands.choices.values():
        _add_config(one)
    options = parser.parse_args(given[1:])
    config = load(options.config, IssuerConfig)
    if given[0] == "account":
        account_commands.run(options, config, day=now // DAY, say=print)
    else:
        key_commands.run(options, config, now=now, say=print)


def _serve(given: list[str]) -> None:
    parser = argparse.ArgumentParser(
        prog=NAME, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    _add_config(parser)
    parser.add_argument("--check-config", action="store_true", help="look at all files and leave")
    options = parser.parse_args(given)
    config = load(options.config, IssuerConfig, behind)
    if not options.check_config:
        _run(config)


def _run(config: IssuerConfig) -> None:
    faults = 0
    try:
        run(IssuerProgram(config), config)
    except* FaultError as group:  # comes out of a task group
        faults = len(group.exceptions)
    if faults:
        _end(1, "a signature came out wrong: see to the machine, and to the key's file")


def _add_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, required=True, help="TOML file")


def _end(code: int, *lines: str) -> None:
    for line in lines:
        sys.stderr.write(f"{NAME}: {line}\n")
    sys.exit(code)
