"""Podman for the tests of deploy/: a store of its own below build/, and images made here.

No image registry is reached: the base is a Debian of the same release, made by mmdebstrap
(`images/base.sh`), and the wheels come by pip, each held to the hash of its lock. The store is kept
between runs; an image is built again when something of it has changed.
"""

import functools
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
STORE = ROOT / "build" / "podman"
HERE = Path(__file__).resolve().parent
BASE = "localhost/python:trixie"
SERVER = "localhost/openpcc-server:test"
NODE = "localhost/openpcc-node:test"

SETTINGS = """\
[containers]
default_ulimits = ["nofile=8192:8192", "nproc=4096:4096"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
[network]
network_backend = "netavark"
network_config_dir = "{store}/networks"
"""
"""Beside a daemon or systemd podman would need none of it: cgroups are made by itself, and crun
refuses machines that have both versions of them."""

WRAPPER = """\
#!/bin/sh
export CONTAINERS_CONF={store}/containers.conf
exec {podman} --root {store}/root --runroot {store}/run{driver} "$@"
"""


@functools.cache
def podman() -> Path:
    """Give the command; skips where there is none, or no right to use it."""
    own = str(STORE / "bin")  # where we are called by what we called
    folders = [one for one in os.environ["PATH"].split(":") if one != own]
    found = shutil.which("podman", path=":".join([*folders, "/usr/bin"]))
    if found is None or os.geteuid() != 0:
        pytest.skip("podman is not installed, or not run as root")
    (STORE / "bin").mkdir(parents=True, exist_ok=True)
    (STORE / "networks").mkdir(exist_ok=True)
    (STORE / "containers.conf").write_text(SETTINGS.format(store=STORE))
    wrapper = STORE / "bin" / "podman"
    # Put in its place whole: a shell that runs it, or is about to, keeps a program busy.
    fresh = wrapper.with_name(f"podman.{os.getpid()}")
    fresh.write_text(WRAPPER.format(store=STORE, podman=found, driver=driver()))
    fresh.chmod(0o755)
    fresh.replace(wrapper)
    return wrapper


@functools.cache
def driver() -> str:
    """Choose how layers are stored: one overlay does not go on another, as in a container.

    Podman's own choice is overlay.
    """
    asked = subprocess.run(
        ["/usr/bin/stat", "-f", "-c", "%T", STORE], capture_output=True, text=True, check=True
    )
    return " --storage-driver vfs" if asked.stdout.strip() == "overlayfs" else ""


def run(*words: str | Path, seconds: float = 120, check: bool = True) -> str:
    """Run podman; gives what it printed."""
    done = subprocess.run(
        [podman(), *words], capture_output=True, text=True, timeout=seconds, check=False
    )
    if check and done.returncode:
        raise AssertionError(f"podman {' '.join(map(str, words))}: {done.stderr[-2000:]}")
    return done.stdout


def built(*kinds: str) -> None:
    """See that the images are there, made of the working tree as it is."""
    state = context_digest()
    for kind in kinds:
        if built_of(kind) != state:
            build(kind)
            (STORE / f"{kind}.built").write_text(state)


def built_of(kind: str) -> str:
    """Say of what an image was made; nothing, if there is none."""
    note = STORE / f"{kind}.built"
    there = run("images", "-q", f"localhost/openpcc-{kind}:test")
    return note.read_text() if there and note.exists() else ""


def context_digest() -> str:
    """Digest what a build may see (.dockerignore), which podman takes many seconds to compare."""
    digest = hashlib.sha256()
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    for name in sorted(line[1:] for line in lines if line.startswith("!")):
        place = ROOT / name
        for path in [place] if place.is_file() else sorted(place.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                digest.update(f"{path.relative_to(ROOT)} {path.stat().st_mode:o}\n".encode())
                digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def build(kind: str) -> None:
    """Build an image, and the base that it stands on."""
    if not run("images", "-q", BASE):
        script(HERE / "images" / "base.sh", podman(), BASE)
    wheels = ROOT / "build" / "wheels"
    for lock in (f"{kind}.lock", "build.lock"):
        fetch_wheels(ROOT / "deploy" / "images" / lock, wheels)
    script(
        ROOT / "deploy" / "images" / "build.sh",
        "--base", BASE, "--tag", "test", "--wheels", wheels, kind,
    )  # fmt: skip


def fetch_wheels(lock: Path, folder: Path) -> None:
    """Fetch what a lock lists for the Python of the base."""
    done = folder / f".{lock.name}"
    if done.exists() and done.read_bytes() == lock.read_bytes():
        return
    subprocess.run(
        [sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check",
         "--require-hashes", "--only-binary", ":all:", "--python-version", "3.13",
         "--no-deps", "-d", folder, "-r", lock],
        check=True, timeout=300,
    )  # fmt: skip
    done.write_bytes(lock.read_bytes())


def script(path: Path, *words: str | Path) -> str:
    """Run a script of the repository, with our podman; gives what it printed."""
    done = subprocess.run(
        [path, *words], capture_output=True, text=True, timeout=600, check=False,
        env=os.environ | {"ENGINE": str(podman()), "PATH": f"{STORE}/bin:{os.environ['PATH']}"},
    )  # fmt: skip
    if done.returncode:
        raise AssertionError(f"{path.name}: {done.stderr[-3000:]}")
    return done.stdout
