"""Launch digests of SEV-SNP: hardware's own, another implementation's, and what changes them."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from attestation.errors import ArtifactError
from attestation.measure import sev_snp
from attestation.measure.artifact import Artifact
from attestation.measure.firmware import Firmware, SevKind, SevSection
from attestation.measure.sev_snp import Kernel, Machine
from attestation.measure.vmsa import Monitor, cpu_signature
from tests.attestation.measure import ask_sev_snp_measure as asked
from tests.fakes import ovmf

KNOWN = Path(__file__).parent / "known"
OTHERS = json.loads((KNOWN / "sev-snp-measure.json").read_bytes())
KERNEL = Kernel.of(asked.KERNEL, asked.INITRD, asked.COMMAND_LINE)
MACHINE = Machine(cpus=2, cpu="EPYC-Milan")


def firmware(data: bytes | None = None) -> Firmware:
    return Firmware.parse(Artifact(name="OVMF.fd", data=ovmf.firmware() if data is None else data))


def digest(**changed: object) -> bytes:
    given = {"firmware": firmware(), "machine": MACHINE, "kernel": KERNEL, **changed}
    return sev_snp.launch_digest(**given)  # type: ignore[arg-type]


def test_gives_the_measurement_that_hardware_signed() -> None:
    known = json.loads((KNOWN / "dstack-sev-snp.json").read_bytes())
    kernel = Kernel(
        kernel=bytes.fromhex(known["kernel"]),
        initrd=bytes.fromhex(known["initrd"]),
        command_line=Kernel.of(b"", b"", known["command_line"]).command_line,
    )
    found = sev_snp.after_firmware(
        bytes.fromhex(known["firmware"]),
        tuple(
            SevSection(address=address, size=size, kind=SevKind(kind))
            for address, size, kind in known["sections"]
        ),
        known["reset_address"],
        Machine(cpus=known["cpus"], cpu=known["cpu"], features=known["features"]),
        sev_snp.hashes_page(kernel, known["hashes_address"] % 4096),
    )
    assert found.hex() == known["measurement"]


@pytest.mark.parametrize("case", OTHERS, ids=lambda case: "-".join(map(str, [*case.values()][:5])))
def test_agrees_with_another_implementation(case: dict[str, object]) -> None:
    machine = Machine(
        cpus=int(str(case["cpus"])),
        cpu=str(case["cpu"]),
        features=int(str(case["features"])),
        monitor=Monitor(str(case["monitor"])),
    )
    assert (
        digest(machine=machine, kernel=KERNEL if case["kernel"] else None).hex() == case["digest"]
    )


def test_every_byte_of_firmware_is_in_it() -> None:
    data, whole = ovmf.firmware(), digest()
    for place in (0, 4096, 9999, len(data) - 1):
        changed = bytearray(data)
        changed[place] ^= 1
        assert digest(firmware=firmware(bytes(changed))) != whole


@pytest.mark.parametrize(
    "kernel",
    [
        Kernel.of(b"A kernel", asked.INITRD, asked.COMMAND_LINE),
        Kernel.of(asked.KERNEL, b"An initrd", asked.COMMAND_LINE),
        Kernel.of(asked.KERNEL, asked.INITRD, asked.COMMAND_LINE + " "),
        None,
    ],
)
def test_every_byte_of_kernel_initrd_and_command_line_is_in_it(kernel: Kernel | None) -> None:
    assert digest(kernel=kernel) != digest()


@pytest.mark.parametrize(
    "machine",
    [
        replace(MACHINE, cpus=3),
        replace(MACHINE, cpu="EPYC-Genoa"),
        replace(MACHINE, features=0x21),
        replace(MACHINE, monitor=Monitor.EC2),
        replace(MACHINE, monitor=Monitor.GCE),
    ],
)
def test_number_type_and_features_of_processors_are_in_it(machine: Machine) -> None:
    assert digest(machine=machine) != digest()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"cpus": 0}, "0 processors"),
        ({"cpus": 513}, "513 processors"),
        ({"cpu": "EPYC-Naples"}, "known are"),
        ({"features": 2}, "without SEV-SNP"),
        ({"features": 1 << 64 | 1}, "without SEV-SNP"),
    ],
)
def test_refuses_machines_that_cannot_be(changed: dict[str, object], said: str) -> None:
    with pytest.raises(ArtifactError, match=said):
        replace(MACHINE, **changed)  # type: ignore[arg-type]


def test_refuses_a_kernel_where_firmware_has_no_room_for_hashes() -> None:
    plain = firmware(ovmf.firmware(sev=[one for one in ovmf.SEV if one[2] != 0x10]))
    assert digest(firmware=plain, kernel=None)
    with pytest.raises(ArtifactError, match="no page for kernel hashes"):
        digest(firmware=plain)


def test_refuses_hashes_that_do_not_fit_into_their_page() -> None:
    assert digest(firmware=firmware(ovmf.firmware(hashes=0x810000 + 4096 - 176)))
    with pytest.raises(ArtifactError, match="no room for kernel hashes"):
        digest(firmware=firmware(ovmf.firmware(hashes=0x810000 + 4096 - 160)))


def test_processor_types_are_spelled_as_cpuid_spells_them() -> None:
    assert cpu_signature(25, 1, 1) == 0xA00F11
    assert cpu_signature(25, 17, 0) == 0xA10F10
    assert cpu_signature(26, 0, 0) == 0xB00F00
