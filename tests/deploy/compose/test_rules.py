"""Alert rules and dashboard, held against the metrics that the programs have and by promtool."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from gateway.issuer.telemetry import IssuerTelemetry
from gateway.telemetry import Telemetry as GatewayTelemetry
from node_image.agent.telemetry import Telemetry as NodeTelemetry
from transparency_log.server.metrics import LogMetrics, WitnessMetrics

HERE = Path(__file__).resolve().parent
COMPOSE = HERE.parents[2] / "deploy" / "compose"
RULES = yaml.safe_load((COMPOSE / "alerts.yml").read_text())["groups"][0]["rules"]
BOARD = json.loads((COMPOSE / "grafana" / "dashboards" / "openpcc.json").read_text())
EXPRESSIONS = [target["expr"] for panel in BOARD["panels"] for target in panel.get("targets", [])]


def offered() -> set[str]:
    """Name every metric that a role serves."""
    texts = [
        GatewayTelemetry("gateway").metrics(),
        IssuerTelemetry().metrics(),
        NodeTelemetry().metrics(),
        LogMetrics(lambda: 0).text(),
        WitnessMetrics().text(),
    ]
    found = re.findall(r"^# TYPE (\w+) ", b"\n".join(texts).decode(), re.MULTILINE)
    return {name for name in found if not name.endswith("_created")}


def used(expressions: list[str]) -> set[str]:
    return set(re.findall(r"openpcc_\w+", " ".join(expressions)))


def test_the_rules_use_metrics_that_there_are():
    assert used([rule["expr"] for rule in RULES]) <= offered()


def test_the_dashboard_shows_every_metric_that_there_is():
    assert used(EXPRESSIONS) == offered()


def test_every_alert_is_seen_to_fire_and_to_keep_quiet():
    names = {rule["alert"] for rule in RULES}
    cases: list[dict[str, Any]] = [
        case
        for test in yaml.safe_load((HERE / "alerts.test.yml").read_text())["tests"]
        for case in test["alert_rule_test"]
    ]
    assert {case["alertname"] for case in cases if case["exp_alerts"]} == names
    assert {case["alertname"] for case in cases if not case["exp_alerts"]} == names


def promtool(*words: str | Path) -> subprocess.CompletedProcess[str]:
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("promtool is not installed (Debian: prometheus)")
    return subprocess.run([found, *words], capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.deploy
def test_prometheus_takes_configuration_and_rules():
    for words in (("config", "prometheus.yml"), ("rules", "alerts.yml")):
        done = promtool("check", words[0], COMPOSE / words[1])
        assert done.returncode == 0, done.stderr


@pytest.mark.deploy
def test_the_rules_do_what_their_tests_say():
    done = promtool("test", "rules", HERE / "alerts.test.yml")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.deploy
def test_a_rule_that_is_changed_fails_its_tests(tmp_path: Path):
    text = (COMPOSE / "alerts.yml").read_text()
    changed = re.sub(r"expr: openpcc_node_live_epochs == 0", r"expr: openpcc_node_live_epochs == 3",
                     text)  # fmt: skip
    assert changed != text
    (tmp_path / "alerts.yml").write_text(changed)
    cases = (HERE / "alerts.test.yml").read_text()
    (tmp_path / "test.yml").write_text(re.sub(r"\[[./]+alerts\.yml\]", "[alerts.yml]", cases))
    done = promtool("test", "rules", tmp_path / "test.yml")
    assert done.returncode == 1
    assert "NoKeyEpoch" in done.stderr + done.stdout
