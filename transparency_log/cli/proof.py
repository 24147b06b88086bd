"""`openpcc-log proof`: the proof file of an entry that is in the log already."""

import argparse
from pathlib import Path

from transparency_log.cli import arguments, files, output
from transparency_log.cli.outcome import DONE
from transparency_log.cli.policy_file import load_policy
from transparency_log.client import LogClient
from transparency_log.errors import NotIncludedError
from transparency_log.follow import Frontier, follow
from transparency_log.merkle import leaf_hash
from transparency_log.tile import MAX_ENTRY
from transparency_log.witness_policy import WitnessedCheckpoint

HELP = "make the proof that an entry is in the log"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add = parser.add_argument
    add("entry", type=Path, metavar="ENTRY.json", help="the entry, as it was logged")
    add("--log", metavar="URL", required=True, help="where to read the log")
    add("--out", type=Path, metavar="FILE", required=True, help="where the proof goes")
    arguments.add_policy(parser)


def run(args: argparse.Namespace, *, now: int) -> int:
    """Do it; gives the exit code."""
    arguments.refuse_overwriting(args, ["entry", "out"])
    policy = load_policy(args.policy)
    entry = files.read(args.entry, MAX_ENTRY)
    with arguments.reading(args) as connection:
        client = LogClient(policy.log, connection.fetch)
        newest = client.checkpoint()
        index = _find(client, newest, leaf_hash(entry))
        files.replace(args.out, client.proof(newest, index, entry))
    if args.json:
        found = {"index": index, "leaf_hash": leaf_hash(entry).hex(), "proof": str(args.out)}
        output.document(found)
    else:
        output.line(f"in the log at index {index}, witnessed and proved; proof {args.out}")
    return DONE


def _find(client: LogClient, newest: WitnessedCheckpoint, leaf: bytes) -> int:
    for stretch in follow(client, newest, Frontier()):
        if leaf in stretch.leaves:
            return stretch.start + stretch.leaves.index(leaf)
    raise NotIncludedError(f"no entry with leaf hash {leaf.hex()} is in the log")
