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
from openpcc.cli.verify.judged import POLICY_REMEDY, Judged, read
from openpcc.config import ClientConfig, ClientPolicy, default_path
from openpcc.errors import ConfigurationError
from openpcc.log_checks import Known
from openpcc.raw_evidence import in_order
from transparency_log.errors import LogError
from transparency_log.merkle import MAX_PROOF
from transparency_log.note import MAX_NOTE
from transparency_log.proof import parse_hashes
from transparency_log.witness_policy import verify_checkpoint

MAX_HASHES = 64 * MAX_PROOF
"""Bytes of a consistency proof: a line is 44 letters and its end."""


def judge(args: argparse.Namespace, *, at: int) -> Judged:
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
    stapled = bundle.endorsements
    quote = verifier.explain(bundle.platform, bundle.quote, stapled, policy)
    section = () if bundle.devices is None else explain_section(bundle.devices, stapled)
    return in_order((*quote, *section))
