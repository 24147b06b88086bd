"""One attack and what came of it: a row of the report.

An attack gives `Refused`, or raises: `SucceededError` is a FAIL, everything else leaves open
whether the service would have withstood, and is a SKIP with its reason. That includes a refusal by
something else than the attack is about: a row must not pass because the network was slow.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from attestation.errors import AttestationError
from attestation.result import Report
from openpcc.audit.report import Finding, Outcome
from openpcc.errors import DirectoryError, OpenPCCError, RefusedError
from openpcc.protocol.errors import ProtocolError
from transparency_log.errors import LogError

REMEDY = (
    "the service or this client is not safe to use: find out why the check named did not refuse"
)

Target = TypeVar("Target")


class SucceededError(OpenPCCError):
    """An attack was not refused; the text says what it got."""


class NotTriedError(OpenPCCError):
    """An attack could not be tried, or not be judged; the text says why."""


class NotAskedError(NotTriedError):
    """An attack is about something that this service does not have; nobody asked for it."""


@dataclass(frozen=True, kw_only=True)
class Refused:
    """What refused an attack.

    Attributes:
        checks: ids of checks, or codes.
        words: as it was said, the first of them.
    """

    checks: tuple[str, ...]
    words: str

    @property
    def sentence(self) -> str:
        """Say it with what refused first: `replayed: answered with 409`."""
        named = [one for one in self.checks if not self.words.startswith(one)]
        first = len(named) == len(self.checks)
        if first:
            return f"{', '.join(named)}: {self.words}"
        return self.words + (f"; also {', '.join(named)}" if named else "")

    @classmethod
    def by_report(cls, report: Report) -> "Refused":
        """Read off which checks of the trust decision refused."""
        return cls(
            checks=tuple(check.id for check in report.failed), words=report.failed[0].refusal
        )

    @classmethod
    def by_client(cls, error: OpenPCCError) -> "Refused":
        """Read off why the client refused: checks where nodes were judged, else its error."""
        match error:
            case RefusedError():
                return cls.by_report(error.report)
            case DirectoryError() if error.reports:
                return cls.by_report(error.reports[0])
            case DirectoryError():
                words = str(error).split("; both ", 1)[0]  # where proofs were kept is gone by then
                return cls(checks=(f"directory.{error.code}",), words=words)
            case _:
                return cls(checks=(type(error).__name__,), words=str(error))


@dataclass(frozen=True, kw_only=True)
class Attack(Generic[Target]):
    """One attack.

    Attributes:
        name: the row's id is `attack.<name>`.
        tried: what is tried, one sentence.
        by: the party that must refuse it.
        checks: what must refuse it, any of these: a check, a code, or words of the refusal.
        run: tries it.
    """

    name: str
    tried: str
    by: str
    checks: tuple[str, ...]
    run: Callable[[Target], Refused]

    def answers(self, refused: Refused) -> bool:
        """Say whether it was refused by what is to refuse it."""
        return any(one in refused.checks or one in refused.words for one in self.checks)


def attempt(attack: Attack[Target], target: Target) -> Finding:
    """Try one attack; give its row."""
    try:
        refused = attack.run(target)
    except SucceededError as error:
        return _row(attack, Outcome.FAIL, f"it succeeded: {error}", REMEDY)
    except NotAskedError as error:
        return _row(attack, Outcome.SKIP, str(error), required=False)
    except NotTriedError as error:
        return _row(attack, Outcome.SKIP, str(error))
    except (OpenPCCError, LogError, AttestationError, ProtocolError) as error:
        return _row(attack, Outcome.SKIP, f"broke off: {type(error).__name__}: {error}")
    said = refused.sentence
    if not attack.answers(refused):
        return _row(attack, Outcome.SKIP, f"refused for another reason: {said}")
    return _row(attack, Outcome.PASS, f"{attack.by}: {said}")


def _row(
    attack: Attack[Target],
    outcome: Outcome,
    actual: str,
    remedy: str = "",
    *,
    required: bool = True,
) -> Finding:
    return Finding(
        id=f"attack.{attack.name}",
        outcome=outcome,
        text=attack.tried,
        required=required,
        expected=f"refused by the {attack.by}: {' or '.join(attack.checks)}",
        actual=actual,
        remedy=remedy,
    )
