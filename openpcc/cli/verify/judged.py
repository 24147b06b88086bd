"""What `openpcc verify evidence` found, and how it reads files."""

from dataclasses import dataclass
from pathlib import Path

from attestation.claims import Ground
from attestation.parts import Kind
from attestation.result import Report
from openpcc.errors import ConfigurationError

POLICY_REMEDY = "name a policy file with --policy"
"""What to do where a policy cannot be read."""


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A report, and what people want to know about how it came about.

    Attributes:
        report: the verdict.
        policy: where the policy came from, in words.
        kind: of raw evidence; None: it was a bundle.
        given: names of the files of raw evidence.
        grounds: the bytes behind the checks; None: nobody asked for them.
    """

    report: Report
    policy: str
    kind: Kind | None = None
    given: frozenset[str] = frozenset()
    grounds: tuple[Ground, ...] | None = None


def read(path: Path, limit: int) -> bytes:
    """Read a file up to one byte over the limit, so that whoever parses it sees that it is over.

    Raises:
        ConfigurationError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return file.read(limit + 1)
    except (OSError, ValueError) as error:  # ValueError: a path with a NUL
        reason = getattr(error, "strerror", None) or "no such path"
        raise ConfigurationError(f"{path}: cannot be read ({reason}); name another file") from error
