import pytest

from openpcc.decision import Decision, duration, require_trusted
from openpcc.errors import DirectoryError
from tests.fakes.book_views import (
    NOW,
    RELEASE,
    book_view,
    good_node,
    missing_node,
    refused_node,
)


def test_one_line_says_nodes_platform_release_and_expiry():
    view = book_view(good_node(), good_node(leaf=bytes([9]) * 32))
    assert Decision.of(view, now=NOW).sentence() == (
        f"2 nodes verified, SIMULATED platform, release {RELEASE.hex()[:12]}…, "
        "service entry expires in 10 min"
    )


def test_a_real_platform_is_not_called_simulated():
    view = book_view(good_node(simulated=False), simulated=False)
    sentence = Decision.of(view, now=NOW).sentence()
    assert "SIMULATED" not in sentence
    assert "1 node verified, sev-snp platform" in sentence


def test_refused_missing_and_expired_nodes_do_not_count():
    view = book_view(good_node(expires=10), refused_node(), missing_node())
    assert Decision.of(view, now=NOW).trusted == 1
    assert Decision.of(view, now=NOW + 10).trusted == 0


def test_nodes_of_an_outdated_record_do_not_count():
    assert Decision.of(book_view(good_node(), valid=5), now=NOW + 5).trusted == 0


def test_it_expires_with_the_first_thing_it_rests_on():
    view = book_view(good_node(expires=300), good_node(expires=900), valid=600)
    decision = Decision.of(view, now=NOW)
    assert decision.expires == NOW + 300
    assert decision.sentence().endswith("evidence expires in 5 min")


def test_nobody_trusted_is_an_error_that_carries_the_reports():
    with pytest.raises(DirectoryError) as caught:
        require_trusted(book_view(refused_node(), missing_node()), now=NOW)
    assert caught.value.code == "unavailable"
    assert [report.failed[0].id for report in caught.value.reports] == ["8.debug"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-5, "0 s"), (119, "119 s"), (120, "2 min"), (7200, "2 h"), (200_000, "2 d")],
)
def test_durations_have_one_unit(seconds, text):
    assert duration(seconds) == text
