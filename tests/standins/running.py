"""Starts the stand-ins, for as long as a `with` lasts; tests skip where a tool is missing."""

import ctypes
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest

from attestation.evidence import Endorsement, parse_endorsements
from tests.tools import requires

ROOT = Path(__file__).resolve().parents[2]
STOPS_WITHIN = 20.0


@dataclass(frozen=True, kw_only=True)
class Guest:
    """A mounted guest.

    Attributes:
        root: what stands for `/`.
        faults: folder to put faults into.
        out: what a verifier needs.
        ccel: the firmware's log, to be written.
        program: what mounts it.
    """

    root: Path
    faults: Path
    out: Path
    ccel: Path
    program: "subprocess.Popen[str]"

    def fail(self, *acts: str) -> None:
        """Let the next of these acts fail, in this order where one is named twice."""
        for number, act in enumerate(acts):
            (self.faults / f"{act}.{number}").touch()

    def start_again(self) -> None:
        """Set the registers back, forget faults."""
        for fault in self.faults.iterdir():
            fault.unlink()
        self.program.send_signal(signal.SIGHUP)
        _await(self.program, "started again")

    @property
    def vendor_root(self) -> bytes:
        """Give the SHA-256 of the vendor's root key."""
        return bytes.fromhex((self.out / "root.sha256").read_text())

    @property
    def endorsements(self) -> tuple[Endorsement, ...]:
        """Give what a gateway would push."""
        return parse_endorsements((self.out / "endorsements.json").read_bytes())


@contextmanager
def guest(folder: Path, hardware: str = "none", ccel: bytes = b"") -> Iterator[Guest]:
    """Mount a guest below a folder."""
    requires("fusermount3")
    if find_spec("pyfuse3") is None:
        pytest.skip("pyfuse3 is not installed")
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("no TEE or GPU, and no /dev/fuse for the kernel's stand-in")
    root, faults, out, log = (folder / name for name in ("guest", "faults", "out", "ccel"))
    root.mkdir(parents=True)
    faults.mkdir()
    log.write_bytes(ccel)
    arguments = [str(root), "--hardware", hardware, "--faults", str(faults), "--out", str(out)]
    if hardware == "intel":
        arguments += ["--ccel", str(log)]
    with _program("tests.standins.guest", arguments, announces="mounted") as program:
        yield Guest(root=root, faults=faults, out=out, ccel=log, program=program)


def whole_root(folder: Path, mounted: Guest, firmware_log: bytes | None = None) -> Path:
    """Make a root of a guest's files to which others can be added; with a TPM's log, if given."""
    root = folder / "root"
    for name in ("sys/kernel/config", "sys/class", "sys/firmware"):
        if (mounted.root / name).exists():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).symlink_to(mounted.root / name)
    if firmware_log is not None:
        log = root / "sys" / "kernel" / "security" / "tpm0" / "binary_bios_measurements"
        log.parent.mkdir(parents=True)
        log.write_bytes(firmware_log)
    return root


@dataclass(frozen=True, kw_only=True)
class Gpus:
    """GPUs whose library this process has loaded; `folder` is what it answers from."""

    folder: Path

    def fail(self, function: str, error: int) -> None:
        """Let a function of the library return an error from now on."""
        (self.folder / "fail" / function).write_text(str(error))

    def offer(self, root: Path) -> None:
        """Let a root show that the driver is loaded."""
        (root / "dev").mkdir(exist_ok=True)
        (root / "dev" / "nvidiactl").touch()

    def set_mode(self, *, feature: int = 1, tools: int = 0, multi_gpu: int = 0) -> None:
        """Set what the driver says of the GPUs' mode."""
        (self.folder / "settings").write_text(f"2 {feature} {tools} {multi_gpu}\n")

    @property
    def roots(self) -> dict[str, bytes]:
        """Give the roots to pin."""
        files = {"nvidia": "root.sha256", "nvidia-rim": "rim-root.sha256"}
        return {
            name: bytes.fromhex((self.folder / file).read_text()) for name, file in files.items()
        }

    @property
    def endorsements(self) -> tuple[Endorsement, ...]:
        """Give what a gateway would push."""
        return parse_endorsements((self.folder / "endorsements.json").read_bytes())


@contextmanager
def gpus(count: int = 1, chip: str = "GH100") -> Iterator[Gpus]:
    """Offer GPUs to this process.

    The library is loaded by its path before the binding asks for it by name; the loader knows it
    by its name from then on, for as long as the process lives. What it answers is the folder's.
    """
    requires("gcc")
    if find_spec("pynvml") is None:
        pytest.skip("nvidia-ml-py is not installed")
    before = os.environ.get("OPENPCC_NVML")
    # Paths of sockets are short, those of tests are not.
    with tempfile.TemporaryDirectory(prefix="gpus-") as name:
        arguments = [name, "--count", str(count), "--chip", chip]
        with _program("tests.standins.gpus", arguments, announces="serving"):
            ctypes.CDLL(f"{name}/libnvidia-ml.so.1")
            os.environ["OPENPCC_NVML"] = name
            try:
                yield Gpus(folder=Path(name))
            finally:
                os.environ.pop("OPENPCC_NVML")
                if before is not None:
                    os.environ["OPENPCC_NVML"] = before


@contextmanager
def tpm(root: Path) -> Iterator[str]:
    """Give a root a TPM that has just been made and started; gives its TCTI for tpm2-tools."""
    for tool in ("swtpm", "tpm2_quote"):
        requires(tool)
    with tempfile.TemporaryDirectory(prefix="tpm-") as name:
        server, control = f"{name}/tpm", f"{name}/tpm.ctrl"
        command = ["swtpm", "socket", "--tpm2", "--tpmstate", f"dir={name}",
                   "--server", f"type=unixio,path={server}",
                   "--ctrl", f"type=unixio,path={control}",
                   "--flags", "not-need-init,startup-clear"]  # fmt: skip
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as program:
            try:
                for one in (control, server):
                    _await_socket(program, one)
                (root / "dev").mkdir(parents=True, exist_ok=True)
                (root / "dev" / "tpmrm0").symlink_to(server)
                yield f"swtpm:path={server}"
            finally:
                (root / "dev" / "tpmrm0").unlink(missing_ok=True)
                program.terminate()
                program.wait(STOPS_WITHIN)


def _await_socket(program: "subprocess.Popen[bytes]", path: str) -> None:
    """Wait until somebody listens."""
    while True:
        assert program.poll() is None
        with socket.socket(socket.AF_UNIX) as asking:
            try:
                asking.connect(path)
            except OSError:
                time.sleep(0.01)
            else:
                return


@contextmanager
def _program(
    module: str, arguments: list[str], *, announces: str
) -> Iterator["subprocess.Popen[str]"]:
    """Run one of the stand-ins, from its announcement to the end of the `with`."""
    command = [sys.executable, "-m", module, *arguments]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as program:
        try:
            _await(program, announces)
            yield program
        finally:
            program.terminate()
            program.wait(STOPS_WITHIN)


def _await(program: "subprocess.Popen[str]", line: str) -> None:
    assert program.stdout is not None
    assert program.stdout.readline().strip() == line
