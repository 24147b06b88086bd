"""`openpcc-log publish`: a release, from its manifest to its proof."""

import argparse
from pathlib import Path

from transparency_log.cli import arguments, files, signing
from transparency_log.cli.manifest import MAX_MANIFEST, read_manifest
from transparency_log.cli.outcome import DONE, RefusedError
from transparency_log.cli.policy_file import load_policy
from transparency_log.draft import Draft, new_draft
from transparency_log.merkle import leaf_hash
from transparency_log.payload import EntryKind
from transparency_log.release import ReleaseStatement
from transparency_log.tile import MAX_ENTRY

HELP = "sign a release, and log it when all have signed"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "source", type=Path, metavar="MANIFEST.toml|ENTRY.json",
        help="release manifest, or an entry that others have begun to sign",
    )  # fmt: skip
    arguments.add_policy(parser)
    arguments.add_signing(parser)
    parser.add_argument("--leaf", type=Path, metavar="FILE",
                        help="where the leaf hash goes, with which nodes are started")  # fmt: skip


def run(args: argparse.Namespace, *, now: int) -> int:
    """Do it; gives the exit code."""
    policy = load_policy(args.policy)
    begun = is_entry(args.source)
    signing.refuse_wrong_usage(args, fresh=not begun)
    arguments.refuse_overwriting(args, ["out", "proof", "leaf"])
    if begun:
        draft = signing.read_entry(args.source, EntryKind.RELEASE, policy)
    else:
        draft = new_draft(read_manifest(files.read(args.source, MAX_MANIFEST), args.source))
    _refuse_expired(draft, now)
    task = signing.Task(
        draft=draft,
        signers=policy.signers[EntryKind.RELEASE],
        out=args.out or args.source,
        fresh=not begun,
    )
    code = signing.run(task, args, policy, now=now)
    if code == DONE and args.leaf is not None:
        leaf = leaf_hash(files.read(task.out, MAX_ENTRY))
        files.replace(args.leaf, f"{leaf.hex()}\n".encode())
    return code


def is_entry(path: Path) -> bool:
    """Say whether a file is an entry and not TOML, which never begins with a brace."""
    return files.read(path, MAX_MANIFEST).lstrip()[:1] == b"{"


def _refuse_expired(draft: Draft, now: int) -> None:
    release = draft.statement
    if isinstance(release, ReleaseStatement) and release.expires <= now:
        raise RefusedError("the release has expired; give it a later expires")
