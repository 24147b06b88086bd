"""Rules of the house that no tool checks for us."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGES = ("attestation", "gateway", "node_image", "openpcc", "transparency_log")


def sources(root: Path) -> list[Path]:
    return [path for name in PACKAGES for path in (root / name).rglob("*.py")]


def calls(path: Path, name: str) -> bool:
    tree = ast.parse(path.read_text())
    found = (node.func for node in ast.walk(tree) if isinstance(node, ast.Call))
    return any(
        (isinstance(one, ast.Name) and one.id == name)
        or (isinstance(one, ast.Attribute) and one.attr == name)
        for one in found
    )


def test_trusted_node_is_made_only_by_the_trust_decision(root: Path):
    makers = {
        path.relative_to(root).as_posix() for path in sources(root) if calls(path, "TrustedNode")
    }
    assert makers == {"openpcc/trust.py"}


def test_requests_are_sealed_only_by_the_trust_decision(root: Path):
    makers = {
        path.relative_to(root).as_posix() for path in sources(root) if calls(path, "seal_request")
    }
    # `openpcc doctor` seals one message to a key it has just made, to see that the library works.
    assert makers == {"openpcc/trust.py", "openpcc/cli/installation.py"}


def test_the_two_grounds_of_trust_read_json_by_one_text(root: Path):
    one = (root / "attestation" / "strict_json.py").read_bytes()
    assert one == (root / "transparency_log" / "strict_json.py").read_bytes()


@pytest.mark.parametrize("module", ["openpcc", "openpcc.protocol", "openpcc.errors"])
def test_importing_loads_no_http_stack(module: str):
    script = (
        f"import sys, {module}; "
        "bad = {'httpx', 'aiohttp', 'uvicorn', 'openai', 'numpy', 'ssl'} & set(sys.modules); "
        "sys.exit(repr(bad) if bad else 0)"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def test_every_public_name_loads():
    import openpcc

    assert {name for name in openpcc.__all__ if getattr(openpcc, name) is None} == set()
    assert set(openpcc.__all__) <= set(dir(openpcc))


def test_no_broad_except_and_no_verification_switch(root: Path):
    for path in sources(root):
        text = path.read_text()
        for word in ("except Exception", "except:", "verify=False", "skip_verif", "CERT_NONE"):
            assert word not in text, f"{path}: {word}"


def test_every_file_the_journeys_name_exists(root: Path):
    found = {path.relative_to(root).as_posix() for path in sources(root)}
    named = re.findall(r"`([a-z_/]+\.py)`", (root / "docs" / "journeys.md").read_text())
    assert named
    assert [one for one in named if not any(path.endswith(one) for path in found)] == []
