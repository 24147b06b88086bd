"""From valid evidence break one thing: the check that is about it refuses, and no other."""

from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from attestation import der
from attestation.checks import Outcome
from attestation.errors import AttestationError
from attestation.tdx import authenticate as tdx
from attestation.tdx.evidence import Quote
from attestation.tdx.layout import EnclaveReport, TdReport15
from attestation.x509 import armored
from tests.fakes.intel import TEE_TCB_SVN, Intel, intel
from tests.fakes.intel_parts import (
    COMPONENTS,
    DAY,
    NOW,
    PPID,
    issue,
)

VENDOR = intel()
GOOD = VENDOR.quote()
OTHER = VENDOR.pck(ppid=b"\x99" * 16)
STRANGER = Intel()


@pytest.mark.parametrize(
    "quote",
    [
        GOOD,
        VENDOR.quote(version=5),
        VENDOR.quote(version=5, kind=TdReport15),
        VENDOR.quote(trailing=bytes(70)),
        VENDOR.quote(qe_auth=b""),
        VENDOR.quote(certificates=VENDOR.machine.pem),
    ],
    ids=["v4", "v5 1.0", "v5 1.5", "trailing", "no auth data", "no NUL"],
)
def test_accepts_every_kind_of_td_quote(quote: bytes):
    checks, appraisal = VENDOR.judge(quote)
    assert {one.id: one.outcome for one in checks.done()} == dict.fromkeys(
        [f"2.{noun}" for noun in ("signature", "chain", "identity", "revocation", "collateral",
                                  "tcb", "recency", "floors")],
        Outcome.PASS,
    )  # fmt: skip
    assert appraisal.claims is not None
    assert appraisal.claims.faults == ()
    assert appraisal.expires == NOW + 29 * DAY


def test_claims_are_what_the_quote_says():
    quote = VENDOR.quote(body={f"rt_mr{index}": bytes([index]) * 48 for index in range(4)})
    claims = VENDOR.judge(quote)[1].claims
    assert claims is not None
    assert claims.measurement == b"\x11" * 48
    assert claims.report_data == b"\x22" * 64
    assert claims.registers == {index: bytes([index]) * 48 for index in range(4)}
    assert claims.machine == PPID
    assert claims.tcb["tdx_module"] == TEE_TCB_SVN[0]
    assert (claims.tcb["sgx_01"], claims.tcb["sgx_16"]) == (COMPONENTS[0], COMPONENTS[15])
    assert (claims.debug, claims.migratable) == (False, False)


def test_a_binding_is_the_report_data():
    assert tdx.report_data(b"\x01" * 64) == b"\x01" * 64


def test_no_event_log_leaves_the_registers_untouched():
    assert tdx.replay(b"") == {index: bytes(48) for index in range(4)}
    with pytest.raises(AttestationError):
        tdx.replay(b"no log")


def flipped(name: str, quote: bytes = GOOD) -> bytes:
    """Flip a bit of a field under its signature."""
    place = next(one for one in Quote.parse(quote).table() if one.name == name)
    altered = bytearray(quote)
    altered[place.offset] ^= 1
    return bytes(altered)


def another_key() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)[1:]


@pytest.mark.parametrize(
    ("quote", "text"),
    [
        (flipped("body.mr_td"), "signed by the attestation key"),
        (flipped("header.qe_svn"), "signed by the attestation key"),
        (flipped("header.user_data"), "signed by the attestation key"),
        (flipped("signature"), "signed by the attestation key"),
        (VENDOR.quote(after={"signature": bytes(64)}), "signed by the attestation key"),
        (VENDOR.quote(after={"signature": b"\xff" * 64}), "signed by the attestation key"),
        (VENDOR.quote(after={"attestation_key": another_key()}), "signed by the attestation key"),
        (VENDOR.quote(after={"attestation_key": bytes(64)}), "a P-256 key"),
        (flipped("qe_report.cpu_svn"), "signed by Intel SGX PCK Certificate"),
        (flipped("qe_report_signature"), "signed by Intel SGX PCK Certificate"),
        (VENDOR.quote(machine=OTHER, certificates=VENDOR.machine.pem), "signed by Intel SGX PCK"),
        (flipped("qe_auth"), "SHA-256 of attestation key and QE auth"),
        (VENDOR.quote(qe_report={"report_data": bytes(64)}), "SHA-256 of attestation key"),
        (flipped("body.mr_service_td", VENDOR.quote(version=5, kind=TdReport15)), "signed by the"),
        (flipped("body.tee_tcb_svn2", VENDOR.quote(version=5, kind=TdReport15)), "signed by the"),
    ],
)  # fmt: skip
def test_refuses_a_quote_nobody_signed_so(quote: bytes, text: str):
    assert VENDOR.not_passed(quote) == {"2.signature": "FAIL"}
    assert text in VENDOR.refusal("2.signature", quote)


def test_refuses_report_data_of_the_quoting_enclave_that_says_more():
    quote = VENDOR.quote()
    bound = Quote.parse(quote).qe_report.report_data[:32] + b"\x01" + bytes(31)
    assert VENDOR.not_passed(VENDOR.quote(qe_report={"report_data": bound})) == {
        "2.signature": "FAIL"
    }


def pck_by(**values: Any) -> bytes:
    return VENDOR.quote(machine=VENDOR.pck(**values))


IMPOSTOR_CA = issue("Intel SGX PCK Platform CA", STRANGER.root, ca=0)
LEAF_AS_CA = VENDOR.pck(by=issue("Intel SGX PCK Platform CA", VENDOR.root))
OWN_ROOT = issue("Intel SGX Root CA", None, ca=1)


