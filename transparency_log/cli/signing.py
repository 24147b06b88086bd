"""Signing an entry and handing it on: what the commands that sign have in common.

The order is the argument:

1. show       what the very bytes say that are about to be signed, and who has signed
2. allow      the policy lists each key for this kind, and none has signed
3. ask        a person; a script says `--yes`
4. remember   a status: each key notes its number before it signs (`guard`)
5. sign       and write the file, before anything is sent
6. verify     the whole entry, as any reader will
7. send       if all have signed; the log's answer counts for nothing until
8. prove      the entry is in the log, under a checkpoint that a quorum of witnesses has signed
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from transparency_log.cli import arguments, files, guard, output, words
from transparency_log.cli.memory import Memory
from transparency_log.cli.outcome import DONE, REFUSED, RefusedError
from transparency_log.cli.policy_file import EntryPolicy
from transparency_log.client import Fetch, LogClient
from transparency_log.draft import (
    Draft,
    Groups,
    countersign,
    groups_of,
    missing,
    parse_draft,
    progress,
    require_may_sign,
    signed_by,
)
from transparency_log.dsse import EnvelopeSigner, key_hint
from transparency_log.entry import EntrySigners, verify_entry
from transparency_log.errors import ConfigurationError, FetchError
from transparency_log.payload import EntryKind
from transparency_log.server.secret_files import read_seed
from transparency_log.status import StatusStatement
from transparency_log.tile import MAX_ENTRY
from transparency_log.witness_policy import WitnessedCheckpoint

PATIENCE = 30.0
"""Seconds until the checkpoint must show an acknowledged entry: caches keep it for some."""

PAUSE = 1.0
"""Seconds between two looks."""


@dataclass(frozen=True, kw_only=True)
class Key:
    """A private key and the file it is in."""

    path: Path
    signer: EnvelopeSigner


@dataclass(frozen=True, kw_only=True)
class Task:
    """One entry to sign.

    Attributes:
        draft: as it is now.
        signers: whose signatures make it count; of a rotation, the keys so far.
        out: where it is written.
        fresh: whether it was made just now: then `out` is a new file.
        memory: what is known of the log, to show releases by name; None: it was not read.
        remember: looks at the log once more when the entry is in it; None: nothing is remembered.
    """

    draft: Draft
    signers: EntrySigners
    out: Path
    fresh: bool
    memory: Memory | None = None
    remember: Callable[[Fetch], object] | None = None


@dataclass(frozen=True, kw_only=True)
class Published:
    """Where an entry stands, proved."""

    index: int
    proof: bytes


def refuse_wrong_usage(args: argparse.Namespace, *, fresh: bool) -> None:
    """Check, before anything is signed, that what comes after can be done.

    Raises:
        ConfigurationError: arguments do not fit together.
    """
    if fresh and args.out is None:
        raise ConfigurationError("name the file for the entry with --out FILE")
    if fresh and args.out.exists():
        raise ConfigurationError(f"{args.out}: is there already; name a new file with --out")
    if args.out is not None and not os.access(args.out.parent, os.W_OK):
        raise ConfigurationError(f"{args.out}: its folder cannot be written; name another file")
    arguments.refuse_overwriting(args, ["out", "proof"])
    if args.proof is not None and args.to is None:
        raise ConfigurationError("--proof needs the log that is to prove it; name it with --to")
    if args.keys and not args.yes and (sys.stdin is None or not sys.stdin.isatty()):
        raise ConfigurationError("nobody is there to be asked; say --yes to sign without")


def read_entry(path: Path, kind: EntryKind, policy: EntryPolicy) -> Draft:
    """Read an entry file, signed or not.

    Raises:
        RefusedError: an entry of another kind, or for another log.
        MalformedEntryError: not an entry at all.
    """
    draft = parse_draft(files.read(path, MAX_ENTRY))
    if draft.kind is not kind:
        name = draft.kind.name.lower()
        raise RefusedError(f"{path}: a {name} entry, not a {kind.name.lower()} entry")
    log = getattr(draft.statement, "log", policy.log.origin)
    if log != policy.log.origin:
        raise RefusedError(f"{path}: for the log {log}, and the policy's is {policy.log.origin}")
    return draft


def run(task: Task, args: argparse.Namespace, policy: EntryPolicy, *, now: int) -> int:
    """Sign, write, send and prove; gives the exit code. Numbers are those of the module text."""
    groups = groups_of(task.draft, task.signers)
    keys = [Key(path=one, signer=EnvelopeSigner(private_key=read_seed(one))) for one in args.keys]
    output.notes(words.describe(task.draft, groups, now=now, memory=task.memory))  # 1
    signed = _sign(task.draft, groups, keys, yes=args.yes)
    _write(task, signed)
    left = missing(signed_by(signed, groups), groups)
    published = None
    if not left:
        entry = signed.encode()
        verify_entry(entry, signed.kind, task.signers)  # 6
        if args.to is not None:
            published = _publish(entry, signed, task, args, policy)
    _tell(task, signed, groups, left, published, args)
    return REFUSED if left else DONE


def _sign(draft: Draft, groups: Groups, keys: Sequence[Key], *, yes: bool) -> Draft:
    require_may_sign(draft, [key.signer.public_key for key in keys], groups)  # 2
    if not keys:
        return draft
    status = draft.statement
    if isinstance(status, StatusStatement):
        output.notes(_signed_before(status, keys))
        for key in keys:
            guard.require_unsigned(key.path, status, draft.digest)
    if not yes:
        _ask(keys)  # 3
    if isinstance(status, StatusStatement):
        for key in keys:
            guard.remember(key.path, status, draft.digest)  # 4
    return countersign(draft, [key.signer for key in keys], groups)  # 5


def _signed_before(status: StatusStatement, keys: Sequence[Key]) -> Iterator[str]:
    """Say what each key has signed last: a number far beyond it would be hard to follow."""
    for key in keys:
        known = guard.newest_signed(key.path, status.log)
        last = "nothing for this log" if known is None else f"number {known.sequence}"
        yield f"{key.path}: has signed {last} so far; this one is number {status.sequence}"


def _ask(keys: Sequence[Key]) -> None:
    names = ", ".join(str(key.path) for key in keys)
    sys.stderr.write(output.clean(f"sign this with {names}? Type yes: "))
    sys.stderr.flush()
    if sys.stdin.readline().strip() != "yes":
        raise RefusedError("not signed: the answer was not yes")


def _write(task: Task, signed: Draft) -> None:
    data = signed.encode()
    if task.fresh:
        files.create(task.out, data)
    elif not task.out.exists() or files.read(task.out, MAX_ENTRY) != data:
        files.replace(task.out, data)


def _publish(
    entry: bytes, draft: Draft, task: Task, args: argparse.Namespace, policy: EntryPolicy
) -> Published:
    from transparency_log.cli.connection import LogConnection  # who signs offline need not wait

    with LogConnection(args.to, token=arguments.token_of(args)) as log:
        index, leaf = log.submit(entry)  # 7
        if leaf != draft.leaf_hash:
            raise RefusedError("the log acknowledged another entry than was sent")
        client = LogClient(policy.log, log.fetch)
        proof = client.proof(_checkpoint_after(client, index), index, entry)  # 8
        if args.proof is not None:
            files.replace(args.proof, proof)
        if task.remember is not None:
            task.remember(log.fetch)
    return Published(index=index, proof=proof)


def _checkpoint_after(client: LogClient, index: int) -> WitnessedCheckpoint:
    """Wait for a checkpoint whose tree has the entry."""
    give_up = time.monotonic() + PATIENCE
    while True:
        newest = client.checkpoint()
        if newest.checkpoint.size > index:
            return newest
        if time.monotonic() > give_up:
            raise FetchError(
                f"no witnessed checkpoint has entry {index} yet; make the proof later, with "
                "`openpcc-log proof`"
            )
        time.sleep(PAUSE)


def _tell(
    task: Task,
    draft: Draft,
    groups: Groups,
    left: Sequence[str],
    published: Published | None,
    args: argparse.Namespace,
) -> None:
    signed = signed_by(draft, groups)
    if args.json:
        output.document(
            {
                "kind": draft.kind.name.lower(),
                "entry": str(task.out),
                "payload_sha256": draft.digest.hex(),
                "leaf_hash": None if left else draft.leaf_hash.hex(),
                "signed_by": sorted(key_hint(key) for key in signed),
                "signatures": {
                    name: {"found": have, "needed": need}
                    for name, (have, need) in progress(signed, groups).items()
                },
                "complete": not left,
                "index": None if published is None else published.index,
                "proof": None if published is None or not args.proof else str(args.proof),
            }
        )
    for line in left:
        output.note(f"not complete: {line}; hand {task.out} to the next signer")
    if args.json or left:
        return
    output.line(f"entry {task.out}: all have signed; leaf hash {draft.leaf_hash.hex()}")
    if published is not None:
        output.line(f"in the log at index {published.index}, witnessed and proved")
        if args.proof is not None:
            output.line(f"proof {args.proof}")
