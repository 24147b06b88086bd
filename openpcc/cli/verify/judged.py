"""From the arguments of `openpcc verify evidence` to a report: files are read, `offline` judges."""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

from attestation import verifier
from attestation.claims import Ground
from attestation.errors import MalformedEvidenceError
from attestation.evidence import MAX_BUNDLE, EvidenceBundle
from attestation.parts import Kind, Parts
from attestation.policy import AppraisalPolicy
from attestation.result import Report
from openpcc import offline
from openpcc.cli.verify.arguments import kind_of, named_files
from openpcc.config import ClientConfig, ClientPolicy, default_path, load_appraisal_policy
from openpcc.errors import ConfigurationError
from openpcc.log_checks import Known
from transparency_log.errors import LogError
from transparency_log.merkle import MAX_PROOF
from transparency_log.note import MAX_NOTE
from transparency_log.proof import parse_hashes
from transparency_log.witness_policy import verify_checkpoint

POLICY_REMEDY = "name a policy file with --policy"
"""What to do where a policy cannot be read."""

MAX_HASHES = 64 * MAX_PROOF
"""Bytes of a consistency proof: a line is 44 letters and its end."""


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


def judge_bundle_file(args: argparse.Namespace, *, at: int) -> Judged:
    """Judge the bundle that the arguments name.

    Raises:
        ConfigurationError: another file than the bundle is not what it should be, or one cannot be
            read.
    """
    policy, words = _client_policy(args)
    known, proof = _known(args, policy), _consistency(args)
    data = _read_bundle(args.bundle)
    report = offline.judge_bundle(data, now=at, policy=policy, known=known, consistency=proof)
    grounds = _bundle_grounds(data, policy.attestation) if args.explain else None
    return Judged(report=report, policy=words, grounds=grounds)


def judge_part_files(args: argparse.Namespace, *, at: int) -> Judged:
    """Judge the raw evidence that the arguments name.

    Raises:
        ConfigurationError: the names are not those of the kind, the policy is none, or a file
            cannot be read.
    """
    kind = kind_of(args.kind)
    named = named_files(kind, args.files)
    policy, words = _appraisal_policy(args, kind)
    files = [(name, read(path, kind.limit(name))) for name, path in named]
    given = frozenset(name for name, _ in files)
    try:
        parts = kind.read(files)
    except MalformedEvidenceError as error:
        report = offline.refuse_parts(kind.platform, str(error), now=at, policy=policy)
        return Judged(
            report=report,
            policy=words,
            kind=kind,
            given=given,
            grounds=() if args.explain else None,
        )
    return Judged(
        report=offline.judge_parts(parts, now=at, policy=policy),
        policy=words,
        kind=kind,
        given=given,
        grounds=_grounds(parts, policy) if args.explain else None,
    )


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


def _read_bundle(name: str) -> bytes:
    if name != "-":
        return read(Path(name), MAX_BUNDLE)
    if sys.stdin is None:
        raise ConfigurationError("standard input is closed; name a bundle file")
    return sys.stdin.buffer.read(MAX_BUNDLE + 1)


def _client_policy(args: argparse.Namespace) -> tuple[ClientPolicy, str]:
    if args.policy is not None:
        return ClientPolicy.load(args.policy, remedy=POLICY_REMEDY), str(args.policy)
    path = default_path() if args.config is None else args.config
    if args.config is None and not path.exists():
        raise ConfigurationError(
            f"a bundle is judged by a client policy, and there is no configuration at {path} to "
            f"name one; {POLICY_REMEDY}, or a configuration with --config or OPENPCC_CONFIG"
        )
    config = ClientConfig.load(path)
    return config.policy, str(config.policy_file)


def _appraisal_policy(args: argparse.Namespace, kind: Kind) -> tuple[AppraisalPolicy, str]:
    if args.policy is not None:
        return load_appraisal_policy(args.policy, remedy=POLICY_REMEDY), str(args.policy)
    policy = AppraisalPolicy(platforms=(kind.platform,))
    return policy, f"none named: {kind.platform} under the vendor's roots, default limits"


def _known(args: argparse.Namespace, policy: ClientPolicy) -> Known | None:
    """Read the known checkpoint; its time binds only where the local clock was read."""
    if args.known_checkpoint is None:
        return None
    try:
        found = verify_checkpoint(read(args.known_checkpoint, MAX_NOTE), policy.log)
    except LogError as error:
        raise ConfigurationError(
            f"{args.known_checkpoint}: not a checkpoint that log and witnesses of the policy "
            f"signed ({error}); name another, or the policy it belongs to"
        ) from error
    return Known(checkpoint=found.checkpoint, witnessed=found.time if args.at is None else None)


def _consistency(args: argparse.Namespace) -> tuple[bytes, ...] | None:
    if args.consistency is None:
        return None
    try:
        text = read(args.consistency, MAX_HASHES).decode("ascii").removesuffix("\n")
        return parse_hashes(text.split("\n") if text else [], limit=MAX_PROOF)
    except (UnicodeDecodeError, LogError) as error:
        raise ConfigurationError(
            f"{args.consistency}: not a consistency proof ({error}); it has one hash per line, "
            "base64, as a log's client prints it"
        ) from error


def _bundle_grounds(data: bytes, policy: AppraisalPolicy) -> tuple[Ground, ...]:
    try:
        bundle = EvidenceBundle.parse(data)
    except MalformedEvidenceError:
        return ()  # as 1.parse says
    return verifier.explain(bundle.platform, bundle.quote, bundle.endorsements, policy)


def _grounds(parts: Parts, policy: AppraisalPolicy) -> tuple[Ground, ...]:
    return verifier.explain(parts.platform, parts.quote, parts.endorsements, policy)
