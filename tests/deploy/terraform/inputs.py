"""What modules are given: a small image, disks made of it, and variables as `init` writes them."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from deploy.terraform.disks.__main__ import main

SETTINGS = 'listen = "0.0.0.0:8080"\ncontrol = "0.0.0.0:8081"\n'
RELEASE = "a4d451ec23463726f72c43d64c710968f6b602cd653b4de8adee1b556240a829"
NODE = b"".join(hashlib.sha256(b"block %d" % at).digest() for at in range(2**15)) + bytes(2**20)

COMMON: Mapping[str, object] = {
    "service": "chat.example",
    "name": "pcc",
    "node_count": 2,
    "allowed_gateway_cidrs": ["10.90.0.0/24"],
    "monitoring_cidrs": ["10.91.0.16/28"],
    "host_settings": SETTINGS,
}

OWN: Mapping[str, Mapping[str, object]] = {
    "gcp": {
        "project": "demo-project",
        "region": "us-central1",
        "zone": "us-central1-a",
        "gateway_network": "projects/demo-project/global/networks/gateways",
    },
    "azure": {
        "location": "eastus2",
        "storage_account": "openpccdisks",
        "gateway_network": "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups"
        "/front/providers/Microsoft.Network/virtualNetworks/gateways",
    },
    "aws": {"availability_zone": "us-east-2a"},
    "baremetal": {
        "platform": "sev-snp",
        "addresses": ["10.83.0.11", "10.83.0.12"],
        "cpus": 8,
        "memory_gib": 64,
        "bridge": "br0",
        "image_folder": "/var/lib/openpcc/image",
        "firmware": "/var/lib/openpcc/image/OVMF.amdsev.fd",
        "gpus": [["0000:41:00.0"], ["0000:c1:00.0"]],
    },
}

EXAMPLE: Mapping[str, Mapping[str, object]] = {
    "gcp": OWN["gcp"],
    "azure": {**OWN["azure"], "subscription_id": "00000000-0000-0000-0000-000000000002"},
    "aws": {"region": "us-east-2", **OWN["aws"]},
    "baremetal": OWN["baremetal"],
}
"""The same for the example's folder, where a provider is configured, too."""


def image_folder(folder: Path) -> Path:
    """Write an image of no use but its hashes: this is about what becomes of the files."""
    folder.mkdir()
    artifacts = {}
    for name, file, data in (("disk", "node.raw", NODE), ("uki", "node.efi", b"kernel image")):
        (folder / file).write_bytes(data)
        digest = hashlib.sha256(data).hexdigest()
        artifacts[name] = {"file": file, "size": len(data), "sha256": digest}
    document = {"version": 1, "artifacts": artifacts, "machines": {}}
    (folder / "image.json").write_text(json.dumps(document))
    return folder


def made(cloud: str, base: Path, settings: str = SETTINGS) -> Path:
    """Make the disks of one cloud, once a session; they are whole GiB on one of them."""
    key = hashlib.sha256(settings.encode()).hexdigest()[:8]
    image, out = base / "image", base / f"{cloud}-{key}"
    if not image.exists():
        image_folder(image)
    if out.exists():
        return out
    (base / f"{key}.toml").write_text(settings)
    arguments = ["--image", str(image), "--settings", str(base / f"{key}.toml")]
    assert main([cloud, *arguments, "--release", RELEASE, "--out", str(out)]) == 0
    return out


def release(cloud: str, base: Path, settings: str = SETTINGS) -> dict[str, object]:
    """Read the variables that the disks' maker wrote."""
    text = (made(cloud, base, settings) / "release.auto.tfvars.json").read_text()
    return dict(json.loads(text))
