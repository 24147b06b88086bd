"""Says in one line which package a command lacks, where an extra was not installed.

It lives with the log because that package is the one which every server may import, and it imports
nothing that is not Python's own.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

OURS = frozenset({"attestation", "gateway", "node_image", "openpcc", "transparency_log"})
"""Our own packages: one of these missing is a broken installation, not an extra left out."""


@contextmanager
def needs(extra: str, *, command: str) -> Iterator[None]:
    """Run a command; end it with exit code 2 and one line if a package is not installed."""
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if not package or package in OURS:
            raise
        sys.stderr.write(
            f"{command} needs the package {package}; "
            f"run: pip install '.[{extra}]' in the source tree\n"
        )
        sys.exit(2)
