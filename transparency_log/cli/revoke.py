"""`openpcc-log revoke`: the next status, without a release.

Why it was revoked is for people's own records: it is repeated in what this command prints, and goes
nowhere else. The log's format has no place for it, and a reader needs none: a release counts only
while it is listed.
"""

import argparse

from transparency_log.cli import output, status
from transparency_log.cli.policy_file import load_policy

HELP = "make the next status without a release"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("leaf", metavar="LEAF", help="leaf hash of the release")
    parser.add_argument("--reason", metavar="TEXT", help="for your own records; it is not logged")
    status.add_common(parser)


def run(args: argparse.Namespace, *, now: int) -> int:
    """Do it; gives the exit code."""
    args.accept, args.revoke, args.floors, args.first = [], [args.leaf], None, False
    if args.reason is not None:
        output.note(f"reason, for your records: {args.reason}")
    return status.make(args, load_policy(args.policy), now=now)
