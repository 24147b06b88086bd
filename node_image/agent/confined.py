"""Runs an engine where it can reach its socket and its model, and nothing else.

In the image this stands in place of the engine's interpreter (`engine_python`): the agent starts it
with the interpreter's arguments, and it becomes bubblewrap, which makes namespaces of its own and
starts the real interpreter in them.

    network    none: not even the loopback device of the machine
    devices    null, zero, random, and those that the image names: no TPM, no quote
    files      /usr read-only, the engine's own folder, and empty memory for /tmp
    processes  its own; of /proc and /sys nothing but what the image names

What it gets beside that stands in a file of the image, so it is measured and no host chooses it:

    python     the real interpreter
    devices    patterns below /dev; each must match at least one device
    kernel     folders of /proc and /sys, read-only
    libraries  folders where a driver has its libraries
"""

import os
import re
import stat
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from node_image.agent.errors import ConfigurationError
from node_image.agent.toml_table import TomlTable, read_table

BWRAP = "/usr/bin/bwrap"
SETTINGS = Path("/usr/lib/openpcc/confined.toml")
NOBODY = "65534"

DEVICE = re.compile(r"/dev/[a-z][a-z0-9/-]*(?:\[0-9\])?\*?", re.ASCII)
KERNEL = re.compile(r"/proc|/(?:proc|sys)/[a-z][A-Za-z0-9/._:-]*", re.ASCII)
LIBRARIES = re.compile(r"/usr/lib/[A-Za-z0-9/._-]+", re.ASCII)
"""What the image's file may name: all of /sys would show the quote, all of /dev the TPM."""

NAMESPACES = (
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


@dataclass(frozen=True, kw_only=True)
class Sandbox:
    """What an engine gets beside its socket; see above."""

    python: str
    devices: tuple[str, ...] = ()
    kernel: tuple[str, ...] = ()
    libraries: tuple[str, ...] = ()

    @classmethod
    def load(cls, path: Path) -> "Sandbox":
        """Read the image's file.

        Raises:
            ConfigurationError: unreadable, an unknown key, or a path that is not where it belongs.
        """
        table, _ = read_table(path)
        sandbox = cls(
            python=table.text("python"),
            devices=_paths(table, "devices", DEVICE),
            kernel=_paths(table, "kernel", KERNEL),
            libraries=_paths(table, "libraries", LIBRARIES),
        )
        table.end()
        return sandbox


def device_nodes(patterns: Sequence[str]) -> tuple[str, ...]:
    """Name the devices that patterns match, in order.

    Raises:
        ConfigurationError: one matches nothing, or something that is no character device: a folder
            would bring in whatever is in it.
    """
    nodes: list[str] = []
    for pattern in patterns:
        found = sorted(map(str, Path("/dev").glob(pattern.removeprefix("/dev/"))))
        if not found:
            raise ConfigurationError(f"engine: {pattern}: no such device; load its driver")
        nodes += found
    for node in nodes:
        if not stat.S_ISCHR(os.lstat(node).st_mode):
            raise ConfigurationError(f"engine: {node} is no character device")
    return tuple(nodes)


def sandboxed(
    arguments: Sequence[str], sandbox: Sandbox, nodes: Sequence[str] = ()
) -> tuple[str, ...]:
    """Give the command that runs the interpreter's arguments in the sandbox.

    Raises:
        ConfigurationError: they name no socket, below whose folder alone an engine may write.
    """
    before = [value for word, value in pairwise(arguments) if word == "--uds"]
    if len(before) != 1 or not Path(before[0]).is_absolute():
        raise ConfigurationError("engine: --uds must name one socket; start it by the agent")
    folder = str(Path(before[0]).parent)
    return (
        BWRAP,
        *NAMESPACES,
        *(word for node in nodes for word in ("--dev-bind", node, node)),
        *(word for path in sandbox.kernel for word in ("--ro-bind", path, path)),
        *_library_path(sandbox.libraries),
        "--bind",
        folder,
        folder,
        "--chdir",
        "/",
        "--",
        sandbox.python,
        *arguments,
    )


def main(settings: Path = SETTINGS) -> None:
    """Become the sandboxed engine."""
    try:
        sandbox = Sandbox.load(settings)
        command = sandboxed(sys.argv[1:], sandbox, device_nodes(sandbox.devices))
    except ConfigurationError as error:
        sys.exit(f"openpcc-node: {error}")
    os.execv(command[0], command)  # noqa: S606 - a fixed program, arguments of the image


def _library_path(folders: Sequence[str]) -> tuple[str, ...]:
    """Say where libraries are: the sandbox has no /etc, so no links that pass through it."""
    return ("--setenv", "LD_LIBRARY_PATH", ":".join(folders)) if folders else ()


def _paths(table: TomlTable, key: str, allowed: re.Pattern[str]) -> tuple[str, ...]:
    """Take paths that lie where they belong."""
    paths = table.texts(key)
    for path in paths:
        if not allowed.fullmatch(path) or ".." in Path(path).parts:
            table.refuse(key, f"{path!r} is not where {key} are")
    return paths
