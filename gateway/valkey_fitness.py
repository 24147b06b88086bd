"""Whether a Valkey or Redis server may be relied on to remember. Pure.

Judged by the server's own INFO, of which these lines matter:

    role:master  second_repl_offset:-1  cluster_enabled:0  aof_enabled:1  aof_last_write_status:ok
    maxmemory_policy:noeviction  maxmemory:0  used_memory:1048576

How often the file is written to disk (`appendfsync`) does not stand there: docs/admission.md.
"""

from collections.abc import Mapping
from enum import Enum

from redis.exceptions import (
    AuthenticationError,
    NoPermissionError,
    OutOfMemoryError,
    RedisError,
)
from redis.exceptions import ConnectionError as BrokenConnectionError


class Trouble(Enum):
    """Why a server cannot be used; the values stand in log lines."""

    UNREACHABLE = "unreachable"
    REFUSED = "no-permission"
    EVICTS = "may-evict"
    NO_FILE = "no-append-only-file"
    REPLICA = "replica"
    PROMOTED = "was-replica"
    CLUSTER = "cluster"
    FULL = "full"


UNFIT = frozenset(
    {Trouble.EVICTS, Trouble.NO_FILE, Trouble.REPLICA, Trouble.PROMOTED, Trouble.CLUSTER}
)
"""Troubles of a server that would do what it is asked, and must not be asked."""


class UnfitServerError(BrokenConnectionError):
    """The server is not set up to keep what it is given. The library closes the connection."""

    def __init__(self, trouble: Trouble) -> None:
        super().__init__(trouble.value)
        self.trouble = trouble


def judge(info: Mapping[str, str]) -> Trouble | None:
    """Say what is wrong with a server, by its INFO; what it does not say counts as wrong."""
    if info.get("role") != "master":
        return Trouble.REPLICA
    if info.get("second_repl_offset") != "-1":
        return Trouble.PROMOTED  # it has what it had copied; a restart is the operator's word
    if info.get("cluster_enabled") != "0":
        return Trouble.CLUSTER  # its failover may forget what was answered
    if info.get("maxmemory_policy") != "noeviction":
        return Trouble.EVICTS
    if info.get("aof_enabled") != "1" or info.get("aof_last_write_status") != "ok":
        return Trouble.NO_FILE
    if 0 < _number(info, "maxmemory") <= _number(info, "used_memory"):
        return Trouble.FULL
    return None


def _number(info: Mapping[str, str], name: str) -> int:
    text = info.get(name, "")
    return int(text) if text.isascii() and text.isdecimal() else 0


def read_info(reply: object) -> dict[str, str]:
    """Read an answer to INFO.

    Raises:
        BrokenConnectionError: it is none.
    """
    if not isinstance(reply, bytes):
        raise BrokenConnectionError("not an answer to INFO")
    lines = reply.decode("ascii", "replace").splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line)


def trouble_of(error: RedisError | OSError) -> Trouble:
    """Say what an error of the library means."""
    match error:
        case UnfitServerError():
            return error.trouble
        case AuthenticationError() | NoPermissionError():
            return Trouble.REFUSED
        case OutOfMemoryError():
            return Trouble.FULL
        case _:
            return Trouble.UNREACHABLE


def code_of(trouble: Trouble | None) -> str:
    """Give what stands in a log line."""
    return "ok" if trouble is None else trouble.value
