"""node_image/build/inventory.py, unpack.py and wheels.py: what goes in is known by its hash."""

import hashlib
import importlib.util
import json
import os
import zipfile
from base64 import urlsafe_b64encode
from pathlib import Path
from types import ModuleType

import pytest

from attestation.measure.artifact import Artifact
from attestation.measure.image import ImageFolder
from attestation.measure.recipe import recipe_files
from node_image.build import inventory
from node_image.build.lock import Lock


@pytest.fixture(scope="module")
def unpack(root: Path) -> ModuleType:
    return script(root, "unpack")


@pytest.fixture(scope="module")
def wheels(root: Path) -> ModuleType:
    return script(root, "wheels")


def script(root: Path, name: str) -> ModuleType:
    """These run alone, in the build's tree, where our packages are not."""
    spec = importlib.util.spec_from_file_location(name, root / "node_image/build" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def wheel(folder: Path, files: dict[str, bytes], record: str | None = None) -> Path:
    path = folder / "some_thing-1.0-py3-none-any.whl"
    listed = "".join(f"{name},sha256={_digest(data)},{len(data)}\n" for name, data in files.items())
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
        name = "some_thing-1.0.dist-info/RECORD"
        archive.writestr(name, listed + f"{name},,\n" if record is None else record)
    return path


def _digest(data: bytes) -> str:
    return urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def made(folder: Path) -> Path:
    """An image of four bytes, as mkosi would leave it."""
    (folder / "packages").mkdir()
    (folder / "wheels").mkdir()
    (folder / "packages" / "libc6_1%3a2.41-12_amd64.deb").write_bytes(b"deb")
    wheel(folder / "wheels", {"a.py": b"a"})
    package = {"type": "deb", "name": "libc6", "version": "1:2.41-12", "architecture": "amd64"}
    (folder / "node.manifest").write_text(json.dumps({"packages": [package]}))
    for name in ("node.raw", "node.efi", "options.txt"):
        (folder / name).write_bytes(b"1234")
    (folder / "source" / "mkosi.extra").mkdir(parents=True)
    (folder / "source" / "mkosi.extra" / "one").write_bytes(b"1")
    (folder / "source" / "build.sh").write_bytes(b"#!/usr/bin/env bash")
    (folder / "source" / "build.sh").chmod(0o700)
    (folder / "packages" / "mkosi_25.3-7_all.deb").write_bytes(b"tool")
    (folder / "tools.list").write_text("mkosi 25.3-7 all\n")
    return folder


def listed(folder: Path) -> None:
    parts = [f"--{name}={folder / name}" for name in ("packages", "wheels")]
    parts += [f"--tools={folder / 'tools.list'}", f"--recipe={folder / 'source'}"]
    inventory.main([str(folder), *parts])


def test_lists_every_package_and_wheel_with_its_hash(tmp_path: Path):
    listed(made(tmp_path))
    lock = json.loads((tmp_path / "lock.json").read_text())
    assert [one["sha256"] for one in lock["packages"]] == [hashlib.sha256(b"deb").hexdigest()]
    assert [one["name"] for one in lock["wheels"]] == ["some-thing"]
    assert lock["tools"] == [
        {
            "name": "mkosi",
            "version": "25.3-7",
            "architecture": "all",
            "sha256": hashlib.sha256(b"tool").hexdigest(),
        }
    ]
    assert Lock.parse((tmp_path / "lock.json").read_bytes()).document() == lock
    parts = json.loads((tmp_path / "sbom.json").read_text())["components"]
    assert [one["name"] for one in parts] == ["libc6", "some-thing"]


def test_the_images_description_is_read_by_who_measures(tmp_path: Path):
    listed(made(tmp_path))
    image = ImageFolder.parse((tmp_path / "image.json").read_bytes())
    assert image.artifacts["disk"].sha256 == hashlib.sha256(b"1234").digest()


def test_the_recipe_has_the_lists_and_no_modes_or_times_of_the_checkout(tmp_path: Path):
    listed(made(tmp_path))
    once = (tmp_path / "recipe.tar").read_bytes()
    found = recipe_files(Artifact(name="recipe", data=once), ("lock.json", "build/build.sh"))
    lock = hashlib.sha256((tmp_path / "lock.json").read_bytes()).digest()
    assert found == {
        "lock.json": lock,
        "build/build.sh": hashlib.sha256(b"#!/usr/bin/env bash").digest(),
    }
    for path in (tmp_path / "source").rglob("*"):
        path.chmod(0o755 if path.name != "one" else 0o600)
        os.utime(path, (1, 1))
    listed(tmp_path)
    assert (tmp_path / "recipe.tar").read_bytes() == once


@pytest.mark.parametrize("name", ["libc6_1%3a2.41-12_amd64.deb", "mkosi_25.3-7_all.deb"])
def test_a_package_or_tool_that_was_not_kept_is_no_image(tmp_path: Path, name: str):
    made(tmp_path).joinpath("packages", name).unlink()
    with pytest.raises(SystemExit, match="not among the packages"):
        listed(tmp_path)


def test_two_inventories_are_the_same_bytes(tmp_path: Path):
    listed(made(tmp_path))
    once = {path.name: path.read_bytes() for path in tmp_path.glob("*.json")}
    listed(tmp_path)
    assert once == {path.name: path.read_bytes() for path in tmp_path.glob("*.json")}


def test_unpacks_what_a_wheel_lists(tmp_path: Path, unpack: ModuleType):
    (tmp_path / "site").mkdir()
    files = {"some/thing.py": b"x = 1\n", "some_thing-1.0.data/scripts/run": b"#!/bin/sh"}
    unpack.unpack(wheel(tmp_path, files), tmp_path / "site")
    found = [path.name for path in (tmp_path / "site").rglob("*") if path.is_file()]
    assert found == ["thing.py"]


@pytest.mark.parametrize("name", ["../outside.py", "/outside.py", "a/../../outside.py"])
def test_a_wheel_stays_in_its_folder(tmp_path: Path, unpack: ModuleType, name: str):
    with pytest.raises(ValueError, match="outside"):
        unpack.unpack(wheel(tmp_path, {name: b"x"}), tmp_path / "site")


def test_an_altered_file_of_a_wheel_is_refused(tmp_path: Path, unpack: ModuleType):
    record = f"a.py,sha256={_digest(b'y')},1\n"
    with pytest.raises(ValueError, match="expected"):
        unpack.unpack(wheel(tmp_path, {"a.py": b"x"}, record), tmp_path / "site")


def test_no_wheel_overwrites_anothers_file(tmp_path: Path, unpack: ModuleType):
    one = wheel(tmp_path, {"a.py": b"x"})
    unpack.unpack(one, tmp_path / "site")
    with pytest.raises(FileExistsError):
        unpack.unpack(one, tmp_path / "site")


def test_only_wheels_of_the_lock_are_taken(tmp_path: Path, wheels: ModuleType):
    path = wheel(tmp_path, {"a.py": b"x"})
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    lock = f"# of the node\nsome-thing==1.0 \\\n    --hash=sha256:{digest}\n"
    assert wheels.matching(path, wheels.locked(lock)) == ["some-thing==1.0"]
    assert wheels.matching(path, wheels.locked(lock.replace(digest, "0" * 64))) == []
