"""Locks the kernel down, at boot: the last step before the network (docs/decisions/0025).

Where modules are not signed by whom the kernel trusts, lockdown cannot stand on its command line,
for it would refuse them. So the image loads them first, closes the kernel to modules, and then
raises lockdown to confidentiality, which nothing can lower again (kernel_lockdown(7)).

    python -m node_image.agent.lockdown
"""

import sys
from pathlib import Path

from node_image.agent.errors import ConfigurationError

LOCKDOWN = Path("sys/kernel/security/lockdown")
MODULES = Path("proc/sys/kernel/modules_disabled")
LEVEL = "confidentiality"


def lock_down(root: Path = Path("/")) -> None:
    """Lock the kernel, and look whether it is.

    Raises:
        ConfigurationError: it still takes modules, or cannot be locked.
    """
    try:
        if (root / MODULES).read_text() != "1\n":
            raise ConfigurationError("lockdown: the kernel still takes modules; close it first")
        if not locked(root):
            (root / LOCKDOWN).write_text(LEVEL)
        if not locked(root):
            raise ConfigurationError(f"lockdown: asked for {LEVEL}, and the kernel is not locked")
    except OSError as error:
        raise ConfigurationError(f"{error.filename}: {error.strerror}") from error


def locked(root: Path) -> bool:
    """Say whether the kernel is locked: it puts its level into brackets. Raises: OSError."""
    return f"[{LEVEL}]" in (root / LOCKDOWN).read_text().split()


def main() -> int:
    """Run the command line."""
    try:
        lock_down()
    except ConfigurationError as error:
        print(f"openpcc-node: {error}", file=sys.stderr)  # noqa: T201 - a program's own word
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
