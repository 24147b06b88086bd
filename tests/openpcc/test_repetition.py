"""Which tries may be followed by another one of the same bytes."""

from types import SimpleNamespace
from typing import cast

import pytest

from openpcc import repetition
from openpcc.errors import (
    EngineError,
    GatewayError,
    OpenPCCError,
    ReceiptError,
    TokenRefusedError,
    TransportError,
    TruncatedReplyError,
)
from openpcc.reply import Reply

NOW = 1_800_000_000


def reply(*, fed: bool = False, expires: int = NOW + 120) -> Reply:
    return cast("Reply", SimpleNamespace(fed=fed, expires=expires))


@pytest.mark.parametrize(
    "error",
    [
        TransportError("lost"),
        GatewayError("upstream", 502),
        TokenRefusedError("token-store", 503),
    ],
)
def test_what_came_to_nothing_may_be_sent_once_more_until_it_expires(error: OpenPCCError):
    assert repetition.may_repeat(reply(), error, now=NOW)
    assert not repetition.may_repeat(reply(expires=NOW), error, now=NOW)


@pytest.mark.parametrize(
    "error",
    [
        *(GatewayError(code, 503) for code in ("busy", "unknown-key", "expired", "ohttp-key")),
        *(GatewayError(code, 409) for code in ("replayed", "not-ready", "unknown")),
        *(TokenRefusedError(f"token-{code}", 401) for code in ("spent", "forged", "key", "proof")),
        TruncatedReplyError("cut"),
        ReceiptError("wrong"),
        EngineError("engine", 502),
    ],
)
def test_any_other_end_is_the_callers(error: OpenPCCError):
    assert not repetition.may_repeat(reply(), error, now=NOW)


def test_once_a_byte_of_a_reply_came_a_lost_connection_is_the_end():
    assert not repetition.may_repeat(reply(fed=True), TransportError("lost"), now=NOW)


def test_the_pause_is_drawn_from_its_range():
    drawn = [repetition.pause() for _ in range(1000)]
    assert 0.2 <= min(drawn) < 0.25
    assert 0.95 < max(drawn) < 1.0
    assert len(set(drawn)) > 400
