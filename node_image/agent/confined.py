"""Runs an engine where it can reach its socket and its model, and nothing else.

In the image this stands in place of the engine's interpreter (`engine_python`): the agent starts it
with the interpreter's arguments, and it becomes bubblewrap, which makes namespaces of its own and
starts the real interpreter in them.

    network    none: not even the loopback device of the machine
    devices    null, zero, random, and no more: no TPM, no quote, no GPU
    files      /usr read-only, the engine's own folder, and empty memory for /tmp
    processes  its own; no /proc, where others would show
"""

import os
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from node_image.agent.errors import ConfigurationError

BWRAP = "/usr/bin/bwrap"
PYTHON = "/usr/bin/python3"
NOBODY = "65534"

SANDBOX = (
    "--unshare-all",
    "--die-with-parent",
    "--new-session",
    "--cap-drop",
    "ALL",
    "--uid",
    NOBODY,
    "--gid",
    NOBODY,
    "--ro-bind",
    "/usr",
    "/usr",
    "--symlink",
    "usr/lib",
    "/lib",
    "--symlink",
    "usr/lib64",
    "/lib64",
    "--dev",
    "/dev",
    "--tmpfs",
    "/tmp",  # noqa: S108 - memory of its own
)


def sandboxed(arguments: Sequence[str]) -> tuple[str, ...]:
    """Give the command that runs the interpreter's arguments in the sandbox.

    Raises:
        ConfigurationError: they name no socket, below whose folder alone an engine may write.
    """
    before = [value for word, value in pairwise(arguments) if word == "--uds"]
    if len(before) != 1 or not Path(before[0]).is_absolute():
        raise ConfigurationError("engine: --uds must name one socket; start it by the agent")
    folder = str(Path(before[0]).parent)
    return (BWRAP, *SANDBOX, "--bind", folder, folder, "--chdir", "/", "--", PYTHON, *arguments)


def main() -> None:
    """Become the sandboxed engine."""
    try:
        command = sandboxed(sys.argv[1:])
    except ConfigurationError as error:
        sys.exit(f"openpcc-node: {error}")
    os.execv(command[0], command)  # noqa: S606 - a fixed program, arguments of the image
