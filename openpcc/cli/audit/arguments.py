"""Arguments that the parts of `openpcc audit` share, and what their words mean. Pure."""

import argparse
import re
from pathlib import Path

from openpcc.cli.verify.arguments import time_of
from openpcc.errors import ConfigurationError

SPAN = re.compile(r"([1-9][0-9]{0,5})(min|h|d)")
"""How long ago, in one unit: 90min, 24h, 30d."""

UNITS = {"min": 60, "h": 3600, "d": 86400}
"""Seconds of each."""


def add_policy(parser: argparse.ArgumentParser) -> None:
    """Declare whose word counts: `verify.given.client_policy` reads it."""
    parser.add_argument(
        "--config",
        type=Path,
        metavar="PATH",
        help="client configuration (default: $OPENPCC_CONFIG, else the user's own)",
    )
    parser.add_argument(
        "--policy", type=Path, metavar="PATH", help="policy file (default: the configuration's)"
    )


def add_state(parser: argparse.ArgumentParser) -> None:
    """Declare what a run that is repeated goes on from."""
    parser.add_argument(
        "--state",
        type=Path,
        metavar="DIR",
        help="folder where this audit keeps how far it came, to go on from there",
    )
    parser.add_argument(
        "--since",
        metavar="TIME",
        help="report only what is newer than 2027-01-15T08:00:00Z, Unix seconds, or 24h ago",
    )


def since_of(text: str | None, *, now: int) -> int | None:
    """Read `--since`: a time as `--at` has it, or a span before `now`; None: everything.

    Raises:
        ConfigurationError: another spelling.
    """
    if text is None:
        return None
    span = SPAN.fullmatch(text)
    if span is not None:
        return max(now - int(span[1]) * UNITS[span[2]], 0)
    try:
        return time_of(text)
    except ConfigurationError as error:
        raise ConfigurationError(
            f"--since {text[:64]!r}: neither a time from 1970 on nor a span; write "
            "2027-01-15T08:00:00Z, Unix seconds, or 90min, 24h, 30d"
        ) from error
