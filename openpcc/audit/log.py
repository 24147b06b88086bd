"""`audit log`: a monitor's run as a report. What is tested stands in `log_tests`.

Nothing is judged on the word of whoever serves the log: the checkpoint is the log's and its
witnesses', the entries are proved against it, and each counts by its own signatures. A test that
could not be done because an earlier one failed is skipped, so the report names the one fault.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from openpcc.audit import log_holds
from openpcc.audit.log_chains import chains_section
from openpcc.audit.log_checkpoint import (
    HISTORY_TESTS,
    checkpoint_section,
    history_findings,
    unserved,
)
from openpcc.audit.log_files import UnreachableError
from openpcc.audit.log_keeper import Keeper
from openpcc.audit.log_tests import failed, passed, skipped, skipped_all, told
from openpcc.audit.report import AuditKind, AuditReport, Finding, Section, Verdict
from openpcc.config import ClientPolicy
from openpcc.errors import ConfigurationError
from transparency_log.client import Fetch, LogClient
from transparency_log.errors import FetchError, LogError, PolicyError
from transparency_log.monitor.book import Book, opened
from transparency_log.monitor.history import History, compare
from transparency_log.monitor.holdings import KnownDirectory
from transparency_log.monitor.judge import Passed
from transparency_log.monitor.reader import Progress, read
from transparency_log.monitor.watch import Watch
from transparency_log.witness_policy import WitnessedCheckpoint

BOOK = "monitor.db"
"""What is remembered, in the state folder; beside it stand the statements that contradict."""

MAX_PROCESSES = 16
"""Processes that judge; one that reads can feed no more."""

UNREAD = "the log was not read to its end"


@dataclass(frozen=True, kw_only=True)
class LogAudit:
    """What is to be audited, and how.

    Attributes:
        policy: whose word counts.
        folder: where is remembered how far the log was judged; None: nowhere.
        since_index: faults of chains at earlier entries are not held against the log.
        since_time: the same, of entries that were in the log by then, Unix seconds, as far as this
            monitor saw.
        provenances: Sigstore bundles of releases.
        processes: that judge entries.
        progress: told after each stretch.
    """

    policy: ClientPolicy
    folder: Path | None = None
    since_index: int = 0
    since_time: int = 0
    provenances: Sequence[bytes] = ()
    processes: int = field(default_factory=lambda: cores())
    progress: Callable[[Progress], None] = lambda _: None


@dataclass(frozen=True, kw_only=True)
class LogAudited:
    """A report, and whether anybody answered: if not, it says nothing about the log."""

    report: AuditReport
    reached: bool = True


def cores() -> int:
    """Say on how many cores this process may run; more than `MAX_PROCESSES` are not used."""
    usable = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else ()
    return min(len(usable) or os.cpu_count() or 1, MAX_PROCESSES)


def directories(folder: Path, policy: ClientPolicy, *, limit: int) -> list[KnownDirectory]:
    """Give the newest directories of the policy's service, as its audits of the log found them.

    For who audits a gateway: the service's nodes have been listed under these roots and no others.

    Args:
        folder: where `audit log` remembers.
        policy: whose word counts; under another one than the log was audited by, there are none.
        limit: how many.

    Raises:
        ConfigurationError: what is remembered cannot be used, or an audit is using it.
    """
    if not (folder / BOOK).exists():
        return []
    try:
        with opened(folder / BOOK, watch_of(policy)) as book:
            return book.holdings.directories(policy.service, limit)
    except PolicyError as error:
        raise ConfigurationError(str(error)) from error


def watch_of(policy: ClientPolicy) -> Watch:
    """Give whose entries a monitor looks for under a policy."""
    return Watch(
        log=policy.log,
        release=policy.release_signers,
        status=policy.status_signers,
        service=policy.service_signers,
        name=policy.service,
    )


def audit_log(fetch: Fetch, audit: LogAudit, *, now: int) -> LogAudited:
    """Audit a log.

    Args:
        fetch: reads its public files within bounds, such as `log_files.LogFiles.fetch`.
        audit: see there.
        now: Unix seconds, the local clock.

    Raises:
        ConfigurationError: the state folder cannot be used.
    """
    try:
        return _audited(fetch, audit, now)
    except PolicyError as error:
        raise ConfigurationError(str(error)) from error


def _audited(fetch: Fetch, audit: LogAudit, now: int) -> LogAudited:
    keeper = Keeper(audit.folder)
    path = None if audit.folder is None else audit.folder / BOOK
    with opened(path, watch_of(audit.policy)) as book:
        run = _Run(LogClient(audit.policy.log, fetch), audit, book, keeper, now)
        sections = run.sections()
        report = _report(audit.policy, sections, now)
        if report.verdict is Verdict.PASS:
            book.success = now
        book.commit()
        facts = {"last_success_seconds": book.success}
        about = Section(name="monitor", title="This monitor", facts=facts)
        return LogAudited(
            report=_report(audit.policy, (*sections, about), now), reached=run.reached
        )


class _Run:
    """One run: what was found, section by section; the steps are `transparency_log.monitor`'s."""

    def __init__(
        self, client: LogClient, audit: LogAudit, book: Book, keeper: Keeper, now: int
    ) -> None:
        self._client = client
        self._audit = audit
        self._book = book
        self._keeper = keeper
        self._now = now
        self.reached = True

    def sections(self) -> tuple[Section, ...]:
        audit, book = self._audit, self._book
        newest = self._checkpoint()  # 1
        checkpoint = checkpoint_section(
            newest, audit.policy.log, now=self._now, witnessed=book.time
        )
        if isinstance(newest, LogError):
            history, extended = skipped_all(HISTORY_TESTS, "there is no checkpoint"), None
        else:
            history, extended = self._history(newest)  # 2
        entries, whole = self._entries(extended)  # 3 to 6
        since = max(audit.since_index, book.size_at(audit.since_time))
        chains = chains_section(book, whole=whole, since=since)
        return (
            checkpoint,
            Section(name="history", title="One history", findings=history),
            entries,
            chains,
            *(self._holds() if whole else log_holds.skipped_holds(UNREAD)),
        )

    def _checkpoint(self) -> WitnessedCheckpoint | LogError:
        try:
            return self._client.checkpoint()
        except LogError as error:
            self.reached = not isinstance(error, UnreachableError)
            return error

    def _history(
        self, newest: WitnessedCheckpoint
    ) -> tuple[tuple[Finding, ...], WitnessedCheckpoint | None]:
        """Compare with what is remembered; gives the checkpoint to read on under, if there is."""
        known = self._book.note
        try:
            history = compare(self._client, known, newest)
        except LogError as error:
            return (unserved(error), *skipped_all(HISTORY_TESTS, "it could not be read")), None
        if history is not History.EXTENDED:
            return history_findings(history, known, newest, self._keeper), None
        self._book.saw(newest)
        if known:
            return history_findings(history, known, newest, self._keeper), newest
        kept = "this is the first look" if self._audit.folder else "keep it with --state"
        why = f"nothing is remembered of this log: {kept}"
        return tuple(skipped(name, why, required=False) for name in HISTORY_TESTS), newest

    def _entries(self, newest: WitnessedCheckpoint | None) -> tuple[Section, bool]:
        """Judge what is new; gives whether the log was read to its end."""
        book, before = self._book, self._book.frontier.size
        if newest is None:
            whole, findings = False, [skipped("log.proved", "there is nothing to prove it by")]
        else:
            stopped = self._read(newest)
            whole, findings = stopped is None, _reading(stopped, book.frontier.size)
        findings += [told(f"log.{why.value}", str(book.passed[why.value])) for why in Passed]
        findings.append(told("log.repeated", str(book.repeated)))
        if book.restarted:
            findings.append(told("log.restarted", "the policy is another one than last time"))
        facts = {"judged": book.frontier.size, "judged_now": book.frontier.size - before}
        section = Section(name="entries", title="Entries", findings=tuple(findings), facts=facts)
        return section, whole

    def _read(self, newest: WitnessedCheckpoint) -> LogError | None:
        """Read and judge what is new; give what stopped it."""
        audit, watch = self._audit, watch_of(self._audit.policy)
        reading = read(
            self._client,
            newest,
            self._book,
            watch,
            processes=audit.processes,
            keep=self._keeper.proof,
        )
        try:
            for progress in reading:
                audit.progress(progress)
        except PolicyError:
            raise  # our own, not the log's
        except LogError as error:
            return error
        return None

    def _holds(self) -> tuple[Section, ...]:
        """Judge what the log says, by the later of the clocks."""
        audit, book, now = self._audit, self._book, max(self._now, self._book.time)
        return (
            log_holds.releases(book, audit.policy, provenances=audit.provenances, now=now),
            log_holds.services(book, audit.policy, now=now),
            log_holds.rotations(book, now=now),
        )


def _report(policy: ClientPolicy, sections: tuple[Section, ...], now: int) -> AuditReport:
    return AuditReport(kind=AuditKind.LOG, subject=policy.log.origin, at=now, sections=sections)


def _reading(stopped: LogError | None, judged: int) -> list[Finding]:
    if stopped is None:
        return [passed("log.served"), passed("log.proved", f"{judged} entries")]
    if isinstance(stopped, FetchError):
        return [unserved(stopped), skipped("log.proved", f"{judged} entries so far")]
    return [passed("log.served"), failed("log.proved", str(stopped))]
