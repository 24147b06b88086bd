"""The chain of trust as a picture: what each link rests on, and whether it holds. Pure.

    vendor root, certificates, quote, measurement, release, log, witnesses

Its links are judged by the findings alone: broken where one failed, open where one that had to be
judged was not, and outside the audit where nobody asked. It is drawn twice, lying for wide windows
and standing for narrow ones; a style sheet shows one of the two.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise

from openpcc.audit.report import AuditKind, AuditReport, Finding, Outcome
from openpcc.audit.visible import html
from openpcc.decision import SIMULATED


class State(Enum):
    """How a link stands: style, sign and word; never told by colour alone."""

    HOLDS = ("pass", "✓", "holds")
    BROKEN = ("fail", "✕", "broken")
    OPEN = ("skip", "?", "not judged")
    SIMULATED = ("skip", "!", SIMULATED)
    OUTSIDE = ("none", "·", "not audited")

    @property
    def style(self) -> str:
        """Give the class that colours it."""
        return self.value[0]

    @property
    def sign(self) -> str:
        """Give the one character inside its circle."""
        return self.value[1]

    @property
    def word(self) -> str:
        """Give the word below it."""
        return self.value[2]


@dataclass(frozen=True, kw_only=True)
class Link:
    """A link of the chain.

    Attributes:
        name: for people.
        ids: of the findings it rests on; one that ends with a dot or dash means all that begin so,
            but for those that another link names more closely.
        kinds: audits that have it; empty: all.
    """

    name: str
    ids: tuple[str, ...]
    kinds: frozenset[AuditKind] = frozenset()

    def closeness(self, id_: str) -> int:
        """Say how closely this link names a finding's id; 0: not at all."""
        named = (
            one
            for one in self.ids
            if id_ == one or (one.endswith((".", "-")) and id_.startswith(one))
        )
        return max(map(len, named), default=0)


OF_A_SERVICE = frozenset({AuditKind.ALL, AuditKind.GATEWAY, AuditKind.NODE})

LINKS = (
    Link(name="Vendor root", ids=("2.chain",)),
    Link(
        name="Certificates",
        ids=("2.chain", "2.revocation", "2.collateral", "2.recency", "2.floors"),
    ),
    Link(
        name="Quote",
        ids=(
            *("1.", "2.signature", "2.identity", "2.tcb", "3.", "4.", "node."),
            *("8.debug", "8.migration", "8.guest"),
            *("9.platform", "9.tcb", "9.machine", "9.suite"),
        ),
    ),
    Link(name="Receipt", ids=("receipt.",), kinds=frozenset({AuditKind.RECEIPT})),
    Link(name="Measurement", ids=("6.", "8.measurement", "8.eventlog", "8.model", "9.model")),
    Link(
        name="Release",
        ids=(
            *("7.signers", "7.status", "7.fresh", "7.expiry", "7.provenance"),
            *("log.release-", "log.status-", "gateway.release"),
        ),
    ),
    Link(name="Directory", ids=("gateway.", "log.service-"), kinds=OF_A_SERVICE),
    Link(name="Log", ids=("5.", "7.inclusion", "log.")),
    Link(name="Witnesses", ids=("5.beacon", "7.witnesses", "log.quorum", "log.operators")),
)
"""The chain, from the hardware's maker to those who watch the log."""


def draw(report: AuditReport) -> str:
    """Draw the chain; nothing where no finding is about it, as of attacks."""
    chain = states(report)
    if all(one in {State.OUTSIDE, State.SIMULATED} for _, one in chain):
        return ""
    told = html("; ".join(f"{link.name}: {one.word}" for link, one in chain))
    return (
        '<figure class="chain"><figcaption>The chain of trust, from who made the hardware to who '
        f"watches the log.</figcaption>{_lying(chain, told)}{_standing(chain, told)}</figure>"
    )


def states(report: AuditReport) -> list[tuple[Link, State]]:
    """Judge each link of the chain by the findings it rests on."""
    links = [link for link in LINKS if not link.kinds or report.kind in link.kinds]
    by_id: dict[str, list[Finding]] = {}
    for one in report.findings:
        by_id.setdefault(one.id, []).append(one)
    found: dict[str, list[Finding]] = {link.name: [] for link in links}
    for id_, some in by_id.items():
        close = {link.name: link.closeness(id_) for link in links}
        for name, how in close.items():
            if how and how == max(close.values()):
                found[name] += some
    return [(link, _state(link, found[link.name], report)) for link in links]


def _state(link: Link, found: Sequence[Finding], report: AuditReport) -> State:
    if any(one.outcome is Outcome.FAIL for one in found):
        return State.BROKEN
    if link is LINKS[0] and report.simulated:
        return State.SIMULATED
    if any(one.outcome is Outcome.SKIP and one.required for one in found):
        return State.OPEN
    passed = any(one.outcome is Outcome.PASS for one in found)
    return State.HOLDS if passed else State.OUTSIDE


Chain = Sequence[tuple[Link, State]]

STEP, RADIUS = 130, 21
"""Units between two links, and of a circle."""


def _lying(chain: Chain, told: str) -> str:
    parts = [*_lines(chain, lying=True)]
    for index, (link, one) in enumerate(chain):
        x = STEP // 2 + STEP * index
        parts.append(
            f'<g class="{one.style}">{_circle(x, 30, one)}'
            f'<text class="name" x="{x}" y="78">{link.name}</text>'
            f'<text class="word" x="{x}" y="98">{one.word}</text></g>'
        )
    return _svg("wide", STEP * len(chain), 106, parts, told)


def _standing(chain: Chain, told: str) -> str:
    parts = [*_lines(chain, lying=False)]
    for index, (link, one) in enumerate(chain):
        y = 30 + 64 * index
        parts.append(
            f'<g class="{one.style}">{_circle(30, y, one)}'
            f'<text class="name" x="68" y="{y - 2}">{link.name}</text>'
            f'<text class="word" x="68" y="{y + 17}">{one.word}</text></g>'
        )
    return _svg("narrow", 300, 64 * len(chain) - 4, parts, told)


def _lines(chain: Chain, *, lying: bool) -> Iterator[str]:
    """Draw what is between two links: whole only where both hold."""
    for index, (one, other) in enumerate(pairwise(chain)):
        style = _between({one[1], other[1]})
        if lying:
            x = STEP // 2 + STEP * index
            ends = f'x1="{x + RADIUS + 5}" y1="30" x2="{x + STEP - RADIUS - 5}" y2="30"'
        else:
            y = 30 + 64 * index
            ends = f'x1="30" y1="{y + RADIUS + 4}" x2="30" y2="{y + 64 - RADIUS - 4}"'
        yield f'<line class="{style}" {ends}/>'


def _between(states: set[State]) -> str:
    if State.BROKEN in states:
        return State.BROKEN.style
    return State.HOLDS.style if states == {State.HOLDS} else State.OUTSIDE.style


def _circle(x: int, y: int, one: State) -> str:
    return (
        f'<circle cx="{x}" cy="{y}" r="{RADIUS}"/>'
        f'<text class="sign" x="{x}" y="{y + 7}">{one.sign}</text>'
    )


def _svg(style: str, width: int, height: int, parts: Iterable[str], told: str) -> str:
    return (
        f'<svg class="{style}" viewBox="0 0 {width} {height}" role="img" aria-label="{told}">'
        f"{''.join(parts)}</svg>"
    )
