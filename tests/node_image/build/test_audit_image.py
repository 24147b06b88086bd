"""A real image, its release on a real log, and `openpcc audit release` as an operator runs it.

The event log is of a real boot of another image (tests/attestation/measure/known): of it counts
what firmware measures. Whoever alters a file alters image.json as well, so that the two fit.
"""

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from attestation.measure import files
from attestation.measure.gpt import PartitionTable
from tests.fakes import image as fake
from tests.fakes import ovmf
from tests.journeys.release_desk import Desk, openpcc_log
from tests.node_image.build.conftest import Built
from tests.transparency_log.server.processes import running_world

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]

MODEL = "models/demo.json"
OPENPCC = str(Path(sys.executable).with_name("openpcc"))
MACHINES = {
    "simulated-vtpm": {
        "boot": "disk",
        "measurement": "5a" * 48,
        "log": "log",
        "open": ["memory-map", "host-tables", "boot-variables", "boot-aggregate"],
    },
    "sev-snp": dict(fake.MACHINES["sev-snp"]),
}
SAID = ["--version=0.1.0", "--engine=embedded=0.1.0", "--source=https://example.org/openpcc",
        f"--commit={'0' * 40}", "--expires=2100-01-01T00:00:00Z"]  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Published:
    """An image's folder with its proof, and the policy by which it is audited."""

    desk: Desk
    folder: Path

    def audit(self, folder: Path, *words: str) -> tuple[int, str]:
        """Audit a folder; give the exit code and what was printed."""
        command = [OPENPCC, "audit", "release", "--image", str(folder), "--policy",
                   str(self.desk.policy), *words]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        return done.returncode, done.stdout + done.stderr

    def failed(self, folder: Path) -> Mapping[str, str]:
        """Give what an audit found wrong, by section and id."""
        code, text = self.audit(folder, "--json")
        said = json.loads(text)
        assert (code, said["verdict"]) == (1, "FAIL")
        return {
            f"{section['name']}: {one['id']}": one["actual"]
            for section in said["sections"]
            for one in section["findings"]
            if one["outcome"] == "FAIL"
        }


@pytest.fixture(scope="module")
def published(
    built: Built, root: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Published]:
    """Publish the image as docs/node-image.md says."""
    place = tmp_path_factory.mktemp("published")
    for name in ("log", "desk"):
        (place / name).mkdir()
    with running_world(place / "log") as world:
        found = Published(desk=Desk(log=world, folder=place / "desk"), folder=place / "image")
        found.desk.set_up()
        shutil.copytree(built.image, found.folder)
        _describe(found, root)
        _release(found)
        yield found


def _describe(found: Published, root: Path) -> None:
    place = found.desk.folder
    known = root / "tests" / "attestation" / "measure" / "known" / "boot-disk257.bin"
    shutil.copyfile(known, place / "boot.bin")
    (place / "OVMF.fd").write_bytes(ovmf.firmware())
    document = {
        "version": 1,
        "artifacts": {"firmware": "OVMF.fd", "log": "boot.bin"},
        "machines": MACHINES,
    }
    (place / "machines.json").write_text(json.dumps(document))
    _ours("node_image.build.machines", str(found.folder), str(place / "machines.json"))


def _release(found: Published) -> None:
    text = _ours("node_image.measure", "release", str(found.folder), *SAID)
    manifest = found.folder / "release.toml"
    manifest.write_text(text)
    desk = found.desk
    keys = (*desk.key("release-0"), *desk.key("release-1"))
    out = ("--out", desk.folder / "release.json", "--proof", found.folder / "release.proof")
    done = openpcc_log("publish", manifest, *keys, *desk.sending, *out)
    assert done.returncode == 0, done.stderr
    first = ("--first", "--accept", found.folder / "release.proof")
    listed = ("--out", desk.folder / "status.json")
    done = openpcc_log("status", *first, *desk.key("status-0"), *desk.sending, *listed)
    assert done.returncode == 0, done.stderr


