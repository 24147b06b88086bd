"""What starting a server has in common: arguments, sockets, one JSON line, signals, exit codes.

Exit codes: 0 after SIGTERM or SIGINT, 1 if the server had to stop, 2 for usage or configuration,
with a line on standard error for each thing that is wrong, and its remedy.
"""

import argparse
import base64
import gc
import json
import logging
import os
import re
import secrets
import signal
import socket
import sqlite3
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import uvicorn

from transparency_log.errors import ConfigurationError, LogError
from transparency_log.server.asgi import Receive, Scope, Send
from transparency_log.server.bounded_http import BoundedHttpProtocol
from transparency_log.server.secret_files import SEED_SIZE
from transparency_log.vkey import check_name

GRACE = 1
"""Seconds that open connections get after SIGTERM."""


class App(Protocol):
    """An ASGI application with a control address."""

    control_port: int | None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one ASGI scope."""
        ...


Opened = tuple[str, str | None, App]
"""Listen address, control address (None: there is none) and application."""


@dataclass(frozen=True, kw_only=True)
class Program:
    """What differs between the two programs.

    Attributes:
        name: of the command.
        check: reads and checks the configuration of a file.
        init: makes what the program keeps.
        open: opens it and gives what to serve; leaving closes it. The argument stops the server
            when called.
        vkeys: by type of key, gives the verifier key of a name and key file. The first is usual.
        epilog: last words of its help.
    """

    name: str
    check: Callable[[Path], object]
    init: Callable[[Path], None]
    open: Callable[[Path, Callable[[], None]], AbstractContextManager[Opened]]
    vkeys: Mapping[str, Callable[[str, Path], str]]
    epilog: str = ""


class _Server(uvicorn.Server):
    """Says where it listens once it accepts connections."""

    failed = False
    announcement = ""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            sys.stdout.write(self.announcement)
            sys.stdout.flush()

    def fail(self) -> None:
        """Stop, with exit code 1."""
        self.failed = True
        self.should_exit = True


def run(program: Program, arguments: list[str]) -> int:
    """Run a command line; gives the exit code."""
    options = _parse(program, arguments)
    logging.basicConfig(stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
    try:
        return _run(program, options)
    except (LogError, sqlite3.Error, OSError) as error:
        for line in str(error).splitlines() or [type(error).__name__]:
            sys.stderr.write(f"{program.name}: {' '.join(line.split())}\n")
        return 2


def _run(program: Program, options: argparse.Namespace) -> int:
    match options.command:
        case "keygen":
            _keygen(program, options)
        case "init":
            program.init(_config_path(options))
        case _ if options.check_config:
            program.check(_config_path(options))
        case _:
            return _serve(program, _config_path(options))
    return 0


def _parse(program: Program, arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=program.name, epilog=program.epilog)
    parser.add_argument("command", nargs="?", choices=("run", "init", "keygen"), default="run")
    parser.add_argument("--config", type=Path, metavar="FILE", help="TOML file")
    parser.add_argument("--check-config", action="store_true", help="check the file and exit")
    parser.add_argument("--name", help="keygen: name of the key (a log's origin)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="keygen: file for the new key")
    types = tuple(program.vkeys)
    parser.add_argument("--type", choices=types, default=types[0], help="keygen: type of the key")
    return parser.parse_args(arguments)


def _config_path(options: argparse.Namespace) -> Path:
    if options.config is None:
        raise ConfigurationError("no configuration; name one with --config FILE")
    path: Path = options.config
    return path


def _keygen(program: Program, options: argparse.Namespace) -> None:
    """Write a new key and print its verifier key as one JSON line."""
    if options.name is None or options.out is None:
        raise ConfigurationError("keygen needs --name NAME and --out FILE")
    out: Path = options.out
    check_name(options.name)
    try:
        descriptor = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise ConfigurationError(f"{out}: {error.strerror}; name a new file") from error
    with os.fdopen(descriptor, "w") as file:
        file.write(base64.b64encode(secrets.token_bytes(SEED_SIZE)).decode() + "\n")
        file.flush()
        os.fsync(file.fileno())
    sys.stdout.write(json.dumps({"vkey": program.vkeys[options.type](options.name, out)}) + "\n")


def _serve(program: Program, config: Path) -> int:
    stop: list[Callable[[], None]] = []
    with ExitStack() as stack:
        listen, control, app = stack.enter_context(program.open(config, lambda: stop[0]()))
        addresses = [address for address in (listen, control) if address is not None]
        sockets = [stack.enter_context(_bind(address)) for address in addresses]
        if control is not None:
            app.control_port = sockets[1].getsockname()[1]
        server = _server(app, sockets)
        stop.append(server.fail)
        _tune_collector()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)  # uvicorn raises them again after it has stopped
        server.run(sockets)
    return 1 if server.failed or not server.started else 0


def _tune_collector() -> None:
    """Look for garbage less often: with thousands of requests waiting, it costs a third of all.

    Reference counts free nearly everything; what is left are small cycles of ended connections.
    """
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def _server(app: App, sockets: list[socket.socket]) -> _Server:
    names = [f"http://{_address(one)}" for one in sockets]
    server = _Server(
        uvicorn.Config(
            app,
            http=BoundedHttpProtocol,
            ws="none",
            log_config=None,
            log_level="error",
            access_log=False,
            lifespan="on",
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=GRACE,
        )
    )
    server.announcement = (
        json.dumps(dict(zip(("listening", "control"), names, strict=False)), separators=(",", ":"))
        + "\n"
    )
    return server


def _bind(address: str) -> socket.socket:
    match = re.fullmatch(r"(?:\[([0-9a-fA-F:]+)\]|([^:\[\]]+)):([0-9]{1,5})", address)
    if match is None or int(match[3]) > 65535:
        raise ConfigurationError(f"listen address {address!r}: expected HOST:PORT")
    host, port = match[1] or match[2], int(match[3])
    family = socket.AF_INET6 if match[1] else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=128)
    except OSError as error:
        raise ConfigurationError(f"{address}: {error.strerror}; choose another address") from error


def _address(bound: socket.socket) -> str:
    host, port = bound.getsockname()[:2]
    return f"[{host}]:{port}" if bound.family == socket.AF_INET6 else f"{host}:{port}"
