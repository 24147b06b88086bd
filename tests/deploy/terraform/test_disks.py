"""Disks for clouds: the image as it was, and the host's document where the image finds it."""

import hashlib
import json
import struct
import subprocess
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attestation.measure.artifact import Artifact
from attestation.measure.gpt import PartitionTable
from deploy.terraform.disks.__main__ import main
from deploy.terraform.disks.gpt import FIRST, partitioned
from deploy.terraform.disks.vhd import MIB, footer, geometry
from node_image.agent.host_disk import SIZE, HostDisk
from tests.deploy.terraform import inputs

pytestmark = pytest.mark.deploy

CLOUDS = ["gcp", "azure", "aws", "baremetal"]


def contents(cloud: str, folder: Path, name: str) -> bytes:
    """Read a disk back as that cloud does."""
    if cloud == "gcp":
        with tarfile.open(folder / f"{name}.tar.gz", mode="r|gz") as archive:
            entry = archive.next()
            assert entry is not None
            file = archive.extractfile(entry)
            assert file is not None
            return file.read(64 * MIB)
    data = (folder / f"{name}.{'vhd' if cloud == 'azure' else 'raw'}").read_bytes()
    return data[:-512] if cloud == "azure" else data


@pytest.mark.parametrize("cloud", ["gcp", "azure", "aws"])
def test_the_hosts_partition_holds_the_document(disks: Path, cloud: str):
    disk = contents(cloud, inputs.made(cloud, disks), "host")
    table = PartitionTable.parse(Artifact(name="host", data=disk))
    (partition,) = table.partitions
    assert (partition.offset, partition.size) == (FIRST * 512, SIZE)
    document = HostDisk.parse(disk[partition.offset : partition.offset + partition.size])
    assert document.settings == inputs.SETTINGS.encode()
    assert (document.release.hex(), dict(document.machine)) == (inputs.RELEASE, {})


def test_a_disk_of_ones_own_host_is_the_document(disks: Path):
    document = HostDisk.parse(contents("baremetal", inputs.made("baremetal", disks), "host"))
    assert document.release.hex() == inputs.RELEASE


@pytest.mark.parametrize("cloud", ["gcp", "azure", "aws"])
def test_the_image_is_changed_in_nothing_but_its_length(disks: Path, cloud: str):
    disk = contents(cloud, inputs.made(cloud, disks), "node")
    assert disk[: len(inputs.NODE)] == inputs.NODE
    assert disk.count(0, len(inputs.NODE)) == len(disk) - len(inputs.NODE)


def test_linux_finds_the_partition_by_its_name(disks: Path):
    path = inputs.made("aws", disks) / "host.raw"
    said = json.loads(subprocess.run(
        ["sfdisk", "--json", path], capture_output=True, check=True).stdout)  # fmt: skip
    (partition,) = said["partitiontable"]["partitions"]
    assert (partition["name"], partition["start"]) == ("openpcc-host", FIRST)
    done = subprocess.run(["sfdisk", "--verify", path], capture_output=True, text=True, check=True)
    assert "No errors detected" in done.stdout


def test_google_is_given_whole_gibibytes(disks: Path):
    with tarfile.open(inputs.made("gcp", disks) / "host.tar.gz") as archive:
        (entry,) = archive.getmembers()
        assert (entry.name, entry.size, entry.mtime, entry.uname) == ("disk.raw", 2**30, 0, "")


def test_azure_is_given_fixed_disks_of_whole_mebibytes(disks: Path):
    for name in ("node", "host"):
        data = (inputs.made("azure", disks) / f"{name}.vhd").read_bytes()
        size = len(data) - 512
        cookie, features, version, offset = struct.unpack_from(">8sIIQ", data, size)
        assert (cookie, features, version, offset) == (b"conectix", 2, 0x10000, 2**64 - 1)
        assert struct.unpack_from(">QQ", data, size + 40) == (size, size)
        (kind, checksum) = struct.unpack_from(">II", data, size + 60)
        end = data[size:]
        assert kind == 2
        assert checksum == ~sum(end[:64] + end[68:]) & 0xFFFFFFFF
        assert size % MIB == 0


