"""What an audit gives out: text or JSON, a page, a signed result; and its exit code.

Standard output is one thing: the text, with `--json` the report. A page and a signed result go to
the files that are named (`files`).
"""

import argparse
from pathlib import Path

from openpcc import clock
from openpcc.audit import document
from openpcc.audit.report import AuditReport, Verdict
from openpcc.cli import output
from openpcc.cli.audit import shown
from openpcc.cli.audit.files import add_page, check_folder, write, write_page
from openpcc.cli.failures import PASSED, REFUSED
from openpcc.errors import ConfigurationError

__all__ = ["add_output", "check", "finish", "write"]


def add_output(parser: argparse.ArgumentParser) -> None:
    """Declare what every audit can write."""
    add = parser.add_argument
    add("--json", action="store_true", help="print the report as one JSON object")
    add_page(parser)
    add("--ear", type=Path, metavar="KEY", help="sign the result as a JWT (EAR) with this PEM key")
    add("--ear-out", type=Path, metavar="PATH", help="file for the EAR; needed")
    add("--ear-audience", metavar="NAME", help="for whom the EAR is; needed")
    add("--ear-nonce", metavar="NONCE", help="base64url nonce of who asked for the EAR")


def check(args: argparse.Namespace) -> None:
    """Check what was asked for before anything is audited, which may take long.

    Raises:
        ConfigurationError: the arguments do not fit together, a key cannot be read, or there is no
            folder for a file.
    """
    if args.ear is None and (args.ear_out or args.ear_audience or args.ear_nonce):
        raise ConfigurationError("--ear-… options need a key; name one with --ear")
    if args.ear is not None:
        _check_ear(args)
    for path in (args.report, args.ear_out):
        check_folder(path)


def finish(report: AuditReport, args: argparse.Namespace) -> int:
    """Write all that was asked for; give the exit code.

    Raises:
        ConfigurationError: see `check`, or a file cannot be written.
    """
    check(args)
    if args.ear is not None:
        write(args.ear_out, f"{_sign(report, args)}\n".encode("ascii"))
    if args.report is not None:
        write_page(report, args.report)
    if args.json:
        output.document(document.to_json(report))
    else:
        shown.show(report)
    return PASSED if report.verdict is Verdict.PASS else REFUSED


def _check_ear(args: argparse.Namespace) -> None:
    from openpcc.cli.verify.ear import Signer  # it loads PyJWT, which nobody else needs

    if args.ear_out is None:
        raise ConfigurationError("--ear needs a file for the signed result; name it with --ear-out")
    if not args.ear_audience or not args.ear_audience.isprintable():
        raise ConfigurationError(
            "a signed result is for somebody; name them with --ear-audience, as they call "
            "themselves"
        )
    now = clock.now()
    Signer.load(args, at=now, now=now)


def _sign(report: AuditReport, args: argparse.Namespace) -> str:
    """Sign as of now: an audit judges by witnessed time, which may be a moment ahead of ours."""
    from openpcc.cli.verify.ear import Signer

    now = clock.now()
    return Signer.load(args, at=now, now=now).sign_audit(report)
