"""The Prometheus file: closed label sets, whatever the log holds."""

import re
from dataclasses import replace

from openpcc.audit.log_metrics import render
from openpcc.audit.log_tests import TESTS
from tests.openpcc.audit.planted import NOW, audited
from tests.transparency_log.memory_log import service_statement
from tests.transparency_log.monitor.chains import Planted
from transparency_log.entry import sign_entry

LINE = re.compile(
    r'openpcc_audit_log_[a-z_]+(\{id="log\.[a-z-]+",outcome="(PASS|FAIL|SKIP|INFO)"\})? [0-9]+'
)


def test_names_size_times_and_findings():
    lines = render(audited(Planted().honest()).report).decode().splitlines()
    assert "openpcc_audit_log_size 7" in lines
    assert "openpcc_audit_log_judged 7" in lines
    assert f"openpcc_audit_log_last_success_seconds {NOW}" in lines
    assert "openpcc_audit_log_passed 1" in lines
    assert 'openpcc_audit_log_findings{id="log.equivocation",outcome="PASS"} 1' in lines


def test_nothing_from_the_log_becomes_a_label():
    planted = Planted().honest()
    hostile = replace(service_statement(3), service='"}\n\x1b[2J<script>')
    planted.append(sign_entry(hostile, [planted.log.service]))
    text = render(audited(planted).report).decode()
    assert all(LINE.fullmatch(one) or one.startswith("# ") for one in text.splitlines())
    assert 'id="log.chain-gap",outcome="FAIL"' in text


def test_a_fact_of_every_gauge_has_one_place():
    report = audited(Planted().honest()).report
    names = [name for one in report.sections for name in one.facts]
    assert len(names) == len(set(names))
    assert {one.id for one in report.findings} <= set(TESTS)
