import pytest

from attestation.result import Check, Outcome
from openpcc.cli.failures import describe
from openpcc.errors import (
    ConfigurationError,
    DirectoryError,
    GatewayError,
    IssuerError,
    IssuerKeyError,
    ReceiptError,
    RefusedError,
    RotationError,
    TokenRefusedError,
    TooExpensiveError,
    TransportError,
    TruncatedReplyError,
    WalletEmptyError,
    WalletError,
)
from openpcc.sse import MalformedStreamError
from tests.fakes.book_views import DEBUG_ON, report

REFUSED = report(DEBUG_ON)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigurationError("policy.toml: wrong; correct it"), 2),
        (RefusedError(REFUSED), 1),
        (DirectoryError("equivocation", "two entries"), 1),
        (DirectoryError("stale", "old"), 1),
        (DirectoryError("unavailable", "none", reports=(REFUSED,)), 1),
        (ReceiptError("of another exchange"), 1),
        (RotationError("it is an older one"), 1),
        (WalletEmptyError(held=1, needed=4), 2),
        (WalletError("full", "the disk is full"), 2),
        (TooExpensiveError("ask for less"), 2),
        (IssuerKeyError("another key"), 1),
        (IssuerError("quota", 429, "used up"), 3),
        (TokenRefusedError("token-spent", 409), 3),
        (TransportError("no answer"), 3),
        (GatewayError("busy", 503), 3),
        (TruncatedReplyError("cut"), 3),
        (MalformedStreamError("too long"), 3),
    ],
)
def test_every_error_has_its_exit_code_and_names_itself(error, code):
    failure = describe(error)
    assert failure.exit_code == code
    assert failure.line.startswith(f"openpcc: {error}")
    assert str(error) in str(failure.to_json()["error"])


def test_a_refusal_of_the_directory_names_the_check_of_its_nodes():
    line = describe(DirectoryError("unavailable", "no node verified", reports=(REFUSED,))).line
    assert "8.debug failed: debug is off (expected off, found on)" in line


def test_a_check_is_named_once():
    said = f"1 of 1 nodes fail: {DEBUG_ON.refusal}"
    line = describe(DirectoryError("unavailable", said, reports=(REFUSED,))).line
    assert line.count("8.debug") == 1
    assert describe(RefusedError(REFUSED)).line.count("8.debug") == 1


def test_a_root_that_is_not_the_policys_is_hinted_at():
    chain = report(Check(id="2.chain", outcome=Outcome.FAIL, actual="another root"))
    for error in (RefusedError(chain), DirectoryError("unavailable", "none", reports=(chain,))):
        assert describe(error).line.endswith("is the root in the policy right?")


def test_a_refusal_carries_the_whole_report():
    assert describe(RefusedError(REFUSED)).to_json()["reports"] == [REFUSED.to_json()]
