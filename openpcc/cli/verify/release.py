"""`openpcc verify release`: judge a release by its log entry and proof; what does it say, by whom?

It asks nobody but the log, and that only with `--log`. Whether the release is still listed is
judged by the newest status there, or by the status whose proof file is given with `--status`;
without either that is out of scope, and the report says so. Exit codes: `openpcc verify evidence`.
"""

import argparse
from collections.abc import Iterator, Mapping
from pathlib import Path

from attestation.result import OUTSIDE, Check, Outcome, Report, Scope
from openpcc import clock, kept_release
from openpcc.cli import output
from openpcc.cli.audit.files import add_page, check_folder
from openpcc.cli.failures import PASSED, REFUSED
from openpcc.cli.reports import show_report
from openpcc.cli.verify.arguments import time_of
from openpcc.cli.verify.given import client_policy, consistency, known_checkpoint
from openpcc.cli.verify.judged import read
from openpcc.cli.verify.paged import write_release
from openpcc.cli.verify.shown import time, verdict
from openpcc.config import ClientPolicy
from openpcc.decision import duration
from openpcc.errors import ConfigurationError
from openpcc.log_checks import Known
from transparency_log.cli import words
from transparency_log.entry import Release, Status
from transparency_log.errors import LogError
from transparency_log.proof import MAX_FILE

MAX_PROVENANCE = 4 * 2**20
"""Bytes of a Sigstore bundle that are read; those of real builds have some ten thousand."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add = parser.add_argument
    output.add_common(parser)
    add("file", type=Path, metavar="FILE", help="proof file of the release, or its entry alone")
    add("--policy", type=Path, metavar="PATH", help="policy file (default: the configuration's)")
    add("--at", metavar="TIME",
        help="judge as of a time, 2027-01-15T08:00:00Z or Unix seconds (default: now)")  # fmt: skip
    one = parser.add_mutually_exclusive_group()
    one.add_argument("--status", type=Path, metavar="PATH",
        help="proof file of the status that is to list it")  # fmt: skip
    one.add_argument("--log", metavar="URL", help="read the newest status from the log")
    add("--known-checkpoint", type=Path, metavar="PATH",
        help="cosigned checkpoint to hold that of the proof against")  # fmt: skip
    add("--consistency", type=Path, metavar="PATH",
        help="proof that the two are one history, a base64 hash per line")  # fmt: skip
    add("--provenance", type=Path, action="append", default=[], metavar="PATH",
        help="Sigstore bundle about the build, repeatable")  # fmt: skip
    add_page(parser)


def run(args: argparse.Namespace) -> int:
    """Judge and show; see the module for the exit code."""
    _refuse_wrong_usage(args)
    check_folder(args.report)
    policy, where = client_policy(args)
    now = clock.now() if args.at is None else time_of(args.at)
    data = read(args.file, MAX_FILE)
    status, known, proof = _log(args, policy, data, now=now)
    report, release = kept_release.judge_release_file(
        data,
        now=now,
        policy=policy,
        status=status,
        known=known,
        consistency=proof,
        provenances=[read(path, MAX_PROVENANCE) for path in args.provenance],
    )
    more = {"status": _status_words(args, status, now=now), "policy": where}
    if args.report is not None:
        write_release(report, args.report, subject=args.file, facts=more)
    if args.json:
        output.document(report.to_json() | _more(args, release, status))
    else:
        _show(report, release, more)
    return REFUSED if report.failed else PASSED


def _refuse_wrong_usage(args: argparse.Namespace) -> None:
    if args.log is not None and (args.at or args.known_checkpoint):
        raise ConfigurationError(
            "--log shows the log as it is now, and holds the proof against it; leave out --at and "
            "--known-checkpoint"
        )
    if args.consistency is not None and args.known_checkpoint is None:
        raise ConfigurationError("--consistency needs the --known-checkpoint it leads to; name it")


def _log(
    args: argparse.Namespace, policy: ClientPolicy, data: bytes, *, now: int
) -> tuple[Status | None, Known | None, tuple[bytes, ...] | None]:
    """Give what is known of the log: a status, a checkpoint, and a proof that leads to it."""
    if args.log is not None:
        from openpcc.cli.verify.log import read_present  # few ask; it loads the HTTP stack

        present = read_present(args.log, policy, kept_release.held(data, policy), now=now)
        known = Known(checkpoint=present.newest.checkpoint, witnessed=present.newest.time)
        return present.status, known, present.proof
    status = None if args.status is None else _status(args.status, policy)
    return status, known_checkpoint(args, policy), consistency(args)


def _status(path: Path, policy: ClientPolicy) -> Status:
    try:
        return kept_release.read_status(read(path, MAX_FILE), policy)
    except LogError as error:
        raise ConfigurationError(
            f"{path}: not the proof of a status of this log ({error}); name another"
        ) from error


def _more(
    args: argparse.Namespace, release: Release | None, status: Status | None
) -> dict[str, object]:
    """Give what the document has beside a report: what the release says, and which status."""
    asked = None
    if status is not None:
        asked = {
            "sequence": status.sequence,
            "issued": status.issued,
            "newest": args.log is not None,
        }
    return {"says": None if release is None else release.predicate(), "status": asked}


def _status_words(args: argparse.Namespace, status: Status | None, *, now: int) -> str:
    """Say which status was asked; a file cannot show that it is the newest."""
    if status is None:
        return "none was given: whether the release is still listed was not judged"
    which = "the newest in the log" if args.log is not None else "as given; --log reads the newest"
    return f"number {status.sequence}, issued {words.when(status.issued, now)}; {which}"


def _show(report: Report, release: Release | None, more: Mapping[str, str]) -> None:
    output.line(verdict(report))
    for name, value in (*_facts(report), *more.items()):
        output.line(f"  {name:<10}{value}")
    if release is not None:
        output.line()
        output.line("What it says, signed by its signers:")
        for line in words.lines(release, now=report.at):
            output.line(f"  {line}")
    show_report(report, title="Checks", checks=[*_shown(report)])


def _facts(report: Report) -> Iterator[tuple[str, str]]:
    if report.failed:
        more = len(report.failed) - 1
        yield "because", report.failed[0].refusal + (f"; and {more} more" if more else "")
    yield "release", report.release.hex() if report.release else "not known"
    yield "judged at", time(report.at)
    if report.expires is not None:
        left = duration(report.expires - report.at)
        yield "expires", f"{time(report.expires)}, {left} after that"


def _shown(report: Report) -> Iterator[Check]:
    """Give the checks that a release can show, and those of the log that were not asked for."""
    of_log = {"5.consistency", "7.status", "7.fresh"}
    for check in report.checks:
        outside = check.id in OUTSIDE[Scope.RELEASE] - of_log
        if not outside or check.outcome is not Outcome.SKIP:
            yield check
