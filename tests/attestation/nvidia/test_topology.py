"""GPUs in protected-PCIe mode are connected to exactly the switches that the machine shows."""

import pytest

from attestation.errors import AppraisalError
from attestation.evidence import DeviceEvidence
from attestation.nvidia.evidence import Opaque
from attestation.nvidia.topology import check_set
from tests.fakes.nvidia import Chip, key_of, nvidia

GPU, SWITCH = nvidia(), nvidia("LS_10")
SWITCHES = tuple(SWITCH.device(f"switch {number}") for number in range(4))
GPUS = tuple(GPU.device(f"gpu {number}") for number in range(2))


def switch(chip: Chip) -> DeviceEvidence:
    return chip.evidence(SWITCH.report(chip))


def gpu(chip: Chip, *switches: Chip, status: bytes = b"\xaa", flag: bytes | None = None):
    links = b"".join(one.pdi[::-1] * 2 for one in switches) or None
    opaque: dict[int, bytes | None] = {
        Opaque.PROTECTED_PCIE_STATUS: status,
        Opaque.SWITCH_PDIS: links,
        Opaque.FEATURE_FLAG: flag,
    }
    return chip.evidence(GPU.report(chip, opaque=opaque))


def test_accepts_gpus_without_switches():
    check_set([gpu(one, status=b"\x55") for one in GPUS])
    check_set([])


def test_accepts_gpus_with_their_switches():
    check_set([*(gpu(one, *SWITCHES) for one in GPUS), *map(switch, SWITCHES)])


@pytest.mark.parametrize("shown", [SWITCHES[:3], ()])
def test_rejects_a_switch_that_is_not_shown(shown):
    with pytest.raises(AppraisalError, match="switches"):
        check_set([gpu(GPUS[0], *SWITCHES), *map(switch, shown)])


def test_rejects_a_switch_that_no_gpu_is_connected_to():
    with pytest.raises(AppraisalError, match="named by GPU 0"):
        check_set([gpu(GPUS[0], *SWITCHES[:3]), *map(switch, SWITCHES)])


def test_rejects_one_gpu_that_is_connected_elsewhere():
    elsewhere = (*SWITCHES[:3], SWITCH.device("elsewhere"))
    with pytest.raises(AppraisalError, match="named by GPU 1"):
        check_set([gpu(GPUS[0], *SWITCHES), gpu(GPUS[1], *elsewhere), *map(switch, SWITCHES)])


def test_rejects_ids_that_are_not_reversed():
    data: dict[int, bytes | None] = {
        Opaque.PROTECTED_PCIE_STATUS: b"\xaa",
        Opaque.SWITCH_PDIS: b"".join(one.pdi for one in SWITCHES),
    }
    straight = GPUS[0].evidence(GPU.report(GPUS[0], opaque=data))
    with pytest.raises(AppraisalError, match="switches"):
        check_set([straight, *map(switch, SWITCHES)])


def test_rejects_switches_beside_gpus_of_another_mode():
    with pytest.raises(AppraisalError, match="none named by GPU 0"):
        check_set([gpu(GPUS[0], *SWITCHES, status=b"\x55"), *map(switch, SWITCHES)])


def test_the_feature_flag_alone_says_protected_pcie_too():
    flagged = gpu(GPUS[0], *SWITCHES, status=b"\x55", flag=b"\2\0")
    check_set([flagged, *map(switch, SWITCHES)])
    with pytest.raises(AppraisalError, match="switches"):
        check_set([flagged])


def test_rejects_protected_pcie_without_any_switch():
    with pytest.raises(AppraisalError, match="none named by GPU 0"):
        check_set([gpu(GPUS[0])])


def test_rejects_one_chip_that_shows_two_keys():
    first, *above = GPUS[0].holders
    other_firmware = GPU.authority(
        first.name, by=above[0], key=key_of("of another firmware"), is_ca=False
    )
    twin = GPUS[0].instead(0, other_firmware)
    with pytest.raises(AppraisalError, match="one shown twice"):
        check_set([gpu(GPUS[0], status=b"\x55"), gpu(twin, status=b"\x55")])


def test_rejects_switches_without_gpus():
    with pytest.raises(AppraisalError, match="no GPU is shown"):
        check_set([switch(SWITCHES[0])])


def test_published_gpus_name_switches_as_their_reports_do(shared):
    """One published GPU and one switch are of the same machine: its reversed id is the switch's."""
    folder = shared / "vectors" / "nvidia"

    def published(name: str, kind: str) -> DeviceEvidence:
        parts = [(folder / name / part).read_bytes() for part in ("report.bin", "chain.pem")]
        return DeviceEvidence(kind=kind, report=parts[0], certificates=parts[1], mode="on")

    found = published("hopper-590.12-ppcie", "nvidia-gpu")
    of_it = published("switch-ls10-96.10.73-0", "nvidia-switch")
    with pytest.raises(AppraisalError, match="switches") as refused:
        check_set([found, of_it])
    assert refused.value.expected == "666e93e19dec7d2d, as shown"
    assert "666e93e19dec7d2d" in refused.value.actual
