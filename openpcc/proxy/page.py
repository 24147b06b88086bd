"""The live trust decision as one page: verdict first, then nodes, then every numbered check.

Pure: from a `BookView` and `now` to bytes. No script, no image, no font, no other file: the policy
in `FIELDS` allows this style sheet by its digest and nothing else. The page asks to be loaded again
every half minute, because a verdict that is no longer true must not stay on a screen.
"""

import base64
import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING

from openpcc.decision import SIMULATED, STEPS, Decision, duration, plural, short, usable

if TYPE_CHECKING:
    from attestation.result import Check, Report
    from openpcc.nodes import BookView, NodeView

RELOAD = 30
"""Seconds."""

STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #57606a; --paper: #fff; --card: #f6f8fa;
  --line: #d0d7de; --good: #116329; --bad: #a40e26; --warn-ink: #3d2600; --warn: #ffd33d; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --soft: #9da7b3; --paper: #0d1117;
  --card: #161b22; --line: #30363d; --good: #56d364; --bad: #ff7b72; --warn-ink: #1b1200;
  --warn: #e3b341; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; }
.simulated { background: var(--warn); color: var(--warn-ink); margin: 0; padding: .6rem 1rem;
  text-align: center; }
main { max-width: 70rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: .5rem 0; }
h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }
h3 { font-size: 1rem; margin: 1rem 0 .25rem; }
.good { color: var(--good); } .bad { color: var(--bad); } .soft { color: var(--soft); }
code { font: .875em/1.4 ui-monospace, monospace; overflow-wrap: anywhere; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1rem; margin: .5rem 0; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
.node { background: var(--card); border: 1px solid var(--line); border-radius: .5rem;
  padding: .25rem 1rem .75rem; margin: 0 0 1rem; }
summary { cursor: pointer; padding: .25rem 0; }
summary:focus-visible { outline: 2px solid currentColor; outline-offset: 2px; }
table { width: 100%; border-collapse: collapse; font-size: .9rem; }
th, td { text-align: left; vertical-align: top; padding: .3rem .75rem .3rem 0;
  border-top: 1px solid var(--line); overflow-wrap: anywhere; }
th { color: var(--soft); font-weight: 500; border-top: 0; }
td:nth-child(1) { width: 9rem; } td:nth-child(2) { width: 5rem; font-weight: 600; }
td:nth-child(4) { width: 32%; }
@media (max-width: 40rem) { dl { grid-template-columns: 1fr; gap: 0; } dd { margin-bottom: .4rem; }
  thead { display: none; }
  tr { display: block; border-top: 1px solid var(--line); padding: .3rem 0; }
  td, td:nth-child(n) { display: block; width: auto; border: 0; padding: 0; }
  td:nth-child(1), td:nth-child(2) { display: inline; padding-right: .5rem; } }
"""

_DIGEST = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()

FIELDS = (
    (
        "content-security-policy",
        f"default-src 'none'; style-src 'sha256-{_DIGEST}'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'",
    ),
    ("cross-origin-opener-policy", "same-origin"),
    ("refresh", str(RELOAD)),
)
"""Response fields that belong to the page."""


def render(view: "BookView", *, now: int, stock: str | None = None) -> bytes:
    """Write the page; `stock` is how many tokens can be spent, None where none are asked for."""
    decision = Decision.of(view, now=now)
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(_title(decision))}</title><style>{STYLE}</style></head><body>",
        _banner(decision),
        f"<main>{_verdict(decision, view)}<h2>Nodes</h2>",
        *(_node(node, now=now) for node in view.nodes),
        "" if view.nodes else '<p class="soft">No node is known at present.</p>',
        _record(view),
        _tokens(stock),
        "</main></body></html>",
    ]
    return "".join(parts).encode()


def _title(decision: Decision) -> str:
    verdict = "verified" if decision.trusted else "not verified"
    return f"{SIMULATED + ': ' if decision.simulated else ''}{verdict} - openpcc proxy"


def _banner(decision: Decision) -> str:
    if not decision.simulated:
        return ""
    return (
        f'<p class="simulated" role="note"><strong>{SIMULATED}.</strong> No hardware vouches for '
        "these nodes. This shows how the service works; it protects nothing.</p>"
    )


def _verdict(decision: Decision, view: "BookView") -> str:
    if decision.trusted:
        tone, head = "good", f"{plural(decision.trusted, 'node')} verified"
        said = "Requests are sealed to these nodes alone; nobody on the way can read them."
        if decision.simulated:
            tone, said = (
                "soft",
                "Requests are sealed to these nodes, but no hardware vouches for them.",
            )
    else:
        tone, head = "bad", "No node is verified"
        said = "Nothing is sent. The next request verifies first, and is refused if that fails."
    if decision.simulated:
        head += f", {SIMULATED}"
    return (
        f'<h1 class="{tone}">{escape(head)}</h1><p>{said}</p>'
        f"<p>{escape(decision.sentence())}</p>"
        f'<p class="soft">Service <code>{escape(view.service)}</code>, as of {_time(decision.at)}. '
        f"This page loads again every {RELOAD} seconds.</p>"
    )


def _node(node: "NodeView", *, now: int) -> str:
    good = usable(node, now=now)
    word = "verified" if good else "expired" if node.accepted else "refused"
    machine = node.machine or (node.report.machine if node.report is not None else None)
    rows = [
        ("Models", ", ".join(node.models)),
        ("Platform", _platform(node)),
        ("Machine", machine.hex() if machine else "not named"),
        ("Verified until", _until(node.expires, now)),
    ]
    if node.report is not None and node.report.release:
        rows.insert(2, ("Release", node.report.release.hex()))
    return (
        f'<section class="node"><h3><code>{escape(short(node.leaf.hex()))}</code> '
        f'<span class="{"good" if good else "bad"}">{word}</span></h3>'
        f"{_list(rows)}{_why(node)}{_checks(node.report, shown=not good)}</section>"
    )


def _platform(node: "NodeView") -> str:
    if node.report is not None and node.report.simulated:
        return f"{SIMULATED} ({node.platform})"
    return node.platform or "unknown"


def _until(expires: int | None, now: int) -> str:
    if expires is None:
        return "not verified"
    return f"{_time(expires)} ({duration(expires - now)})" if expires > now else _time(expires)


def _why(node: "NodeView") -> str:
    """Say in one line why a node was refused, before all its checks."""
    said = escape(node.problem)
    if node.report is not None and node.report.failed:
        said = escape(node.report.failed[0].refusal)
    return f'<p class="bad">{said}</p>' if said else ""


def _checks(report: "Report | None", *, shown: bool) -> str:
    if report is None:
        return ""
    failed = len(report.failed)
    head = f"{plural(len(report.checks), 'check')}, " + (
        f"{failed} failed" if failed else "none failed"
    )
    steps = sorted({check.step for check in report.checks})
    tables = "".join(_step(step, [c for c in report.checks if c.step == step]) for step in steps)
    return f"<details{' open' if shown else ''}><summary>{head}</summary>{tables}</details>"


def _step(step: int, checks: "Iterable[Check]") -> str:
    rows = "".join(_row(check) for check in checks)
    return (
        f"<h3>{step}. {escape(STEPS.get(step, ''))}</h3><table><thead><tr><th>Check</th>"
        "<th>Result</th><th>What was tested</th><th>Found</th></tr></thead>"
        f"<tbody>{rows}</tbody></table>"
    )


def _row(check: "Check") -> str:
    outcome = str(check.outcome)
    tone = {"PASS": "good", "FAIL": "bad"}.get(outcome, "soft")
    return (
        f'<tr><td><code>{escape(check.id)}</code></td><td class="{tone}">{escape(outcome)}</td>'
        f"<td>{escape(check.text)}</td><td>{_found(check)}</td></tr>"
    )


def _found(check: "Check") -> str:
    if check.expected is None and check.actual is None:
        return ""
    actual = f"<code>{escape(check.actual or 'nothing')}</code>"
    if check.expected is None or check.expected == check.actual:
        return actual
    return f"{actual}, expected <code>{escape(check.expected)}</code>"


def _record(view: "BookView") -> str:
    rows = [
        ("Service entry", _number(view.sequence)),
        ("Record valid until", _moment(view.valid_until)),
        ("List of accepted releases from", _moment(view.status_age_from)),
        ("Log size at the witnessed checkpoint", _number(view.checkpoint_size)),
        ("Witnessed at", _moment(view.witnessed)),
    ]
    return f"<h2>Public record</h2>{_list(rows)}"


def _tokens(stock: str | None) -> str:
    return "" if stock is None else f"<h2>Tokens</h2>{_list([('Can be spent', stock)])}"


def _list(rows: Iterable[tuple[str, str]]) -> str:
    return f"<dl>{''.join(f'<dt>{escape(k)}</dt><dd>{escape(v)}</dd>' for k, v in rows)}</dl>"


def _number(value: int | None) -> str:
    return "none yet" if value is None else str(value)


def _moment(value: int | None) -> str:
    return "none yet" if value is None else _time(value)


def _time(value: int) -> str:
    return datetime.fromtimestamp(value, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
