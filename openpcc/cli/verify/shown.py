"""What `openpcc verify evidence` says: the verdict in words, the checks, the bytes behind them.

Pure but for printing; everything from the evidence is cleaned by `output`.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from attestation.claims import Ground
from attestation.result import KINDS, OUTSIDE, Check, Outcome, Report, Scope, Verdict
from openpcc.cli import output
from openpcc.cli.failures import CHECK_HINTS
from openpcc.cli.reports import show_report
from openpcc.cli.verify.judged import Judged
from openpcc.cli.verify.missing import remedies
from openpcc.decision import SIMULATED, duration, plural
from openpcc.raw_evidence import BEYOND

MOST = 64
"""Bytes of a value that are shown to people; JSON has them all."""

AUTHENTIC = frozenset({"2.signature", "2.chain", "2.identity"})
"""Without these a machine id is a claim."""

WITH_RELEASE = frozenset({Scope.NODE, Scope.BUNDLE})
"""What names a release; raw evidence can never show the checks beyond its own."""

SCOPES = {
    Scope.NODE: "a node of its service",
    Scope.BUNDLE: "this bundle alone, neither its place in the service's directory nor whether "
    "its release is still listed",
    Scope.PARTS: "these parts alone, nothing about what runs on the machine",
    Scope.DEVICE: "this device alone, neither whose machine it is in nor when it was asked",
    Scope.RIM: "this RIM alone, no device",
    Scope.TPM: "this TPM alone, nothing about the machine that runs it",
    Scope.RELEASE: "this release alone, nothing about any machine",
}
"""What a verdict is about."""


def verdict(report: Report) -> str:
    """Write the verdict as one sentence.

    ACCEPTED, SIMULATED: these parts alone, nothing about what runs on the machine
    """
    word = "ACCEPTED" if report.verdict is Verdict.ACCEPTED else "REFUSED"
    return f"{word}{f', {SIMULATED}' if report.simulated else ''}: {SCOPES[report.scope]}"


def to_json(judged: Judged) -> dict[str, object]:
    """Write the report, docs/formats.md 8, with the bytes behind it where they were asked for."""
    document = judged.report.to_json()
    if judged.grounds is not None:
        document["grounds"] = [_ground_json(ground) for ground in judged.grounds]
    return document


def show(judged: Judged) -> None:
    """Print everything for people."""
    report = judged.report
    output.line(verdict(report))
    for name, value in _facts(judged):
        output.line(f"  {name:<10}{value}")
    shown = _checks_shown(report)
    show_report(report, title="Checks", checks=shown)
    if len(shown) < len(report.checks):
        left = plural(len(report.checks) - len(shown), "check")
        output.line(f"{left} of a whole bundle left out; --json lists them")
    for remedy in (*_hints(report), *remedies(judged)):
        output.line(remedy)
    if judged.grounds is not None:
        _explain(report, judged.grounds)


def _facts(judged: Judged) -> Iterator[tuple[str, str]]:
    report = judged.report
    if report.failed:
        more = len(report.failed) - 1
        yield "because", report.failed[0].refusal + (f"; and {more} more" if more else "")
    yield "platform", f"{report.platform}, {SIMULATED}" if report.simulated else report.platform
    if report.scope not in KINDS:
        yield "machine", _machine(report)
    if report.scope in WITH_RELEASE:
        yield "release", report.release.hex() if report.release else "not known"
    yield "judged at", time(report.at)
    if report.expires is not None:
        left = duration(report.expires - report.at)
        yield "expires", f"{time(report.expires)}, {left} after that"
    yield "policy", judged.policy


def _machine(report: Report) -> str:
    if report.machine is None:
        return "not named"
    claimed = any(check.id in AUTHENTIC for check in report.failed)
    return report.machine.hex() + (", as it says; nobody vouches for that" if claimed else "")


def time(seconds: int) -> str:
    """Write a time for people, and for `--at`."""
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OverflowError, ValueError, OSError):
        return str(seconds)  # a year of more than four digits


def _checks_shown(report: Report) -> Sequence[Check]:
    """Give the checks without those that raw evidence can never show."""
    if report.scope in WITH_RELEASE:
        return report.checks
    outside = OUTSIDE[report.scope]
    return [check for check in report.checks if check.id not in outside or _says(check)]


def _says(check: Check) -> bool:
    """Say whether a check beyond the scope has more to say than that: of an event log."""
    return check.outcome is not Outcome.SKIP or check.actual not in BEYOND.values()


def _hints(report: Report) -> Iterator[str]:
    for check in report.failed:
        if check.id in CHECK_HINTS:
            yield f"{check.id}: {CHECK_HINTS[check.id]}"


def _explain(report: Report, grounds: Sequence[Ground]) -> None:
    """Print the bytes under the check that rests on them."""
    for check in report.checks:
        rows = [_ground_row(ground) for ground in grounds if ground.check == check.id]
        if rows:
            output.line()
            output.line(f"{check.id} {check.outcome}: {check.text}")
            output.table(("PART", "OFFSET", "SIZE", "FIELD", "BYTES"), rows)
    if not grounds:
        output.line()
        output.line("no bytes to show: nothing of it could be read")


def _ground_row(ground: Ground) -> tuple[str, ...]:
    text = ground.value[:MOST].hex()
    if len(ground.value) > MOST:
        text += f"… {len(ground.value)} bytes in all"
    return (ground.part, f"{ground.offset:#x}", str(ground.size), ground.field, text)


def _ground_json(ground: Ground) -> dict[str, object]:
    return {
        "check": ground.check,
        "part": ground.part,
        "offset": ground.offset,
        "size": ground.size,
        "field": ground.field,
        "value": ground.value.hex(),
    }
