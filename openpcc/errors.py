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
