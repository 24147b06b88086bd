"""Errors for people: exit code, one line with the remedy, and the same as JSON. Pure."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from openpcc.decision import first_failed
from openpcc.errors import (
    ConfigurationError,
    DirectoryError,
    EngineError,
    GatewayError,
    IssuerError,
    IssuerKeyError,
    OpenPCCError,
    ReceiptError,
    RefusedError,
    RotationError,
    TokenRefusedError,
    TooExpensiveError,
    TransportError,
    TruncatedReplyError,
    UnknownModelError,
    UnknownPaceError,
    WalletEmptyError,
    WalletError,
)

if TYPE_CHECKING:
    from attestation.result import Check, Report

PASSED, REFUSED, USAGE, NETWORK = 0, 1, 2, 3

DIRECTORY_REMEDY = {
    "equivocation": "do not use the service; report the proof",
    "stale": "check this machine's clock, then ask the operator",
}
CHECK_HINTS = {
    "2.chain": "is the root in the policy right?",
    "5.clock": "is this machine's clock right?",
    "9.platform": "does the policy name the platform?",
}
"""What to look at first where our own files can be the reason."""

KEPT = "the tokens are kept, and asked back when the request has expired"

GATEWAY_REMEDY = {
    "busy": "try again shortly",
    "not-ready": "try again shortly",
    "too-large": "send less",
    "expired": "check this machine's clock: it may be some minutes ahead or behind",
}


TOKEN_REMEDY = {
    "token-store": "nothing was served; try again shortly",
    "token-spent": "try again; if that fails too, is this wallet a copy of another?",
}


@dataclass(frozen=True, kw_only=True)
class Failure:
    """What is said about an error."""

    exit_code: int
    code: str
    message: str
    remedy: str
    reports: "tuple[Report, ...]" = ()

    @property
    def line(self) -> str:
        """The one line for stderr."""
        return f"openpcc: {self.message}" + (f"; {self.remedy}" if self.remedy else "")

    def to_json(self) -> dict[str, object]:
        """The object for `--json`."""
        error = {"code": self.code, "message": self.message, "remedy": self.remedy or None}
        return {"error": error, "reports": [report.to_json() for report in self.reports]}


def describe(error: OpenPCCError) -> Failure:
    """Say what an error means for the user."""
    match error:
        case ConfigurationError():  # its text carries the remedy
            return _failure(USAGE, "configuration", error, "")
        case RefusedError():
            remedy = "nothing was sent; openpcc nodes --checks shows every check"
            remedy = _with_hint(remedy, error.report.failed[0])
            return _failure(REFUSED, "refused", error, remedy, error.report)
        case DirectoryError():
            return _directory(error)
        case UnknownModelError():
            return _failure(USAGE, "model", error, "name one of them with --model")
        case UnknownPaceError():
            return _failure(USAGE, "pace", error, "name one of them with --pace, or leave it out")
        case EngineError():
            return _failure(
                NETWORK, f"engine.{error.code}", error, "the request is spent; ask again"
            )
        case TokenRefusedError():
            remedy = TOKEN_REMEDY.get(error.code, "try again, or ask the operator")
            return _failure(NETWORK, f"gateway.{error.code}", error, f"{remedy}; {KEPT}")
        case GatewayError():
            remedy = GATEWAY_REMEDY.get(error.code, "try again, or ask the operator")
            return _failure(NETWORK, f"gateway.{error.code}", error, remedy)
        case WalletEmptyError():
            return _failure(USAGE, "wallet.empty", error, "run: openpcc wallet fill")
        case WalletError():  # its text carries the remedy
            return _failure(USAGE, f"wallet.{error.code}", error, "")
        case TooExpensiveError():
            return _failure(USAGE, "output-limit", error, "")
        case IssuerKeyError():
            return _failure(REFUSED, "issuer.key", error, "")
        case IssuerError():
            return _failure(NETWORK, f"issuer.{error.code}", error, "")
        case TransportError():
            return _failure(NETWORK, "transport", error, "openpcc doctor tells more")
        case TruncatedReplyError():
            return _failure(NETWORK, "truncated", error, "what was delivered is partial; ask again")
        case ReceiptError():
            return _failure(REFUSED, "receipt", error, "do not rely on this reply")
        case RotationError():
            return _failure(REFUSED, "rotation", error, "the policy was not changed")
        case _:
            return _failure(NETWORK, "stream", error, "ask again")


def _directory(error: DirectoryError) -> Failure:
    check = first_failed(error.reports)
    remedy = DIRECTORY_REMEDY.get(error.code, "nothing was sent; see openpcc doctor")
    if check is not None:
        said = "nothing was sent" if check.id in str(error) else check.refusal
        remedy = _with_hint(said, check)
    return _failure(REFUSED, f"directory.{error.code}", error, remedy, *error.reports)


def _with_hint(said: str, check: "Check") -> str:
    hint = CHECK_HINTS.get(check.id)
    return said if hint is None else f"{said}; {hint}"


def _failure(
    exit_code: int, code: str, error: OpenPCCError, remedy: str, *reports: "Report"
) -> Failure:
    return Failure(
        exit_code=exit_code, code=code, message=str(error), remedy=remedy, reports=reports
    )
