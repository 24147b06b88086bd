"""What `openpcc verify` judged, as a page."""

import argparse
from collections.abc import Mapping
from pathlib import Path

from attestation.result import Report
from openpcc.audit.appraisal import audit_of
from openpcc.audit.report import AuditKind
from openpcc.cli.audit.files import write_page
from openpcc.cli.verify.judged import Judged


def write_evidence(judged: Judged, args: argparse.Namespace) -> None:
    """Write the page of `verify evidence`.

    Raises:
        ConfigurationError: it cannot be written.
    """
    names = ", ".join(sorted(judged.given))
    subject = args.bundle if args.kind is None else f"{args.kind}: {names}"
    found = audit_of(
        judged.report,
        kind=AuditKind.EVIDENCE,
        subject="standard input" if subject == "-" else subject,
        grounds=judged.grounds or (),
        facts={"policy": judged.policy},
    )
    write_page(found, args.report)


def write_release(
    report: Report, path: Path, *, subject: Path, facts: Mapping[str, object]
) -> None:
    """Write the page of `verify release`.

    Raises:
        ConfigurationError: it cannot be written.
    """
    write_page(audit_of(report, kind=AuditKind.RELEASE, subject=str(subject), facts=facts), path)
