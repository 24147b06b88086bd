"""Files of node images: firmware, kernel images, partition tables, hash trees, descriptions."""

import json
from itertools import pairwise

from attestation.errors import ArtifactError
from attestation.measure.artifact import Artifact
from attestation.measure.firmware import Firmware
from attestation.measure.gpt import PartitionTable
from attestation.measure.image import ImageFolder
from attestation.measure.model import ModelFile, ModelManifest
from attestation.measure.pe import PeImage
from attestation.measure.tdx import PageOrder, mrtd
from attestation.measure.uki import Uki
from attestation.measure.verity import Superblock
from tests.fakes import disk, image, ovmf, uki
from tests.fuzz.target import Bytes, target

SMALL = [(0, 0x1000, 0xFFFFF000, 0x1000, 0, 1)]


def firmwares() -> Bytes:
    yield ovmf.firmware(pages=1, sev=ovmf.SEV[:2], tdx=SMALL)
    yield ovmf.firmware(pages=1, tdx=None)
    yield ovmf.firmware(pages=1, sev=None, tdx=SMALL)


def ukis() -> Bytes:
    yield uki.uki()
    yield uki.uki({".linux": uki.kernel(b"another")}, version="252.39-1~deb12u2")


def tables() -> Bytes:
    yield disk.disk([(disk.ESP, disk.ESP_IDENTITY, b"an ESP")])[: 34 * 512]


def superblocks() -> Bytes:
    yield disk.verity(bytes(1024))[1]


def folders() -> Bytes:
    yield json.dumps(image.described(image.contents())).encode()


def manifests() -> Bytes:
    names = ("config.json", "model.safetensors")
    listed = [ModelFile(name=one, size=7, sha256=bytes(32), verity=bytes(32)) for one in names]
    yield ModelManifest(files=tuple(listed)).encode()


def artifact(data: bytes) -> Artifact:
    return Artifact(name="a file", data=data)


@target(
    Firmware.parse,
    Firmware.sev_sections,
    Firmware.tdx_sections,
    seeds=firmwares,
    refusals=(ArtifactError,),
    longest=2**13,
)
def ovmf_firmware(data: bytes) -> None:
    """Any bytes give firmware whose sections are whole pages, or ArtifactError."""
    firmware = Firmware.parse(artifact(data))
    assert firmware.address + len(data) == 1 << 32
    try:
        assert all(not one.size % 4096 for one in firmware.sev_sections())
    except ArtifactError:
        sections = firmware.tdx_sections()
        assert all(len(one.content) <= one.size for one in sections)
        if sum(one.size for one in sections) < 1 << 16:
            assert len(mrtd(firmware, PageOrder.PER_PAGE)) == 48


@target(PeImage.parse, Uki.parse, seeds=ukis, refusals=(ArtifactError,), longest=2**13)
def kernel_image(data: bytes) -> None:
    """Any bytes give a kernel image of which each byte is hashed once, or ArtifactError."""
    found = Uki.parse(artifact(data))
    assert len(found.image.authenticode("sha256")) == 32
    assert all(len(one) <= len(data) for one in found.sections.values())
    assert found.command_line.isprintable()


@target(PartitionTable.parse, seeds=tables, refusals=(ArtifactError,), longest=34 * 512)
def partition_table(data: bytes) -> None:
    """Any bytes give partitions that do not overlap, or ArtifactError."""
    found = PartitionTable.parse(artifact(data))
    places = sorted((one.offset, one.offset + one.size) for one in found.partitions)
    assert all(earlier[1] <= later[0] for earlier, later in pairwise(places))


@target(Superblock.parse, seeds=superblocks, refusals=(ArtifactError,))
def verity_superblock(data: bytes) -> None:
    """Any bytes give a superblock of a tree we can build, or ArtifactError."""
    assert Superblock.parse(artifact(data)).data_block >= 512


@target(ImageFolder.parse, seeds=folders, refusals=(ArtifactError,))
def image_folder(data: bytes) -> None:
    """Any bytes give an image folder that names no file outside it, or ArtifactError."""
    folder = ImageFolder.parse(data)
    for one in folder.artifacts.values():
        assert not one.file.startswith("/")
        assert ".." not in one.file.split("/")


@target(ModelManifest.parse, seeds=manifests, refusals=(ArtifactError,))
def model_manifest(data: bytes) -> None:
    """Any bytes give a manifest that reads back, or ArtifactError."""
    manifest = ModelManifest.parse(data)
    assert ModelManifest.parse(manifest.encode()) == manifest
