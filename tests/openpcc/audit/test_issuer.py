"""`audit gateway` of a service that is paid: its issuer is held against the log."""

from pathlib import Path

import pytest

from openpcc.audit.report import Outcome, Verdict
from openpcc.errors import IssuerError
from openpcc.protocol.privacypass import IssuerDirectory
from tests.fakes.issuer import MemoryIssuer, public_key
from tests.fakes.paying_service import PayingService
from tests.openpcc.audit.ways import Ways, failed, outcomes, said
from transparency_log.service import Parameters

TERMS = ("gateway.admission", "gateway.issuer-keys", "gateway.issuer-rotation")
DIRECTORY = "gateway.issuer-directory"


@pytest.fixture
def ways(tmp_path: Path) -> Ways:
    found = Ways(tmp_path, PayingService(tmp_path))
    found.issuer = MemoryIssuer().directory
    return found


def test_an_honest_service_and_its_issuer_pass(ways: Ways):
    report = ways.audit()
    assert report.verdict is Verdict.PASS, [f"{one.id}: {one.actual}" for one in report.failed]
    assert [outcomes(report, name) for name in (*TERMS, DIRECTORY)] == [
        [Outcome.INFO], [Outcome.PASS], [Outcome.INFO], [Outcome.PASS],
    ]  # fmt: skip


def test_an_issuer_with_a_key_that_is_not_in_the_log_fails(ways: Ways):
    ways.issuer = MemoryIssuer(0, 1).directory
    report = ways.audit()
    assert failed(report) == {DIRECTORY}
    assert public_key(1).id.hex()[:16] in said(report, DIRECTORY)


def test_an_issuer_that_cannot_be_asked_leaves_the_audit_incomplete(ways: Ways):
    def silent() -> IssuerDirectory:
        raise IssuerError("unreachable", 0, "nobody answers")

    ways.issuer = silent
    report = ways.audit()
    assert report.verdict is Verdict.INCOMPLETE
    assert outcomes(report, DIRECTORY) == [Outcome.SKIP]


def test_without_a_configured_issuer_nobody_asks_for_it(ways: Ways):
    ways.issuer = None
    report = ways.audit()
    assert report.verdict is Verdict.PASS
    assert outcomes(report, DIRECTORY) == [Outcome.SKIP]


def test_of_a_service_with_open_admission_no_issuer_is_asked(tmp_path: Path):
    ways = Ways(tmp_path)
    ways.issuer = MemoryIssuer(1).directory
    report = ways.audit()
    assert report.verdict is Verdict.PASS
    assert outcomes(report, DIRECTORY) == [Outcome.SKIP]


def test_a_service_that_was_open_before_is_reported(ways: Ways):
    ways.service.publish(
        issuer_keys=(), parameters=Parameters(candidates=1, pace=("latency",)),
        not_before=ways.now - 600,
    )  # fmt: skip
    ways.service.publish()
    ways.part()
    told = [one.actual or "" for one in ways.audit().findings if one.id == "gateway.admission"]
    assert len(told) == 1
    assert "entry 1: tokens of issuer.example for 1024 output tokens, then open" in told[0]
    assert "entry 2: open, then tokens of" in told[0]


def test_a_window_before_with_two_sets_of_keys_fails(ways: Ways):
    """A client minds the newest window alone; the log keeps the others."""
    before = ways.now - 600
    for number in (1, 2):
        ways.service.publish(issuer_keys=(public_key(number).id,), not_before=before)
    ways.service.publish()
    ways.part()
    report = ways.audit()
    assert failed(report) == {"gateway.issuer-keys"}
    assert said(report, "gateway.issuer-keys").startswith("entries 1, 2 are of one window")
