"""Boot real kernel images in software emulation, and keep what firmware, stub and kernel measured.

    .venv/bin/python tests/attestation/measure/boot_trial.py --out FOLDER \\
        --kernel vmlinuz-6.12.107+deb13-cloud-amd64 --name disk257 --way disk \\
        --stub linuxx64.efi.stub --firmware OVMF.fd

It made the files of `known/`: about 12 s a boot. It needs qemu-system-x86, swtpm, swtpm-tools,
busybox-static, cpio, mtools, dosfstools and fdisk, and, from Debian 12 or 13, ovmf (its combined
OVMF.fd), systemd-boot-efi (the stub) and a kernel of the cloud flavour. Boots differ in what stands
before the image is loaded and nowhere else.
"""

import argparse
import base64
import hashlib
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
if str(ROOT) not in sys.path:  # run as a program, from any folder
    sys.path.insert(0, str(ROOT))

from attestation.measure.artifact import Artifact  # noqa: E402
from attestation.measure.uki import Uki  # noqa: E402
from tests.fakes import uki  # noqa: E402

SECONDS = 280
COMMAND_LINE = "console=ttyS0 quiet panic=5 roothash=" + "ab" * 32
TABLE = (
    "label: gpt\nlabel-id: 11111111-2222-3333-4444-555555555555\n"
    "start=2048, size=131072, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, "
    "uuid=11111111-2222-3333-4444-666666666666\n"
)
SAYS = {
    "PCRS": "for i in 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do "
    "echo $i $(b cat /sys/class/tpm/tpm0/pcr-sha384/$i); done",
    "LOG": "b base64 /sys/kernel/security/tpm0/binary_bios_measurements",
    "IMA": "b base64 /sys/kernel/security/ima/binary_runtime_measurements",
    "END": "b poweroff -f",
}
INIT = "\n".join(
    [
        "#!/bin/busybox sh",
        'b() { /bin/busybox "$@"; }',
        "b mkdir -p /sys",
        "b mount -t sysfs s /sys",
        "b mount -t securityfs s /sys/kernel/security",
        *(f"echo ==={name}; {command}" for name, command in SAYS.items()),
    ]
)


def main() -> None:
    args = parse()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        image = make_image(args, folder)
        console = boot(args, folder, image)
        keep(args, folder, image, console)


def make_image(args: argparse.Namespace, folder: Path) -> bytes:
    sections = {
        ".linux": args.kernel.read_bytes(),
        ".osrel": b"ID=openpcc\nVERSION_ID=1\n",
        ".cmdline": COMMAND_LINE.encode(),
        ".initrd": make_initrd(folder / "initrd"),
    }
    stub = args.stub.read_bytes()
    if b"systemd-stub 252" not in stub:
        sections[".uname"] = b"6.12.107+deb13-cloud-amd64"
    return uki.with_sections(stub, sections)


def make_initrd(folder: Path) -> bytes:
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "busybox").write_bytes(Path("/bin/busybox").read_bytes())
    (folder / "init").write_text(INIT)
    for path in (folder / "bin" / "busybox", folder / "init"):
        path.chmod(0o755)
    pack = "find . | LC_ALL=C sort | cpio -o -H newc --reproducible | gzip -n -1"
    return subprocess.run(pack, shell=True, cwd=folder, check=True, capture_output=True).stdout


def make_disk(folder: Path, image: bytes) -> Path:
    (folder / "uki.efi").write_bytes(image)
    disk, esp = folder / "disk.raw", folder / "esp.img"
    for path, size in ((disk, 80 << 20), (esp, 64 << 20)):
        with path.open("wb") as file:
            file.truncate(size)
    quiet(["mkfs.vfat", "-F", "32", str(esp)])
    quiet(["mmd", "-i", str(esp), "::/EFI", "::/EFI/BOOT"])
    quiet(["mcopy", "-i", str(esp), str(folder / "uki.efi"), "::/EFI/BOOT/BOOTX64.EFI"])
    subprocess.run(["sfdisk", "-q", str(disk)], input=TABLE.encode(), check=True)
    with disk.open("r+b") as file:
        file.seek(2048 * 512)
        file.write(esp.read_bytes())
    return disk


def boot(args: argparse.Namespace, folder: Path, image: bytes) -> str:
    state = f"dir={folder}"
    quiet(["swtpm_setup", "--tpm2", "--tpmstate", str(folder), "--pcr-banks", "sha256,sha384"])
    quiet(["swtpm", "socket", "--tpm2", "--tpmstate", state, "--terminate", "--daemon",
           "--ctrl", f"type=unixio,path={folder}/tpm"])  # fmt: skip
    command = [
        "qemu-system-x86_64", "-machine", "q35,smm=off", "-accel", "tcg,thread=multi",
        "-cpu", "max", "-m", "512", "-nodefaults", "-nographic", "-bios", str(args.firmware),
        "-serial", "stdio", "-no-reboot", "-chardev", f"socket,id=c,path={folder}/tpm",
        "-tpmdev", "emulator,id=t,chardev=c", "-device", "tpm-tis,tpmdev=t",
    ]  # fmt: skip
    if args.way == "direct":
        (folder / "uki.efi").write_bytes(image)
        command += ["-kernel", str(folder / "uki.efi")]
    else:
        drive = f"if=none,id=d,format=raw,file={make_disk(folder, image)}"
        command += ["-drive", drive, "-device", "virtio-blk-pci,drive=d"]
    done = subprocess.run(
        command, check=True, capture_output=True, timeout=SECONDS, stdin=subprocess.DEVNULL
    )
    return done.stdout.decode(errors="replace").replace("\r", "")


def keep(args: argparse.Namespace, folder: Path, image: bytes, console: str) -> None:
    """Write log, PCRs and what of the image a test needs: small parts, and digests of large."""
    parts = re.split(r"===(PCRS|LOG|IMA|END)\n", console)
    said = dict(zip(parts[1::2], parts[2::2], strict=False))
    found = Uki.parse(Artifact(name="uki", data=image))
    sections = found.sections
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / f"boot-{args.name}.bin").write_bytes(base64.b64decode(said["LOG"]))
    (args.out / f"ima-{args.name}.bin").write_bytes(base64.b64decode(said["IMA"]))
    start = None
    if args.way == "disk":
        with (folder / "disk.raw").open("rb") as file:
            start = file.read(3 * 512).rstrip(b"\0").hex()
    described = {
        "name": args.name,
        "way": args.way,
        "stub": re.findall(rb"systemd-stub (\S+) ####", image)[0].decode(),
        "sections": {
            name: sections[name].decode()
            for name in (".osrel", ".cmdline", ".uname", ".sbat")
            if name in sections
        },
        "digests": {
            "the unified kernel image": found.image.authenticode("sha384").hex(),
            "the kernel in it": found.kernel.authenticode("sha384").hex(),
            "section .linux": hashlib.sha384(sections[".linux"]).hexdigest(),
            "section .initrd": hashlib.sha384(sections[".initrd"]).hexdigest(),
            "initrd": hashlib.sha384(found.initrd).hexdigest(),
        },
        "disk": start,
        "pcrs": dict(line.lower().split() for line in said["PCRS"].strip().splitlines()),
    }
    (args.out / f"boot-{args.name}.json").write_text(json.dumps(described, indent=1) + "\n")


def quiet(command: list[str]) -> None:
    subprocess.run(command, check=True, capture_output=True)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Boot a kernel image, and keep its measurements.")
    for name in ("kernel", "stub", "firmware", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--name", required=True)
    parser.add_argument("--way", choices=("disk", "direct"), required=True)
    return parser.parse_args()


if __name__ == "__main__":
    main()
