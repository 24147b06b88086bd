"""Makes the devices of NVIDIA's driver, at boot: the driver leaves that to whoever needs them.

NVIDIA's own program for it (nvidia-modprobe) loads modules, makes more devices than CUDA needs, and
is meant to be setuid. Here exactly these are made, for root alone:

    /dev/nvidiactl    the driver
    /dev/nvidia0 …    one for each GPU that the driver has taken up
    /dev/nvidia-uvm   memory that GPU and processor share

Not made: nvidia-uvm-tools (looks into memory), nvidia-modeset (screens), nvidia-caps (parts of
GPUs).

    python -m node_image.agent.gpu_nodes
"""

import os
import re
import stat
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from node_image.agent.errors import ConfigurationError

CONTROL_MINOR = 255
"""Of /dev/nvidiactl (kernel-open/nvidia: NV_MINOR_DEVICE_NUMBER_CONTROL_DEVICE)."""

MAX_GPUS = 16
"""GPUs of a machine; evidence has room for more (`attestation.sections.MAX_DEVICES`)."""

DRIVER = ("nvidia", "nvidia-frontend")
"""Names of the driver's number in /proc/devices: now, and in older versions."""

UVM = ("nvidia-uvm",)


@dataclass(frozen=True, kw_only=True)
class Node:
    """A character device."""

    path: Path
    major: int
    minor: int


def nodes(numbers: str, gpus: Iterable[str], folder: Path = Path("/dev")) -> tuple[Node, ...]:
    """Say which devices there have to be.

    Args:
        numbers: /proc/devices.
        gpus: /proc/driver/nvidia/gpus/*/information, of each GPU.
        folder: where they are made.

    Raises:
        ConfigurationError: the driver is not loaded, or has found no GPU.
    """
    driver, uvm = _major(numbers, DRIVER), _major(numbers, UVM)
    minors = sorted(map(_minor, gpus))
    if not 0 < len(minors) <= MAX_GPUS or len(set(minors)) != len(minors):
        raise ConfigurationError(
            f"GPUs: the driver has found {len(minors)}; attach 1 to {MAX_GPUS}"
        )
    return (
        Node(path=folder / "nvidiactl", major=driver, minor=CONTROL_MINOR),
        *(Node(path=folder / f"nvidia{one}", major=driver, minor=one) for one in minors),
        Node(path=folder / "nvidia-uvm", major=uvm, minor=0),
    )


def make(wanted: Sequence[Node]) -> None:
    """Make them, readable and writable by root alone.

    Raises:
        ConfigurationError: one is there already, or cannot be made.
    """
    for node in wanted:
        try:
            os.mknod(node.path, stat.S_IFCHR | 0o600, os.makedev(node.major, node.minor))
        except OSError as error:
            raise ConfigurationError(f"{node.path}: {error.strerror}") from error


def main() -> int:
    """Run the command line."""
    try:
        gpus = sorted(Path("/proc/driver/nvidia/gpus").glob("*/information"))
        numbers = Path("/proc/devices").read_text()
        make(nodes(numbers, [path.read_text() for path in gpus]))
    except ConfigurationError as error:
        print(f"openpcc-node: {error}", file=sys.stderr)  # noqa: T201 - a program's own word
        return 2
    return 0


def _major(numbers: str, names: Sequence[str]) -> int:
    characters = numbers.partition("Block devices:")[0]
    for name in names:
        if found := re.search(rf"^ *([0-9]{{1,4}}) {re.escape(name)}$", characters, re.MULTILINE):
            return int(found[1])
    raise ConfigurationError(f"GPUs: no driver {names[0]} in /proc/devices; it was not loaded")


def _minor(information: str) -> int:
    found = re.search(r"^Device Minor:\s*([0-9]{1,3})\s*$", information, re.MULTILINE | re.ASCII)
    if found is None or int(found[1]) >= CONTROL_MINOR:
        raise ConfigurationError("GPUs: the driver does not number one of them; reset it")
    return int(found[1])


if __name__ == "__main__":
    sys.exit(main())
