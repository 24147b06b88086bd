"""What the words of `openpcc verify` mean; every wrong one is named with its remedy. Pure."""

import argparse
import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from attestation.errors import MalformedEvidenceError
from attestation.parts import KINDS, Kind
from openpcc.errors import ConfigurationError

TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?"
    r"(?:Z|[+-][0-9]{2}:[0-9]{2})"
)
"""A time of RFC 3339, always with its zone."""

SECONDS = re.compile(r"0|[1-9][0-9]{0,10}")
"""Unix seconds."""

ONE_OF_TWO = "name a BUNDLE, or --kind with each --file of raw evidence; one of the two"


def refuse_wrong_usage(args: argparse.Namespace) -> None:
    """Check that the arguments of `verify evidence` fit together.

    Raises:
        ConfigurationError: they do not.
    """
    if (args.bundle is None) == (args.kind is None):
        raise ConfigurationError(f"verify evidence: {ONE_OF_TWO}")
    if args.kind is None and args.files:
        raise ConfigurationError("--file is for raw evidence; say with --kind which it is")
    if args.kind is not None and (args.known_checkpoint or args.consistency):
        raise ConfigurationError(
            "--known-checkpoint and --consistency are for a bundle: raw evidence names no log; "
            "leave them out"
        )
    if args.consistency and not args.known_checkpoint:
        raise ConfigurationError("--consistency needs the --known-checkpoint it leads to; name it")
    _refuse_wrong_ear_usage(args)


def explained(args: argparse.Namespace) -> bool:
    """Say whether the bytes behind the checks are wanted: for text or JSON, or for the page."""
    return args.explain or args.report is not None


def _refuse_wrong_ear_usage(args: argparse.Namespace) -> None:
    if args.ear is None and (args.ear_audience or args.ear_nonce or args.ear_out):
        raise ConfigurationError("--ear-… options need a key; name one with --ear")
    if args.ear is None:
        return
    if not args.ear_audience or not args.ear_audience.isprintable():
        raise ConfigurationError(
            "a signed result is for somebody; name them with --ear-audience, as they call "
            "themselves"
        )
    if args.ear_out is None and (args.json or args.explain):
        raise ConfigurationError(
            "--ear prints the signed result and nothing else; to have it beside --json or "
            "--explain, name a file for it with --ear-out"
        )


def time_of(text: str) -> int:
    """Read a time: RFC 3339 with its zone, or Unix seconds; parts of a second are cut off.

    Raises:
        ConfigurationError: another spelling, or a time before 1970.
    """
    if SECONDS.fullmatch(text):
        return int(text)
    try:
        seconds = datetime.fromisoformat(text).timestamp() if TIME.fullmatch(text) else -1
    except ValueError:
        seconds = -1
    if seconds < 0:
        raise ConfigurationError(
            f"--at {text[:64]!r}: no time from 1970 on; write 2027-01-15T08:00:00Z or Unix seconds"
        )
    return int(seconds)


def kind_of(name: str) -> Kind:
    """Give the kind of raw evidence of that name.

    Raises:
        ConfigurationError: this version cannot judge it.
    """
    if name not in KINDS:
        raise ConfigurationError(
            f"--kind {name[:64]!r}: this openpcc judges {', '.join(KINDS)}; name one of them"
        )
    return KINDS[name]


def named_files(kind: Kind, words: Sequence[str]) -> list[tuple[str, Path]]:
    """Read `NAME=PATH` of each file, in their order.

    Raises:
        ConfigurationError: another form, an unknown name, or not the names a kind needs.
    """
    found = []
    for word in words:
        name, separator, path = word.partition("=")
        if not separator or not path:
            raise ConfigurationError(f"--file {word[:64]!r}: write NAME=PATH, as in report=r.bin")
        found.append((name, Path(path)))
    try:
        kind.check_names([name for name, _ in found])
    except MalformedEvidenceError as error:
        raise ConfigurationError(
            f"{error}; {kind.name} has the files {', '.join(kind.names)}: name each with "
            "--file NAME=PATH"
        ) from error
    return found
