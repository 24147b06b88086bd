"""Findings, facts and bytes of an audit's page. Pure: from the report's data to markup."""

from collections.abc import Iterable, Iterator

from openpcc.audit.facts import rows
from openpcc.audit.report import Extract, Finding, Outcome, Section
from openpcc.audit.visible import html

MARKS = {
    Outcome.PASS: ("pass", "✓", "PASS"),
    Outcome.FAIL: ("fail", "✕", "FAIL"),
    Outcome.SKIP: ("skip", "?", "SKIP"),
    Outcome.INFO: ("none", "i", "INFO"),
}
"""Outcome to class, sign and word."""

UNASKED = ("none", "·", "SKIP")
"""The same of what did not have to be judged."""

ROW = 8
"""Bytes of a row of a dump: what fits a narrow window beside its letters."""

MOST_BYTES = 256
"""Bytes of an extract that are shown; JSON has more."""

MOST_EXTRACTS = 16
"""Extracts of a finding that are shown."""


def marks(finding: Finding) -> tuple[str, str, str]:
    """Give class, sign and word of a finding's outcome."""
    if finding.outcome is Outcome.SKIP and not finding.required:
        return UNASKED
    return MARKS[finding.outcome]


def item(finding: Finding, anchor: str) -> str:
    """Write one finding."""
    style, sign, word = marks(finding)
    return (
        f'<li class="finding {style}" id="{anchor}"><p class="outcome">'
        f'<span aria-hidden="true">{sign}</span>{word}</p><div>'
        f'<p>{html(sentence(finding.text))} <code class="id">{html(finding.id)}</code></p>'
        f"{_told(finding)}{_bytes(finding.extracts)}</div></li>"
    )


def facts(section: Section) -> str:
    """Write what was counted or read."""
    inner = "".join(
        f"<dt>{html(name)}</dt>" + "".join(f"<dd>{html(line)}</dd>" for line in lines)
        for name, lines in rows(section)
    )
    return f'<dl class="facts">{inner}</dl>' if inner else ""


def pairs(style: str, named: Iterable[tuple[str, str]]) -> str:
    """Write a list of names and values; nothing where there are none."""
    inner = "".join(f"<dt>{html(name)}</dt><dd>{html(value)}</dd>" for name, value in named)
    return f'<dl class="{style}">{inner}</dl>' if inner else ""


def sentence(text: str) -> str:
    """Begin a text with a capital, but for a name in code, and end it with a full stop."""
    if not text:
        return "Nothing is said of what was tested."
    first = text.split(" ", 1)[0].rstrip(",:;")
    begin = text[0].upper() if first.isalpha() and first[1:].islower() else text[0]
    return begin + text[1:] + ("" if text[-1] in ".!?…" else ".")


def _told(finding: Finding) -> str:
    found = "Because" if finding.outcome is Outcome.SKIP else "Found"
    expected = None if finding.expected == finding.actual else finding.expected
    named = [("Expected", expected), (found, finding.actual)]
    named.append(("What to do", sentence(finding.remedy) if finding.remedy else None))
    return pairs("told", [(name, value) for name, value in named if value is not None])


def _bytes(extracts: tuple[Extract, ...]) -> str:
    if not extracts:
        return ""
    shown = extracts[:MOST_EXTRACTS]
    count = "The bytes" if len(extracts) == 1 else f"The bytes, {len(extracts)} places"
    left = len(extracts) - len(shown)
    more = f'<p class="soft">{left} more places are in the JSON report.</p>' if left else ""
    return f"<details><summary>{count}</summary>{''.join(map(_extract, shown))}{more}</details>"


def _extract(one: Extract) -> str:
    field = f", {one.field}" if one.field else ""
    size = f"{one.size} byte{'' if one.size == 1 else 's'}"
    head = html(f"{one.part}{field}: {size} at offset {one.offset} ({one.offset:#x})")
    shown = "\n".join(map(html, dump(one)))
    return f"<h3>{head}</h3>" + (f'<pre tabindex="0">{shown}</pre>' if shown else "")


def dump(one: Extract) -> Iterator[str]:
    """Write bytes in rows: offset in the part, hex, letters.

    00000000  6c 6f 67 2e 65 78 61 6d  log.exam
    """
    shown = one.value[:MOST_BYTES]
    for start in range(0, len(shown), ROW):
        row = shown[start : start + ROW]
        letters = "".join(chr(byte) if 0x20 <= byte < 0x7F else "·" for byte in row)
        yield f"{one.offset + start:08x}  {row.hex(' '):<{3 * ROW - 1}}  {letters}"
    if len(shown) < one.size:
        yield f"… {one.size} bytes in all"