def test_geometry_is_that_of_the_specification():
    assert geometry(20 * MIB // 512) == (602, 4, 17)
    assert geometry(2**30 // 512) == (2080, 16, 63)
    assert geometry(2**41 // 512) == (65535, 16, 255)


@given(st.integers(1, 4096))
def test_geometry_holds_no_more_than_the_disk(mebibytes: int):
    sectors = mebibytes * MIB // 512
    cylinders, heads, track = geometry(sectors)
    assert sectors - heads * track < cylinders * heads * track <= sectors
    assert len(footer(mebibytes * MIB)) == 512


@given(st.binary(min_size=1, max_size=64), st.integers(3 * MIB // 512, 2**24))
def test_any_document_is_read_back_from_its_partition(text: bytes, sectors: int):
    document = text.ljust(-(-len(text) // 512) * 512, b"\0")
    head, tail = partitioned(document, size=sectors * 512)
    table = PartitionTable.parse(Artifact(name="host", data=head))
    (partition,) = table.partitions
    assert head[partition.offset : partition.offset + partition.size] == document
    assert len(head) + len(tail) <= sectors * 512
    # The header at the end is that of the beginning, seen from there.
    assert tail[-512:][:8] == b"EFI PART"
    assert struct.unpack_from("<QQ", tail, len(tail) - 512 + 24) == (sectors - 1, 1)


def test_a_document_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="do not fit"):
        partitioned(bytes(SIZE), size=SIZE)


def test_the_same_is_made_twice(tmp_path: Path):
    image = inputs.image_folder(tmp_path / "image")
    settings = tmp_path / "host.toml"
    settings.write_text(inputs.SETTINGS)
    for name in ("one", "two"):
        assert make("azure", image, settings, tmp_path / name) == 0
    one, two = (tmp_path / name for name in ("one", "two"))
    for file in ("node.vhd", "host.vhd", "disks.json"):
        assert (one / file).read_bytes() == (two / file).read_bytes()


def make(
    cloud: str, image: Path, settings: Path, out: Path, *, release: str = inputs.RELEASE
) -> int:
    arguments = ["--image", str(image), "--settings", str(settings), "--release", release]
    return main([cloud, *arguments, "--out", str(out)])


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    path = tmp_path / "host.toml"
    path.write_text(inputs.SETTINGS)
    return path


def test_refuses_another_image_than_it_says(
    tmp_path: Path, settings: Path, capsys: pytest.CaptureFixture[str]
):
    image = inputs.image_folder(tmp_path / "image")
    with (image / "node.raw").open("r+b") as file:
        file.write(b"other")
    assert make("aws", image, settings, tmp_path / "out") == 2
    assert "SHA-256" in capsys.readouterr().err
    assert not list((tmp_path / "out").iterdir())


def test_refuses_an_image_without_a_disk(
    tmp_path: Path, settings: Path, capsys: pytest.CaptureFixture[str]
):
    image = inputs.image_folder(tmp_path / "image")
    document = json.loads((image / "image.json").read_text())
    del document["artifacts"]["disk"]
    (image / "image.json").write_text(json.dumps(document))
    assert make("aws", image, settings, tmp_path / "out") == 2
    assert "no disk" in capsys.readouterr().err


def test_refuses_a_folder_that_is_there(
    tmp_path: Path, settings: Path, capsys: pytest.CaptureFixture[str]
):
    image = inputs.image_folder(tmp_path / "image")
    assert make("baremetal", image, settings, tmp_path) == 2
    assert "File exists" in capsys.readouterr().err


def test_refuses_a_release_that_is_no_hash(tmp_path: Path, settings: Path):
    with pytest.raises(SystemExit):
        make("aws", tmp_path, settings, tmp_path / "out", release="latest")


def test_facts_name_what_was_made(disks: Path):
    for cloud in CLOUDS:
        folder = inputs.made(cloud, disks)
        facts = json.loads((folder / "disks.json").read_text())
        assert facts["cloud"] == cloud
        assert facts["settings_sha256"] == hashlib.sha256(inputs.SETTINGS.encode()).hexdigest()
        for name, digest in facts["files"].items():
            assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
