"""A policy for the log in memory, and an audit of it with one fault planted."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from attestation.policy import AppraisalPolicy
from openpcc.audit.log import LogAudit, LogAudited, audit_log
from openpcc.audit.report import Outcome
from openpcc.config import ClientPolicy
from openpcc.protocol import hpke
from tests.transparency_log.memory_log import NOW
from tests.transparency_log.monitor.chains import SERVICE, Planted

__all__ = ["NOW", "audited", "failing", "policy_of"]


def policy_of(planted: Planted, **changes: Any) -> ClientPolicy:
    log = planted.log
    policy = ClientPolicy(
        service=SERVICE,
        kems=(hpke.KEM_XWING,),
        attestation=AppraisalPolicy(platforms=("sev-snp",)),
        log=log.policy,
        release_signers=log.signers(log.release),
        status_signers=log.signers(log.status),
        service_signers=log.signers(log.service),
    )
    return replace(policy, **changes)


def audited(
    planted: Planted,
    folder: Path | None = None,
    *,
    now: int = NOW,
    fetch: Callable[[str, int], bytes] | None = None,
    policy: ClientPolicy | None = None,
    **settings: Any,
) -> LogAudited:
    audit = LogAudit(policy=policy or policy_of(planted), folder=folder, processes=1, **settings)
    return audit_log(fetch or planted.log.fetch, audit, now=now)


def failing(found: LogAudited) -> list[str]:
    """Give the ids that failed."""
    return [one.id for one in found.report.findings if one.outcome is Outcome.FAIL]
