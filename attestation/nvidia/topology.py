"""Whether the devices of a machine belong together: GPUs and the switches between them.

In protected-PCIe mode (HGX Hopper) GPUs send in the clear through NVSwitches. So each GPU says in
its report to which switches it is connected, and these must be exactly the switches that the
machine shows, each authentic itself. Otherwise a host could show switches that are somewhere else.

    GPU     SWITCH_PDIS  one id for each link, its bytes reversed     2d7dec9de1936e66 ...
    switch  SWITCH_PDIS  its own                                      666e93e19dec7d2d

And they are as many chips as they seem: the key that signs reports changes with the firmware that
makes it, so one chip could show two; its burnt-in key does not.
"""

from collections.abc import Sequence

from attestation.certificates import parse_chain
from attestation.errors import AppraisalError
from attestation.evidence import DeviceEvidence
from attestation.nvidia.endorsements import GPU, SWITCH
from attestation.nvidia.evidence import Report


def check_set(devices: Sequence[DeviceEvidence]) -> None:
    """Judge that all are different chips, every GPU connected to exactly the switches shown.

    Args:
        devices: of one machine, of any kind; each authentic.

    Raises:
        AppraisalError: a GPU names others, or none where there are some; or one chip shows two.
    """
    _check_chips([one for one in devices if one.kind in (GPU, SWITCH)])
    gpus, switches = (_reports(devices, kind) for kind in (GPU, SWITCH))
    shown = {pdi for switch in switches for pdi in switch.switch_pdis}
    if switches and not gpus:
        raise AppraisalError("switches", expected="between GPUs", actual="no GPU is shown")
    for number, gpu in enumerate(gpus):
        named = {pdi[::-1] for pdi in gpu.switch_pdis} if gpu.protected_pcie else set()
        if named != shown or (gpu.protected_pcie and not named):
            raise AppraisalError(
                "switches",
                expected=f"{_list(shown)}, as shown",
                actual=f"{_list(named)} named by GPU {number}",
            )


def _check_chips(devices: Sequence[DeviceEvidence]) -> None:
    """Judge that no two devices have the same burnt-in key."""
    keys = [parse_chain(one.certificates)[1].spki_sha256 for one in devices]
    if len(set(keys)) != len(keys):
        raise AppraisalError("devices", expected="different chips", actual="one shown twice")


def _reports(devices: Sequence[DeviceEvidence], kind: str) -> list[Report]:
    return [Report.parse(one.report) for one in devices if one.kind == kind]


def _list(pdis: set[bytes]) -> str:
    return ", ".join(sorted(pdi.hex() for pdi in pdis)) or "none"
