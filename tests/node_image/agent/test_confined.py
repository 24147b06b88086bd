"""node_image/agent/confined.py"""

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from node_image.agent.confined import Sandbox, device_nodes, sandboxed
from node_image.agent.errors import ConfigurationError

ENGINE = ("-m", "node_image.embedded.main", "--uds", "/dev/shm/engine/engine.sock", "--model", "/m")
PLAIN = Sandbox(python="/usr/bin/python3")
PLAIN_TEXT = 'python = "/usr/bin/python3"\n'
GPU = Sandbox(
    python="/usr/bin/python3",
    devices=("/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/nvidia[0-9]*"),
    kernel=("/proc", "/sys/devices"),
    libraries=("/usr/lib/x/current",),
)

PROBE = """
import json, os, socket, sys
def reach(address):
    try:
        socket.create_connection(address, 2).close()
    except OSError as error:
        return error.strerror
    return "reached"
def opened(path):
    try:
        os.close(os.open(path, os.O_RDWR))
    except OSError as error:
        return error.strerror
    return "opened"
status = open("/proc/self/status").read() if os.path.exists("/proc/self") else ""
print(json.dumps({
    "dev": sorted(os.listdir("/dev")),
    "top": sorted(os.listdir("/")),
    "sys": sorted(os.listdir("/sys")) if os.path.exists("/sys") else [],
    "pids": sorted(filter(str.isdigit, os.listdir("/proc"))) if status else [],
    "gpu": opened("/dev/nvidia0"),
    "loopback": reach(("127.0.0.1", int(sys.argv[1]))),
    "capabilities": [line.split()[1] for line in status.splitlines() if line.startswith("CapEff")],
}))
"""


@pytest.fixture(scope="module")
def bwrap() -> str:
    found = shutil.which("bwrap")
    if found != "/usr/bin/bwrap":
        pytest.skip("bubblewrap is not installed")
    return found


STANDINS = (
    "nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm", "nvidia-uvm-tools", "nvidia-modeset",
    "nvidia-caps/nvidia-cap1", "tpm0", "tpmrm0", "openpcc-host",
)  # fmt: skip
"""What a node with two GPUs has in /dev; here all of them are /dev/null."""


@pytest.fixture
def machine(bwrap: str) -> list[str]:
    """Give the command that makes a machine with GPUs and a TPM, as far as /dev goes."""
    nodes = [word for name in STANDINS for word in ("--dev-bind", "/dev/null", f"/dev/{name}")]
    return [bwrap, "--dev-bind", "/", "/", "--dev", "/dev", *nodes, "--"]


@pytest.fixture(scope="module")
def listening() -> Iterator[int]:
    """Listen on the machine's loopback device; gives the port."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield int(server.getsockname()[1])


@dataclass(frozen=True, kw_only=True)
class Prober:
    """Runs the probe as the agent runs an engine."""

    machine: list[str]
    root: Path
    folder: Path
    port: int

    def __call__(self, settings: str, *, hidepid: str = "ptraceable") -> dict[str, Any]:
        (self.folder / "confined.toml").write_text(settings)
        (self.folder / "probe.py").write_text(PROBE)
        start = "import sys; from node_image.agent import confined; from pathlib import Path; "
        start += f"confined.main(Path({str(self.folder / 'confined.toml')!r}))"
        agent = [*self.machine, sys.executable, "-c", start]
        probe = [str(self.folder / "probe.py"), str(self.port)]
        done = subprocess.run(
            [*unshared(hidepid), *agent, *probe, "--uds", str(self.folder / "engine.sock")],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env=dict(os.environ, PYTHONPATH=str(self.root)),
        )
        assert done.returncode == 0, done.stderr
        return dict(json.loads(done.stdout))


def unshared(hidepid: str) -> list[str]:
    """Give the command for processes of their own, hidden as a unit's are."""
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    shell = f'mount -t proc -o hidepid={hidepid} proc /proc && exec "$@"'
    return ["unshare", *user, "--mount", "--pid", "--fork", "sh", "-c", shell, "sh"]


@pytest.fixture
def probe(machine: list[str], root: Path, tmp_path: Path, listening: int) -> Prober:
    return Prober(machine=machine, root=root, folder=tmp_path, port=listening)


@pytest.fixture
def gpu(root: Path) -> str:
    """Give the settings of the gpu profile, with an interpreter that is here."""
    path = root / "node_image/build/mkosi.profiles/gpu/mkosi.extra/usr/lib/openpcc/confined.toml"
    real = "/usr/lib/openpcc/bundle/engine/bin/python3"
    assert Sandbox.load(path).python == real
    return path.read_text().replace(real, "/usr/bin/python3")


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "confined.toml"
    path.write_text(text)
    return path


def test_an_engine_gets_no_network_and_no_capability():
    command = sandboxed(ENGINE, PLAIN)
    assert "--unshare-all" in command
    assert "--share-net" not in command
    assert command[command.index("--cap-drop") + 1] == "ALL"