@pytest.mark.parametrize(
    ("quote", "text"),
    [
        (pck_by(not_after=NOW - 1), "valid at"),
        (pck_by(not_before=NOW + 1), "valid at"),
        (pck_by(name="Intel SGX TCB Signing"), "Intel SGX PCK Certificate <"),
        (pck_by(by=VENDOR.root), "Intel SGX PCK Certificate <"),
        (pck_by(by=issue("Intel SGX CA", VENDOR.root, ca=0)), "Intel SGX PCK Certificate <"),
        (VENDOR.quote(machine=LEAF_AS_CA), "a CA"),
        (VENDOR.quote(certificates=VENDOR.machine.pem * 2), "path length|at most|signed by|a CA"),
        (VENDOR.quote(certificates=issue("x", None).pem), "a pinned root"),
    ],
)
def test_refuses_a_chain_that_is_not_of_a_pck(quote: bytes, text: str):
    found = VENDOR.not_passed(quote)
    assert found.pop("2.chain") == "FAIL"
    assert any(one in VENDOR.refusal("2.chain", quote) for one in text.split("|"))


def test_refuses_another_root_whatever_its_name():
    machine = VENDOR.pck(by=issue("Intel SGX PCK Platform CA", OWN_ROOT, ca=0))
    assert VENDOR.not_passed(VENDOR.quote(machine=machine))["2.chain"] == "FAIL"
    genuine = replace(VENDOR.context(), policy=VENDOR.policy_with(roots={}))
    found = VENDOR.not_passed(context=genuine)
    assert found["2.chain"] == found["2.collateral"] == "FAIL"


def test_refuses_a_chain_that_does_not_parse():
    quote = VENDOR.quote(certificates=b"-----BEGIN CERTIFICATE-----")
    found = VENDOR.not_passed(quote)
    assert (found["2.chain"], found["2.signature"]) == ("FAIL", "SKIP")


def test_refuses_serial_numbers_that_no_list_can_name():
    leaf = bytearray(VENDOR.machine.certificate.public_bytes(Encoding.DER))
    serial = der.children(der.children(der.whole(bytes(leaf), der.SEQUENCE))[0])[1]
    leaf[serial.offset] |= 0x80
    certificates = armored(bytes(leaf)) + VENDOR.platform_ca.pem
    found = VENDOR.not_passed(VENDOR.quote(certificates=certificates))
    assert found["2.chain"] == "FAIL"
    assert "not positive" in VENDOR.refusal("2.chain", VENDOR.quote(certificates=certificates))


@pytest.mark.parametrize(
    ("quote", "text"),
    [
        (VENDOR.quote(qe_report={"mr_signer": bytes(32)}), "QE MRSIGNER"),
        (VENDOR.quote(qe_report={"isv_prod_id": 1}), "QE ISVPRODID 2"),
        (VENDOR.quote(qe_report={"attributes": b"\x17" + bytes(15)}), "QE attributes"),
        (VENDOR.quote(qe_report={"misc_select": b"\x01\0\0\0"}), "QE MISCSELECT"),
        (VENDOR.quote(header={"qe_vendor_id": bytes(16)}), "Intel, 939a7233"),
    ],
)
def test_refuses_another_quoting_enclave(quote: bytes, text: str):
    assert VENDOR.not_passed(quote) == {"2.identity": "FAIL"}
    assert text in VENDOR.refusal("2.identity", quote)


def test_attributes_outside_the_mask_do_not_count():
    assert not VENDOR.not_passed(
        VENDOR.quote(qe_report={"attributes": b"\x15" + bytes(7) + b"\xff" * 8})
    )


def test_refuses_a_pck_certificate_that_names_no_machine():
    found = VENDOR.not_passed(pck_by(sgx=b"\x30\x00"))
    assert found["2.identity"] == "FAIL"
    assert set(found.values()) == {"FAIL", "SKIP"}


def test_an_sgx_quote_is_authentic_and_no_guest():
    sgx = VENDOR.collateral(
        tcb_info={"id": "SGX", "tdxModuleIdentities": []}, qe_identity={"id": "QE"}
    )
    for quote in (
        VENDOR.quote(version=3, kind=EnclaveReport),
        VENDOR.quote(version=4, kind=EnclaveReport),
        VENDOR.quote(version=5, kind=EnclaveReport),
    ):
        assert not VENDOR.not_passed(quote, VENDOR.context(sgx))
        claims = VENDOR.judge(quote, VENDOR.context(sgx))[1].claims
        assert claims is not None
        assert [fault.claim for fault in claims.faults] == ["TEE type"]
        assert claims.registers == {}


def test_collateral_of_the_other_kind_of_evidence_does_not_count():
    assert VENDOR.not_passed(VENDOR.quote(version=3, kind=EnclaveReport))["2.collateral"] == "FAIL"


def test_bytes_that_are_no_quote_are_judged_by_no_check():
    found = VENDOR.not_passed(b"no quote")
    assert found.pop("2.signature") == "FAIL"
    assert set(found.values()) == {"SKIP"}


def test_what_is_remembered_is_no_verdict():
    assert not VENDOR.not_passed()
    late = VENDOR.context(now=NOW + 30 * DAY)
    assert VENDOR.not_passed(context=late)["2.collateral"] == "FAIL"
    assert VENDOR.not_passed(STRANGER.quote())["2.chain"] == "FAIL"
    assert not VENDOR.not_passed()


@settings(deadline=None, max_examples=100)
@given(st.binary(max_size=600), st.lists(st.binary(max_size=200), max_size=3))
def test_any_bytes_give_a_refusal(quote: bytes, stapled: list[bytes]):
    context = VENDOR.context(*stapled) if stapled else VENDOR.context(endorsements=())
    assert VENDOR.not_passed(quote, context)
    assert VENDOR.not_passed(GOOD, replace(context, endorsements=context.endorsements[:0]))
