"""Runs Terraform on a copy of our modules, with providers that lie on this machine.

google and azurerm are stand-ins (standin.py); aws is the real one, where a copy of it is found:
in $TF_PLUGIN_MIRROR, or where Terraform and those who package it keep providers.
"""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tests.deploy.tools import python

HERE = Path(__file__).resolve().parent
MODULES = HERE.parents[2] / "deploy" / "terraform"
STANDINS = ("google", "azurerm")
AWS = "hashicorp/aws"


@dataclass(frozen=True, kw_only=True)
class Terraform:
    """The program, and the surroundings that a run of it gets."""

    environment: Mapping[str, str]
    tree: Path

    def run(self, folder: str, *arguments: str, ok: bool = True) -> str:
        """Run in a folder of the tree; return all that was printed."""
        done = subprocess.run(
            ["terraform", *arguments],
            cwd=self.tree / folder,
            env=dict(self.environment),
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        said = " ".join((done.stdout + done.stderr).replace("│", " ").split())
        assert (done.returncode == 0) is ok, said[said.find("Error:") :]
        return said

    def plan(self, folder: str, *arguments: str, ok: bool = True) -> str:
        """Plan; return what was printed."""
        return self.run(folder, "plan", "-input=false", "-no-color", *arguments, ok=ok)

    def init(self, folder: str) -> str:
        return self.run(folder, "init", "-input=false", "-no-color")

    def state(self, folder: str) -> dict[str, Any]:
        """Read what the last apply left."""
        return dict(json.loads((self.tree / folder / "terraform.tfstate").read_text()))


def write_variables(folder: Path, name: str, values: Mapping[str, object]) -> None:
    (folder / f"{name}.auto.tfvars.json").write_text(json.dumps(values))


def copied(tree: Path) -> Path:
    """Copy our modules, links and all, without what Terraform left in them."""
    return Path(shutil.copytree(MODULES, tree, symlinks=True, ignore=shutil.ignore_patterns(
        ".terraform*", "terraform.tfstate*", "*.tfvars*", "__pycache__")))  # fmt: skip


def surroundings(home: Path) -> dict[str, str]:
    """Make a home with a mirror of providers, and nothing of this machine's accounts."""
    mirror = home / "mirror"
    for name in STANDINS:
        _standin(mirror, name)
    config = home / "terraformrc"
    config.write_text(_installation(mirror, [f"hashicorp/{name}" for name in STANDINS]))
    if (real := aws_mirror()) is not None:
        config.write_text(
            "provider_installation {\n"
            f"{_mirror(mirror, [f'hashicorp/{name}' for name in STANDINS])}"
            f"{_mirror(real, [AWS])}}}\n"
        )
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "TF_CLI_CONFIG_FILE": str(config),
        "CHECKPOINT_DISABLE": "1",
        "TF_IN_AUTOMATION": "1",
    }


def _installation(mirror: Path, names: list[str]) -> str:
    return f"provider_installation {{\n{_mirror(mirror, names)}}}\n"


def _mirror(path: Path, names: list[str]) -> str:
    return (
        f"  filesystem_mirror {{\n    path = {json.dumps(str(path))}\n"
        f"    include = {json.dumps(names)}\n  }}\n"
    )


def _standin(mirror: Path, name: str) -> None:
    version = json.loads((HERE / "schemas" / f"{name}.json").read_text())["version"]
    folder = mirror / registry() / "hashicorp" / name / version / "linux_amd64"
    folder.mkdir(parents=True)
    program = folder / f"terraform-provider-{name}_v{version}"
    program.write_text(f'#!/bin/sh\nexec "{python()}" "{HERE / "standin.py"}" {name} "$@"\n')
    program.chmod(0o755)


@cache
def registry() -> str:
    """Ask Terraform under which host's name it looks for providers in a mirror."""
    done = subprocess.run(
        ["terraform", "providers"], cwd=MODULES / "modules" / "gcp",
        capture_output=True, text=True, check=True, env={"PATH": os.environ["PATH"], "HOME": "/"},
    )  # fmt: skip
    found: list[str] = re.findall(r"provider\[([^/\]]+)/hashicorp/google\]", done.stdout)
    return found[0]


@cache
def aws_mirror() -> Path | None:
    """Find a folder of providers that has Amazon's; None: there is none here."""
    for folder in _plugin_folders():
        if any(folder.glob(f"*/{AWS}/*/linux_amd64/terraform-provider-aws_*")):
            return folder
    return None


def _plugin_folders() -> Iterator[Path]:
    for variable in ("TF_PLUGIN_MIRROR", "TF_PLUGIN_CACHE_DIR"):
        if value := os.environ.get(variable):
            yield Path(value)
    shares = os.environ.get("XDG_DATA_DIRS", "/usr/local/share:/usr/share").split(":")
    own = Path(os.environ.get("XDG_DATA_HOME", str(Path.home() / ".local" / "share")))
    yield Path.home() / ".terraform.d" / "plugins"
    yield from (Path(one) / "terraform" / "plugins" for one in [str(own), *shares])
    yield from sorted(Path("/opt").glob("*/"))
