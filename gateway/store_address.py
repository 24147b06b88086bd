"""Where a gateway remembers: in memory, or on a Valkey or Redis server. Pure.

memory   redis://valkey.example   rediss://user@10.0.0.1:7000/3   unix:///run/valkey.sock
"""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from gateway.errors import ConfigurationError

MEMORY = "memory"
"""A store in the gateway's own process."""


@dataclass(frozen=True, kw_only=True)
class StoreAddress:
    """Where a Valkey or Redis server is; `path` is that of a unix socket."""

    host: str = ""
    port: int = 6379
    tls: bool = False
    path: str | None = None
    user: str | None = None
    database: int = 0


def parse_store(name: str, text: str) -> StoreAddress:
    """Read `redis[s]://[user@]host[:port][/database]` or `unix:///path`.

    Raises:
        ConfigurationError: another form, or a password: that comes by file.
    """
    try:
        parts = urlsplit(text)
        port = parts.port or 6379
    except ValueError:
        raise ConfigurationError(f"{name}: the port is a number of 1 to 65535") from None
    if parts.password is not None:
        raise ConfigurationError(f"{name}: give the password by file, in store_password")
    if parts.query or parts.fragment or not re.fullmatch(r"unix|rediss?", parts.scheme):
        raise ConfigurationError(f"{name}: expected {MEMORY}, redis://, rediss:// or unix://")
    if parts.scheme == "unix":
        if parts.netloc or len(parts.path) < 2:
            raise ConfigurationError(f"{name}: write unix:///path/of/the/socket")
        return StoreAddress(path=parts.path)
    database = parts.path.removeprefix("/") or "0"
    if not parts.hostname or not re.fullmatch(r"[0-9]{1,4}", database):
        raise ConfigurationError(f"{name}: write redis://host:port, with /number of a database")
    return StoreAddress(
        host=parts.hostname,
        port=port,
        tls=parts.scheme == "rediss",
        user=parts.username,
        database=int(database),
    )
