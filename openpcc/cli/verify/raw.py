"""Raw evidence for `openpcc verify evidence`: files are read, `openpcc.raw_evidence` judges."""

import argparse

from attestation.claims import Ground
from attestation.errors import MalformedEvidenceError
from attestation.evidence import PLATFORMS
from attestation.parts import Kind
from attestation.policy import AppraisalPolicy
from attestation.result import UNKNOWN_PLATFORM
from openpcc import raw_evidence
from openpcc.cli.verify.arguments import explained, kind_of, named_files
from openpcc.cli.verify.judged import POLICY_REMEDY, Judged, read


def judge(args: argparse.Namespace, *, at: int) -> Judged:
    """Judge the raw evidence that the arguments name.

    Raises:
        ConfigurationError: the names are not those of the kind, the policy is none, or a file
            cannot be read.
    """
    kind = kind_of(args.kind)
    named = named_files(kind, args.files)
    scope = kind.scope([name for name, _ in named])
    policy, words = _policy(args, kind)
    files = [(name, read(path, kind.limit(name))) for name, path in named]
    grounds: tuple[Ground, ...] = ()
    try:
        parts = kind.read(files)
    except MalformedEvidenceError as error:
        platform = kind.name if kind.name in PLATFORMS else UNKNOWN_PLATFORM
        report = raw_evidence.refuse_parts(scope, platform, str(error), now=at, policy=policy)
    else:
        report = raw_evidence.judge_parts(parts, now=at, policy=policy)
        if explained(args):
            grounds = raw_evidence.explain_parts(parts, policy)
    return Judged(
        report=report,
        policy=words,
        kind=kind,
        given=frozenset(name for name, _ in files),
        grounds=grounds if explained(args) else None,
    )


def _policy(args: argparse.Namespace, kind: Kind) -> tuple[AppraisalPolicy, str]:
    if args.policy is None:
        policy = AppraisalPolicy(platforms=kind.platforms)
        return policy, f"none named: {kind.name} under the vendor's roots, default limits"
    from openpcc.config import load_appraisal_policy  # here: who names no policy needs no log

    return load_appraisal_policy(args.policy, remedy=POLICY_REMEDY), str(args.policy)
