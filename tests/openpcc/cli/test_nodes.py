import argparse
import json
import re
from typing import cast

import pytest

from openpcc.cli import nodes
from openpcc.errors import DirectoryError, OpenPCCError, RefusedError, UnknownModelError
from openpcc.nodes import BookView, NodeBook
from tests.fakes.book_views import (
    DEBUG_ON,
    NOW,
    book_view,
    good_node,
    missing_node,
    refused_node,
    report,
)


class BookTwin:
    """Looks once, as told."""

    def __init__(self, outcome: BookView | OpenPCCError) -> None:
        self.outcome = outcome

    def refresh(self, now: int) -> None:
        if isinstance(self.outcome, OpenPCCError):
            raise self.outcome

    def models(self, now: int) -> list[str]:
        return ["demo"]

    def view(self) -> BookView:
        assert isinstance(self.outcome, BookView)
        return self.outcome


def openpcc_nodes(outcome: BookView | OpenPCCError, *words: str) -> int:
    parser = argparse.ArgumentParser()
    nodes.add_arguments(parser)
    book = cast("NodeBook", BookTwin(outcome))
    return nodes.examine(book, parser.parse_args(words), now=NOW)


def test_shows_each_node_and_that_it_is_simulated(capsys):
    assert openpcc_nodes(book_view(good_node())) == 0
    out = capsys.readouterr().out
    assert "SIMULATED (simulated)" in out
    assert "verified" in out
    assert "000000000000…" in out
    assert "…ccddead6cc45c3ccc1"[-12:] in out
    assert "bc020a35b7f9" not in out
    assert "service entry expires in 10 min" in out
    assert re.search(r"EVIDENCE EXPIRES.*\n.*in 15 min", out)


def test_a_refused_node_ends_with_1(capsys):
    assert openpcc_nodes(book_view(good_node(), refused_node())) == 1
    assert "refused" in capsys.readouterr().out


def test_checks_are_shown_numbered(capsys):
    openpcc_nodes(book_view(refused_node()), "--checks")
    out = capsys.readouterr().out
    assert "8.debug" in out
    assert "debug is off" in out
    assert "3.binding" in out
    assert "Not shown (step 8)" in out


def test_a_node_without_evidence_says_why(capsys):
    assert openpcc_nodes(book_view(missing_node())) == 1
    assert "evidence not to be had" in capsys.readouterr().out


def test_json_is_one_object_with_the_reports(capsys):
    openpcc_nodes(book_view(good_node(), refused_node(), missing_node()), "--json")
    found = json.loads(capsys.readouterr().out)
    assert found["simulated"] is True
    assert [node["verdict"] for node in found["nodes"]] == ["verified", "refused", "refused"]
    assert found["nodes"][0]["report"] == report().to_json()
    assert found["nodes"][2]["report"] is None


def test_only_nodes_of_a_model():
    assert openpcc_nodes(book_view(good_node()), "--model", "demo") == 0
    with pytest.raises(UnknownModelError, match="'other'; it offers: demo"):
        openpcc_nodes(book_view(good_node()), "--model", "other")


@pytest.mark.parametrize(
    "error",
    [
        RefusedError(report(DEBUG_ON)),
        DirectoryError("unavailable", "1 of 1", reports=(report(DEBUG_ON),)),
    ],
)
def test_checks_of_a_service_refused_whole_are_shown_before_the_error(capsys, error):
    with pytest.raises(type(error)):
        openpcc_nodes(error, "--checks")
    assert "8.debug" in capsys.readouterr().out
