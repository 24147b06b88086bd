"""`openpcc-log signer`: make a key that signs entries, or show the public half of one."""

import argparse
import secrets
from pathlib import Path

from transparency_log.cli import files, output
from transparency_log.cli.outcome import DONE
from transparency_log.dsse import EnvelopeSigner, key_hint
from transparency_log.server.secret_files import SEED_SIZE, read_seed
from transparency_log.strict_json import b64encode

HELP = "make a signer's key, or show its public key"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    one = parser.add_mutually_exclusive_group(required=True)
    one.add_argument("--out", type=Path, metavar="FILE", help="make a new key in this new file")
    one.add_argument("--key", type=Path, metavar="FILE", help="show the public key of this one")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace, *, now: int) -> int:
    """Do it; gives the exit code."""
    if args.out is not None:
        seed = b64encode(secrets.token_bytes(SEED_SIZE)).encode() + b"\n"
        files.create(args.out, seed, mode=0o600)
    public = EnvelopeSigner(private_key=read_seed(args.out or args.key)).public_key
    if args.json:
        output.document({"public_key": b64encode(public), "keyid": key_hint(public)})
    else:
        output.line(b64encode(public))
        output.note(f"key {key_hint(public)}; the line above goes into `keys` of [signers.…]")
    return DONE
