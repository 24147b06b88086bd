"""An audit's report as one self-contained page. Pure: from a report to bytes."""

from html import escape

from openpcc.audit.report import AuditReport


def render(report: AuditReport) -> bytes:
    """Write the page."""
    rows = "".join(
        f"<li>{escape(one.id)} {one.outcome}: {escape(one.text)}</li>" for one in report.findings
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Audit</title></head>'
        f"<body><h1>{report.verdict}</h1><ul>{rows}</ul></body></html>"
    ).encode()
