"""`openpcc verify receipt`: judge a receipt that was kept, with the evidence kept beside it.

It asks nobody. The evidence is judged as of the time the receipt was signed, so a receipt is as
good years later as on its day; `--at` asks for another time. Exit codes: `openpcc verify evidence`.
"""

import argparse
from pathlib import Path

from attestation.evidence import MAX_BUNDLE
from openpcc import clock
from openpcc.audit import document
from openpcc.audit.receipt import MAX_FILE, judge_receipt
from openpcc.audit.report import Verdict
from openpcc.cli import output
from openpcc.cli.audit import shown
from openpcc.cli.audit.files import add_page, check_folder, write_page
from openpcc.cli.failures import PASSED, REFUSED
from openpcc.cli.verify.arguments import time_of
from openpcc.cli.verify.given import client_policy
from openpcc.cli.verify.judged import read


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add = parser.add_argument
    output.add_common(parser)
    add("file", type=Path, metavar="FILE", help="the receipt: its document, or the field's base64")
    add("--bundle", type=Path, metavar="FILE", required=True, help="the evidence kept beside it")
    add("--policy", type=Path, metavar="PATH", help="policy file (default: the configuration's)")
    add("--at", metavar="TIME",
        help="judge the evidence as of a time, 2027-01-15T08:00:00Z or Unix seconds (default: when "
        "the receipt was signed)")  # fmt: skip
    add_page(parser)


def run(args: argparse.Namespace) -> int:
    """Judge and show; see the module for the exit code."""
    check_folder(args.report)
    policy, _ = client_policy(args)
    report = judge_receipt(
        read(args.file, MAX_FILE),
        read(args.bundle, MAX_BUNDLE),
        subject=str(args.file),
        policy=policy,
        now=clock.now(),
        at=None if args.at is None else time_of(args.at),
    )
    if args.report is not None:
        write_page(report, args.report)
    if args.json:
        output.document(document.to_json(report))
    else:
        shown.show(report)
    return PASSED if report.verdict is Verdict.PASS else REFUSED
