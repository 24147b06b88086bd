"""An audit of a log for Prometheus: a text file for node_exporter's textfile collector. Pure.

    openpcc_audit_log_findings{id="log.chain-gap",outcome="FAIL"} 1

Label values are the ids of `log_tests` and the four outcomes: nothing from the log can become one.
"""

from collections import Counter
from collections.abc import Iterator

from openpcc.audit.log_tests import TESTS
from openpcc.audit.report import AuditReport, Verdict

GAUGES = {
    "size": "Entries under the newest verified checkpoint.",
    "judged": "Entries judged so far.",
    "checkpoint_time_seconds": "Witnessed time of the newest verified checkpoint.",
    "last_success_seconds": "When an audit passed last; 0 if none did.",
}
"""Facts of the report that become a metric each."""


def render(report: AuditReport) -> bytes:
    """Write the file (Prometheus text format 0.0.4)."""
    return "".join(f"{line}\n" for line in _lines(report)).encode()


def _lines(report: AuditReport) -> Iterator[str]:
    facts = {name: value for one in report.sections for name, value in one.facts.items()}
    for name, text in GAUGES.items():
        value = facts.get(name)
        if isinstance(value, int):
            yield from _gauge(name, text)
            yield f"openpcc_audit_log_{name} {value}"
    yield from _gauge("run_seconds", "When the log was audited last.")
    yield f"openpcc_audit_log_run_seconds {report.at}"
    yield from _gauge("passed", "Whether that audit passed.")
    yield f"openpcc_audit_log_passed {int(report.verdict is Verdict.PASS)}"
    yield from _gauge("findings", "Findings of that audit.")
    counts = Counter((one.id, str(one.outcome)) for one in report.findings if one.id in TESTS)
    for (name, outcome), count in sorted(counts.items()):
        yield f'openpcc_audit_log_findings{{id="{name}",outcome="{outcome}"}} {count}'


def _gauge(name: str, text: str) -> Iterator[str]:
    yield f"# HELP openpcc_audit_log_{name} {text}"
    yield f"# TYPE openpcc_audit_log_{name} gauge"
