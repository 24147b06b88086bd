"""`openpcc nodes`: look at the service now, and show how each node was judged.

Exit code 1 if any node was refused, although the others can still be used.
"""

import argparse

from openpcc import clock
from openpcc.cli import output
from openpcc.cli.failures import PASSED, REFUSED
from openpcc.cli.reports import show_report
from openpcc.config import ClientConfig
from openpcc.decision import SIMULATED, Decision, duration, short, short_end, usable
from openpcc.errors import DirectoryError, RefusedError, UnknownModelError
from openpcc.nodes import BookView, NodeBook, NodeView


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    output.add_common(parser)
    parser.add_argument("--model", metavar="M", help="only nodes that serve this model")
    parser.add_argument("--checks", action="store_true", help="show every numbered check")


def run(args: argparse.Namespace) -> int:
    """Verify and show; see the module for the exit code."""
    book = NodeBook(ClientConfig.load(args.config))
    try:
        return examine(book, args, now=clock.now())
    finally:
        book.close()


def examine(book: NodeBook, args: argparse.Namespace, *, now: int) -> int:
    """Look through `book` now, and show what it finds.

    Raises:
        OpenPCCError: the service could not be looked at, or is refused as a whole.
    """
    try:
        book.refresh(now)
    except (RefusedError, DirectoryError) as error:
        if args.checks and not args.json:
            _refused(error)
        raise
    view = book.view()
    if args.model is not None and args.model not in (offered := book.models(now)):
        raise UnknownModelError(args.model, tuple(offered))
    nodes = _serving(view, args.model)
    if args.json:
        output.document(to_json(view, nodes, now=now))
    else:
        show(view, nodes, now=now, checks=args.checks)
    return PASSED if all(usable(node, now=now) for node in nodes) else REFUSED


def show(view: BookView, nodes: tuple[NodeView, ...], *, now: int, checks: bool) -> None:
    """Print the nodes for people."""
    output.line(f"{view.service}: {Decision.of(view, now=now).sentence()}")
    rows = [_row(node, now=now) for node in nodes]
    output.table(("LEAF", "VERDICT", "PLATFORM", "MACHINE", "EVIDENCE EXPIRES", "MODELS"), rows)
    for node in nodes:
        if checks and node.report is not None:
            show_report(node.report, title=f"Checks of node {short(node.leaf.hex())}")


def to_json(view: BookView, nodes: tuple[NodeView, ...], *, now: int) -> dict[str, object]:
    """Write the view as JSON."""
    return {
        "service": view.service,
        "simulated": view.simulated,
        "sequence": view.sequence,
        "valid_until": view.valid_until,
        "status_issued": view.status_age_from,
        "checkpoint_size": view.checkpoint_size,
        "witnessed": view.witnessed,
        "nodes": [
            {
                "leaf": node.leaf.hex(),
                "verdict": verdict(node, now=now),
                "platform": node.platform or None,
                "machine": node.machine.hex() if node.machine else None,
                "expires": node.expires,
                "models": list(node.models),
                "problem": node.problem or None,
                "report": node.report.to_json() if node.report is not None else None,
            }
            for node in nodes
        ],
    }


def verdict(node: NodeView, *, now: int) -> str:
    """Name what may be done with a node: `verified`, `expired` or `refused`."""
    if usable(node, now=now):
        return "verified"
    return "expired" if node.accepted else "refused"


def _serving(view: BookView, model: str | None) -> tuple[NodeView, ...]:
    nodes = tuple(node for node in view.nodes if model is None or model in node.models)
    if not nodes:
        what = "no node is listed" if model is None else f"no node is listed for model {model!r}"
        raise DirectoryError("unavailable", what)
    return nodes


def _row(node: NodeView, *, now: int) -> tuple[str, ...]:
    platform = node.platform or "unknown"
    if node.report is not None and node.report.simulated:
        platform = f"{SIMULATED} ({platform})"
    return (
        short(node.leaf.hex()),
        verdict(node, now=now),
        platform,
        short_end(node.machine.hex()) if node.machine else "not named",
        f"in {duration(node.expires - now)}" if node.expires is not None else node.problem or "-",
        ", ".join(node.models),
    )


def _refused(error: RefusedError | DirectoryError) -> None:
    reports = (error.report,) if isinstance(error, RefusedError) else error.reports
    for number, report in enumerate(reports, start=1):
        show_report(report, title=f"Checks of refused node {number}")
