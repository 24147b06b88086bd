"""Where a gateway remembers: in memory, or on a Valkey or Redis server. Pure.

memory   redis://valkey.example   rediss://user@10.0.0.1:7000/3   unix:///run/valkey.sock
"""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from gateway.values import refused

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
        raise refused(name, expected="a port of 1 to 65535", value=text) from None
    if parts.password is not None:
        raise refused(
            name, expected="an address without a password", value="one that has it@",
            remedy="give it by file, in store_password",
        )  # fmt: skip
    if parts.query or parts.fragment or not re.fullmatch(r"unix|rediss?", parts.scheme):
        expected = f"{MEMORY}, redis://, rediss:// or unix://"
        raise refused(name, expected=expected, value=text)
    if parts.scheme == "unix":
        if parts.netloc or len(parts.path) < 2:
            raise refused(name, expected="unix:///path/of/the/socket", value=text)
        return StoreAddress(path=parts.path)
    database = parts.path.removeprefix("/") or "0"
    if not parts.hostname or not re.fullmatch(r"[0-9]{1,4}", database):
        expected = "redis://host:port, with /number of a database"
        raise refused(name, expected=expected, value=text)
    return StoreAddress(
        host=parts.hostname,
        port=port,
        tls=parts.scheme == "rediss",
        user=parts.username,
        database=int(database),
    )
