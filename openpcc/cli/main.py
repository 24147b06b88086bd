"""`openpcc`: finds the subcommand, loads it alone, and turns its errors into exit codes.

    0  all required checks passed
    1  refused: a node, a record or a receipt is not trustworthy; nothing more was sent
    2  usage or configuration
    3  network: not reached, not served, or a reply that was cut

Every error is one line on stderr that names the thing and the remedy; with `--json` it is also the
one JSON object on stdout.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Protocol, cast

from openpcc import __version__
from openpcc.cli import output
from openpcc.cli.failures import NETWORK, describe
from openpcc.errors import ConfigurationError, OpenPCCError

INTERRUPTED = 130
"""What shells expect of a program ended by Ctrl-C."""


@dataclass(frozen=True, kw_only=True)
class Command:
    """A subcommand before its module is loaded."""

    help: str
    extra: str = ""
    """The extra whose packages it needs beyond the base install."""
    parts: "Mapping[str, Command]" = field(default_factory=dict)
    """Its own subcommands, each a module below it; empty: it is one command."""
    whole: bool = False
    """Whether it is a command also without one of its parts: all of them, by its own module."""


AUDITS: Mapping[str, Command] = {
    "log": Command(help="follow the whole log, and flag what no client could see"),
    "gateway": Command(help="audit what a service serves, on different ways, against the log"),
    "node": Command(help="challenge a listed node with a fresh nonce"),
    "release": Command(help="compute an image again, and hold it against what was logged"),
    "attack": Command(help="attack a service of your own, and see what refuses", extra="demo"),
}
"""The parts of `openpcc audit`, each `openpcc.cli.audit.<name>`."""

COMMANDS = {
    "chat": Command(help="send a prompt to verified nodes"),
    "proxy": Command(help="serve the OpenAI API on this machine", extra="proxy"),
    "nodes": Command(help="verify the nodes of the service and show every check"),
    "verify": Command(
        help="judge files that were kept",
        parts={
            "evidence": Command(help="judge an evidence bundle, or raw evidence of a machine"),
            "release": Command(help="judge a release by its log entry, and show what it says"),
            "receipt": Command(help="judge a receipt with the evidence that was kept beside it"),
            "contradiction": Command(help="judge two kept statements that contradict each other"),
        },
    ),
    "audit": Command(help="check a whole service, and attack it", parts=AUDITS, whole=True),
    "policy": Command(
        help="show or check whom this client believes",
        parts={
            "show": Command(help="show every setting of the policy as this client understands it"),
            "check": Command(help="check a policy file"),
            "rotate": Command(help="take new keys into a policy, as its old ones announced them"),
        },
    ),
    "wallet": Command(help="count the tokens that requests are paid with, and buy some"),
    "doctor": Command(help="check installation, configuration, relay, clock and nodes"),
    "init": Command(help="make keys, configurations and policy of a new service", extra="demo"),
    "demo": Command(help="run the whole service on this machine, SIMULATED", extra="demo"),
}


class Module(Protocol):
    """What a subcommand's module offers."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the arguments."""
        ...

    def run(self, args: argparse.Namespace) -> int:
        """Do it; give the exit code."""
        ...


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code is the result."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        args = _parse(words)
    except ConfigurationError as error:
        return _fail(error, as_json="--json" in words)
    try:
        return cast("int", args.run(args))
    except OpenPCCError as error:
        return _fail(error, as_json=getattr(args, "json", False))
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has enough. Python would complain again when it flushes.
        sys.stdout = None
        return NETWORK


def _parse(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="openpcc",
        description="Talk to a model that nobody but attested, publicly logged software can hear.",
        epilog="Exit codes: 0 all required checks passed, 1 refused, 2 usage or configuration, "
        "3 network.",
    )
    parser.add_argument("--version", action="version", version=f"openpcc {__version__}")
    _add_commands(parser, COMMANDS, words)
    return parser.parse_args(words)


def _add_commands(
    parser: argparse.ArgumentParser,
    commands: Mapping[str, Command],
    words: Sequence[str],
    *,
    under: str = "",
) -> None:
    """Declare commands; only the one that was asked for is loaded."""
    children = parser.add_subparsers(metavar="COMMAND", title="commands", required=True)
    place = next((i for i, word in enumerate(words) if not word.startswith("-")), len(words))
    chosen, rest = "".join(words[place : place + 1]), words[place + 1 :]
    for name, command in commands.items():
        child = children.add_parser(name, help=command.help, description=_sentence(command.help))
        if command.parts and not (command.whole and name == chosen and _is_whole(command, rest)):
            _add_commands(child, command.parts, rest if name == chosen else (), under=f"{name}.")
        elif name == chosen:
            if command.parts:
                child.epilog = f"Alone, by its name behind this one: {', '.join(command.parts)}."
            module = _load(f"{under}{name}", command)
            module.add_arguments(child)
            child.set_defaults(run=module.run)


def _is_whole(command: Command, rest: Sequence[str]) -> bool:
    """Say whether the command itself was asked for: the name of a part stands directly behind."""
    return not rest or rest[0] not in command.parts


def _load(name: str, command: Command) -> Module:
    try:
        return cast("Module", import_module(f"openpcc.cli.{name}"))
    except ModuleNotFoundError as error:
        if not command.extra:
            raise
        raise ConfigurationError(
            f"openpcc {name.replace('.', ' ')} needs the package {error.name}; "
            f"run: pip install '.[{command.extra}]' in the source tree"
        ) from error


def _fail(error: OpenPCCError, *, as_json: bool) -> int:
    failure = describe(error)
    if as_json:
        output.document(failure.to_json())
    output.note(failure.line)
    return failure.exit_code


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


if __name__ == "__main__":
    sys.exit(main())