def test_an_engine_writes_into_its_own_folder_alone():
    command = sandboxed(ENGINE, PLAIN)
    at = command.index("--bind")
    assert command[at : at + 3] == ("--bind", "/dev/shm/engine", "/dev/shm/engine")
    assert command.count("--bind") == 1


def test_an_engine_sees_no_devices_kernel_or_processes_of_the_machine():
    command = sandboxed(ENGINE, PLAIN)
    assert not {"--dev-bind", "--proc", "/proc", "/sys", "/run", "/etc", "/"} & set(
        command[: command.index("--chdir")]
    )


def test_what_the_agent_says_is_the_interpreters_and_not_the_sandboxs():
    command = sandboxed(("--share-net", *ENGINE), PLAIN)
    assert command[command.index("--") + 1 :] == ("/usr/bin/python3", "--share-net", *ENGINE)


@pytest.mark.parametrize("arguments", [(), ("--uds",), ("--uds", "x.sock"), (*ENGINE, *ENGINE)])
def test_refuses_an_engine_without_one_socket(arguments):
    with pytest.raises(ConfigurationError, match="one socket"):
        sandboxed(arguments, PLAIN)


def test_an_engine_gets_the_devices_that_are_named_and_of_the_kernel_nothing_to_write():
    command = sandboxed(ENGINE, GPU, ("/dev/nvidiactl", "/dev/nvidia0"))
    text = " ".join(command)
    assert "--dev-bind /dev/nvidiactl /dev/nvidiactl --dev-bind /dev/nvidia0 /dev/nvidia0" in text
    assert "--ro-bind /proc /proc --ro-bind /sys/devices /sys/devices" in text
    assert "--setenv LD_LIBRARY_PATH /usr/lib/x/current" in text


@pytest.mark.parametrize(
    "line",
    [
        'devices = ["/dev"]',
        'devices = ["/dev/"]',
        'devices = ["/dev/*"]',
        'devices = ["/dev/../etc/shadow"]',
        'devices = ["nvidia0"]',
        'kernel = ["/sys"]',
        'kernel = ["/sys/"]',
        'kernel = ["/process"]',
        'kernel = ["/sys/devices/../kernel"]',
        'libraries = ["/etc"]',
        'libraries = ["/usr/lib/x:/dev/shm"]',
        'network = "shared"',
    ],
)
def test_refuses_what_would_open_the_sandbox(tmp_path: Path, line: str):
    with pytest.raises(ConfigurationError):
        Sandbox.load(written(tmp_path, f'python = "/usr/bin/python3"\n{line}\n'))


def test_refuses_a_device_that_is_not_there():
    with pytest.raises(ConfigurationError, match="no such device"):
        device_nodes(["/dev/openpcc-none[0-9]*"])


def test_refuses_a_folder_in_place_of_a_device():
    with pytest.raises(ConfigurationError, match="no character device"):
        device_nodes(["/dev/pts"])


def test_the_images_own_file_names_the_interpreter_and_no_device(root: Path):
    path = root / "node_image/build/mkosi.extra/usr/lib/openpcc/confined.toml"
    assert Sandbox.load(path) == PLAIN


def test_an_engine_without_gpus_finds_none(probe: Prober, tmp_path: Path):
    found = probe(PLAIN_TEXT)
    assert not [name for name in found["dev"] if name.startswith(("nvidia", "tpm", "openpcc"))]
    assert found["top"] == sorted(["dev", "lib", "lib64", tmp_path.parts[1], "usr"])
    assert (found["sys"], found["pids"]) == ([], [])
    assert found["gpu"] == "No such file or directory"


def test_an_engine_with_gpus_opens_them_and_finds_nothing_else(probe: Prober, gpu: str):
    found = probe(gpu)
    gpus = [name for name in found["dev"] if name.startswith(("nvidia", "tpm", "openpcc"))]
    assert gpus == ["nvidia-uvm", "nvidia0", "nvidia1", "nvidiactl"]
    assert found["gpu"] == "opened"
    assert found["sys"] == ["bus", "devices"]
    assert found["capabilities"] == ["0000000000000000"]


def test_an_engine_reaches_no_port_of_the_machine(probe: Prober, gpu: str):
    for settings in (PLAIN_TEXT, gpu):
        assert probe(settings)["loopback"] == "Connection refused"


def test_an_engine_with_gpus_sees_no_process_but_its_own(probe: Prober, gpu: str):
    # Two: bubblewrap's first process in the new namespace, and the engine.
    assert len(probe(gpu)["pids"]) == 2
    # `invisible` would not do: the kernel shows everything to group 0, and the engine is of it.
    assert len(probe(gpu, hidepid="invisible")["pids"]) > 2


def test_the_gpu_unit_hides_processes_by_that_option(root: Path):
    unit = root / "node_image/build/mkosi.profiles/gpu/mkosi.extra/etc/systemd/system"
    text = (unit / "openpcc-node.service.d" / "gpu.conf").read_text()
    assert "ProtectProc=ptraceable" in text.splitlines()
