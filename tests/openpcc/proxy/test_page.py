import base64
import hashlib
import re

from openpcc.proxy import page
from tests.fakes.book_views import (
    NOW,
    book_view,
    good_node,
    missing_node,
    refused_node,
)


def render(*nodes, **view) -> str:
    return page.render(book_view(*nodes, **view), now=NOW).decode()


def test_the_verdict_comes_first():
    text = render(good_node(), refused_node())
    assert text.index("<h1") < text.index("<h2")
    assert "1 node verified, SIMULATED</h1>" in text


def test_simulated_is_said_loudly():
    assert text_of_banner(render(good_node())).startswith("SIMULATED.")


def test_a_real_platform_has_no_banner():
    text = render(good_node(simulated=False), simulated=False)
    assert "SIMULATED" not in text


def test_nobody_verified_is_said():
    for text in (render(), render(refused_node()), render(good_node(expires=0))):
        assert "No node is verified" in text


def test_checks_are_numbered_and_said_in_words():
    text = render(refused_node())
    assert "8. That release, and nothing else, is running" in text
    assert "8.debug" in text
    assert "<code>on</code>, expected <code>off</code>" in text


def test_a_refused_node_says_why_before_its_checks():
    text = render(refused_node())
    assert text.index("8.debug failed: debug is off (expected off, found on)") < text.index(
        "<details"
    )


def test_simulated_nodes_are_not_said_to_protect_anything():
    assert "nobody on the way" not in render(good_node())
    assert "nobody on the way" in render(good_node(simulated=False), simulated=False)


def test_checks_of_a_refused_node_are_open():
    assert "<details open>" in render(refused_node())
    assert "<details open>" not in render(good_node())


def test_a_node_without_evidence_says_why():
    assert "evidence not to be had" in render(missing_node())


def test_what_others_wrote_is_escaped():
    text = render(missing_node(problem="<script>alert(1)</script>"))
    assert "<script" not in text
    assert "&lt;script&gt;" in text


def test_nothing_is_loaded_and_nothing_runs():
    text = render(good_node(), refused_node(), missing_node())
    assert not re.search(r"<script|<img|<link|<iframe| on\w+=| src=| href=|url\(", text)


def test_the_policy_allows_this_style_sheet_alone():
    policy = dict(page.FIELDS)["content-security-policy"]
    style = re.search("<style>(.*)</style>", render(), re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def text_of_banner(text: str) -> str:
    found = re.search('<p class="simulated"[^>]*>(.*?)</p>', text)
    assert found is not None
    return re.sub("<[^>]+>", "", found[1])


def test_the_stock_is_shown_where_requests_are_paid():
    assert "Tokens" not in render(good_node())
    shown = page.render(book_view(good_node()), now=NOW, stock="<7>").decode()
    assert "<h2>Tokens</h2>" in shown
    assert "&lt;7&gt;" in shown
