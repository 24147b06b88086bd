"""`openpcc policy check`: is this a policy? Exit code 2 names what is wrong and what to do."""

import argparse

from openpcc.cli import output
from openpcc.cli.failures import PASSED
from openpcc.cli.policy import checks, file
from openpcc.cli.policy.file import PolicyFile
from openpcc.decision import SIMULATED


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    output.add_common(parser)
    file.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Check a policy; `--list` without a file is about any policy."""
    if args.list and args.path is None:
        if args.json:
            output.document({"checks": checks.to_json(None)})
        else:
            checks.show(None)
        return PASSED
    policy = PolicyFile.load(args)
    if args.json:
        output.document(to_json(policy, every_check=args.list))
        return PASSED
    output.line(sentence(policy))
    if args.list:
        checks.show(policy.asked)
    return PASSED


def sentence(policy: PolicyFile) -> str:
    """Say in one line what was found.

    policy.toml: a client policy for demo.example, platforms simulated, SIMULATED
    """
    what = "[attestation] alone, for raw evidence"
    if policy.client is not None:
        what = f"a client policy for {policy.client.service}"
    platforms = ", ".join(policy.attestation.platforms)
    simulated = f", {SIMULATED}" if policy.attestation.simulated else ""
    return f"{policy.path}: {what}, platforms {platforms}{simulated}"


def to_json(policy: PolicyFile, *, every_check: bool) -> dict[str, object]:
    """Write the same as JSON."""
    document: dict[str, object] = {
        "policy": str(policy.path),
        "service": None if policy.client is None else policy.client.service,
        "platforms": list(policy.attestation.platforms),
        "simulated": policy.attestation.simulated,
    }
    if every_check:
        document["checks"] = checks.to_json(policy.asked)
    return document
