"""`openpcc verify contradiction`: what do two kept statements prove, and against whom?

A client that is shown two histories keeps both statements in a folder of its state. Anybody can
judge them with the public keys of a policy; nothing of the client's is believed. Exit code 0: they
contradict nothing; 1: they are proof, or a suspicion; 2: a file is missing or is no such statement.
"""

import argparse
from pathlib import Path

from openpcc.cli import output
from openpcc.cli.failures import PASSED, REFUSED
from openpcc.cli.verify.given import client_policy, consistency
from openpcc.cli.verify.judged import read
from openpcc.config import ClientPolicy
from openpcc.errors import ConfigurationError
from transparency_log.contradiction import Judgement, Weight, judge_checkpoints, judge_entries
from transparency_log.errors import LogError
from transparency_log.note import MAX_NOTE
from transparency_log.tile import MAX_ENTRY

FORMS = {"note": MAX_NOTE, "json": MAX_ENTRY}
"""Ends of the names of kept statements, and bytes of each that are read."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add = parser.add_argument
    output.add_common(parser)
    add("folder", type=Path, metavar="FOLDER", help="folder with first and second, as it was kept")
    add("--policy", type=Path, metavar="PATH", help="policy file (default: the configuration's)")
    add("--consistency", type=Path, metavar="PATH",
        help="proof that two trees are one history, a base64 hash per line")  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Judge and show; see the module for the exit code."""
    policy, where = client_policy(args)
    found = _judge(args, policy)
    if args.json:
        output.document(
            {"weight": found.weight.value, "text": found.text, "against": list(found.against)}
        )
    else:
        output.line(f"{found.weight.value.upper()}: {found.text}")
        for name in found.against:
            output.line(f"  against   {name}")
        output.line(f"  keys      of the policy {where}")
    return PASSED if found.weight is Weight.NOTHING else REFUSED


def _judge(args: argparse.Namespace, policy: ClientPolicy) -> Judgement:
    folder: Path = args.folder
    form = next((form for form in FORMS if (folder / f"first.{form}").is_file()), None)
    if form is None:
        raise ConfigurationError(f"{folder}: holds no first.note or first.json; name another")
    first, second = (read(folder / f"{name}.{form}", FORMS[form]) for name in ("first", "second"))
    try:
        if form == "json":
            return judge_entries(
                first,
                second,
                status_signers=policy.status_signers,
                service_signers=policy.service_signers,
            )
        return judge_checkpoints(first, second, policy.log, proof=consistency(args))
    except LogError as error:
        raise ConfigurationError(
            f"{folder}: not two statements by the keys of this policy ({error}); name its policy"
        ) from error