def _ours(module: str, *words: str) -> str:
    command = [sys.executable, "-m", module, *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_published_image_passes(published: Published) -> None:
    code, said = published.audit(published.folder, "--log", published.desk.log.log_url)
    assert code == 0, said
    assert said.startswith("PASS")
    assert "Platform simulated-vtpm" in said
    assert "Platform sev-snp" in said


def flip(path: Path, place: int) -> None:
    with path.open("r+b") as file:
        file.seek(place)
        (byte,) = file.read(1)
        file.seek(place)
        file.write(bytes([byte ^ 1]))


def partition(folder: Path, number: int) -> int:
    """Give where the disk's root (1) and hash tree (2) begin."""
    image = files.read_image(folder)
    table = PartitionTable.parse(files.read_file(folder, image, "disk").artifact)
    return table.partitions[number].offset


def after(path: Path, text: bytes) -> int:
    return path.read_bytes().index(text) + len(text)


Expected = dict[str, str]
CASES: dict[str, tuple[str, Callable[[Path], int], Expected]] = {
    "root file system": ("node.raw", lambda folder: partition(folder, 1) + 5_000_000, {
        "files: release.image": "disk ",
        "files: release.root": "disk: root file system: root hash",
    }),
    "hash tree": ("node.raw", lambda folder: partition(folder, 2) + 9_000, {
        "files: release.image": "disk ",
        "files: release.root": "verity partition: its hash tree is not that",
    }),
    "partition table": ("node.raw", lambda _: 1024 + 20, {
        "files: release.image": "disk ",
        "files: release.root": "disk: ",
        "platform simulated-vtpm: release.computed": "disk: ",
    }),
    "command line": ("node.efi", lambda folder: after(folder / "node.efi", b"console=ttyS"), {
        "platform simulated-vtpm: release.registers": "register 4 (uki)",
        "platform sev-snp: release.measurement": "firmware, uki, number and type of processors",
    }),
    "lock": ("lock.json", lambda _: 100, {"files: release.lists": "lock: "}),
    "bill of materials": ("sbom.json", lambda _: 100, {"files: release.lists": "sbom: "}),
    "recipe": ("recipe.tar", lambda _: 600, {"files: release.recipe": "recipe "}),
    "firmware": ("machines/firmware.fd", lambda _: 0x3000, {
        "platform sev-snp: release.measurement": "firmware, uki",
    }),
    "event log": ("machines/log.bin", lambda folder: separator(folder / "machines/log.bin"), {
        "platform simulated-vtpm: release.registers": "(log)",
    }),
    "model": (MODEL, lambda folder: after(folder / MODEL, b'"sha256":"'), {
        "files: release.models": "demo: ",
    }),
}  # fmt: skip


def separator(log: Path) -> int:
    """Give where the digest of the first separator (SHA-384 of four zeros) stands."""
    return log.read_bytes().index(hashlib.sha384(bytes(4)).digest())


@pytest.fixture
def copy(published: Published, tmp_path: Path) -> Callable[[str], Path]:
    """Give a folder of the same files, one of which is its own."""

    def copied(own: str) -> Path:
        folder = tmp_path / "image"
        for path in published.folder.rglob("*"):
            place = folder / path.relative_to(published.folder)
            place.parent.mkdir(parents=True, exist_ok=True)
            if path.is_file() and str(path.relative_to(published.folder)) not in {
                own,
                "image.json",
            }:
                place.symlink_to(path)
        for name in (own, "image.json"):
            shutil.copyfile(published.folder / name, folder / name)
        return folder

    return copied


def fitted(folder: Path, file: str) -> None:
    """Have image.json say of a file what it is now."""
    document: dict[str, Any] = json.loads((folder / "image.json").read_text())
    for one in document["artifacts"].values():
        if one["file"] == file:
            with (folder / file).open("rb") as data:
                one["sha256"] = hashlib.file_digest(data, "sha256").hexdigest()
    (folder / "image.json").write_text(json.dumps(document))


@pytest.mark.parametrize("case", CASES)
def test_one_bit_fails_naming_file_and_register(
    published: Published, copy: Callable[[str], Path], case: str
) -> None:
    file, place, expected = CASES[case]
    folder = copy(file)
    flip(folder / file, place(folder))
    fitted(folder, file)
    wrong = published.failed(folder)
    assert set(wrong) == set(expected)
    for name, said in expected.items():
        assert said in wrong[name]


def test_the_command_line_is_in_every_register_of_the_kernel(
    published: Published, copy: Callable[[str], Path]
) -> None:
    folder = copy("node.efi")
    flip(folder / "node.efi", after(folder / "node.efi", b"console=ttyS"))
    code, said = published.audit(folder)
    assert code == 1
    assert said.startswith("FAIL")
    assert "uki: SHA-256" in said  # image.json was not altered
    for register in (4, 9, 11):
        assert f"register {register} (uki)" in said


def test_a_proof_of_something_else_fails(published: Published, copy: Callable[[str], Path]) -> None:
    folder = copy("release.proof")
    flip(folder / "release.proof", len((folder / "release.proof").read_bytes()) // 2)
    code, said = published.audit(folder)
    assert code == 1
    assert "7." in said
