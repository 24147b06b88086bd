"""How long the package takes to load, and how much a base installation brings.

Measured in a fresh environment with the base installation and nothing else, as a user has it; its
wheel is built here, its dependencies come from the package index that pip is configured for.
"""

import json
import subprocess
import sys
import tempfile
import venv
from collections.abc import Callable
from pathlib import Path

from bench import harness

ROOT = Path(__file__).resolve().parent.parent
ROUNDS = 25
OWN = ("pip", "setuptools", "wheel")
"""What an empty environment has already; it is no part of ours."""

BARS = {"import_ms": 150, "distributions": 15, "megabytes": 40}


def install(folder: Path) -> Path:
    """Make an environment with the base installation; give its folder of scripts."""
    venv.create(folder / "venv", with_pip=True)
    scripts = folder / "venv" / "bin"
    pip = ("-m", "pip", "--disable-pip-version-check", "-qqq")
    build = ("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(ROOT))
    subprocess.run([sys.executable, *pip, *build], check=True)
    (wheel,) = folder.glob("openpcc-*.whl")
    subprocess.run([str(scripts / "python"), *pip, "install", str(wheel)], check=True)
    return scripts


def installed(scripts: Path) -> dict[str, object]:
    """Count distributions and bytes, ours included, by their own records of installed files."""
    program = (
        "import importlib.metadata as m, json, os\n"
        f"own = {OWN!r}\n"
        "found = [d for d in m.distributions() if d.metadata['Name'].lower() not in own]\n"
        "size = lambda d, ends: sum(os.path.getsize(f.locate()) for f in d.files or ()\n"
        "    if f.locate().is_file() and (f.suffix == '.pyc') == ends)\n"
        "print(json.dumps({'distributions': sorted(d.metadata['Name'] for d in found),\n"
        "    'megabytes': round(sum(size(d, False) for d in found) / 1e6, 1),\n"
        "    'megabytes_of_bytecode': round(sum(size(d, True) for d in found) / 1e6, 1)}))\n"
    )
    done = subprocess.run([str(scripts / "python"), "-c", program], check=True, capture_output=True)
    answer: dict[str, object] = json.loads(done.stdout)
    return answer


def runs(*command: str) -> Callable[[], None]:
    """Make the call that runs a command to its end."""

    def run() -> None:
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

    return run


def main() -> None:
    """Install, measure, print."""
    with tempfile.TemporaryDirectory(prefix="openpcc-bench-") as folder:
        scripts = install(Path(folder))
        python = str(scripts / "python")
        found = installed(scripts)
        ways = {
            "python -c pass": runs(python, "-c", "pass"),
            "import openpcc": runs(python, "-c", "import openpcc"),
            "from openpcc import OpenPCC": runs(python, "-c", "from openpcc import OpenPCC"),
            "openpcc --version": runs(str(scripts / "openpcc"), "--version"),
        }
        samples = harness.compare(ways, rounds=ROUNDS, warm_up=2)
    names = found["distributions"]
    derived = {"count": len(names), "bars": BARS, **found}  # type: ignore[arg-type]
    print(harness.report("start and size", samples, unit="ms", scale=1e3, derived=derived))


if __name__ == "__main__":
    main()
