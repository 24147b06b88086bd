"""The page: the verdict first, nothing from outside becomes markup, nothing is loaded, bounded."""

import re
from collections import Counter
from html.parser import HTMLParser
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openpcc.audit import page
from openpcc.audit.found import MOST_BYTES, dump
from openpcc.audit.report import AuditKind, AuditReport, Extract, Outcome, Section
from openpcc.audit.style import DARK, LIGHT, STYLE
from openpcc.audit.visible import plain
from openpcc.audit.words import SCOPES
from tests.openpcc.audit.audits import HOSTILE, audit, finding, hostile

TAGS = {
    *("html", "head", "meta", "title", "style", "body", "header", "main", "footer", "section"),
    *("p", "h1", "h2", "h3", "span", "strong", "b", "a", "code", "pre", "div", "nav"),
    *("dl", "dt", "dd", "ul", "ol", "li", "details", "summary"),
    *("figure", "figcaption", "svg", "g", "circle", "line", "text"),
}
"""Every element that the page has."""

HARMLESS = "an ordinary text of some length"


class Read(HTMLParser):
    """What a browser would find."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self.tags: list[tuple[str, tuple[tuple[str, str | None], ...]]] = []
        self.text: list[str] = []
        self.comments: list[str] = []
        self.feed(data.decode())
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, tuple(attrs)))

    handle_startendtag = handle_starttag

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)

    @property
    def names(self) -> Counter[str]:
        return Counter(tag for tag, _ in self.tags)

    def attribute(self, tag: str, name: str) -> list[str | None]:
        return [dict(found)[name] for one, found in self.tags if one == tag and name in dict(found)]


@pytest.mark.parametrize("kind", AuditKind)
def test_text_from_outside_never_becomes_markup(kind: AuditKind):
    bad, good = (Read(page.render(hostile(text))) for text in (HOSTILE, HARMLESS))
    assert bad.names == good.names
    assert bad.names.keys() <= TAGS
    assert bad.comments == []
    assert {name for _, found in bad.tags for name, _ in found} == {
        name for _, found in good.tags for name, _ in found
    }
    assert plain(HOSTILE) in bad.text


@settings(max_examples=60)
@given(st.text(max_size=60))
def test_no_text_becomes_markup_or_stays_unseen(text: str):
    data = page.render(hostile(text))
    read = Read(data)
    assert read.names.keys() <= TAGS
    shown = "".join(read.text) + "".join(str(one) for one in read.attribute("svg", "aria-label"))
    assert all(char.isprintable() or char == "\n" for char in shown)


def test_it_loads_and_runs_nothing():
    read = Read(page.render(hostile()))
    assert not {"script", "link", "img", "iframe", "object", "form", "base"} & set(read.names)
    assert all(str(one).startswith("#") for one in read.attribute("a", "href"))
    attributes = {name for _, found in read.tags for name, _ in found}
    assert not {name for name in attributes if name.startswith("on")} | (
        {"src", "style", "srcset", "xlink:href", "action"} & attributes
    )
    policy = str(read.attribute("meta", "content")[0])
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    assert "url(" not in STYLE
    assert "@import" not in STYLE


def test_every_jump_has_its_target_and_no_id_is_twice():
    read = Read(page.render(hostile()))
    ids = [dict(found)["id"] for _, found in read.tags if "id" in dict(found)]
    assert len(ids) == len(set(ids))
    assert {str(one)[1:] for one in read.attribute("a", "href")} <= set(ids)


def test_the_verdict_comes_first_and_what_decided_it():
    failed = finding("log.chain", Outcome.FAIL, text="the chain has no gap", remedy="Report it.")
    text = Read(page.render(audit(finding("log.size", Outcome.PASS), failed))).text
    order = [text.index(one) for one in ("FAIL", "What failed", "The chain has no gap.")]
    assert order == sorted(order)
    assert "Report it." in "".join(text)


@pytest.mark.parametrize(
    ("outcome", "word"),
    [(Outcome.PASS, "PASS"), (Outcome.FAIL, "FAIL"), (Outcome.SKIP, "INCOMPLETE")],
)
def test_the_verdict_is_the_heading_and_the_title(outcome: Outcome, word: str):
    data = page.render(audit(finding("log.chain", outcome))).decode()
    assert re.search(rf"<h1[^>]*><span[^>]*>.</span><span>{word}</span></h1>", data)
    assert f"<title>{word} - Audit of a log</title>" in data


def test_what_is_simulated_says_so_before_anything_else():
    read = Read(page.render(audit(finding("log.chain", Outcome.PASS), simulated=True)))
    body = read.text[read.text.index(STYLE) + 1 :]
    assert body[0] == "SIMULATED."
    assert "PASS, SIMULATED" in body
    plain_page = page.render(audit(finding("log.chain", Outcome.PASS)))
    assert b"SIMULATED" not in plain_page


@pytest.mark.parametrize("outcome", Outcome)
def test_an_outcome_is_a_word_and_no_colour_alone(outcome: Outcome):
    data = page.render(audit(finding("log.chain", outcome))).decode()
    assert f"</span>{outcome.value}</p>" in data


def test_bytes_stand_with_their_offsets():
    rows = list(dump(Extract(part="entry 17", offset=4096, value=b"log.example/demo")))
    assert rows == [
        "00001000  6c 6f 67 2e 65 78 61 6d  log.exam",
        "00001008  70 6c 65 2f 64 65 6d 6f  ple/demo",
    ]


def test_of_many_bytes_the_first_are_shown_and_the_count():
    rows = list(dump(Extract(part="quote", offset=0, value=bytes(4000))))
    assert len(rows) == MOST_BYTES // 8 + 1
    assert rows[-1] == "… 4000 bytes in all"


def test_a_page_is_bounded_and_says_what_it_leaves_out():
    long = "x" * 2000
    many = tuple(finding("log.entry", Outcome.PASS, text=long) for _ in range(8000))
    bad = finding("log.chain", Outcome.FAIL, text="the needle")
    section = Section(name="a", title="A", findings=(*many, bad))
    other = Section(name="b", title="B", findings=many)
    data = page.render(audit(sections=(section, other)))
    assert len(data) < page.ROOM + 2**17
    assert b"The needle." in data.partition(b'<ul class="findings">')[2]
    assert b"checks left out; the JSON report has all" in data
    assert b"1 section left out; the JSON report has all" in data


def test_many_sections_fold_but_for_those_with_a_fault():
    good, bad = (finding("log.chain", one) for one in (Outcome.PASS, Outcome.FAIL))
    sections = [Section(name=str(i), title=str(i), findings=(good,)) for i in range(20)]
    sections[7] = Section(name="7", title="7", findings=(bad,))
    data = page.render(audit(sections=tuple(sections))).decode()
    assert data.count("Show the checks") == 19


def test_every_kind_of_audit_has_its_words():
    assert set(SCOPES) == set(AuditKind)
    for kind in AuditKind:
        data = page.render(audit(finding("log.chain", Outcome.PASS), kind=kind)).decode()
        assert SCOPES[kind].title in data
        assert "What it leaves open" in data


def test_the_page_has_landmarks_headings_in_order_and_a_language():
    read = Read(page.render(hostile()))
    assert all(read.names[one] == 1 for one in ("header", "main", "footer", "h1", "nav"))
    assert read.attribute("html", "lang") == ["en"]
    levels = [int(tag[1]) for tag, _ in read.tags if re.fullmatch("h[1-6]", tag)]
    assert all(after <= before + 1 for before, after in pairwise(levels))


GROUNDS = [
    *((tone, ground) for tone in ("ink", "soft") for ground in ("paper", "card")),
    *((tone, f"{tone}-tint") for tone in ("pass", "fail", "skip", "none")),
    *((tone, "card") for tone in ("pass", "fail", "skip", "none")),
    *((tone, "paper") for tone in ("pass", "fail", "skip")),
    *(("ink", f"{tone}-tint") for tone in ("fail", "skip", "none")),
]
"""Which colours of text stand on which."""


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize(("text", "ground"), GROUNDS)
def test_text_has_the_contrast_of_wcag_aa(palette: dict[str, str], text: str, ground: str):
    light, dark = sorted((luminance(palette[text]), luminance(palette[ground])), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 4.5


def luminance(colour: str) -> float:
    """Relative luminance. WCAG 2.2, definitions."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in parts]
    return sum(weight * one for weight, one in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_an_empty_report_is_a_page_too():
    report = AuditReport(kind=AuditKind.ALL, subject="", at=0, sections=())
    assert b"INCOMPLETE" in page.render(report)
