"""An audit's report as one self-contained page. Pure: from a report to bytes.

    SIMULATED, if it is > the verdict > what failed > the chain of trust > every finding, its bytes

No script, no font, no image, no other file: the policy in the head allows this style sheet by its
digest and nothing else, so that even markup that got past the escaping could load and run nothing.
A page is bounded: of what is too much it shows first what did not pass, and says what it leaves
out. The JSON report has everything.
"""

import base64
import hashlib
from collections.abc import Iterator

from openpcc.audit.facts import moment
from openpcc.audit.found import UNASKED, facts, item, marks, pairs, sentence
from openpcc.audit.picture import draw
from openpcc.audit.report import AuditReport, Finding, Outcome, Section, Verdict
from openpcc.audit.style import STYLE
from openpcc.audit.visible import html
from openpcc.audit.words import SCOPES, lead, tally, verdict
from openpcc.decision import SIMULATED, plural

ROOM = 8 * 2**20
"""Characters of findings and facts: a browser shows as much at once. What comes after is left out;
one section and one finding may go over."""

MANY = 12
"""Sections, from which on those without fault are folded."""

FIRST = 20
"""Findings named above everything else."""

MOST_LETTERS = 120
"""Characters of a section's title."""

MOST_NAMED = 60
"""Sections named for a jump."""

POLICY = (
    "default-src 'none'; style-src "
    f"'sha256-{base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()}'; "
    "base-uri 'none'; form-action 'none'"
)
"""What the page may load: nothing but its own style sheet."""

SIGNS = {
    Verdict.PASS: ("pass", "✓"),
    Verdict.FAIL: ("fail", "✕"),
    Verdict.INCOMPLETE: ("skip", "?"),
}


def render(report: AuditReport) -> bytes:
    """Write the page."""
    title = f"{verdict(report)} - {SCOPES[report.kind].title}"
    parts = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{html(POLICY)}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="referrer" content="no-referrer">',
        f"<title>{html(title)}</title><style>{STYLE}</style></head><body>",
        _banner(report),
        f"<header>{_verdict(report)}</header>",
        f"<main>{_first(report)}{draw(report)}{_jumps(report)}",
        *_sections(report),
        f"{_scope(report)}</main><footer>{_foot(report)}</footer></body></html>\n",
    )
    return "".join(parts).encode()


def _banner(report: AuditReport) -> str:
    if not report.simulated:
        return ""
    return (
        f'<p class="simulated" role="note"><strong>{SIMULATED}.</strong> No hardware vouches for '
        "what was audited here. It shows how the checks work; it protects nothing.</p>"
    )


def _verdict(report: AuditReport) -> str:
    style, sign = SIGNS[report.verdict]
    style = "skip" if report.simulated and style == "pass" else style  # it is not that good
    about = (
        ("Audited", report.subject),
        ("Judged at", moment(report.at)),
        ("Checks", tally(report.findings)),
    )
    return (
        f'<p class="over">openpcc · {html(SCOPES[report.kind].title)}</p>'
        f'<h1 class="{style}"><span class="mark" aria-hidden="true">{sign}</span>'
        f"<span>{verdict(report)}</span></h1>"
        f'<p class="lead">{html(lead(report))}</p>{pairs("about", about)}'
    )


def _first(report: AuditReport) -> str:
    """Name what decided the verdict, each with its remedy."""
    style = "fail" if report.failed else "skip"
    decided = {id(one) for one in report.failed or report.unjudged}
    found = [(anchor, one) for anchor, one in _anchored(report) if id(one) in decided]
    if not found:
        return ""
    rows = "".join(
        f'<li><a href="#{anchor}">{html(sentence(one.text))}</a> {_remedy(one)}</li>'
        for anchor, one in found[:FIRST]
    )
    if len(found) > FIRST:
        rows += f"<li>And {len(found) - FIRST} more, below.</li>"
    head = "What failed" if report.failed else "What could not be judged"
    return f'<div class="why {style}"><h2>{head}</h2><ul>{rows}</ul></div>'


def _remedy(finding: Finding) -> str:
    return html(sentence(finding.remedy)) if finding.remedy else ""


def _anchored(report: AuditReport) -> Iterator[tuple[str, Finding]]:
    for number, section in enumerate(report.sections, 1):
        for index, one in enumerate(section.findings, 1):
            yield f"f{number}-{index}", one


def _jumps(report: AuditReport) -> str:
    named = [
        f'<li class="{style}"><b aria-hidden="true">{sign}</b> '
        f'<a href="#s{number}">{_title(section)}</a></li>'
        for number, section in enumerate(report.sections, 1)
        for style, sign, _ in [_worst(section)]
        if len(report.sections) <= MOST_NAMED or style in {"fail", "skip"}
    ]
    if len(report.sections) < 3:
        return ""
    return f'<nav aria-label="Sections"><ol>{"".join(named[:MOST_NAMED])}</ol></nav>'


def _worst(section: Section) -> tuple[str, str, str]:
    order = ("fail", "skip", "pass", "none")
    found = [marks(one) for one in section.findings] or [UNASKED]
    return min(found, key=lambda one: order.index(one[0]))


def _sections(report: AuditReport) -> Iterator[str]:
    """Write the sections while there is room."""
    room = ROOM
    for number, section in enumerate(report.sections, 1):
        if room <= 0:
            left = len(report.sections) - number + 1
            yield _left_out(left, "section")
            return
        text = _section(section, number, room, folded=len(report.sections) > MANY)
        room -= len(text)
        yield text


def _section(section: Section, number: int, room: int, *, folded: bool) -> str:
    told, left = _findings(section, number, room)
    if folded and _worst(section)[0] not in {"fail", "skip"}:
        told = f"<details><summary>Show the checks</summary>{told}</details>"
    return (
        f'<section id="s{number}" aria-labelledby="h{number}"><h2 id="h{number}">'
        f'{_title(section)}</h2><p class="soft">{tally(section.findings)}</p>'
        f"{facts(section)}{told}{_left_out(left, 'check') if left else ''}</section>"
    )


def _title(section: Section) -> str:
    title = section.title or section.name
    return html(title if len(title) <= MOST_LETTERS else f"{title[:MOST_LETTERS]}…")


def _left_out(count: int, noun: str) -> str:
    return f'<p class="soft">{plural(count, noun)} left out; the JSON report has all.</p>'


def _findings(section: Section, number: int, room: int) -> tuple[str, int]:
    """Write findings while there is room, those that did not pass before the others."""
    shown: dict[int, str] = {}
    indexed = list(enumerate(section.findings, 1))
    for index, one in sorted(indexed, key=lambda pair: pair[1].outcome is Outcome.PASS):
        if room <= 0:
            break
        shown[index] = item(one, f"f{number}-{index}")
        room -= len(shown[index])
    told = "".join(shown[index] for index in sorted(shown))
    return (f'<ul class="findings">{told}</ul>' if told else ""), len(indexed) - len(shown)


def _scope(report: AuditReport) -> str:
    words = SCOPES[report.kind]
    rows = [("What a pass shows", words.shows), ("What it leaves open", words.leaves)]
    return (
        '<section aria-labelledby="what"><h2 id="what">What this audit can show</h2>'
        f"{pairs('facts', rows)}</section>"
    )


def _foot(report: AuditReport) -> str:
    return (
        f"<p>Made by openpcc from what it judged at {moment(report.at)}. This page has no script "
        "and loads nothing. It is unsigned: to be sure of it, audit again, or ask for the signed "
        "result.</p>"
    )
