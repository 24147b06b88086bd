"""Where the proxy listens, and with which key: pure but for `bind` and the key file.

    127.0.0.1:8419   [::1]:8419   localhost:8419   unix:/run/user/1000/openpcc.sock

Loopback and unix sockets take a fresh key per start. Any other address is reachable by others: it
needs TLS and a key that the user chose and keeps in a file.
"""

import errno
import os
import re
import secrets
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from openpcc.errors import ConfigurationError
from transparency_log.errors import PolicyError
from transparency_log.private_files import require_private

DEFAULT = "127.0.0.1:8419"
BACKLOG = 128
LOOPBACK = ("127.0.0.1", "[::1]", "localhost")
MIN_KEY, MAX_KEY = 32, 256
"""Characters of a chosen key: at least 128 bits even as hex."""


@dataclass(frozen=True, kw_only=True)
class TLS:
    """Certificate chain and private key, PEM files."""

    certificate: Path
    key: Path


@dataclass(frozen=True, kw_only=True)
class Listen:
    """An address: `path` for a unix socket, otherwise `host` and `port`."""

    host: str = ""
    """IPv6 in brackets, as in a URL."""
    port: int = 0
    path: Path | None = None

    @classmethod
    def parse(cls, text: str) -> "Listen":
        """Read an address.

        Raises:
            ConfigurationError: it is none.
        """
        if text.startswith("unix:") and len(text) > len("unix:"):
            return cls(path=Path(text.removeprefix("unix:")))
        match = re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+):(0|[1-9][0-9]{0,4})", text)
        if match is None or int(match[2]) > 65535:
            raise ConfigurationError(
                f"--listen {text}: not an address; write HOST:PORT or unix:PATH"
            )
        return cls(host=match[1].lower(), port=int(match[2]))

    @property
    def private(self) -> bool:
        """Say whether only this machine can reach it."""
        return self.path is not None or self.host in LOOPBACK

    def names(self, chosen: tuple[str, ...]) -> tuple[str, ...]:
        """List the host names that clients may use in Host."""
        if self.path is not None:
            return ("localhost", *chosen)
        return (*LOOPBACK, *chosen) if self.private else (self.host, *chosen)


@contextmanager
def bind(listen: Listen) -> Iterator[socket.socket]:
    """Listen; a unix socket's file is 0600, and removed at the end.

    Raises:
        ConfigurationError: the address cannot be had.
    """
    bound = _open(listen)
    try:
        yield bound
    finally:
        bound.close()
        if listen.path is not None:
            listen.path.unlink(missing_ok=True)


def _open(listen: Listen) -> socket.socket:
    if listen.path is not None:
        _remove_stale(listen.path)
    family = socket.AF_UNIX if listen.path is not None else _family(listen.host)
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        if listen.path is not None:
            bound.bind(str(listen.path))
            listen.path.chmod(0o600)  # before listen(): nobody can connect in between
        else:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind((listen.host.strip("[]"), listen.port))
        bound.listen(BACKLOG)
    except OSError as error:
        bound.close()
        raise _unavailable(listen, error) from error
    return bound


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if host.startswith("[") else socket.AF_INET


def _remove_stale(path: Path) -> None:
    """Remove a socket that nobody listens on; whatever else is there stops the start."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise ConfigurationError(f"--listen unix:{path}: a file is there; name another path")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        result = probe.connect_ex(str(path))
    if result != errno.ECONNREFUSED:
        raise ConfigurationError(
            f"--listen unix:{path}: a program listens there; name another path"
        )
    path.unlink()


def _unavailable(listen: Listen, error: OSError) -> ConfigurationError:
    where = f"unix:{listen.path}" if listen.path is not None else f"{listen.host}:{listen.port}"
    reason = error.strerror or "not available"
    return ConfigurationError(f"--listen {where}: {reason}; choose another address")


def new_key() -> str:
    """Make the key of one start; the prefix is what tools expect of an API key."""
    return "sk-openpcc-" + secrets.token_urlsafe(32)


def read_key(path: Path) -> str:
    """Read a chosen key: one line of printable ASCII in a file nobody else can read.

    Raises:
        ConfigurationError: unreadable, readable by others, or not a key.
    """
    try:
        with path.open("rb") as file:
            require_private(path, os.fstat(file.fileno()))
            data = file.read(MAX_KEY + 2)
    except PolicyError as error:
        raise ConfigurationError(f"--key-file {error}") from error
    except OSError as error:
        raise ConfigurationError(
            f"--key-file {path}: {error.strerror}; name another file"
        ) from error
    key = data.removesuffix(b"\n")
    if not re.fullmatch(rb"[!-~]{%d,%d}" % (MIN_KEY, MAX_KEY), key):
        raise ConfigurationError(
            f"--key-file {path}: expected one line of {MIN_KEY} to {MAX_KEY} printable characters"
        )
    return key.decode("ascii")


def require_protection(listen: Listen, *, tls: TLS | None, key_file: Path | None) -> None:
    """Refuse an address that others can reach unless it has TLS and a chosen key.

    Raises:
        ConfigurationError: one of them is missing.
    """
    if listen.private or (tls is not None and key_file is not None):
        return
    raise ConfigurationError(
        f"--listen {listen.host}:{listen.port}: others can reach this address; "
        "add --tls-cert, --tls-key and --key-file, or listen on 127.0.0.1"
    )
