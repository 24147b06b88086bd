"""What a client is told when its request fails: an OpenAI error object with a fitting status.

Pure. Clients of the API retry 408, 409, 429 and everything from 500 by themselves; where another
try cannot help, or would be a second sealed request after one that may have run, `x-should-retry`
says no, a field that the OpenAI SDKs obey.
"""

from dataclasses import dataclass

from openpcc.answers import Answer, refusal
from openpcc.decision import first_failed
from openpcc.errors import (
    ConfigurationError,
    DirectoryError,
    GatewayError,
    OpenPCCError,
    RefusedError,
    TooExpensiveError,
    TransportError,
    TruncatedReplyError,
    UnknownModelError,
    UnknownPaceError,
    WalletEmptyError,
    WalletError,
)

NO_RETRY = ("x-should-retry", "false")
FILL = "it is filled in the background; openpcc wallet fill does it now"
LATER = ("retry-after", "2")
"""Seconds; a busy node frees a slot within a reply or two."""

GATEWAY_STATUS = {"busy": 503, "not-ready": 503, "too-large": 413, "replayed": 409}
"""Statuses of gateway codes that mean something to a client; any other code is 502."""


@dataclass(frozen=True, kw_only=True)
class Failure:
    """An answer and the fields that go with it."""

    answer: Answer
    fields: tuple[tuple[str, str], ...] = ()


def explain(error: OpenPCCError) -> Failure:
    """Turn an error that came before any reply into the answer for the client."""
    match error:
        case RefusedError():
            failed = error.report.failed[0]
            return _failure(502, "refused", str(error), failed.id, NO_RETRY)
        case DirectoryError(code="unavailable"):
            return _failure(503, "directory.unavailable", *_told(error), LATER)
        case DirectoryError():
            return _failure(502, f"directory.{error.code}", *_told(error), NO_RETRY)
        case UnknownModelError():
            return _failure(404, "model_not_found", str(error), "model", NO_RETRY)
        case UnknownPaceError():
            return _failure(502, "pace", str(error), None, NO_RETRY)
        case GatewayError():
            status = GATEWAY_STATUS.get(error.code, 502)
            # Only 503 says that nothing ran; after anything else a repetition may run twice.
            fields = (LATER,) if status == 503 else (NO_RETRY,)
            return _failure(status, error.code, str(error), None, *fields)
        case WalletEmptyError():
            return _failure(402, "wallet.empty", f"{error}; {FILL}", None, NO_RETRY)
        case WalletError():
            return _failure(500, f"wallet.{error.code}", str(error), None, NO_RETRY)
        case TooExpensiveError():
            return _failure(400, "output-limit", str(error), None, NO_RETRY)
        case TransportError():
            return _failure(502, "transport", str(error), None, NO_RETRY)
        case TruncatedReplyError():
            return _failure(502, "truncated", str(error), None, NO_RETRY)
        case ConfigurationError():
            return _failure(500, "configuration", str(error), None, NO_RETRY)
        case _:
            return _failure(502, "unproved", str(error), None, NO_RETRY)


def _told(error: DirectoryError) -> tuple[str, str | None]:
    """Give message and check id; a record that fails because of its nodes names their check."""
    check = first_failed(error.reports)
    if check is None:
        return str(error), None
    said = str(error)
    return said if check.id in said else f"{said}; {check.refusal}", check.id


def _failure(
    status: int, code: str, message: str, param: str | None, *fields: tuple[str, str]
) -> Failure:
    return Failure(answer=refusal(status, code, message, param), fields=fields)
