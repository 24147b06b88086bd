"""`openpcc verify evidence`: judge an evidence bundle, or raw evidence of a machine, from files.

It asks no service: whatever the verdict rests on is named on the command line or in the policy.
Exit code 0: every required check of that scope passed; 1: refused; 2: a file or argument of the
user's own is wrong. Evidence is never a reason for 2.

Standard output is one thing: the text, with `--json` the report, with `--ear` the signed result.
To have a result beside one of the others, `--ear-out` names a file for it.
"""

import argparse
from dataclasses import replace
from pathlib import Path

from attestation.parts import KINDS
from openpcc import clock
from openpcc.cli import output
from openpcc.cli.audit.files import add_page, check_folder
from openpcc.cli.failures import PASSED, REFUSED
from openpcc.cli.verify.arguments import refuse_wrong_usage, time_of
from openpcc.cli.verify.judged import Judged
from openpcc.cli.verify.shown import show, to_json, verdict


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add = parser.add_argument
    output.add_common(parser)
    add("bundle", nargs="?", metavar="BUNDLE", help="bundle file; - for standard input")
    add("--kind", metavar="KIND", help=f"raw evidence of {' or '.join(KINDS)}")
    add("--file", action="append", default=[], metavar="NAME=PATH", dest="files",
        help=f"a file of raw evidence, repeatable: {'; '.join(map(_names, KINDS))}")  # fmt: skip
    add("--policy", type=Path, metavar="PATH",
        help="policy file (default for a bundle: that of the configuration; "
        "for raw evidence: the vendor's roots, the default limits)")  # fmt: skip
    add("--at", metavar="TIME",
        help="judge as of a time, 2027-01-15T08:00:00Z or Unix seconds (default: now)")  # fmt: skip
    add("--known-checkpoint", type=Path, metavar="PATH",
        help="cosigned checkpoint to hold a bundle's beacon against")  # fmt: skip
    add("--consistency", type=Path, metavar="PATH",
        help="proof that the two are one history, a base64 hash per line")  # fmt: skip
    add("--explain", action="store_true", help="show the very bytes behind each check")
    add("--ear", type=Path, metavar="KEY",
        help="print the result as a JWT (EAR) signed with this PEM key")  # fmt: skip
    add("--ear-audience", metavar="NAME", help="for whom the EAR is; needed")
    add("--ear-nonce", metavar="NONCE", help="base64url nonce of who asked for the EAR")
    add("--ear-out", type=Path, metavar="PATH",
        help="write the EAR to this file, and print text or JSON")  # fmt: skip
    add_page(parser)


def run(args: argparse.Namespace) -> int:
    """Judge and show; see the module for exit code and standard output."""
    refuse_wrong_usage(args)
    check_folder(args.report)
    now = clock.now()
    at = now if args.at is None else time_of(args.at)
    if args.ear is None:
        judged = _judge(args, at=at)
        _print(judged, args)
    else:
        from openpcc.cli.verify import ear  # here: it loads PyJWT, which nobody else needs

        signer = ear.Signer.load(args, at=at, now=now)
        judged = _judge(args, at=at)
        token = signer.sign(judged.report)
        if args.ear_out is None:
            output.line(token)
            output.note(f"openpcc: {verdict(judged.report)}")
        else:
            ear.write(args.ear_out, token)
            _print(judged, args)
    return REFUSED if judged.report.failed else PASSED


def _judge(args: argparse.Namespace, *, at: int) -> Judged:
    """Judge what was named, and write the page where one is to be."""
    judged = _judged(args, at=at)
    if args.report is None:
        return judged
    from openpcc.cli.verify.paged import write_evidence  # few ask

    write_evidence(judged, args)
    return judged if args.explain else replace(judged, grounds=None)


def _judged(args: argparse.Namespace, *, at: int) -> Judged:
    """Judge what was named; raw evidence needs nothing of the log, and starts the sooner."""
    if args.kind is None:
        from openpcc.cli.verify import bundle

        return bundle.judge(args, at=at)
    from openpcc.cli.verify import raw

    return raw.judge(args, at=at)


def _print(judged: Judged, args: argparse.Namespace) -> None:
    if args.json:
        output.document(to_json(judged))
    else:
        show(judged)


def _names(kind: str) -> str:
    return f"{kind} has {', '.join(KINDS[kind].names)}"
