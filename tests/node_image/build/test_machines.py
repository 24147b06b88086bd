"""node_image/build/machines.py: an image's folder says where it runs, by files of its own."""

import json
from pathlib import Path
from typing import Any

import pytest

from attestation.measure.files import read_file, read_image
from attestation.measure.firmware import MAX_FIRMWARE
from node_image.build import inventory, machines
from node_image.build.lock import BuildError
from node_image.build.machines import Machines, add_machines
from node_image.measure.main import main as measure
from tests.fakes import image

MACHINES = {name: image.MACHINES[name] for name in ("sev-snp", "sev-snp-vtpm")}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An image as the recipe leaves it: of no machine."""
    folder = tmp_path / "image"
    folder.mkdir()
    files = {"uki": "node.efi", "disk": "node.raw"}
    for name, file in files.items():
        (folder / file).write_bytes(image.contents()[name])
    inventory.write(folder / "image.json", inventory.description(folder, files, {}))
    return folder


def described(place: Path, **changed: Any) -> Path:
    """What somebody who knows the machines writes."""
    for name, file in (("firmware", "OVMF.fd"), ("tpm-log", "boot.bin")):
        (place / file).write_bytes(image.contents()[name])
    document = {
        "version": 1,
        "artifacts": {"firmware": "OVMF.fd", "tpm-log": "boot.bin"},
        "machines": MACHINES,
    }
    path = place / "said.json"
    path.write_text(json.dumps({**document, **changed}))
    return path


def test_machines_and_their_files_are_in_the_image(folder: Path, tmp_path: Path):
    machines.main([str(folder), str(described(tmp_path))])
    found = read_image(folder)
    assert set(found.machines) == set(MACHINES)
    assert found.artifacts["firmware"].file == "machines/firmware.fd"
    for name in found.artifacts:
        one = read_file(folder, found, name)
        assert not one.wrong
        assert one.size == len(image.contents()[name])
    assert measure(["platforms", str(folder)]) == 0


def test_the_same_again_from_what_the_folder_keeps(folder: Path, tmp_path: Path):
    machines.main([str(folder), str(described(tmp_path))])
    once = {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    machines.main([str(folder), str(folder / "machines.json")])
    assert once == {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_machines_that_were_named_before_go(folder: Path, tmp_path: Path):
    machines.main([str(folder), str(described(tmp_path))])
    only = {"artifacts": {"firmware": "OVMF.fd"}, "machines": {"sev-snp": MACHINES["sev-snp"]}}
    machines.main([str(folder), str(described(tmp_path, **only))])
    assert set(read_image(folder).artifacts) == {"uki", "disk", "firmware"}
    assert [path.name for path in (folder / "machines").iterdir()] == ["firmware.fd"]


def test_a_file_that_is_no_firmware_is_not_read_whole(folder: Path, tmp_path: Path):
    said = described(tmp_path)
    with (tmp_path / "OVMF.fd").open("wb") as file:
        file.truncate(MAX_FIRMWARE + 1)
    with pytest.raises(SystemExit, match="is it the right file"):
        machines.main([str(folder), str(said)])


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"version": 2}, "version"),
        ({"more": 1}, "more"),
        ({"artifacts": {"firmware": "OVMF.fd"}}, "needs artifact 'tpm-log'"),
        ({"artifacts": {"firmware": "no-such-file", "tpm-log": "boot.bin"}}, "no-such-file"),
        ({"artifacts": {"disk": "OVMF.fd"}}, "'disk' is the image's own"),
        ({"artifacts": {"../x": "OVMF.fd"}}, "named like root-hash"),
        ({"machines": {"sev-snp": {**MACHINES["sev-snp"], "cpus": 0}}}, "cpus"),
        ({"machines": {"toaster": {}}}, "expected one of"),
        ({"machines": []}, "machines"),
    ],
)
def test_what_cannot_be_measured_is_refused(
    folder: Path, tmp_path: Path, changed: dict[str, Any], said: str
):
    before = (folder / "image.json").read_bytes()
    with pytest.raises(SystemExit, match="machines: ") as refused:
        machines.main([str(folder), str(described(tmp_path, **changed))])
    assert said in str(refused.value)
    assert (folder / "image.json").read_bytes() == before
    assert not (folder / "machines").exists()


@pytest.mark.parametrize("path", ["/etc/hostname", "../OVMF.fd", "a/../../b", ""])
def test_a_file_elsewhere_is_no_file_of_an_image(tmp_path: Path, path: str) -> None:
    file = tmp_path / "machines.json"
    file.write_text(json.dumps({"version": 1, "artifacts": {"firmware": path}, "machines": {}}))
    with pytest.raises(BuildError, match="expected a path beside"):
        Machines.read(file)


def test_a_link_is_no_file_of_an_image(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "machines.json"
    (tmp_path / "OVMF.fd").symlink_to("/etc/hostname")
    machines = {"version": 1, "artifacts": {"firmware": "OVMF.fd"}, "machines": {}}
    file.write_text(json.dumps(machines))
    with pytest.raises(BuildError, match="no link to one"):
        add_machines(folder, file)
