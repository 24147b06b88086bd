"""`openpcc policy show`: every setting of a policy as this client understands it."""

import argparse

from openpcc.cli import output
from openpcc.cli.failures import PASSED
from openpcc.cli.policy import checks, file
from openpcc.cli.policy.file import PolicyFile
from openpcc.cli.policy.settings import Setting, settings_of
from openpcc.decision import SIMULATED


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    output.add_common(parser)
    file.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Show the settings, with `--list` the checks."""
    policy = PolicyFile.load(args)
    if args.json:
        output.document(to_json(policy, every_check=args.list))
    elif args.list:
        checks.show(policy.asked)
    else:
        show(policy)
    return PASSED


def show(policy: PolicyFile) -> None:
    """Print the settings for people."""
    rows = [(one.key, _origin(policy, one), one.meaning, one.text) for one in settings_of(policy)]
    simulated = f", {SIMULATED}" if policy.attestation.simulated else ""
    output.line(f"{policy.path}{simulated}")
    output.table(("SETTING", "FROM", "WHAT IT IS", "VALUE"), rows)


def to_json(policy: PolicyFile, *, every_check: bool) -> dict[str, object]:
    """Write the settings as JSON, and the checks where they were asked for."""
    document: dict[str, object] = {
        "policy": str(policy.path),
        "simulated": policy.attestation.simulated,
        "settings": [
            {
                "key": one.key,
                "value": one.value,
                "set": policy.sets(one.key),
                "meaning": one.meaning,
            }
            for one in settings_of(policy)
        ],
    }
    if every_check:
        document["checks"] = checks.to_json(policy.asked)
    return document


def _origin(policy: PolicyFile, setting: Setting) -> str:
    return "file" if policy.sets(setting.key) else "default"
