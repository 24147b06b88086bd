"""A host that changes what it can reach, so as to have a word in its guest.

The image has no way in, so whoever wants a program of his own in there must change something that
is measured. One word of the command line is enough: with it systemd takes credentials of the host's
(`io.systemd.credential` in SMBIOS), and one of those makes files, in `/run`, before the real root
is there. Everything else is the image as it was built: root file system, firewall, agent.
"""

import base64
import shutil
from collections.abc import Mapping
from pathlib import Path

from attestation.measure.artifact import Artifact
from attestation.measure.gpt import Partition, PartitionTable
from attestation.measure.uki import Uki

REFUSED = b"systemd.import_credentials=no"
TAKEN = b"systemd.import_credentials=1 "
"""The word on the command line, and the one that is put in its place: no byte moves."""

SUPERBLOCK = 1024
"""Where an erofs begins."""

PROBE = "/run/openpcc-probe"
PYTHON, CONFINED = "/usr/bin/python3", "/usr/lib/openpcc/confined-python"

PHASES = ("agent", "engine", "unguarded", "root")
"""Whom the probe plays, in order; see `probe_words`."""

HOST = "10.0.2.2"
"""Where the emulator's guests reach the host's own loopback address."""


def with_credentials(image: Path, disk: Path) -> None:
    """Copy an image's disk, and take that word off its command line."""
    shutil.copyfile(image / "node.raw", disk)
    esp = _partitions(image)[0]
    with disk.open("r+b") as file:
        file.seek(esp.offset)
        data = file.read(esp.size)
        assert data.count(REFUSED) == 1
        file.seek(esp.offset + data.index(REFUSED))
        file.write(TAKEN)


def with_flipped_bit(image: Path, disk: Path) -> None:
    """Copy an image's disk, and flip one bit of the root file system: in its first block."""
    root_hash = Uki.parse(Artifact(name="uki", data=(image / "node.efi").read_bytes())).root_hash
    assert root_hash is not None
    (root,) = [one for one in _partitions(image) if one.identity.bytes == root_hash[:16]]
    at = root.offset + SUPERBLOCK
    shutil.copyfile(image / "node.raw", disk)
    with disk.open("r+b") as file:
        file.seek(at)
        (byte,) = file.read(1)
        file.seek(at)
        file.write(bytes([byte ^ 1]))


def probe_words(folder: Path, ports: Mapping[str, int]) -> list[str]:
    """Give QEMU's words that put the probe into the agent's own unit, once for each phase.

    agent      as the agent: same unit, same sandbox, same firewall
    engine     as the engine: in its own sandbox
    unguarded  as the agent, the firewall having been taken away
    root       the same without the unit's sandbox: everything must get out, or nothing was shown
    """
    run = {phase: f"{PROBE}/probe.py {phase} {HOST} {port}" for phase, port in ports.items()}
    unit = (
        "[Service]\nTimeoutStartSec=infinity\n"
        f"ExecStartPost=-{PYTHON} -I {run['agent']}\n"
        f"ExecStartPost=-{CONFINED} {run['engine']} --uds {PROBE}/socket\n"
        "ExecStartPost=+/usr/sbin/nft flush ruleset\n"
        f"ExecStartPost=-{PYTHON} -I {run['unguarded']}\n"
        f"ExecStartPost=+-{PYTHON} -I {run['root']}\n"
    )
    made = {
        f"{PROBE}/probe.py": Path(__file__).with_name("probe.py").read_bytes(),
        "/run/systemd/system/openpcc-node.service.d/probe.conf": unit.encode(),
    }
    credential = base64.b64encode(_tmpfiles(made)).decode()
    told = folder / "smbios"
    told.write_text(f"io.systemd.credential.binary:tmpfiles.extra={credential}")
    return ["-smbios", f"type=11,path={told}"]


def _tmpfiles(files: Mapping[str, bytes]) -> bytes:
    """Write tmpfiles.d(5)."""
    lines = "".join(
        f"d {Path(name).parent} 0755\nf~ {name} 0444 - - - {base64.b64encode(data).decode()}\n"
        for name, data in files.items()
    )
    return lines.encode()


def _partitions(image: Path) -> tuple[Partition, ...]:
    with (image / "node.raw").open("rb") as file:
        table = PartitionTable.parse(Artifact(name="disk", data=file.read(2**20)))
    return tuple(sorted(table.partitions, key=lambda one: one.offset))
