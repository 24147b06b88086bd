"""`openpcc-log rotate`: announce new keys of a log, witness or signer, signed by old and new ones.

It changes no policy. Whoever has one changes it with `openpcc policy rotate` and the proof of the
announcement; docs/keys.md has the whole way.
"""

import argparse
from pathlib import Path

from transparency_log.cli import arguments, signing
from transparency_log.cli.outcome import RefusedError
from transparency_log.cli.policy_file import EntryPolicy, load_policy
from transparency_log.draft import Draft, new_draft
from transparency_log.entry import EntrySigners
from transparency_log.errors import ConfigurationError
from transparency_log.payload import EntryKind
from transparency_log.rotation import Role, RoleKeys, RotationStatement, public_keys

HELP = "announce new keys of a log, witness or signer"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add = parser.add_argument
    add("source", type=Path, nargs="?", metavar="ENTRY.json",
        help="an announcement that others have begun to sign")  # fmt: skip
    add("--role", choices=[role.value for role in Role], help="whose keys change")
    add("--name", metavar="NAME", help="of a witness: its name")
    add("--new-key", action="append", default=[], metavar="KEY", dest="new_keys",
        help="a key from then on, as a policy writes it; repeatable: all of them")  # fmt: skip
    add("--threshold", type=int, default=1, metavar="K", help="how many of them must sign (1)")
    add("--not-before", metavar="TIME",
        help="when the new keys take over, 2027-01-15T08:00:00Z (default: now)")  # fmt: skip
    arguments.add_policy(parser)
    arguments.add_signing(parser)


def run(args: argparse.Namespace, *, now: int) -> int:
    """Do it; gives the exit code."""
    policy = load_policy(args.policy)
    begun = args.source is not None
    if begun == (args.role is not None) or (begun and args.new_keys):
        raise ConfigurationError("name an entry that was begun, or --role and --new-key; not both")
    signing.refuse_wrong_usage(args, fresh=not begun)
    if begun:
        draft = signing.read_entry(args.source, EntryKind.ROTATION, policy)
    else:
        draft = new_draft(_statement(args, policy, now=now))
    task = signing.Task(
        draft=draft,
        signers=_old_signers(draft, policy),
        out=args.out or args.source,
        fresh=not begun,
    )
    return signing.run(task, args, policy, now=now)


def _statement(args: argparse.Namespace, policy: EntryPolicy, *, now: int) -> RotationStatement:
    role = Role(args.role)
    name = policy.role_name(role, args.name)
    if not args.new_keys:
        raise ConfigurationError("name every key from then on with --new-key")
    return RotationStatement(
        log=policy.log.origin,
        role=role,
        name=name,
        old=policy.role_keys(role, name),
        new=RoleKeys(keys=tuple(args.new_keys), threshold=args.threshold),
        not_before=now if args.not_before is None else arguments.time_of(args.not_before),
        issued=now,
    )


def _old_signers(draft: Draft, policy: EntryPolicy) -> EntrySigners:
    """Give the keys so far, which are the policy's and no others."""
    rotation = draft.statement
    if not isinstance(rotation, RotationStatement):
        raise RefusedError("not an announcement of new keys")
    known = policy.role_keys(rotation.role, rotation.name)
    if (set(known.keys), known.threshold) != (set(rotation.old.keys), rotation.old.threshold):
        raise RefusedError("the announcement does not begin with the keys that the policy lists")
    keys = public_keys(rotation.role, known.keys)
    return EntrySigners(keys=keys, threshold=known.threshold)
