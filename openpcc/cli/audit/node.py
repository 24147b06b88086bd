"""`openpcc audit node`: challenge a listed node with a fresh nonce, through relay and gateway.

Without a leaf one of all nodes is drawn at random. A node answers few challenges, whoever asks;
where others used them up the audit waits, and is incomplete in the end. Exit code 3 if nobody
answered at all.
"""

import argparse
import re

from openpcc.audit.node import MOST_NODES, NodeAudit
from openpcc.audit.report import AuditReport
from openpcc.cli.audit import output, service
from openpcc.errors import ConfigurationError

LEAF = re.compile(r"[0-9a-f]{8,64}")
"""How a leaf is named: the beginning of its hash, as `openpcc nodes` shows it."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add = parser.add_argument
    add("leaf", metavar="LEAF", nargs="?", help="beginning of the leaf hash, 8 hex digits or more")
    add("--every", dest="most", action="store_const", const=MOST_NODES, default=1,
        help=f"challenge every node that is listed, up to {MOST_NODES}")  # fmt: skip
    service.add_service(parser)
    output.add_output(parser)


def run(args: argparse.Namespace) -> int:
    """Audit, and write what was asked for."""
    output.check(args)
    return output.finish(audit(args), args)


def audit(args: argparse.Namespace) -> AuditReport:
    """Audit the node.

    Raises:
        ConfigurationError: the arguments cannot be used.
        TransportError: nobody answered.
    """
    leaf = None if args.leaf is None else args.leaf.removesuffix("…").lower()
    if leaf is not None and not LEAF.fullmatch(leaf):
        raise ConfigurationError("a leaf is named by 8 to 64 hex digits, as `openpcc nodes` shows")
    relay = service.relay_of(args)
    with service.opened(args) as found:
        return NodeAudit(
            policy=found.policy,
            path=found.path("relay", relay),
            states=found.states,
            leaf=leaf,
            most=args.most,
        ).run()
