"""What checkov finds is what we decided, for reasons that stand beside it; no more, no less."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.deploy.terraform.running import HERE, copied
from tests.deploy.tools import tool

pytestmark = pytest.mark.deploy

OPEN_SSH = """
resource "google_compute_firewall" "ssh" {
  name          = "ssh"
  network       = google_compute_network.nodes.name
  source_ranges = ["0.0.0.0/0"]

  allow {
    protocol = "tcp"
    ports    = ["22"]
  }
}
"""


def findings(tree: Path) -> set[str]:
    """Run its rules, without a network; return rule and resource of each finding."""
    done = subprocess.run(
        [tool("checkov"), "--directory", tree, "--framework", "terraform", "--skip-download",
         "--compact", "--quiet", "--output", "json"],
        capture_output=True, text=True, timeout=110, check=False,
        env={"HOME": str(tree), "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    report = json.loads(done.stdout)
    assert report["summary"]["parsing_errors"] == 0
    assert report["summary"]["resource_count"] > 50, done.stderr
    return {
        f"{one['check_id']} {one['resource'].removeprefix('module.nodes.')}"
        for one in report["results"]["failed_checks"]
    }


def test_findings_are_those_that_have_a_reason(tmp_path: Path):
    reasons = json.loads((HERE / "checkov.json").read_text())
    accepted = [finding for one in reasons for finding in one["findings"]]
    assert len(accepted) == len(set(accepted))
    assert all(one["reason"].endswith(".") for one in reasons)
    assert findings(copied(tmp_path / "tree")) == set(accepted)


def test_an_open_port_is_found(tmp_path: Path):
    tree = copied(tmp_path / "tree")
    with (tree / "modules" / "gcp" / "network.tf").open("a") as file:
        file.write(OPEN_SSH)
    assert "CKV_GCP_2 google_compute_firewall.ssh" in findings(tree)
