"""An audit's report as a JSON document. docs/formats.md, 10. Pure.

    {"version":1,"kind":"log","verdict":"PASS","subject":"log.example/demo","at":1800000100, …}

It is written for other programs, and read back strictly: a verdict that the findings do not give
is refused, so nobody can rely on the one without the others.
"""

import json
import re
from typing import cast

from attestation.errors import MalformedEvidenceError
from attestation.strict_json import Members, StrictJSONError, dumps, parse_object
from openpcc.audit.report import (
    ID,
    MAX_EXTRACTS,
    MAX_FINDINGS,
    MAX_SECTIONS,
    MAX_TEXT,
    MAX_VALUE,
    AuditKind,
    AuditReport,
    Extract,
    Finding,
    Outcome,
    Section,
    Verdict,
)

MAX_DOCUMENT = 2**27
"""Bytes of a document: 65,536 findings of some 400 bytes are 25 MiB; the bytes behind them come on
top.
"""

HEX = re.compile(r"(?:[0-9a-f]{2})*")


def to_json(report: AuditReport) -> dict[str, object]:
    """Write the document's members, in the order of docs/formats.md."""
    return {
        "version": 1,
        "kind": report.kind.value,
        "verdict": report.verdict.value,
        "subject": report.subject,
        "at": report.at,
        "simulated": report.simulated,
        "sections": [_section_json(one) for one in report.sections],
    }


def encode(report: AuditReport) -> bytes:
    """Write the document."""
    return dumps(to_json(report))


def parse(data: bytes) -> AuditReport:
    """Read a report.

    Raises:
        MalformedEvidenceError: another spelling, over a limit, or a verdict that its findings do
            not give.
    """
    try:
        members = parse_object(data, limit=MAX_DOCUMENT, name="audit report")
        return _read(members, json.loads(data))
    except (StrictJSONError, ValueError) as error:  # ValueError: over a limit of the report's own
        raise MalformedEvidenceError(str(error)) from error


def _section_json(section: Section) -> dict[str, object]:
    return {
        "name": section.name,
        "title": section.title,
        "facts": dict(section.facts),
        "findings": [_finding_json(one) for one in section.findings],
    }


def _finding_json(finding: Finding) -> dict[str, object]:
    return {
        "id": finding.id,
        "outcome": finding.outcome.value,
        "required": finding.required,
        "text": finding.text,
        "expected": finding.expected,
        "actual": finding.actual,
        "remedy": finding.remedy,
        "extracts": [_extract_json(one) for one in finding.extracts],
    }


def _extract_json(extract: Extract) -> dict[str, object]:
    return {
        "part": extract.part,
        "offset": extract.offset,
        "size": extract.size,
        "field": extract.field,
        "value": extract.value.hex(),
    }


def _read(members: Members, values: dict[str, object]) -> AuditReport:
    members.integer("version", low=1, high=1)
    verdict = members.choice("verdict", frozenset(Verdict))
    sections = members.children("sections", limit=MAX_SECTIONS)
    plain = cast("list[dict[str, dict[str, object]]]", values["sections"])
    report = AuditReport(
        kind=AuditKind(members.choice("kind", frozenset(AuditKind))),
        subject=_text(members, "subject"),
        at=members.integer("at"),
        simulated=members.boolean("simulated"),
        sections=tuple(map(_read_section, sections, plain)),
    )
    members.end()
    if report.verdict != verdict:
        raise StrictJSONError("audit report: its verdict is not what its findings give")
    return report


def _read_section(members: Members, values: dict[str, dict[str, object]]) -> Section:
    members.child("facts")  # that it is an object; what it holds is nobody's to judge
    section = Section(
        name=_text(members, "name"),
        title=_text(members, "title"),
        facts=values["facts"],
        findings=tuple(
            _read_finding(one) for one in members.children("findings", limit=MAX_FINDINGS)
        ),
    )
    members.end()
    if section.facts != values["facts"]:
        raise StrictJSONError(f"{members.name}.facts: a text of more than {MAX_TEXT} characters")
    return section


def _read_finding(members: Members) -> Finding:
    id_ = members.text("id", limit=64)
    if not ID.fullmatch(id_):
        raise StrictJSONError(f"{members.name}.id: expected <subject>.<noun>")
    finding = Finding(
        id=id_,
        outcome=Outcome(members.choice("outcome", frozenset(Outcome))),
        required=members.boolean("required"),
        text=_text(members, "text"),
        expected=members.text_or_null("expected", limit=MAX_TEXT),
        actual=members.text_or_null("actual", limit=MAX_TEXT),
        remedy=_text(members, "remedy"),
        extracts=tuple(
            _read_extract(one) for one in members.children("extracts", limit=MAX_EXTRACTS)
        ),
    )
    members.end()
    return finding


def _read_extract(members: Members) -> Extract:
    size = members.integer("size")
    digits = members.text("value", limit=2 * min(size, MAX_VALUE))
    if not HEX.fullmatch(digits):
        raise StrictJSONError(f"{members.name}.value: expected lower-case hex")
    extract = Extract(
        part=_text(members, "part"),
        offset=members.integer("offset"),
        field=_text(members, "field"),
        value=bytes.fromhex(digits),
        size=size,
    )
    members.end()
    return extract


def _text(members: Members, key: str) -> str:
    return members.text(key, limit=MAX_TEXT)
