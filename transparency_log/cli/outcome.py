"""How a command ends: exit codes, and an error as one line or one JSON object. Pure.

0 done, and everything needed was there; 1 refused, or still unsigned; 2 usage or configuration;
3 network. Those of `openpcc` (DESIGN 6).
"""

from dataclasses import dataclass

from transparency_log.errors import FetchError, LogError, PolicyError

DONE, REFUSED, USAGE, NETWORK = 0, 1, 2, 3


class RefusedError(LogError):
    """This program does not do what it was asked to; the text says why, and what to do instead."""


@dataclass(frozen=True, kw_only=True)
class Failure:
    """What is said about an error."""

    exit_code: int
    code: str
    message: str

    def to_json(self) -> dict[str, object]:
        """Write the object for `--json`."""
        return {"error": {"code": self.code, "message": self.message}}


def describe(error: LogError) -> Failure:
    """Say what an error means for whoever runs the command."""
    message = " ".join(str(error).split())
    if isinstance(error, PolicyError):
        return Failure(exit_code=USAGE, code="configuration", message=message)
    if isinstance(error, FetchError):
        return Failure(exit_code=NETWORK, code="network", message=message)
    return Failure(exit_code=REFUSED, code="refused", message=message)
