"""A guest is refused for each bit that lets the host in, and for each bit nobody knows."""

from typing import Any

import pytest

from attestation.tdx.evidence import Quote
from attestation.tdx.guest import KNOWN, faults, is_debug, is_migratable
from attestation.tdx.layout import EnclaveReport, TdReport15
from attestation.tdx.tcb_data import ModuleIdentity
from tests.fakes.intel import intel

VENDOR = intel()
SEPT_VE_DISABLE = 1 << 28
HARMLESS = (27, 28, 30, 31, 62, 63)
XFAM = 0x602E7


def bits(number: int) -> bytes:
    return number.to_bytes(8, "little")


def quote(**body: Any) -> Quote:
    return Quote.parse(VENDOR.quote(version=5, kind=TdReport15, body=body))


def claims(found: Quote, module: ModuleIdentity | None = None) -> list[str]:
    return [fault.claim for fault in faults(found, module)]


def test_a_good_guest_has_no_fault():
    assert claims(quote()) == []
    assert not is_debug(quote())
    assert not is_migratable(quote())


@pytest.mark.parametrize("bit", range(64))
def test_every_attribute_is_harmless_or_refused(bit: int):
    found = quote(td_attributes=bits(SEPT_VE_DISABLE | 1 << bit))
    judged_elsewhere = {0: is_debug(found), 29: is_migratable(found)}
    if bit in HARMLESS:
        assert claims(found) == []
    elif bit in judged_elsewhere:
        assert claims(found) == []
        assert judged_elsewhere[bit]
    elif bit < 8:
        assert claims(found) == ["TD attributes 1 to 7"]
    else:
        assert claims(found) == ["TD attributes"]
        assert not KNOWN & 1 << bit


def test_debug_and_migration_are_one_bit_each():
    everything = quote(td_attributes=bits(2**64 - 1 ^ 1 ^ 1 << 29))
    assert not is_debug(everything)
    assert not is_migratable(everything)


def test_refuses_page_faults_inside_the_guest():
    assert claims(quote(td_attributes=bits(0))) == ["SEPT_VE_DISABLE"]


@pytest.mark.parametrize("bit", range(64))
def test_every_feature_is_known_or_refused(bit: int):
    toggled = quote(xfam=bits(XFAM ^ 1 << bit))
    known = 0x0006DBE7 & 1 << bit and bit not in (0, 1)
    assert claims(toggled) == ([] if known else ["XFAM"])


def test_refuses_a_bound_service_td():
    assert claims(quote(mr_service_td=bytes(47) + b"\x01")) == ["bound service TD"]


def test_refuses_another_module():
    assert claims(quote(seam_attributes=bits(1 << 63))) == ["TDX module attributes"]
    assert claims(quote(mr_signer_seam=b"\x01" + bytes(47))) == ["TDX module signer"]


def test_a_module_that_intel_names_may_have_a_signer():
    signer = b"\x01" * 48
    module = ModuleIdentity(
        id="TDX_01", mr_signer=signer, attributes=bytes(8), attributes_mask=bytes(8), levels=()
    )
    assert claims(quote(mr_signer_seam=signer), module) == []
    assert claims(quote(mr_signer_seam=bytes(47) + b"\x01"), module) == ["TDX module signer"]


def test_an_enclave_is_no_guest():
    enclave = Quote.parse(VENDOR.quote(version=3, kind=EnclaveReport))
    assert claims(enclave) == ["TEE type"]
    assert (is_debug(enclave), is_migratable(enclave)) == (False, False)
    debugged = VENDOR.quote(version=3, kind=EnclaveReport, body={"attributes": b"\x02" + bytes(15)})
    assert is_debug(Quote.parse(debugged))


def test_every_fault_says_what_was_expected():
    found = faults(
        quote(td_attributes=bits(0xFF << 8), xfam=bits(0), mr_service_td=b"\x01" * 48), None
    )
    assert len(found) == 4
    for fault in found:
        assert fault.expected
        assert fault.actual
