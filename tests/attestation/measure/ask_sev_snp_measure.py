"""Ask another implementation for launch digests of our generated firmware, and keep its answers.

    python -m venv /tmp/other && /tmp/other/bin/pip install sev-snp-measure==0.0.13
    /tmp/other/bin/python tests/attestation/measure/ask_sev_snp_measure.py

It needs no package of ours: the firmware is built by `tests/fakes/ovmf.py`, which imports nothing.
"""

import importlib.util
import itertools
import json
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
KERNEL, INITRD, COMMAND_LINE = b"a kernel", b"an initrd", "console=ttyS0 a=b"
MONITORS = {"qemu": "QEMU", "ec2": "ec2", "gce": "gce"}


def main() -> None:
    spec = importlib.util.spec_from_file_location("ovmf", HERE.parents[1] / "fakes" / "ovmf.py")
    assert spec is not None
    assert spec.loader is not None
    ovmf = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(ovmf)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "fw").write_bytes(ovmf.firmware())
        (folder / "kernel").write_bytes(KERNEL)
        (folder / "initrd").write_bytes(INITRD)
        cases = [
            {
                "cpus": cpus,
                "cpu": cpu,
                "monitor": monitor,
                "features": features,
                "kernel": kernel,
                "digest": ask(folder, cpus, cpu, monitor, features, kernel=kernel),
            }
            for cpus, cpu, monitor, features, kernel in itertools.product(
                (1, 3),
                ("EPYC-Milan", "EPYC-Genoa", "EPYC-Turin"),
                MONITORS,
                (1, 0x21),
                (True, False),
            )
        ]
    lines = ",\n ".join(json.dumps(case) for case in cases)
    (HERE / "known" / "sev-snp-measure.json").write_text(f"[\n {lines}\n]\n")


def ask(folder: Path, cpus: int, cpu: str, monitor: str, features: int, *, kernel: bool) -> str:
    program = Path(sys.executable).with_name("sev-snp-measure")
    command = [
        f"{program}", "--mode=snp", f"--vcpus={cpus}", f"--vcpu-type={cpu}", f"--ovmf={folder}/fw",
        f"--guest-features={features:#x}", f"--vmm-type={MONITORS[monitor]}",
    ]  # fmt: skip
    if kernel:
        command += [f"--kernel={folder}/kernel", f"--initrd={folder}/initrd"]
        command += [f"--append={COMMAND_LINE}"]
    return subprocess.check_output(command, text=True).strip()


if __name__ == "__main__":
    main()
