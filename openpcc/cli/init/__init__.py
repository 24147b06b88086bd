"""`openpcc init DIR`: keys, configurations and client policy of a new deployment, by holder.

    openpcc init service --service llm.example --kind compose --admission tokens
    openpcc init service --answers answers.toml

What is left out has a default; without `--service` a person at the terminal is asked. Nothing is
ever overwritten, and a run that is cut leaves nothing that could be taken for a deployment.
"""

import argparse
from pathlib import Path

from openpcc import clock
from openpcc.cli import output
from openpcc.cli.failures import PASSED
from openpcc.cli.init import asking, making, readme
from openpcc.cli.init.answers import decide
from openpcc.cli.init.deployment import Deployment
from openpcc.cli.init.folder import new_folder
from openpcc.cli.init.questions import QUESTIONS, Form


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments: a flag for each question."""
    parser.add_argument("folder", type=Path, metavar="DIR", help="new folder")
    parser.add_argument("--answers", type=Path, metavar="FILE", help="read answers, TOML")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    for one in QUESTIONS:
        many = one.form is Form.TEXTS
        parser.add_argument(
            one.flag, dest=one.name, metavar="TEXT" if one.form is not Form.NUMBER else "N",
            action="append" if many else "store", type=int if one.form is Form.NUMBER else str,
            help=one.help + ("; may be repeated" if many else ""),
        )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Make the folder, and say what comes next."""
    answers = decide(asking.given(args))
    target = args.folder.absolute()
    found = making.decided(answers, now=clock.now())
    with new_folder(target) as draft:
        making.fill(draft, found, target)
    _tell(args, found)
    return PASSED


def _tell(args: argparse.Namespace, found: Deployment) -> None:
    holders = readme.holders(found.answers)
    if args.json:
        output.document(
            {
                "folder": str(args.folder),
                "service": found.answers.service,
                "kind": found.answers.kind.value,
                "simulated": found.answers.simulated,
                "holders": [one.to_json() for one in holders],
                "steps": [
                    {"title": one.title, "servers": one.servers, "commands": list(one.commands)}
                    for one in making.commands(found)
                ],
            }
        )
        return
    rows = [(one.folder, one.who, one.does) for one in holders]
    output.table(("FOLDER", "WHO GETS IT", "WHAT ITS SECRETS DO"), rows)
    if found.answers.simulated:
        output.line("SIMULATED: the nodes keep nothing from anybody")
    output.line(f"what comes next, in order: {args.folder / 'README.md'}")
