"""GPUs behind a driver's library: `python -m tests.standins.gpus FOLDER --count 2`.

Builds `libnvidia-ml.so.1` from nvml.c into the folder, fills it with what the library answers, and
signs reports until SIGTERM or SIGINT. A process finds it by LD_LIBRARY_PATH=FOLDER and
OPENPCC_NVML=FOLDER. The folder then also holds what a verifier needs (README.md).
"""

import argparse
import socket
import subprocess
import sys
from pathlib import Path

from tests.fakes.nvidia import Chip, Nvidia
from tests.standins.hardware import leave

LIBRARY = "libnvidia-ml.so.1"
QUESTION_SIZE = 33
CONFIDENTIAL = "2 1 0 0\n"
"""Settings: production, confidential, no developers' tools, single GPUs."""


def build(folder: Path) -> None:
    """Compile the library."""
    source = Path(__file__).with_name("nvml.c")
    flags = ("-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Werror", f"-Wl,-soname,{LIBRARY}")
    subprocess.run(["gcc", *flags, "-o", str(folder / LIBRARY), str(source)], check=True)


def fill(folder: Path, nvidia: Nvidia, chips: list[Chip]) -> None:
    """Write what the library answers, and what a verifier needs."""
    (folder / "fail").mkdir()
    (folder / "settings").write_text(CONFIDENTIAL)
    for number, chip in enumerate(chips):
        gpu = folder / f"gpu{number}"
        gpu.mkdir()
        (gpu / "uuid").write_text(f"GPU-{chip.pdi.hex()}")
        (gpu / "energy").write_text("1000")
        (gpu / "chain.pem").write_bytes(chip.pem)
    leave(folder, nvidia.root.spki_sha256, nvidia.endorsements(*chips))
    (folder / "rim-root.sha256").write_text(nvidia.rim_chain[-1].spki_sha256.hex() + "\n")


def serve(folder: Path, nvidia: Nvidia, chips: list[Chip]) -> None:
    """Sign a report for each question."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(folder / "signer"))
        listening.listen()
        print("serving", flush=True)
        while True:
            asking, _ = listening.accept()
            with asking:
                question = asking.recv(QUESTION_SIZE, socket.MSG_WAITALL)
                asking.sendall(nvidia.report(chips[question[0]], nonce=question[1:]))


def main() -> None:
    arguments = parse(sys.argv[1:])
    nvidia = Nvidia(arguments.chip)
    chips = [nvidia.device(f"chip {number}") for number in range(arguments.count)]
    build(arguments.folder)
    fill(arguments.folder, nvidia, chips)
    serve(arguments.folder, nvidia, chips)


def parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="gpus", description=__doc__)
    parser.add_argument("folder", type=Path, help="an empty folder with a short path")
    parser.add_argument("--count", type=int, default=1)
    parser.add_argument("--chip", default="GH100")
    return parser.parse_args(argv)


if __name__ == "__main__":
    main()
