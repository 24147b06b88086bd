"""Entry point of the commands: arguments, the clock and exit codes come in here."""

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import cast

from transparency_log.cli import output, proof, publish, revoke, rotate, signer, status
from transparency_log.cli.outcome import describe
from transparency_log.errors import LogError

COMMANDS: Mapping[str, ModuleType] = {
    "publish": publish,
    "status": status,
    "revoke": revoke,
    "rotate": rotate,
    "proof": proof,
    "signer": signer,
}
"""Command to its module: `HELP`, `add_arguments`, `run`."""

INTERRUPTED = 130
"""What shells expect of a program ended by Ctrl-C."""


def main(words: Sequence[str]) -> int:
    """Run a command line; gives the exit code."""
    args = _parse(words)
    try:
        return cast("int", COMMANDS[args.command].run(args, now=int(time.time())))
    except LogError as error:
        failure = describe(error)
        if args.json:
            output.document(failure.to_json())
        output.note(f"openpcc-log {args.command}: {failure.message}")
        return failure.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED


def _parse(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="openpcc-log",
        epilog="Exit codes: 0 done, 1 refused or signatures missing, 2 usage or configuration, "
        "3 network.",
    )
    children = parser.add_subparsers(metavar="COMMAND", dest="command", required=True)
    for name, module in COMMANDS.items():
        child = children.add_parser(name, help=module.HELP, description=f"{module.HELP}.")
        module.add_arguments(child)
    return parser.parse_args(words)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
