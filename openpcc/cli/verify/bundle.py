"""An evidence bundle for `openpcc verify evidence`: files are read, `openpcc.offline` judges."""

import argparse
import sys
from pathlib import Path

from attestation import verifier
from attestation.claims import Ground
from attestation.devices import explain_section
from attestation.errors import MalformedEvidenceError
from attestation.evidence import MAX_BUNDLE, EvidenceBundle
from attestation.policy import AppraisalPolicy
from openpcc import offline
from openpcc.cli.verify.arguments import explained
from openpcc.cli.verify.given import client_policy, consistency, known_checkpoint
from openpcc.cli.verify.judged import Judged, read
from openpcc.errors import ConfigurationError
from openpcc.raw_evidence import in_order


def judge(args: argparse.Namespace, *, at: int) -> Judged:
    """Judge the bundle that the arguments name.

    Raises:
        ConfigurationError: another file than the bundle is not what it should be, or one cannot be
            read.
    """
    policy, words = client_policy(args)
    known, proof = known_checkpoint(args, policy), consistency(args)
    data = _read_bundle(args.bundle)
    report = offline.judge_bundle(data, now=at, policy=policy, known=known, consistency=proof)
    grounds = _bundle_grounds(data, policy.attestation) if explained(args) else None
    return Judged(report=report, policy=words, grounds=grounds)


def _read_bundle(name: str) -> bytes:
    if name != "-":
        return read(Path(name), MAX_BUNDLE)
    if sys.stdin is None:
        raise ConfigurationError("standard input is closed; name a bundle file")
    return sys.stdin.buffer.read(MAX_BUNDLE + 1)


def _bundle_grounds(data: bytes, policy: AppraisalPolicy) -> tuple[Ground, ...]:
    try:
        bundle = EvidenceBundle.parse(data)
    except MalformedEvidenceError:
        return ()  # as 1.parse says
    stapled = bundle.endorsements
    quote = verifier.explain(bundle.platform, bundle.quote, stapled, policy)
    section = () if bundle.devices is None else explain_section(bundle.devices, stapled)
    return in_order((*quote, *section))
