"""Policy, known checkpoint and consistency proof, as `openpcc verify` is given them."""

import argparse

from openpcc.cli.verify.judged import POLICY_REMEDY, read
from openpcc.config import ClientConfig, ClientPolicy, default_path
from openpcc.errors import ConfigurationError
from openpcc.log_checks import Known
from transparency_log.errors import LogError
from transparency_log.merkle import MAX_PROOF
from transparency_log.note import MAX_NOTE
from transparency_log.proof import parse_hashes
from transparency_log.witness_policy import verify_checkpoint

MAX_HASHES = 64 * MAX_PROOF
"""Bytes of a consistency proof: a line is 44 letters and its end."""


def client_policy(args: argparse.Namespace) -> tuple[ClientPolicy, str]:
    """Read the policy that is named, else that of the configuration; give it, and where it was.

    Raises:
        ConfigurationError: there is none.
    """
    if args.policy is not None:
        return ClientPolicy.load(args.policy, remedy=POLICY_REMEDY), str(args.policy)
    path = default_path() if args.config is None else args.config
    if args.config is None and not path.exists():
        raise ConfigurationError(
            f"this is judged by a client policy, and there is no configuration at {path} to "
            f"name one; {POLICY_REMEDY}, or a configuration with --config or OPENPCC_CONFIG"
        )
    config = ClientConfig.load(path)
    return config.policy, str(config.policy_file)


def known_checkpoint(args: argparse.Namespace, policy: ClientPolicy) -> Known | None:
    """Read the known checkpoint; its time binds only where the local clock was read.

    Raises:
        ConfigurationError: the file is none that log and witnesses of the policy signed.
    """
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


def consistency(args: argparse.Namespace) -> tuple[bytes, ...] | None:
    """Read the consistency proof.

    Raises:
        ConfigurationError: the file is none.
    """
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
