"""Audits for the tests of what shows them."""

from dataclasses import replace
from typing import Any

from openpcc.audit.report import AuditKind, AuditReport, Extract, Finding, Outcome, Section

HOSTILE = (
    "<script>alert(1)</script>\"'></style></title><img src=x onerror=alert(1)><!-- &lt; &#60; "
    "\x1b[31m\u202egnp.exe\u2066\u200b\x00\x85 שלום Z" + "\u0351" * 40 + " " + "W" * 300
)
"""What a text from outside may try."""


def finding(id_: str, outcome: Outcome, **changes: Any) -> Finding:
    return replace(Finding(id=id_, outcome=outcome, text="what was tested"), **changes)


def audit(*findings: Finding, **changes: Any) -> AuditReport:
    section = Section(name="only", title="The only section", findings=findings)
    report = AuditReport(
        kind=AuditKind.LOG, subject="log.example/demo", at=1800000100, sections=(section,)
    )
    return replace(report, **changes)


def hostile(text: str = HOSTILE) -> AuditReport:
    """Give an audit with this text wherever one fits."""
    bytes_ = Extract(part=text, offset=2**40, field=text, value=text.encode()[:300])
    found = tuple(
        finding(
            "log.chain",
            outcome,
            text=text,
            expected=text,
            actual=text,
            remedy=text,
            extracts=(bytes_,),
        )
        for outcome in Outcome
    )
    section = Section(
        name=text, title=text, findings=found, facts={text: text, "all": [text, {text: text}]}
    )
    return audit(subject=text, sections=(section,) * 4, simulated=True)
