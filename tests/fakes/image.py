"""Image folders: every artifact small, every platform there."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from attestation.boot_events import boot_events
from attestation.measure.artifact import Artifact
from attestation.measure.image import ImageFolder
from tests.fakes import disk, ovmf, tcg, uki

MODELS = (("demo", hashlib.sha256(b"a model").digest()),)
ARGUMENTS = ("--max-model-len", "1024")
ROOT = bytes(range(256)) * 100
PARAVISOR = "5a" * 48

MACHINES: Mapping[str, Mapping[str, object]] = {
    "sev-snp": {
        "boot": "direct",
        "firmware": "firmware",
        "cpus": 2,
        "cpu": "EPYC-Genoa",
        "features": 1,
        "monitor": "qemu",
    },
    "tdx": {
        "boot": "disk",
        "firmware": "firmware",
        "order": "per-page",
        "log": "ccel",
        "open": ["memory-map", "host-tables", "boot-variables"],
    },
    "sev-snp-vtpm": {
        "boot": "disk",
        "measurement": PARAVISOR,
        "log": "tpm-log",
        "open": ["host-tables", "boot-variables"],
    },
}
FILES = {
    "uki": "node.efi",
    "disk": "node.raw",
    "firmware": "OVMF.fd",
    "ccel": "logs/tdx.bin",
    "tpm-log": "logs/tpm.bin",
}


def contents() -> dict[str, bytes]:
    """Give the artifacts."""
    root, whole = disk.rooted(ROOT)
    image = uki.uki({".cmdline": b"console=ttyS0 roothash=" + root.hex().encode()})
    return {
        "uki": image,
        "disk": whole,
        "firmware": ovmf.firmware(),
        "ccel": ccel(),
        "tpm-log": tpm_log(),
    }


def ccel(**changed: bytes) -> bytes:
    """Give an event log of a TDX guest, of what firmware measures; `register` of the log is + 1."""
    said = {"hob": b"4 GiB", "keys": b"PK", "acpi": b"tables", **changed}
    return bytes(
        tcg.header()
        + tcg.record(1, said["hob"], kind=0x8000000B)
        + tcg.record(1, said["keys"], kind=0x80000001)
        + tcg.record(1, bytes(4), kind=tcg.SEPARATOR)
        + tcg.record(1, said["acpi"], kind=0xA)
        + tcg.record(1, b"Boot0000", kind=0x80000002)
        + tcg.record(2, b"an image")
        + tcg.record(3, b"a section")
    )


def tpm_log(**changed: bytes) -> bytes:
    """Give an event log of a TPM."""
    said = {"version": b"1.0", "keys": b"PK", "acpi": b"tables", **changed}
    return bytes(
        tcg.header()
        + tcg.record(0, said["version"], kind=8)
        + tcg.record(7, said["keys"], kind=0x80000001)
        + tcg.record(1, said["acpi"], kind=0xA)
        + b"".join(tcg.record(pcr, bytes(4), kind=tcg.SEPARATOR) for pcr in range(8))
        + tcg.record(4, b"an image")
    )


def described(
    found: Mapping[str, bytes], machines: Mapping[str, Mapping[str, object]] = MACHINES
) -> dict[str, object]:
    """Give `image.json` of artifacts."""
    return {
        "version": 1,
        "artifacts": {
            name: {
                "file": FILES.get(name, name),
                "size": len(data),
                "sha256": hashlib.sha256(data).hexdigest(),
            }
            for name, data in found.items()
        },
        "machines": machines,
    }


def parsed(
    found: Mapping[str, bytes], machines: Mapping[str, Mapping[str, object]] = MACHINES
) -> ImageFolder:
    """Give it as it is read."""
    return ImageFolder.parse(json.dumps(described(found, machines)).encode())


def artifacts(found: Mapping[str, bytes]) -> dict[str, Artifact]:
    """Give artifacts as they are read."""
    return {name: Artifact(name=name, data=data) for name, data in found.items()}


def write(folder: Path, found: Mapping[str, bytes]) -> Path:
    """Write a folder."""
    for name, data in found.items():
        path = folder / FILES.get(name, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    (folder / "image.json").write_text(json.dumps(described(found)))
    return folder


def agent_register() -> bytes:
    """Give the agent's register."""
    events = boot_events(MODELS, ARGUMENTS)
    return tcg.replayed("sha384", *(event.encode() for event in events))
