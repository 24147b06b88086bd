"""The page in a real Chromium, at both widths, light and dark, on screen and on paper."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from openpcc.audit import page
from openpcc.audit.report import AuditReport, Outcome
from tests.browser import Browser
from tests.openpcc.audit.audits import audit, finding, hostile

PAGES = {
    "hostile": hostile(),
    "passed": audit(finding("log.chain", Outcome.PASS), finding("2.chain", Outcome.PASS)),
}
OPEN_ALL = "document.querySelectorAll('details').forEach(one => one.open = true)"
WIDER = """[...document.querySelectorAll('body *')].filter(one =>
    one.getBoundingClientRect().right > innerWidth + 1 && !one.closest('pre')).length"""
"""How many elements reach beyond the window; a dump of bytes scrolls inside its own."""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("profile")) as found:
        yield found


@pytest.fixture(params=list(PAGES.values()), ids=list(PAGES))
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    report: AuditReport = request.param
    path = tmp_path / "report.html"
    path.write_bytes(page.render(report))
    return path


@pytest.mark.parametrize("width", [320, 400, 735, 1400])
def test_nothing_reaches_beyond_the_window(browser: Browser, file: Path, width: int):
    browser.open(file, width=width, dark=False)
    browser.value(OPEN_ALL)
    assert browser.value("innerWidth") == width
    assert browser.value("document.documentElement.scrollWidth") == width
    assert browser.value(WIDER) == 0


def test_it_asks_for_nothing_and_breaks_no_rule_of_its_own(browser: Browser, file: Path):
    browser.open(file, width=400, dark=False)
    asked = [
        one["params"]["request"]["url"]
        for one in browser.events
        if one.get("method") == "Network.requestWillBeSent"
    ]
    assert asked == [file.as_uri()]
    assert not [one for one in browser.events if one.get("method") == "Log.entryAdded"]
    assert browser.value("getComputedStyle(document.body).marginTop") == "0px"  # the style counts


def test_dark_and_light_are_what_the_reader_asked_for(browser: Browser, file: Path):
    colours = []
    for dark in (False, True):
        browser.open(file, width=400, dark=dark)
        colours.append(browser.value("getComputedStyle(document.body).backgroundColor"))
    assert colours == ["rgb(250, 249, 247)", "rgb(17, 20, 24)"]


@pytest.mark.parametrize(("width", "shown"), [(400, "narrow"), (1400, "wide")])
def test_one_of_the_two_drawings_is_shown(browser: Browser, tmp_path: Path, width: int, shown: str):
    path = tmp_path / "report.html"
    path.write_bytes(page.render(PAGES["passed"]))
    browser.open(path, width=width, dark=False)
    found = browser.value(
        "[...document.querySelectorAll('svg')].filter(one => one.getClientRects().length)"
        ".map(one => one.getAttribute('class')).join()"
    )
    assert found == shown


def test_on_paper_it_is_light_and_the_bytes_are_there(browser: Browser, tmp_path: Path):
    path = tmp_path / "report.html"
    path.write_bytes(page.render(hostile()))
    browser.open(path, width=800, dark=True, media="print")
    assert browser.value("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert float(str(browser.value("document.querySelector('pre').offsetHeight"))) > 0
