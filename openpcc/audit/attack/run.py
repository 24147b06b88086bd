"""All attacks against one service, as a report: a section per place where the attacker sits."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager

from openpcc import clock
from openpcc.audit.attack import (
    contents,
    evidence,
    machines,
    proxy,
    record,
    replies,
    requests,
    tokens,
)
from openpcc.audit.attack.attempt import Attack, NotTriedError, Refused, attempt
from openpcc.audit.attack.proxy import Proxy
from openpcc.audit.attack.target import Target
from openpcc.audit.report import AuditKind, AuditReport, Finding, Section

PLACES: Sequence[tuple[str, str, Sequence[Attack[Target]]]] = (
    ("evidence", "Forged evidence, listed as if it were genuine", evidence.ATTACKS),
    (
        "machines",
        "Machines that are genuine, or look it, and not what they should be",
        machines.ATTACKS,
    ),
    ("record", "A public record that is not the public one", record.ATTACKS),
    ("requests", "Requests that are altered, kept back or sent again", requests.ATTACKS),
    ("contents", "Requests for what a node must not do", contents.ATTACKS),
    ("replies", "Replies that are cut, forged or of another request", replies.ATTACKS),
    ("tokens", "Requests that are not paid for, or with what is no money", tokens.ATTACKS),
)
"""Name and title of each section, and what is tried in it."""

PATIENCE = 120
"""Seconds that the service may take for all that one attack asks of it."""

Progress = Callable[[str], None]
"""Told the name of what is tried next."""

StartProxy = Callable[[], AbstractContextManager[Proxy]]
"""Runs a proxy in front of the service. Raises NotTriedError where it cannot."""


def attack(
    target: Target, start_proxy: StartProxy, *, subject: str, progress: Progress
) -> AuditReport:
    """Try every attack; one that cannot be tried leaves the audit incomplete.

    Args:
        target: the service.
        start_proxy: see `StartProxy`.
        subject: its address, as it was given.
        progress: see `Progress`.
    """
    sections = [
        Section(name=name, title=title, findings=tuple(_rows(attacks, target, progress)))
        for name, title, attacks in PLACES
    ]
    sections.append(_proxy(start_proxy, progress))
    return AuditReport(
        kind=AuditKind.ATTACK,
        subject=subject,
        at=target.now(),
        sections=tuple(sections),
        simulated=target.config.policy.attestation.simulated,
    )


def _rows(
    attacks: Iterable[Attack[Target]], target: Target, progress: Progress
) -> Iterator[Finding]:
    for one in attacks:
        progress(one.name)
        if clock.ticks() > target.deadline:
            yield attempt(_untried(one, "the time for the whole audit was over"), None)
        else:
            with target.carrier.limited(PATIENCE):
                yield attempt(one, target)


def _proxy(start: StartProxy, progress: Progress) -> Section:
    progress("proxy")
    try:
        with start() as running:
            rows = tuple(attempt(one, running) for one in proxy.ATTACKS)
    except NotTriedError as error:
        rows = tuple(attempt(_untried(one, str(error)), None) for one in proxy.ATTACKS)
    return Section(name="proxy", title="The local proxy, asked by strangers", findings=rows)


def _untried(one: Attack[Target] | Attack[Proxy], why: str) -> Attack[None]:
    def run(_: None) -> Refused:
        raise NotTriedError(why)

    return Attack(name=one.name, tried=one.tried, by=one.by, checks=one.checks, run=run)
