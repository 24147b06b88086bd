"""Arguments that several commands have."""

import argparse
import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from transparency_log.cli.memory import MemoryFile
from transparency_log.cli.policy_file import EntryPolicy
from transparency_log.errors import ConfigurationError
from transparency_log.server.secret_files import read_token

if TYPE_CHECKING:
    from transparency_log.cli.connection import LogConnection

TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:Z|[+-][0-9]{2}:[0-9]{2})", re.ASCII
)
"""A time of RFC 3339, always with its zone."""

SECONDS = re.compile(r"0|[1-9][0-9]{0,10}", re.ASCII)
"""Unix seconds."""


def add_policy(parser: argparse.ArgumentParser) -> None:
    """Declare the policy, which every command needs, and `--json`."""
    parser.add_argument(
        "--policy", type=Path, metavar="FILE", required=True, help="policy with log and signers"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def add_signing(parser: argparse.ArgumentParser) -> None:
    """Declare how an entry is signed, kept and sent."""
    add = parser.add_argument
    add("--key", type=Path, metavar="FILE", action="append", default=[], dest="keys",
        help="sign with this key, repeatable; mode 0600")  # fmt: skip
    add("--out", type=Path, metavar="FILE",
        help="where the entry goes (default: the entry file that was given)")  # fmt: skip
    add("--yes", action="store_true", help="do not ask before signing")
    add("--to", metavar="URL", help="log to send the entry to, when all have signed")
    add("--token-file", type=Path, metavar="FILE", help="bearer token of that log, mode 0600")
    add("--proof", type=Path, metavar="FILE", help="where the proof goes that it is in the log")


def add_reading(parser: argparse.ArgumentParser) -> None:
    """Declare where the log is read, and what is remembered of it."""
    add = parser.add_argument
    add("--log", metavar="URL", help="where to read the log (default: --to)")
    add("--state", type=Path, metavar="FILE",
        help="what was seen of the log (default: beside the policy, with .seen)")  # fmt: skip


def refuse_overwriting(args: argparse.Namespace, names: Sequence[str]) -> None:
    """Check that what is written is none of the files that are read, least of all a key.

    Args:
        args: of the command.
        names: the arguments that name files to write.

    Raises:
        ConfigurationError: one of them is.
    """
    keys: list[Path] = getattr(args, "keys", [])
    read = [*keys, *(path.with_name(f"{path.name}.signed") for path in keys), args.policy]
    read += [getattr(args, name, None) for name in ("token_file", "floors", "state")]
    taken = {path.resolve() for path in read if path is not None}
    for name in names:
        path = getattr(args, name)
        if name == "proof" and getattr(args, "source", None) is not None:
            taken.add(args.source.resolve())  # the entry itself goes there, if `out` is left out
        if path is None:
            continue
        if path.resolve() in taken:
            raise ConfigurationError(f"{path}: would be overwritten; name another file")
        taken.add(path.resolve())


def reading(args: argparse.Namespace) -> "LogConnection":
    """Open the log that is to be read.

    Raises:
        ConfigurationError: none is named.
    """
    from transparency_log.cli.connection import LogConnection  # who signs offline need not wait

    url = args.log or getattr(args, "to", None)
    if not url:
        raise ConfigurationError("no log to read; name it with --log URL")
    return LogConnection(url)


def memory_of(args: argparse.Namespace, policy: EntryPolicy) -> MemoryFile:
    """Give the file of what was seen."""
    path: Path = args.policy
    return MemoryFile(args.state or path.with_name(f"{path.name}.seen"), policy)


def token_of(args: argparse.Namespace) -> str | None:
    """Read the token.

    Raises:
        ConfigurationError: it cannot be read.
    """
    return None if args.token_file is None else read_token(args.token_file)


def time_of(text: str) -> int:
    """Read a time: RFC 3339 with its zone, or Unix seconds.

    Raises:
        ConfigurationError: another spelling, or before 1970.
    """
    if SECONDS.fullmatch(text):
        return int(text)
    try:
        seconds = datetime.fromisoformat(text).timestamp() if TIME.fullmatch(text) else -1
    except ValueError:
        seconds = -1
    if seconds < 0:
        raise ConfigurationError(f"{text[:64]!r}: no time; write 2027-01-15T08:00:00Z")
    return int(seconds)
