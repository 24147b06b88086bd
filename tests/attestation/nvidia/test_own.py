"""A machine lets no GPU work whose own report does not hold together."""

from dataclasses import replace
from typing import Any

import pytest

from attestation.devices import check_modes
from attestation.errors import AppraisalError, MalformedEvidenceError
from attestation.evidence import DeviceEvidence
from attestation.nvidia.evidence import Opaque
from attestation.nvidia.own import check_own
from tests.fakes import simulated
from tests.fakes.nvidia import NONCE, Nvidia, nvidia

VENDOR = nvidia()
FIRST, SECOND = VENDOR.device("first"), VENDOR.device("second")


def both() -> list[DeviceEvidence]:
    return [one.evidence(VENDOR.report(one)) for one in (FIRST, SECOND)]


def test_gpus_in_order_may_work():
    check_own(both(), NONCE)
    check_own([*both(), *simulated.machine().devices(NONCE)], NONCE)
    check_own([], NONCE)


def test_whose_root_it_is_the_clients_judge():
    other = Nvidia(root="another vendor")
    chip = other.device()
    check_own([chip.evidence(other.report(chip))], NONCE)


@pytest.mark.parametrize(
    ("device", "claim"),
    [
        (lambda: FIRST.evidence(VENDOR.report(FIRST, nonce=bytes(32))), "nonce"),
        (lambda: FIRST.evidence(VENDOR.report(SECOND)), "signature"),
        (
            lambda: FIRST.evidence(VENDOR.report(FIRST), certificates=SECOND.pem),
            "signature",
        ),
        (
            lambda: FIRST.evidence(VENDOR.report(FIRST, opaque={Opaque.FWID: bytes(48)})),
            "FWID",
        ),
        (lambda: FIRST.evidence(VENDOR.report(FIRST), kind="nvidia-switch"), "chip"),
        (lambda: both()[1], "different chips"),
    ],
)
def test_refuses_what_does_not_hold_together(device, claim: str):
    with pytest.raises(AppraisalError, match=claim):
        check_own([both()[1], device()], NONCE)


def test_refuses_a_chain_with_another_issuer():
    other = Nvidia(root="another vendor").device("first")
    chip = FIRST.instead(2, other.holders[2])
    with pytest.raises(AppraisalError, match="signature"):
        check_own([chip.evidence(VENDOR.report(FIRST))], NONCE)


@pytest.mark.parametrize("changes", [{"report": b""}, {"certificates": b""}])
def test_refuses_what_does_not_parse(changes: dict[str, Any]):
    with pytest.raises(MalformedEvidenceError):
        check_own([replace(both()[0], **changes)], NONCE)


@pytest.mark.parametrize("mode", ["devtools", "off"])
def test_refuses_open_gpus(mode: str):
    with pytest.raises(AppraisalError, match=mode):
        check_modes([both()[0], replace(both()[1], mode=mode)])
