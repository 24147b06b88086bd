"""What `openpcc init` writes for those who are not the operator is what the chart takes."""

from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]

from openpcc.cli.main import main
from tests.deploy.helm.charting import pods, render

pytestmark = pytest.mark.deploy


def test_relay_and_witnesses_have_values_of_their_own(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    flags = ("--kind", "kubernetes", "--service", "a.example", "--witnesses", "2")
    assert main(["init", str(folder), *flags]) == 0
    for part, role in (("relay", "relay"), ("witness-1", "witness"), ("witness-2", "witness")):
        values = yaml.safe_load((folder / part / "values.yaml").read_text())
        ((_, pod),) = pods(render(values, name=part))
        assert pod["metadata"]["labels"]["app.kubernetes.io/component"] == role
