"""`openpcc policy rotate`: new keys into a policy, as its old keys have announced in the log.

It writes a new file. Who uses the policy puts it in the old one's place; nothing happens by itself.
"""

import argparse
import os
import tempfile
from contextlib import suppress
from pathlib import Path

from openpcc import clock, key_rotation
from openpcc.cli import output
from openpcc.cli.failures import PASSED
from openpcc.cli.policy import edit
from openpcc.cli.policy.file import REMEDY
from openpcc.cli.verify.arguments import time_of
from openpcc.cli.verify.judged import read
from openpcc.cli.verify.shown import time
from openpcc.config import MAX_FILE, ClientPolicy
from openpcc.errors import ConfigurationError
from openpcc.key_rotation import Announcement
from transparency_log.proof import MAX_FILE as MAX_PROOF_FILE
from transparency_log.rotation import Role, RoleKeys

BY_HAND = (
    "the file is not laid out as in docs/formats.md, 6; change the keys there by hand, as "
    "`openpcc-log rotate` prints them"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add = parser.add_argument
    add("path", type=Path, metavar="POLICY", help="policy file; it is not changed")
    add("--proof", type=Path, metavar="FILE", required=True,
        help="proof file of the announcement, as `openpcc-log rotate` writes it")  # fmt: skip
    add("--out", type=Path, metavar="FILE", required=True, help="new file for the new policy")
    add("--overlap", action="store_true", help="keep the old keys beside the new ones")
    add("--at", metavar="TIME", help="as of a time, 2027-01-15T08:00:00Z (default: now)")
    add("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Do it; gives the exit code."""
    policy = ClientPolicy.load(args.path, remedy=REMEDY)
    now = clock.now() if args.at is None else time_of(args.at)
    proof = read(args.proof, MAX_PROOF_FILE)
    found = key_rotation.verify_announcement(proof, policy, now=now, overlap=args.overlap)
    expected = key_rotation.apply(policy, found, overlap=args.overlap)
    text = _edited(read(args.path, MAX_FILE).decode(), found, overlap=args.overlap)
    _write(args.out, text, expected)
    _tell(args, found)
    return PASSED


def _edited(text: str, announcement: Announcement, *, overlap: bool) -> str:
    rotation = announcement.rotation
    keys: RoleKeys = key_rotation.joined(rotation) if overlap else rotation.new
    if rotation.role is Role.LOG:
        text = edit.with_log_keys(text, keys)
    elif rotation.role is Role.WITNESS:
        text = edit.with_witness_keys(text, rotation.name, keys)
    else:
        text = edit.with_signers(text, rotation.role.value, keys)
    return text if overlap else edit.with_rotated(text, announcement.index, rotation.issued)


def _write(out: Path, text: str, expected: ClientPolicy) -> None:
    """Write the text, if it makes the policy that was meant; a file that is there stays."""
    temporary = None
    try:
        descriptor, name = tempfile.mkstemp(dir=out.parent, prefix=f".{out.name}.")
        temporary = Path(name)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        if ClientPolicy.load(temporary, remedy=REMEDY) != expected:
            raise ConfigurationError(f"{out}: {BY_HAND}")
        temporary.chmod(0o644)
        os.link(temporary, out)
    except OSError as error:
        raise ConfigurationError(f"{out}: {error.strerror}; name a new file") from error
    finally:
        if temporary is not None:
            with suppress(OSError):
                temporary.unlink()


def _tell(args: argparse.Namespace, announcement: Announcement) -> None:
    rotation = announcement.rotation
    if args.json:
        output.document(
            {
                "policy": str(args.out),
                "index": announcement.index,
                "overlap": args.overlap,
                **rotation.predicate(),
            }
        )
        return
    place = "beside" if args.overlap else "in the place of"
    output.line(
        f"{args.out}: new keys of the {rotation.role.value} {rotation.name}, {place} the old"
    )
    for key in rotation.new.keys:
        output.line(f"  {key}")
    output.line(
        f"announced at index {announcement.index}, in force from {time(rotation.not_before)}"
    )
