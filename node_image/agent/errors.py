"""What the agent refuses, and who can act on it.

    AgentError
      ConfigurationError    the operator: a file, a key of it, a missing folder; stops the boot
      NotReadyError         nobody: the node waits for a beacon or for its engine
      EvidenceError         the platform gave no quote; the node tries again
      EngineError           the engine failed; the caller gets `engine` inside the seal
      InnerRefusal          the caller: step 5 of the sealing sheet; answered inside the seal

Refusals of steps 1 to 4 are `openpcc.protocol.errors`. No text here repeats content.
"""

from dataclasses import dataclass


class AgentError(Exception):
    """Anything the agent itself refuses."""


class ConfigurationError(AgentError):
    """A setting is wrong. The text is one line that names the thing and the remedy."""


class NotReadyError(AgentError):
    """The node cannot serve yet; the text says what it waits for."""


class EvidenceError(AgentError):
    """The attester could not collect evidence."""


class EngineError(AgentError):
    """The engine did not start, did not answer, or broke off."""


@dataclass(kw_only=True)
class InnerRefusal(AgentError):  # noqa: N818 - the design's word
    """A request that opened but may not run (sealing sheet, step 5).

    Attributes:
        code: docs/formats.md section 9.
        status: the inner response's HTTP status.
        message: fixed text; it may name a field or a limit, never a value of the caller's.
        param: the field that was refused; None where it is not one field.
    """

    code: str
    status: int
    message: str
    param: str | None = None

    def __post_init__(self) -> None:
        super().__init__(self.message)
