"""`openpcc doctor`: is everything in place? Installation first, then configuration, relay, nodes.

Without a configuration the installation alone is checked. The exit code is that of the first row
that failed.
"""

import argparse
import os
from collections.abc import Iterator

from openpcc import clock, paying
from openpcc.carrier import Carrier
from openpcc.cli import output
from openpcc.cli.failures import NETWORK, PASSED, USAGE, describe
from openpcc.cli.installation import Finding, Outcome, examine, failed, inform, passed
from openpcc.config import NAME_ANOTHER, ClientConfig, default_path
from openpcc.decision import Decision, duration, require_trusted
from openpcc.errors import (
    ConfigurationError,
    GatewayError,
    OpenPCCError,
    TransportError,
    WalletError,
)
from openpcc.log_checks import CLOCK_TOLERANCE
from openpcc.nodes import NodeBook
from openpcc.token_settings import NO_TOKENS

LATER = (
    ("5.relay", "the relay answers with the gateway's keys"),
    ("6.nodes", "the public record is current and a node is verified"),
    ("7.clock", "this machine's clock is not behind the newest witnessed time"),
    ("8.wallet", "what the service asks for can be paid"),
)
"""Rows that need a configuration."""

RELAY = 30
"""Seconds the relay may take for the gateway's keys."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    output.add_common(parser)


def run(args: argparse.Namespace) -> int:
    """Check and show; see the module for the exit code."""
    findings = [*examine(), *_configured(args)]
    if args.json:
        verdict = "failed" if any(f.outcome == Outcome.FAIL for f in findings) else "passed"
        rows = [finding.to_json() for finding in findings]
        output.document({"verdict": verdict, "checks": rows})
    else:
        rows_shown = [(f.id, str(f.outcome), f.text, f.detail) for f in findings]
        output.table(("CHECK", "RESULT", "WHAT WAS TESTED", "FOUND"), rows_shown)
    return exit_code(findings)


def exit_code(findings: list[Finding]) -> int:
    """Give the code of the first failure."""
    return next((f.exit_code for f in findings if f.outcome == Outcome.FAIL), PASSED)


def _configured(args: argparse.Namespace) -> Iterator[Finding]:
    name, text = "4.configuration", "configuration and policy can be read"
    path = default_path() if args.config is None else args.config
    if args.config is None and "OPENPCC_CONFIG" not in os.environ and not path.exists():
        yield inform(name, text, f"none at {path}; {NAME_ANOTHER}")
        return
    try:
        config = ClientConfig.load(path)
    except ConfigurationError as error:
        yield failed(name, text, str(error), USAGE)
        yield from _skipped(0, "no configuration")
        return
    simulated = ", SIMULATED" if config.policy.attestation.simulated else ""
    yield passed(name, text, f"{path}: service {config.policy.service}{simulated}")
    yield from _online(config)


def _online(config: ClientConfig) -> Iterator[Finding]:
    found = list(_relays(config))
    yield from found
    if all(one.outcome == Outcome.FAIL for one in found):
        yield from _skipped(1, "no relay was reached")
        return
    book = NodeBook(config)
    try:
        yield _nodes(book)
        yield examine_clock(book.view().witnessed, now=clock.now())
        yield _wallet(config, book)
    finally:
        book.close()


def _relays(config: ClientConfig) -> Iterator[Finding]:
    """Ask every relay, each by itself; clients use one, and only a doctor asks them all."""
    for number, url in enumerate(config.relays, start=1):
        name = LATER[0][0] if len(config.relays) == 1 else f"{LATER[0][0]}.{number}"
        yield _relay(name, url, config)


def _relay(name: str, url: str, config: ClientConfig) -> Finding:
    text = LATER[0][1]
    carrier = Carrier(url, config.ca)
    try:
        with carrier.limited(RELAY):
            carrier.keys()
    except (TransportError, GatewayError) as error:
        return failed(name, text, str(error), NETWORK)
    finally:
        carrier.close()
    return passed(name, text, url)


def _nodes(book: NodeBook) -> Finding:
    name, text = LATER[1]
    try:
        book.refresh(clock.now())
        decision: Decision = require_trusted(book.view(), now=clock.now())
    except OpenPCCError as error:
        failure = describe(error)
        said = f"{failure.message}; {failure.remedy}" if failure.remedy else failure.message
        return failed(name, text, said, failure.exit_code)
    return passed(name, text, decision.sentence())


def examine_clock(witnessed: int | None, *, now: int) -> Finding:
    """Check the local clock against the newest witnessed time."""
    name, text = LATER[2]
    if witnessed is None:
        return _skip(name, text, "no witnessed time")
    behind = witnessed - now
    if behind > CLOCK_TOLERANCE:
        return failed(name, text, f"{duration(behind)} behind; set the clock")
    return passed(name, text, f"newest witnessed time is {duration(max(-behind, 0))} old")


def _wallet(config: ClientConfig, book: NodeBook) -> Finding:
    """Look into the wallet, where the service wants tokens."""
    name, text = LATER[3]
    snapshot = book.valid(clock.now())
    if snapshot is None:
        return _skip(name, text, "the service's record is not known")
    if snapshot.service.parameters.tokens is None:
        return passed(name, text, "admission is open: it asks for nothing")
    if config.tokens is None:
        return failed(name, text, NO_TOKENS, USAGE)
    try:
        config.tokens.read_credential()
        stock = paying.count_stock(config)
    except (ConfigurationError, WalletError) as error:
        return failed(name, text, str(error), USAGE)
    if stock == 0:
        return failed(name, text, "no token can be spent; run: openpcc wallet fill", USAGE)
    return passed(name, text, f"{stock} tokens can be spent")


def _skipped(start: int, why: str) -> Iterator[Finding]:
    for name, text in LATER[start:]:
        yield _skip(name, text, why)


def _skip(name: str, text: str, why: str) -> Finding:
    return Finding(id=name, outcome=Outcome.SKIP, text=text, detail=why)
