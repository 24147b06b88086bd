"""What `NodeBook.view()` gives, made by hand: for the surfaces that only show it."""

from attestation.result import CHECKS, Check, Outcome, Report
from openpcc.nodes import BookView, NodeView

NOW = 1_800_000_000
RELEASE = bytes.fromhex("a4d451ec23463726f72c43d64c710968f6b602cd653b4de8adee1b556240a829")
MACHINE = bytes.fromhex("bc020a35b7f9cb1382e7b534c68e3c531d849b119bf14f75ddead6cc45c3ccc1")

DEBUG_ON = Check(id="8.debug", outcome=Outcome.FAIL, expected="off", actual="on")


def report(*found: Check, simulated: bool = True) -> Report:
    """All checks pass but those given."""
    named = {check.id: check for check in found}
    refused = any(check.refuses for check in found)
    return Report(
        platform="simulated" if simulated else "sev-snp",
        at=NOW,
        expires=None if refused else NOW + 900,
        machine=MACHINE,
        release=RELEASE,
        checks=tuple(named.get(name, Check(id=name, outcome=Outcome.PASS)) for name in CHECKS),
    )


def good_node(*, leaf: bytes = bytes(32), simulated: bool = True, expires: int = 900) -> NodeView:
    return NodeView(
        leaf=leaf,
        machine=MACHINE,
        platform="simulated" if simulated else "sev-snp",
        expires=NOW + expires,
        accepted=True,
        models=("demo",),
        report=report(simulated=simulated),
        problem="",
    )


def refused_node(*, leaf: bytes = bytes([1]) * 32) -> NodeView:
    return NodeView(
        leaf=leaf,
        machine=None,
        platform="simulated",
        expires=None,
        accepted=False,
        models=("demo",),
        report=report(DEBUG_ON),
        problem="",
    )


def missing_node(
    *, leaf: bytes = bytes([2]) * 32, problem: str = "evidence not to be had"
) -> NodeView:
    return NodeView(
        leaf=leaf,
        machine=None,
        platform="",
        expires=None,
        accepted=False,
        models=("demo",),
        report=None,
        problem=problem,
    )


def book_view(*nodes: NodeView, simulated: bool = True, valid: int = 600) -> BookView:
    return BookView(
        service="demo.example",
        simulated=simulated,
        sequence=2,
        valid_until=NOW + valid,
        status_age_from=NOW - 60,
        checkpoint_size=7,
        witnessed=NOW - 30,
        nodes=nodes,
    )
