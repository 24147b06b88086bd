"""Every error a user of the client can meet.

    OpenPCCError
    ├── ConfigurationError     our own files or arguments: fix them
    ├── RefusedError           a node is not trustworthy; carries the report, names the check
    ├── DirectoryError         the service's own record is missing, old, or contradicts itself
    ├── UnknownModelError      the service's log entry names no such model
    ├── UnknownPaceError       the service's log entry does not list this pace of replies
    ├── EngineError            the attested node says, under its seal, that the engine failed
    ├── GatewayError           relay or gateway said no; the code is their word, never a node's
    ├── TransportError         the relay could not be reached, or broke the connection
    ├── TruncatedReplyError    the reply ended before its end; what was delivered is partial
    ├── ReceiptError           a receipt does not prove what it should
    ├── TokenError             paying: nothing was lost, and the text says what to do
    │   ├── WalletError        the wallet cannot be used; carries a code
    │   ├── WalletEmptyError   fewer tokens than the request costs
    │   ├── TooExpensiveError  the reply may be longer than any payment buys
    │   ├── IssuerError        the issuer did not issue; the code is its word
    │   ├── IssuerKeyError     it offers a key that the service's log entry does not name first
    │   └── TokenRefusedError  the gateway took no token; is a GatewayError as well
    └── RotationError          an announcement of new keys does not let anybody change a policy

Nothing here ever carries a prompt, a token or a key. The module is light: it imports nothing.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from attestation.result import Report


class OpenPCCError(Exception):
    """Root of everything the client raises on purpose."""


class ConfigurationError(OpenPCCError):
    """A file or argument of the user's own is wrong. The text names the thing and the remedy."""


class RefusedError(OpenPCCError):
    """Evidence was judged and refused; nothing was sent.

    Attributes:
        report: every check with its outcome; `report.failed` names those that refused.
    """

    def __init__(self, report: "Report") -> None:
        self.report = report
        super().__init__(f"node refused: {report.failed[0].refusal}")


class DirectoryError(OpenPCCError):
    """The service's public record does not allow a choice of nodes; nothing was sent.

    Attributes:
        code: `unavailable`, `equivocation` or `stale`.
        reports: why single nodes were refused, where that is the cause.
    """

    def __init__(self, code: str, message: str, *, reports: "tuple[Report, ...]" = ()) -> None:
        self.code = code
        self.reports = reports
        super().__init__(f"directory.{code}: {message}")


class UnknownModelError(OpenPCCError):
    """The newest logged entry of the service names no such model; nothing was sent.

    Attributes:
        model: the name that was asked for.
        offered: the names the entry lists.
    """

    def __init__(self, model: str, offered: tuple[str, ...]) -> None:
        self.model = model
        self.offered = offered
        names = ", ".join(offered) or "none"
        super().__init__(f"the service offers no model {model[:64]!r}; it offers: {names}")


class UnknownPaceError(OpenPCCError):
    """The newest logged entry of the service does not list the pace asked for; nothing was sent.

    Attributes:
        pace: what was asked for.
        offered: the paces the entry lists.
    """

    def __init__(self, pace: str, offered: tuple[str, ...]) -> None:
        self.pace = pace
        self.offered = offered
        super().__init__(f"the service offers no pace {pace!r}; it offers: {', '.join(offered)}")


class EngineError(OpenPCCError):
    """The node that was trusted says that its engine failed; the request is spent.

    Attributes:
        code: of the OpenAI error object.
        status: HTTP status that came sealed.
    """

    def __init__(self, code: str, status: int) -> None:
        self.code = code
        self.status = status
        super().__init__(f"the node's engine failed: {code} ({status})")


class GatewayError(OpenPCCError):
    """The relay or the gateway refused. Not authenticated by any node.

    Attributes:
        code: one of docs/formats.md section 9.
        status: HTTP status that came with it.
    """

    def __init__(self, code: str, status: int) -> None:
        self.code = code
        self.status = status
        super().__init__(f"the gateway refused the request: {code} ({status}); no node confirms it")


class TransportError(OpenPCCError):
    """The relay could not be reached or broke off before any reply."""


class TruncatedReplyError(OpenPCCError):
    """The reply stream ended, or stopped being authentic, before its authenticated end.

    What was delivered before is genuine but partial; the request may have been served.
    """


class ReceiptError(OpenPCCError):
    """A receipt is malformed, or not signed by the key it should be, or of another exchange."""


class RotationError(OpenPCCError):
    """An announcement of new keys is not proved, or not for this policy; the policy stays."""


class TokenError(OpenPCCError):
    """Tokens could not be had or spent. Nothing is lost by it; see docs/wallet.md."""


class WalletError(TokenError):
    """The wallet file cannot be used as it is; it was not changed.

    Attributes:
        code: `damaged`, `busy`, `full`, `permissions`, `newer`, `foreign`, `keystore`, `unusable`.
    """

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        super().__init__(f"wallet: {message}")


class WalletEmptyError(TokenError):
    """The wallet has fewer tokens than the request costs; nothing was sent.

    It is not filled by a request: the issuer could tell by the time who asked what.

    Attributes:
        held: tokens that could be spent now.
        needed: what the request costs.
    """

    def __init__(self, *, held: int, needed: int) -> None:
        self.held = held
        self.needed = needed
        super().__init__(f"the request costs {needed} tokens and the wallet has {held}")


class TooExpensiveError(TokenError):
    """The request may have a longer reply than any payment buys; nothing was sent."""


class IssuerError(TokenError):
    """The issuer did not issue. What was asked for stays, and is asked for again with those bytes.

    Attributes:
        code: one of docs/formats.md section 9 as the issuer said it; `unreachable`, or `answer`
            where its answer is no answer.
        status: HTTP status that came with it; 0 if none did.
    """

    def __init__(self, code: str, status: int, message: str) -> None:
        self.code = code
        self.status = status
        super().__init__(f"issuer: {message}")


class IssuerKeyError(TokenError):
    """The issuer key of the newest log entry is not offered, is none, or changes too often.

    Tokens of a key that is not everyone's would tell who spends them. Nothing was blinded.
    """


class TokenRefusedError(GatewayError, TokenError):
    """The gateway did not take the tokens. Its word alone: the wallet asks for them back later.

    Attributes:
        code: one of the `token-` codes of docs/formats.md section 9.
        status: HTTP status that came with it.
    """
