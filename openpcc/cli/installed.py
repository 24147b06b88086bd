"""The other programs of this installation: found beside the interpreter, never on PATH."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from openpcc.errors import ConfigurationError


def find(script: str) -> Path:
    """Find a console script beside the interpreter: the one of this installation, not of PATH.

    Raises:
        ConfigurationError: it is not installed.
    """
    path = Path(sys.executable).with_name(script)
    if not path.is_file():
        raise ConfigurationError(
            f"{script} is not installed; run: pip install '.[demo]' in the source tree"
        )
    return path


def run(script: str, argv: Sequence[str]) -> str:
    """Run a console script to its end; give what it printed, without the last line's end.

    Raises:
        ConfigurationError: it failed; quotes its last words.
    """
    words = [str(find(script)), *argv]
    done = subprocess.run(words, capture_output=True, check=False)  # noqa: S603 -- our own program
    if done.returncode != 0:
        last = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise ConfigurationError(f"{script} failed: {last[:300]}")
    return done.stdout.decode(errors="replace").rstrip("\n")
