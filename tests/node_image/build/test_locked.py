"""node_image/build/lock.py and locked.py: an image is made of the files of its lock, or not."""

import hashlib
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node_image.build import locked
from node_image.build.lock import BuildError, Lock
from tests.tools import requires

Document = dict[str, Any]


def deb(folder: Path, name: str, version: str, text: str = "") -> Path:
    """A real package, without files."""
    requires("dpkg-deb")
    tree = folder.parent / f"tree-{name}-{version.replace(':', '-')}-{len(text)}"
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "DEBIAN" / "control").write_text(
        f"Package: {name}\nVersion: {version}\nArchitecture: amd64\nMaintainer: A <a@b>\n"
        f"Description: {name}\n {text or 'nothing'}\n"
    )
    path = folder / f"{name}_{version.replace(':', '%3a')}_amd64.deb"
    subprocess.run(["dpkg-deb", "--build", tree, path], check=True, capture_output=True)
    return path


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def entry(path: Path) -> Document:
    name, version, _ = path.name.split("_")
    return {
        "name": name,
        "version": version.replace("%3a", ":"),
        "architecture": "amd64",
        "sha256": digest(path),
    }


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """What was kept: a package, a tool, a wheel, and another version of the package."""
    for name in ("packages", "packages/tools", "wheels"):
        (tmp_path / name).mkdir()
    deb(tmp_path / "packages", "libthing", "1:1.0-1")
    deb(tmp_path / "packages", "libthing", "1:1.1-1")
    deb(tmp_path / "packages" / "tools", "maker", "25.3-7")
    (tmp_path / "wheels" / "some_thing-1.0-py3-none-any.whl").write_bytes(b"wheel")
    return tmp_path


def document(kept: Path) -> Document:
    wheel = kept / "wheels" / "some_thing-1.0-py3-none-any.whl"
    return {
        "version": 1,
        "packages": [entry(kept / "packages" / "libthing_1%3a1.0-1_amd64.deb")],
        "wheels": [
            {
                "name": "some-thing",
                "version": "1.0",
                "file": wheel.name,
                "sha256": digest(wheel),
            }
        ],
        "tools": [entry(kept / "packages" / "tools" / "maker_25.3-7_amd64.deb")],
    }


def run(kept: Path, lock: Document) -> Path:
    (kept / "lock.json").write_text(json.dumps(lock))
    to = kept / "repositories"
    words = [f"--{name}={kept / name}" for name in ("packages", "wheels")]
    locked.main([str(kept / "lock.json"), *words, f"--to={to}"])
    return to


def apt(repository: Path, state: Path, *words: str) -> str:
    """Ask a real apt, which knows this repository and no other."""
    requires("apt-get")
    for name in ("lists/partial", "cache/archives/partial", "etc"):
        (state / name).mkdir(parents=True, exist_ok=True)
    (state / "status").touch()
    (state / "sources.list").write_text(f"deb [trusted=yes] copy://{repository} ./\n")
    told = {
        "Dir::Etc": state / "etc",
        "Dir::Etc::SourceList": state / "sources.list",
        "Dir::Etc::SourceParts": "-",
        "Dir::State": state,
        "Dir::State::Status": state / "status",
        "Dir::Cache": state / "cache",
        "APT::Architecture": "amd64",
        "APT::Architectures": "amd64",
        "APT::Sandbox::User": "root",
    }
    options = [part for key, value in told.items() for part in ("-o", f"{key}={value}")]
    done = subprocess.run(["apt-get", "-q", *options, *words], cwd=state, check=False,
                          capture_output=True, text=True)  # fmt: skip
    return done.stdout + done.stderr


def test_apt_finds_what_the_lock_names_and_nothing_else(kept: Path):
    repositories = run(kept, document(kept))
    for name, found, other in (("image", "libthing", "maker"), ("tools", "maker", "libthing")):
        state = kept / name
        apt(repositories / name, state, "update")
        said = apt(repositories / name, state, "install", "--simulate", found)
        assert f"Inst {found} " in said
        assert "1.1-1" not in said
        assert "Unable to locate" in apt(repositories / name, state, "install", "-s", other)
    (path,) = (repositories / "image").glob("*.deb")
    assert digest(path) == document(kept)["packages"][0]["sha256"]


def changed(part: str, key: str, value: str) -> Callable[[Document], None]:
    def change(lock: Document) -> None:
        lock[part][0][key] = value

    return change


def one_more(part: str) -> Callable[[Document], None]:
    def change(lock: Document) -> None:
        more = {"name": "another", "file": "another-1.0-py3-none-any.whl"}
        lock[part].append({key: more.get(key, value) for key, value in lock[part][0].items()})

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (changed("packages", "version", "1:0.9-1"),
         "libthing: 1:0.9-1 expected, 1:1.0-1, 1:1.1-1 was kept"),
        (changed("packages", "sha256", "0" * 64), f"1.0-1_amd64.deb: SHA-256 {'0' * 64} expected"),
        (changed("tools", "version", "26"), "maker: 26 expected, 25.3-7 was kept"),
        (changed("tools", "sha256", "1" * 64), f"maker_25.3-7_amd64.deb: SHA-256 {'1' * 64}"),
        (changed("wheels", "sha256", "2" * 64), f"any.whl: SHA-256 {'2' * 64} expected"),
        (changed("wheels", "version", "1.1"), "some_thing-1.0-py3-none-any.whl: SHA-256"),
        (one_more("packages"), "another: 1:1.0-1 expected, none was kept"),
        (one_more("wheels"), "another-1.0-py3-none-any.whl: expected, and there is none"),
        (lambda lock: lock["wheels"].clear(), "some-thing: a wheel that the lock does not name"),
        (lambda lock: lock.pop("tools"), "member 'tools' is missing"),
    ],
)  # fmt: skip
def test_what_differs_stops_the_build_by_name(
    kept: Path, change: Callable[[Document], None], said: str
):
    lock = document(kept)
    change(lock)
    with pytest.raises(SystemExit, match="locked: ") as refused:
        run(kept, lock)
    assert said in str(refused.value)
    assert not (kept / "repositories").exists()


def test_a_flipped_bit_of_a_kept_package_stops_the_build(kept: Path):
    lock = document(kept)
    path = kept / "packages" / "libthing_1%3a1.0-1_amd64.deb"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(SystemExit, match=r"libthing_1%3a1.0-1_amd64.deb: SHA-256"):
        run(kept, lock)


@pytest.mark.parametrize(
    ("part", "key", "value"),
    [
        ("packages", "name", "../libthing"),
        ("packages", "version", "1/0"),
        ("tools", "architecture", "amd64/.."),
        ("wheels", "file", "../some_thing-1.0-py3-none-any.whl"),
        ("wheels", "sha256", "A" * 64),
    ],
)
def test_names_are_never_paths(kept: Path, part: str, key: str, value: str):
    lock = document(kept)
    lock[part][0][key] = value
    with pytest.raises(BuildError, match=key):
        Lock.parse(json.dumps(lock).encode())


@given(st.binary(max_size=200) | st.from_regex(rb'\{"version":1,"packages":\[.*\]\}'))
def test_any_bytes_give_a_lock_or_a_build_error(data: bytes):
    try:
        Lock.parse(data)
    except BuildError:
        pass
