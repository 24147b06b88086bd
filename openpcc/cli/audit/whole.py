"""`openpcc audit`: the log, the gateway and its nodes, one after the other, in one report.

Attacks are not among them: they are for a service of one's own. Exit code 3 if nobody answered at
all.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

from openpcc import clock
from openpcc.audit.report import AuditReport
from openpcc.audit.whole import whole
from openpcc.cli.audit import gateway, log, node, output, service
from openpcc.cli.failures import NETWORK
from openpcc.cli.verify.given import client_policy
from openpcc.config import checked_url
from openpcc.errors import DirectoryError, GatewayError, TransportError

CHALLENGED = 16
"""Nodes that are challenged: all of a small service, of a large one so many drawn at random."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add = parser.add_argument
    add("--gateway", metavar="URL", required=True, help="address of the gateway itself")
    add("--log", metavar="URL", help="where to read the log (default: the gateway's mirror of it)")
    add("--provenance", type=Path, metavar="FILE", action="append", default=[],
        help="Sigstore bundle of a release, repeatable")  # fmt: skip
    add("--since", metavar="TIME", help="as of `openpcc audit log`")
    service.add_service(parser)
    output.add_output(parser)
    parser.set_defaults(leaf=None, most=CHALLENGED)


def run(args: argparse.Namespace) -> int:
    """Audit, and write what was asked for."""
    output.check(args)
    checked_url(args.gateway, "--gateway")
    policy, _ = client_policy(args)
    parts: dict[str, AuditReport] = {}
    unanswered: dict[str, str] = {}
    reached = False
    at = clock.now()
    for name, audit in AUDITS.items():
        try:
            parts[name], answered = audit(args)
            reached = reached or answered
        except (TransportError, GatewayError, DirectoryError) as error:
            unanswered[name] = str(error)
            reached = reached or not isinstance(error, TransportError)
    code = output.finish(whole(policy.service, parts, unanswered, at=at), args)
    return code if reached else NETWORK


def _log(args: argparse.Namespace) -> tuple[AuditReport, bool]:
    found = log.audit(args)
    return found.report, found.reached


def _answered(
    audit: Callable[[argparse.Namespace], AuditReport],
) -> Callable[[argparse.Namespace], tuple[AuditReport, bool]]:
    return lambda args: (audit(args), True)  # it raises if nobody answered


AUDITS: dict[str, Callable[[argparse.Namespace], tuple[AuditReport, bool]]] = {
    "log": _log,
    "gateway": _answered(gateway.audit),
    "nodes": _answered(node.audit),
}
"""The parts, in their order."""
