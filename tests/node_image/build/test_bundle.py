"""node_image/build/bundle.sh and bundle.py: engine and model on a disk that one hash names."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from pathlib import Path

import pytest

from node_image.agent.bundle import BLOCK, Bundle
from node_image.build import bundle
from node_image.build.lock import BuildError

PRINTED = "Data blocks:     \t1217\nHash block size: \t4096\nRoot hash:      \t" + "53" * 32 + "\n"


@dataclass(frozen=True, kw_only=True)
class Maker:
    """Makes bundles with this machine's programs."""

    root: Path
    folder: Path

    def __call__(self, out: str, model: Path, *more: str, umask: int = 0o022, **env: str) -> Path:
        path = self.folder / out
        done = subprocess.run(
            [self.root / "node_image/build/bundle.sh", "--out", path, "--tools", "/",
             "--keep", self.folder / "keep", "--model", model, "--name", "demo", *more],
            capture_output=True, text=True, check=False, umask=umask, timeout=110,
            env=dict(os.environ, PYTHON=sys.executable, **env),
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return path


@pytest.fixture(scope="module")
def maker(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Maker:
    for program in ("/usr/bin/mkfs.erofs", "/usr/sbin/veritysetup"):
        if not Path(program).exists():
            pytest.skip(f"{program} is not installed")
    return Maker(root=root, folder=tmp_path_factory.mktemp("bundles"))


@pytest.fixture(scope="module")
def model(root: Path) -> Path:
    return root / "node_image/embedded/model"


@pytest.fixture(scope="module")
def made(maker: Maker, model: Path) -> Path:
    return maker("made", model)


def said(made: Path) -> Bundle:
    return Bundle.parse((made / "bundle.json").read_bytes())


def verified(disk: Path, bundle: Bundle) -> subprocess.CompletedProcess[str]:
    """Ask veritysetup, with the options that a node opens the disk with."""
    *_, root_hash, options = bundle.opening(str(disk))
    flags = [f"--{one}" for one in options.split(",") if one != "superblock=no"]
    return subprocess.run(
        ["/usr/sbin/veritysetup", "verify", "--no-superblock", *flags, disk, disk, root_hash],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def same(one: Path, other: Path) -> None:
    files = sorted(path.relative_to(one) for path in one.rglob("*") if path.is_file())
    assert files == sorted(path.relative_to(other) for path in other.rglob("*") if path.is_file())
    for path in files:
        assert (one / path).read_bytes() == (other / path).read_bytes(), path


def test_made_again_elsewhere_it_is_the_same(maker: Maker, made: Path, model: Path, tmp_path: Path):
    copy = tmp_path / "weights"
    copy.mkdir(mode=0o700)
    for path in sorted(model.iterdir(), reverse=True):
        shutil.copyfile(path, copy / path.name)
        os.utime(copy / path.name, (1, 1))
    again = maker("again", copy, umask=0o077, TZ="Asia/Tokyo", TMPDIR=str(tmp_path))
    same(made, again)


def test_a_node_opens_it_with_its_root_hash(made: Path):
    assert verified(made / "bundle.raw", said(made)).returncode == 0


def test_another_byte_is_found_by_the_kernels_tool_and_by_ours(made: Path, tmp_path: Path):
    bundle_json, disk = said(made), tmp_path / "bundle.raw"
    data = bytearray((made / "bundle.raw").read_bytes())
    data[2_000_000] ^= 1
    disk.write_bytes(data)
    assert "failed" in verified(disk, bundle_json).stderr
    with pytest.raises(BuildError, match="root hash"):
        bundle.check(disk, bundle_json.blocks, bundle_json.root_hash.hex())


def test_a_byte_of_the_hash_tree_is_found_too(made: Path, tmp_path: Path):
    bundle_json, disk = said(made), tmp_path / "bundle.raw"
    data = bytearray((made / "bundle.raw").read_bytes())
    data[bundle_json.blocks * BLOCK + 5] ^= 1
    disk.write_bytes(data)
    assert "failed" in verified(disk, bundle_json).stderr
    with pytest.raises(BuildError, match="hash tree"):
        bundle.check(disk, bundle_json.blocks, bundle_json.root_hash.hex())


def test_it_holds_the_model_and_its_digest_is_that_of_the_files(made: Path, model: Path, tmp_path):
    out = tmp_path / "out"
    subprocess.run(
        ["/usr/bin/fsck.erofs", f"--extract={out}", made / "bundle.raw"],
        capture_output=True, check=True, timeout=60,
    )  # fmt: skip
    assert [path.name for path in out.iterdir()] == ["models"]
    same(model, out / "models" / "demo")
    manifest = json.loads((made / "models" / "demo.json").read_text())
    assert said(made).digest.hex() == manifest["digest"]


def test_an_engine_is_an_environment_of_the_images_interpreter(maker: Maker, model, tmp_path: Path):
    lock = wheel(maker.folder / "keep" / "wheels")
    (tmp_path / "wheels.txt").write_text(lock)
    made = maker("engine", model, "--wheels", str(tmp_path / "wheels.txt"), "--offline")
    out = tmp_path / "out"
    subprocess.run(
        ["/usr/bin/fsck.erofs", f"--extract={out}", made / "bundle.raw"],
        capture_output=True, check=True, timeout=60,
    )  # fmt: skip
    assert (out / "engine/bin/python3").readlink() == Path("/usr/bin/python3")
    settings = (out / "engine/pyvenv.cfg").read_text()
    assert "include-system-site-packages = false\n" in settings
    site = out / "engine/lib/python3.13/site-packages/thing"
    assert (site / "__init__.py").stat().st_mode & 0o777 == 0o644
    assert (site / "bin/ptxas").stat().st_mode & 0o777 == 0o755
    (found,) = json.loads((made / "lock.json").read_text())["wheels"]
    assert found["name"] == "thing"


def test_a_wheel_that_is_not_in_the_list_is_not_taken(maker: Maker, model: Path, tmp_path: Path):
    lock = wheel(maker.folder / "keep" / "wheels")
    (tmp_path / "wheels.txt").write_text(lock[:-65] + "0" * 64 + "\n")
    with pytest.raises(AssertionError, match=r"no wheel of thing==1\.0"):
        maker("refused", model, "--wheels", str(tmp_path / "wheels.txt"), "--offline")


@pytest.mark.parametrize("text", ["", PRINTED.replace("Root", "Other"), PRINTED[:-3] + "\n"])
def test_what_veritysetup_says_is_read_strictly(text: str):
    assert bundle.told(PRINTED) == (1217, "53" * 32)
    with pytest.raises(BuildError, match="no root hash"):
        bundle.told(text)


def wheel(folder: Path) -> str:
    """Put a wheel into a folder; gives its line of a list."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "thing-1.0-py3-none-any.whl"
    record = "thing-1.0.dist-info/RECORD"
    files = {"thing/__init__.py": b"", "thing/bin/ptxas": b"\x7fELF"}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
        listed = [f"{name},sha256={digest(data)},{len(data)}\n" for name, data in files.items()]
        archive.writestr(record, "".join(listed) + f"{record},,\n")
    return f"thing==1.0 \\\n    --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}\n"


def digest(data: bytes) -> str:
    return urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
