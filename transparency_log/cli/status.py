"""`openpcc-log status`: the newest status of a log, and the next one.

Without a change it shows the newest. With one it makes the next in the chain: the complete list
anew. An entry file that others have begun is held against the log, where one is named.
"""

import argparse
import re
from dataclasses import replace
from pathlib import Path

from transparency_log.cli import arguments, files, output, signing, words
from transparency_log.cli.manifest import MAX_MANIFEST, named, parse_toml
from transparency_log.cli.memory import KnownRelease, MemoryFile, known_release
from transparency_log.cli.next_status import (
    Changes,
    differences,
    next_status,
    require_next,
    require_timely,
)
from transparency_log.cli.outcome import DONE
from transparency_log.cli.policy_file import EntryPolicy, load_policy
from transparency_log.cli.reading import LogNow, read_log
from transparency_log.draft import Draft, new_draft
from transparency_log.entry import verify_release
from transparency_log.errors import ConfigurationError, MalformedProofError
from transparency_log.payload import EntryKind
from transparency_log.proof import MAX_FILE, parse_proof, verify_proof
from transparency_log.status import Floors, StatusStatement, parse_floors
from transparency_log.strict_json import Members

HELP = "show a log's newest status, or make the next"

LEAF = re.compile(r"[0-9a-f]{64}", re.ASCII)
"""A leaf hash."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add = parser.add_argument
    add("source", type=Path, nargs="?", metavar="ENTRY.json",
        help="a status that others have begun to sign")  # fmt: skip
    add("--accept", action="append", default=[], metavar="LEAF|PROOF",
        help="list this release, repeatable: its leaf hash or its proof file")  # fmt: skip
    add("--revoke", action="append", default=[], metavar="LEAF",
        help="list this release no more, repeatable")  # fmt: skip
    add("--floors", type=Path, metavar="FILE", help="floors for endorsements, TOML")
    add("--repeat", action="store_true", help="the same list anew, as is due every hour")
    add("--first", action="store_true", help="the log has no status yet; begin with number 0")
    add_common(parser)


def add_common(parser: argparse.ArgumentParser) -> None:
    """Declare what `revoke` has as well."""
    parser.add_argument(
        "--abandon", type=int, metavar="NUMBER",
        help="the status of this number was signed and is lost for good: leave its number out",
    )  # fmt: skip
    arguments.add_policy(parser)
    arguments.add_signing(parser)
    arguments.add_reading(parser)


def run(args: argparse.Namespace, *, now: int) -> int:
    """Do it; gives the exit code."""
    policy = load_policy(args.policy)
    changing = bool(args.accept or args.revoke or args.floors or args.repeat or args.first)
    if args.source is not None:
        if changing:
            raise ConfigurationError("a status that others have begun cannot be changed; sign it")
        return _countersign(args, policy, now=now)
    if not changing:
        return _show(args, policy, now=now)
    return make(args, policy, now=now)


def make(args: argparse.Namespace, policy: EntryPolicy, *, now: int) -> int:
    """Make the next status, sign it and log it; gives the exit code."""
    signing.refuse_wrong_usage(args, fresh=True)
    proved = dict(_proved(Path(text), policy) for text in args.accept if not LEAF.fullmatch(text))
    changes = Changes(
        accept=[
            *proved,
            *(_leaf(text, "--accept") for text in args.accept if LEAF.fullmatch(text)),
        ],
        revoke=[_leaf(text, "--revoke") for text in args.revoke],
        floors=None if args.floors is None else _floors(args.floors),
        first=args.first,
        abandoned=args.abandon,
    )
    log = _read(args, policy, arguments.memory_of(args, policy), now=now)
    memory = replace(log.memory, releases={**log.memory.releases, **proved})
    made = next_status(log.status, changes, memory, log=policy.log.origin, now=now)
    output.notes(made.remarks)
    draft = new_draft(made.statement)
    log = replace(log, memory=memory)
    return _sign(draft, args, policy, log, fresh=True, now=now)


def _countersign(args: argparse.Namespace, policy: EntryPolicy, *, now: int) -> int:
    signing.refuse_wrong_usage(args, fresh=False)
    draft = signing.read_entry(args.source, EntryKind.STATUS, policy)
    status, log = draft.statement, None
    if not isinstance(status, StatusStatement):
        raise ConfigurationError(f"{args.source}: not a status")
    if args.keys:
        require_timely(status, now=now)
    if args.log or args.to:
        log = _read(args, policy, arguments.memory_of(args, policy), now=now)
        require_next(status, draft.digest, log.status, abandoned=args.abandon)
    else:
        output.note("not held against the log: none was named; --log URL names one")
    return _sign(draft, args, policy, log, fresh=False, now=now)


def _sign(
    draft: Draft,
    args: argparse.Namespace,
    policy: EntryPolicy,
    log: LogNow | None,
    *,
    fresh: bool,
    now: int,
) -> int:
    if log is not None and log.status is not None and isinstance(draft.statement, StatusStatement):
        output.notes(differences(log.status, draft.statement))
    task = signing.Task(
        draft=draft,
        signers=policy.signers[EntryKind.STATUS],
        out=args.out or args.source,
        fresh=fresh,
        memory=None if log is None else log.memory,
        remember=lambda fetch: read_log(fetch, policy, arguments.memory_of(args, policy), now=now),
    )
    return signing.run(task, args, policy, now=now)


def _show(args: argparse.Namespace, policy: EntryPolicy, *, now: int) -> int:
    log = _read(args, policy, arguments.memory_of(args, policy), now=now)
    if args.json:
        output.document(_to_json(log))
        return DONE
    output.line(f"{policy.log.origin}: {log.newest.checkpoint.size} entries, witnessed "
                f"{words.when(log.newest.time, now)}")  # fmt: skip
    if log.status is None:
        output.line("no status by these signers")
        return DONE
    for line in words.lines(log.status, now=now, memory=log.memory):
        output.line(line)
    return DONE


def _to_json(log: LogNow) -> dict[str, object]:
    status = log.status
    return {
        "log": log.newest.checkpoint.origin,
        "size": log.newest.checkpoint.size,
        "witnessed": log.newest.time,
        "leaf_hash": None if status is None else status.leaf_hash.hex(),
        "status": None if status is None else status.predicate(),
    }


def _read(args: argparse.Namespace, policy: EntryPolicy, memory: MemoryFile, *, now: int) -> LogNow:
    with arguments.reading(args) as connection:
        return read_log(connection.fetch, policy, memory, now=now)


def _proved(path: Path, policy: EntryPolicy) -> tuple[bytes, KnownRelease]:
    """Give leaf hash and release of a proof file."""
    proof = files.read(path, MAX_FILE)
    entry = parse_proof(proof).extra
    if entry is None:
        raise MalformedProofError(f"{path}: the proof does not carry its entry")
    release = verify_release(entry, policy.signers[EntryKind.RELEASE])
    logged = verify_proof(proof, release.leaf_hash, policy.log)
    return release.leaf_hash, known_release(logged.index, release)


def _leaf(text: str, option: str) -> bytes:
    if not LEAF.fullmatch(text):
        raise ConfigurationError(f"{option}: expected a leaf hash, 64 lower-case hex digits")
    return bytes.fromhex(text)


def _floors(path: Path) -> Floors:
    with named(path):
        values = parse_toml(files.read(path, MAX_MANIFEST), path)
        return parse_floors(Members(values, "floors"))
