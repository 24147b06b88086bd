"""docs/operations.md says what the programs do: its settings, commands, checks and numbers."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from attestation.policy import Ages
from gateway.config import MAX_NODES, GatewayConfig, PublisherConfig
from gateway.issuer.telemetry import IssuerTelemetry
from gateway.telemetry import Telemetry
from node_image.agent.telemetry import Telemetry as NodeTelemetry
from openpcc.protocol.messages import WINDOW
from openpcc.release_checks import STATUS_AGE
from transparency_log.server.metrics import LogMetrics


@pytest.fixture(scope="module")
def page(root: Path) -> str:
    return (root / "docs" / "operations.md").read_text()


def test_links_lead_somewhere(page: str, root: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)(#[^)]*)?\)", page)
    assert len(links) > 20
    for path, anchor in links:
        target = root / "docs" / path
        assert target.exists(), path
        if anchor:
            headings = re.findall(r"^#+ (.+)$", target.read_text(), re.MULTILINE)
            known = {re.sub(r"[^a-z0-9 -]", "", one.lower()).replace(" ", "-") for one in headings}
            assert anchor[1:] in known, path + anchor


def test_metrics_are_those_of_the_programs(page: str) -> None:
    programs = (Telemetry("gateway"), IssuerTelemetry(), NodeTelemetry())
    shown = (b"".join(one.metrics() for one in programs) + LogMetrics(int).text()).decode()
    names = set(re.findall(r"`(openpcc_[a-z_]+)", page))
    assert len(names) >= 8
    assert [name for name in names if f"# TYPE {name} " not in shown] == []


def test_checks_and_codes_are_those_of_the_programs(page: str, root: Path) -> None:
    sources = "".join(
        path.read_text()
        for package in ("openpcc", "attestation", "gateway")
        for path in (root / package).rglob("*.py")
    )
    named = re.findall(r"`(\d\.[a-z]+|[a-z]+-[a-z-]+|directory\.unavailable)`", page)
    assert len(named) >= 8
    assert [name for name in named if f'"{name}"' not in sources] == []


def test_numbers_are_those_of_the_programs(page: str) -> None:
    assert GatewayConfig.max_buffered == 1 << 30
    assert GatewayConfig.max_cached == 64 << 20
    assert GatewayConfig.poll == 1.0
    assert PublisherConfig.poll == 5.0
    assert f"at most {MAX_NODES:,} nodes" in page
    assert WINDOW == 600
    assert STATUS_AGE == 7200
    assert (Ages().crl, Ages().ocsp) == (30 * 86400, 86400)
    assert "CRLs and TDX collateral 30 days, OCSP 24 hours" in page


def test_commands_know_what_they_are_given(page: str) -> None:
    lines = [line.split("#")[0] for line in re.findall(r"^openpcc.*$", page, re.MULTILINE)]
    assert len(lines) >= 4
    for line in lines:
        program, *words = line.split()
        verbs = [word for word in words if re.fullmatch(r"[a-z]+", word)]
        verbs = verbs[: 2 if program == "openpcc" and words[0] in ("verify", "audit") else 1]
        done = subprocess.run(
            [Path(sys.executable).with_name(program), *verbs, "--help"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        options = [word for word in words if word.startswith("--")]
        assert [one for one in options if one not in done.stdout] == [], line
