"""The client's judgement of evidence that an attacker made, listed as a publisher would list it."""

import hashlib

from attestation.binding import evidence_binding
from attestation.evidence import Endorsement, EvidenceBundle, KeysSection
from openpcc import clock
from openpcc.audit.attack.attempt import NotTriedError, Refused, SucceededError
from openpcc.audit.attack.target import Target
from openpcc.judging import Judge, Judgement
from openpcc.protocol import messages, sealing
from openpcc.state import StateFile
from openpcc.trust import LogView


def first(target: Target) -> tuple[Judgement, EvidenceBundle]:
    """Give a node that is trusted, having made sure that it still is."""
    row = target.judged[0]
    bundle = EvidenceBundle.parse(row.bundle)
    found = judge(target, row, bundle)
    if found.node is None:
        why = found.report.failed[0].refusal if found.report else found.problem
        raise NotTriedError(f"the genuine evidence is refused: {why}")
    return row, bundle


def judged(
    target: Target,
    row: Judgement,
    bundle: EvidenceBundle,
    *,
    now: int | None = None,
    view: LogView | None = None,
    states: StateFile | None = None,
) -> Refused:
    """Let the client judge what was made; it must refuse."""
    found = judge(target, row, bundle, now=now, view=view, states=states)
    if found.node is not None:
        raise SucceededError("the client would seal prompts to it")
    if found.report is None:
        raise NotTriedError(found.problem)
    return Refused.by_report(found.report)


def judge(
    target: Target,
    row: Judgement,
    bundle: EvidenceBundle,
    *,
    now: int | None = None,
    view: LogView | None = None,
    states: StateFile | None = None,
) -> Judgement:
    """Let the client judge; see `judged`."""
    judge = Judge(target.config.policy, states or target.new_state())
    return judge.judge(
        bundle.encode(),
        listed(row, bundle),
        target.log,
        view or target.snapshot.view,
        clock.now() if now is None else now,
    )


def listed(row: Judgement, bundle: EvidenceBundle) -> messages.DirectoryLeaf:
    """Make the leaf under which a publisher would list a bundle whose quote is that of `row`."""
    keys = KeysSection.parse(bundle.keys)
    return messages.DirectoryLeaf(
        quote_digest=hashlib.sha256(bundle.quote).digest(),
        binding=evidence_binding(bundle.keys, bundle.freshness, bundle.devices, bundle.software),
        node_key_ids=tuple(sealing.NodeKey.parse(config).id for config in keys.hpke),
        machine=row.leaf.machine,
    )


def all_endorsements(one: EvidenceBundle, other: EvidenceBundle) -> tuple[Endorsement, ...]:
    """Join the endorsements of two bundles, those of the first in front."""
    return tuple(dict.fromkeys((*one.endorsements, *other.endorsements)))
