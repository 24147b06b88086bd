import json

import pytest

from openpcc.errors import (
    ConfigurationError,
    DirectoryError,
    GatewayError,
    ReceiptError,
    RefusedError,
    TokenRefusedError,
    TooExpensiveError,
    TransportError,
    TruncatedReplyError,
    WalletEmptyError,
    WalletError,
)
from openpcc.proxy.refusals import NO_RETRY, explain
from tests.fakes.book_views import DEBUG_ON, report

REFUSED = report(DEBUG_ON)


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (RefusedError(REFUSED), 502, "refused"),
        (DirectoryError("unavailable", "no nodes"), 503, "directory.unavailable"),
        (DirectoryError("equivocation", "two entries"), 502, "directory.equivocation"),
        (DirectoryError("stale", "old"), 502, "directory.stale"),
        (GatewayError("busy", 503), 503, "busy"),
        (GatewayError("not-ready", 503), 503, "not-ready"),
        (GatewayError("too-large", 413), 413, "too-large"),
        (GatewayError("replayed", 409), 409, "replayed"),
        (GatewayError("unknown-key", 422), 502, "unknown-key"),
        (GatewayError("malformed", 400), 502, "malformed"),
        (TransportError("no answer"), 502, "transport"),
        (TruncatedReplyError("cut"), 502, "truncated"),
        (ConfigurationError("wrong"), 500, "configuration"),
        (TokenRefusedError("token-spent", 409), 502, "token-spent"),
        (WalletEmptyError(held=1, needed=4), 402, "wallet.empty"),
        (WalletError("busy", "in use"), 500, "wallet.busy"),
        (TooExpensiveError("ask for less"), 400, "output-limit"),
        (ReceiptError("not this exchange's"), 502, "unproved"),
    ],
)
def test_every_error_has_status_and_code(error, status, code):
    answer = explain(error).answer
    found = json.loads(answer.content)["error"]
    assert (answer.status, found["code"]) == (status, code)
    assert set(found) == {"message", "type", "param", "code"}


def test_a_refusal_names_its_check():
    for error in (RefusedError(REFUSED), DirectoryError("unavailable", "x", reports=(REFUSED,))):
        found = json.loads(explain(error).answer.content)["error"]
        assert found["param"] == "8.debug"
        assert "debug is off" in found["message"]


def test_a_request_that_may_have_run_is_not_repeated_by_the_client():
    for error in (
        TruncatedReplyError("cut"),
        TransportError("lost"),
        GatewayError("upstream", 502),
        GatewayError("replayed", 409),
        TokenRefusedError("token-store", 503),
        WalletEmptyError(held=0, needed=1),
    ):
        assert NO_RETRY in explain(error).fields


def test_a_busy_gateway_may_be_asked_again():
    fields = dict(explain(GatewayError("busy", 503)).fields)
    assert "retry-after" in fields
    assert "x-should-retry" not in fields
