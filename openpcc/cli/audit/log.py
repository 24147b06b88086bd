"""`openpcc audit log`: follow and verify the whole log, and flag what no client could see.

Without `--log` the log is read where the clients of the configuration read it: from the gateway's
mirror, through the relay. It is verified alike; `--log` reads it from the log itself, faster.

Exit code 3 if nobody answered at all.
"""

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from openpcc import clock
from openpcc.audit import log_metrics
from openpcc.audit.log import LogAudit, LogAudited, audit_log
from openpcc.cli import output as console
from openpcc.cli.audit import arguments, output
from openpcc.cli.audit.files import check_folder, write
from openpcc.cli.audit.progress import Meter
from openpcc.cli.failures import NETWORK
from openpcc.cli.verify.given import client_policy
from openpcc.cli.verify.judged import read
from openpcc.config import ClientConfig
from openpcc.errors import ConfigurationError

if TYPE_CHECKING:
    from transparency_log.client import Fetch

MINUTES = 60
"""Minutes an audit may take; the next one goes on where it stopped."""

MAX_PROVENANCE = 2**20
"""Bytes of a Sigstore bundle."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add = parser.add_argument
    arguments.add_policy(parser)
    add("--log", metavar="URL", help="where to read the log (default: the gateway's mirror of it)")
    add("--ca", type=Path, metavar="PATH", help="further root certificates for the log's TLS")
    arguments.add_state(parser)
    add("--provenance", type=Path, metavar="FILE", action="append", default=[],
        help="Sigstore bundle of a release, repeatable")  # fmt: skip
    add("--minutes", type=int, default=MINUTES, metavar="N",
        help=f"stop reading after so long, to go on another time (default: {MINUTES})")  # fmt: skip
    add("--metrics", type=Path, metavar="FILE",
        help="write a Prometheus text file, for node_exporter's textfile collector")  # fmt: skip
    output.add_output(parser)


def run(args: argparse.Namespace) -> int:
    """Audit, and write what was asked for."""
    output.check(args)
    check_folder(args.metrics)
    found = audit(args)
    if args.metrics is not None:
        write(args.metrics, log_metrics.render(found.report))
    code = output.finish(found.report, args)
    return code if found.reached else NETWORK


def audit(args: argparse.Namespace) -> LogAudited:
    """Audit the log.

    Raises:
        ConfigurationError: the arguments cannot be used.
        TransportError, GatewayError, DirectoryError: relay or gateway do not offer their keys.
    """
    now = clock.now()
    terms = _terms(args, now)
    meter = Meter(shown=not args.json and sys.stderr.isatty())
    with _source(args, terms) as fetch:
        found = audit_log(fetch, replace(terms, progress=meter.show), now=now)
    meter.end()
    return found


def _terms(args: argparse.Namespace, now: int) -> LogAudit:
    if not 1 <= args.minutes <= 10_000:
        raise ConfigurationError("--minutes: from 1 to 10000")
    policy, _ = client_policy(args)
    index, time = _since(args.since, now)
    return LogAudit(
        policy=policy,
        folder=args.state,
        since_index=index,
        since_time=time,
        provenances=[read(path, MAX_PROVENANCE) for path in args.provenance],
    )


def _since(text: str | None, now: int) -> tuple[int, int]:
    """Read `--since`: `@1200` is an index of the log, everything else a time."""
    if text is not None and text.startswith("@"):
        if not (text[1:].isascii() and text[1:].isdecimal() and len(text) < 18):
            raise ConfigurationError("--since @INDEX: write a number of an entry, such as @1200")
        return int(text[1:]), 0
    return 0, arguments.since_of(text, now=now) or 0


@contextmanager
def _source(args: argparse.Namespace, terms: LogAudit) -> "Iterator[Fetch]":
    """Open where the log is read."""
    seconds = 60.0 * args.minutes
    if args.log is not None:
        from openpcc.audit.log_files import LogFiles

        with LogFiles(args.log, seconds=seconds, ca=args.ca) as files:
            yield files.fetch
        return
    from openpcc.audit.log_mirror import mirrored

    if args.policy is not None and args.config is None:
        console.note("openpcc: the policy is the one named; the relay is the configuration's")
    config = ClientConfig.load(args.config)
    with mirrored(config, service=terms.policy.service, seconds=seconds) as fetch:
        yield fetch
