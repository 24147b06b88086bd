"""`openpcc audit release`: compute an image again, and hold it against what was logged.

    openpcc audit release --image DIR --policy policy.toml [--release FILE] [--log URL]

DIR has image.json and the files it names, and `release.proof`: the release's log entry with its
proof. Nobody is asked, but for the log with `--log`, which then shows whether the release is still
listed.
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from openpcc import clock, kept_release
from openpcc.audit.release import audit_release
from openpcc.audit.report import AuditReport
from openpcc.cli.audit import arguments, output
from openpcc.cli.verify.given import client_policy
from openpcc.cli.verify.judged import read
from openpcc.errors import ConfigurationError
from openpcc.log_checks import Known
from transparency_log.proof import MAX_FILE

if TYPE_CHECKING:
    from openpcc.config import ClientPolicy
    from transparency_log.entry import Status

PROOF = "release.proof"
"""The release's entry with its proof, in the image's folder."""

MAX_PROVENANCE = 4 * 2**20
"""Bytes of a Sigstore bundle."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add = parser.add_argument
    add("--image", type=Path, metavar="DIR", required=True, help="folder with image.json")
    add("--release", type=Path, metavar="FILE",
        help=f"proof file of the release (default: {PROOF} in the folder)")  # fmt: skip
    add("--log", metavar="URL", help="read from the log whether the release is still listed")
    add("--provenance", type=Path, metavar="FILE", action="append", default=[],
        help="Sigstore bundle about the build, repeatable")  # fmt: skip
    arguments.add_policy(parser)
    output.add_output(parser)


def run(args: argparse.Namespace) -> int:
    """Audit, and write what was asked for."""
    output.check(args)
    return output.finish(audit(args), args)


def audit(args: argparse.Namespace) -> AuditReport:
    """Audit the image.

    Raises:
        ConfigurationError: the arguments cannot be used.
        TransportError: the log does not answer.
    """
    if not args.image.is_dir():
        raise ConfigurationError(f"--image {args.image}: is no folder; name one with image.json")
    policy, _ = client_policy(args)
    data = read(args.release or args.image / PROOF, MAX_FILE)
    now = clock.now()
    status, known, proof = _present(args, policy, data, now)
    report, release = kept_release.judge_release_file(
        data,
        now=now,
        policy=policy,
        status=status,
        known=known,
        consistency=proof,
        provenances=[read(path, MAX_PROVENANCE) for path in args.provenance],
    )
    return audit_release(args.image, report, release)


def _present(
    args: argparse.Namespace, policy: "ClientPolicy", data: bytes, now: int
) -> "tuple[Status | None, Known | None, tuple[bytes, ...] | None]":
    """Give what the log says now, if it is to be asked."""
    if args.log is None:
        return None, None, None
    from openpcc.cli.verify.log import read_present  # few ask; it loads the HTTP stack

    present = read_present(args.log, policy, kept_release.held(data, policy), now=now)
    known = Known(checkpoint=present.newest.checkpoint, witnessed=present.newest.time)
    return present.status, known, present.proof
