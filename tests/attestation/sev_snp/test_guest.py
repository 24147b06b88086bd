"""What 8.guest refuses, and what it leaves to others."""

import pytest

from attestation.sev_snp.evidence import Policy, SignerInfo
from attestation.sev_snp.guest import faults
from tests.fakes.amd import Amd

AMD = Amd("Genoa")
CHIP = AMD.vcek()


def claims(**changes) -> list[str]:
    return [fault.claim for fault in faults(AMD.fields(CHIP, 5, **changes))]


@pytest.mark.parametrize("vmpl", [1, 2, 3, 2**32 - 1])
def test_refuses_a_guest_with_something_above_it(vmpl: int):
    assert claims(vmpl=vmpl) == ["VMPL"]


def test_refuses_a_policy_that_no_firmware_accepts():
    assert claims(policy=Policy.SMT) == ["guest policy"]


@pytest.mark.parametrize("bit", [26, 27, 40, 63])
def test_refuses_reserved_bits_of_the_policy(bit: int):
    assert claims(policy=Policy.ALWAYS_ONE | 1 << bit) == ["guest policy"]


@pytest.mark.parametrize("bit", [5, 6, 31])
def test_refuses_reserved_bits_of_the_signer(bit: int):
    assert claims(signer_info=1 << bit) == ["signer info"]


def test_refuses_a_report_that_says_it_is_not_signed():
    assert claims(signer_info=SignerInfo.MASK_CHIP_KEY) == ["signer info"]


def test_names_every_fault():
    assert claims(policy=1 << 63, vmpl=1, signer_info=SignerInfo.MASK_CHIP_KEY | 1 << 31) == [
        "guest policy",
        "guest policy",
        "VMPL",
        "signer info",
        "signer info",
    ]


@pytest.mark.parametrize("bit", [0, 8, 16, *range(18, 26)])
def test_policies_that_are_no_fault_by_themselves(bit: int):
    assert claims(policy=Policy.ALWAYS_ONE | 1 << bit) == []


@pytest.mark.parametrize("bit", range(64))
def test_nothing_in_the_platform_info_is_a_fault(bit: int):
    assert claims(platform_info=1 << bit) == []


def test_an_author_key_is_no_fault():
    assert claims(signer_info=SignerInfo.AUTHOR_KEY_EN, author_key_digest=b"a" * 48) == []
