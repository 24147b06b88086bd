"""`openpcc audit gateway URL`: what a service serves, on different ways, against the log.

The gateway is asked directly and through the relay, so it learns the auditor's address; the log is
read from the gateway's mirror, and with `--log` from the log itself; the issuer of the
configuration is asked for its directory. Exit code 3 if nobody answered at all.
"""

import argparse
from collections.abc import Callable
from contextlib import ExitStack

from openpcc.audit.gateway import GatewayAudit
from openpcc.audit.log_files import LogFiles
from openpcc.audit.report import AuditReport
from openpcc.cli.audit import output, service
from openpcc.config import checked_url
from openpcc.protocol.privacypass import IssuerDirectory
from openpcc.token_settings import TokenSettings
from openpcc.tokens.issuer import Issuer
from transparency_log.client import LogClient


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("gateway", metavar="URL", help="address of the gateway itself")
    service.add_service(parser)
    parser.add_argument(
        "--log", metavar="URL", help="where to read the log as well (default: its mirror alone)"
    )
    output.add_output(parser)


def run(args: argparse.Namespace) -> int:
    """Audit, and write what was asked for."""
    output.check(args)
    return output.finish(audit(args), args)


def audit(args: argparse.Namespace) -> AuditReport:
    """Audit the gateway.

    Raises:
        ConfigurationError: the arguments cannot be used.
        TransportError: nobody answered.
    """
    direct, relay = checked_url(args.gateway, "the gateway's URL"), service.relay_of(args)
    with service.opened(args) as found, ExitStack() as stack:
        log = None
        if args.log is not None:
            files = LogFiles(args.log, seconds=60.0 * args.minutes, ca=found.ca)
            log = LogClient(found.policy.log, stack.enter_context(files).fetch)
        return GatewayAudit(
            subject=direct,
            policy=found.policy,
            paths=[found.path("direct", direct), found.path("relay", relay)],
            states=found.states,
            log=log,
            issuer=_issuer(service.issuer_of(args), stack),
            folder=found.folder,
        ).run()


def _issuer(
    settings: TokenSettings | None, stack: ExitStack
) -> Callable[[], IssuerDirectory] | None:
    """Reach the issuer; it is asked for its directory, as anybody may, without a credential."""
    if settings is None:
        return None
    issuer = Issuer(settings)
    stack.callback(issuer.close)
    return issuer.directory
