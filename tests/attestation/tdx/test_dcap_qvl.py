"""A second opinion: the same evidence before dcap-qvl, an independent verifier.

Where one accepts and the other does not, a row of `THEY_ACCEPT` or `THEY_REFUSE` says why; where
both refuse, `SAME` says that they mean the same. What no row explains is a failure.
"""

import calendar
import json
import re
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import dcap_qvl  # type: ignore[import-untyped]
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from attestation.checks import Checks
from attestation.claims import Context
from attestation.evidence import Endorsement
from attestation.policy import AppraisalPolicy, Floors, NewestAccepted
from attestation.tdx.authenticate import authenticate
from attestation.tdx.documents import Collateral
from attestation.tdx.endorsements import PCK_CA_NAMES, pck_identity
from attestation.tdx.evidence import Quote
from attestation.tdx.layout import EnclaveReport, TdReport15
from attestation.tdx.tcb import tcb_status
from attestation.x509 import parse_chain
from tests.fakes.intel import Values, intel
from tests.fakes.intel_parts import (
    COMPONENTS,
    DAY,
    NOW,
    crl,
    issue,
    isv_level,
    module,
    platform_level,
    stamp,
)

VENDOR = intel()
ROOT = VENDOR.root.certificate.public_bytes(Encoding.DER)


LOWER = "SWHardeningNeeded|Configuration.*|OutOfDate.*|TDRelaunchAdvised.*"
"""Statuses that they accept and our default policy does not."""

ANY = f"UpToDate|{LOWER}"

THEY_ACCEPT = (
    (LOWER, "2.tcb", "which status is good enough is for a policy; ours says UpToDate"),
    (ANY, "2.recency", "they look at no age, nor whether a CRL is from the future"),
    (ANY, "2.chain", "they look at no names of certificates"),
    (ANY, "2.collateral", "nor at names here, the PCE id, the CRL's issuer or foreign members; "
     "and they know a QE identity of version 3"),
    (ANY, "8.guest", "they look at no XFAM, and verify SGX, which no policy of ours accepts"),
)  # fmt: skip
"""What they say, a check of ours that refuses nevertheless, and why."""

THEY_REFUSE = (("Invalid QE auth data length", "it has its own length; theirs must be 32 bytes"),)
"""What they refuse and we do not, and why."""

SAME = (
    ("Debug mode is enabled", {"8.debug"}),
    ("Reserved bits in TD attributes", {"8.guest"}),
    ("SEPT_VE_DISABLE is not enabled", {"8.guest"}),
    ("Invalid MR service TD", {"8.guest"}),
    ("TD migration is enabled", {"8.migration"}),
    ("TDX module|No matching TCB level|TCB status is invalid|QE ISVSVN", {"2.tcb"}),
    ("QE MRSIGNER|QE ISVPRODID|QE report validation|QE vendor|MISCSELECT", {"2.identity"}),
    ("QE ATTRIBUTES|Intel extension path", {"2.identity"}),
    ("ISV enclave report signature|qe_report|QE report hash", {"2.signature"}),
    ("CertRevoked|UnknownRevocationStatus", {"2.revocation"}),
    ("certificate chain|root|Root", {"2.chain", "2.collateral"}),
    ("CrlExpired", {"2.recency"}),
    ("SGX TEE quote must have version 3", {"8.guest"}),
    ("Fmspc|non-TDX TCB info|TCBInfo|tcb_info", {"2.collateral"}),
    ("QE identity|QEIdentity|QE Identity|qe_identity", {"2.collateral"}),
    ("attestation key|decode|parse|Unsupported", {"2.signature"}),
)  # fmt: skip
"""What their errors mean in checks of ours: one of these must refuse as well."""


def ours(quote: bytes, context: Context) -> frozenset[str]:
    """Give the checks that failed, also those of step 8 that rest on a quote alone.

    A check that could not be judged counts only where none failed: else it is a consequence.
    """
    checks = Checks()
    claims = authenticate(quote, context, checks).claims
    failed = {one.id for one in checks.done() if one.outcome == "FAIL"}
    skipped = {one.id for one in checks.done() if one.outcome == "SKIP" and one.required}
    found = failed or skipped
    if claims is not None:
        found |= {"8.debug"} if claims.debug else set()
        found |= {"8.migration"} if claims.migratable else set()
        found |= {"8.guest"} if claims.faults else set()
    return frozenset(found)


def theirs(quote: bytes, collateral: bytes, root: bytes, now: int) -> tuple[str, bool]:
    """Give their status and whether they accept."""
    try:
        read = dcap_qvl.QuoteCollateralV3.from_json(collateral.decode())
        report = dcap_qvl.verify_with_root_ca(quote, read, root, now)
    except ValueError as error:
        return str(error), False
    return report.status, True


def compare(quote: bytes, collateral: bytes, root: bytes, context: Context) -> None:
    """Hold both opinions against each other."""
    found = ours(quote, context)
    text, accepted = theirs(quote, collateral, root, context.now)
    if not accepted and found:
        meant = [checks for pattern, checks in SAME if re.search(pattern, text)]
        assert any(found & checks for checks in meant), (text, found)
    elif not accepted:
        assert any(re.search(pattern, text) for pattern, _ in THEY_REFUSE), text
    else:
        explained = {check for pattern, check, _ in THEY_ACCEPT if re.fullmatch(pattern, text)}
        assert found <= explained, f"they say {text!r}, we refuse {sorted(found)}"
        assert found or text == "UpToDate"


def bits(number: int) -> bytes:
    return number.to_bytes(8, "little")


def svn(*first: int) -> bytes:
    return bytes((*first, *(0,) * (16 - len(first))))


LESS = tuple(max(0, one - 1) for one in COMPONENTS)
SEPT = 1 << 28

QUOTES: Mapping[str, bytes] = {
    "good v4": VENDOR.quote(),
    "good v5": VENDOR.quote(version=5),
    "good v5 1.5": VENDOR.quote(version=5, kind=TdReport15),
    "trailing": VENDOR.quote(trailing=bytes(70)),
    "no auth data": VENDOR.quote(qe_auth=b""),
    "two NULs": VENDOR.quote(certificates=VENDOR.machine.pem + b"\0\0"),
    **{f"attribute {bit}": VENDOR.quote(body={"td_attributes": bits(SEPT | 1 << bit)})
       for bit in (0, 1, 7, 8, 26, 27, 29, 30, 31, 32, 61, 62, 63)},
    "SEPT_VE_DISABLE off": VENDOR.quote(body={"td_attributes": bits(0)}),
    "XFAM 0": VENDOR.quote(body={"xfam": bits(0)}),
    "XFAM reserved": VENDOR.quote(body={"xfam": bits(1 << 40 | 3)}),
    "module attributes": VENDOR.quote(body={"seam_attributes": bits(1)}),
    "module signer": VENDOR.quote(body={"mr_signer_seam": b"\x01" * 48}),
    "service TD": VENDOR.quote(version=5, kind=TdReport15, body={"mr_service_td": b"\x01" * 48}),
    "launched under an old module": VENDOR.quote(
        version=5, kind=TdReport15, body={"tee_tcb_svn": svn(5, 1, 4)}),
    "old platform": VENDOR.quote(machine=VENDOR.pck(components=LESS)),
    "platform of no level": VENDOR.quote(machine=VENDOR.pck(components=(0,) * 16)),
    "old PCE": VENDOR.quote(machine=VENDOR.pck(pcesvn=12)),
    "PCE of no level": VENDOR.quote(machine=VENDOR.pck(pcesvn=4)),
    "old module": VENDOR.quote(body={"tee_tcb_svn": svn(5, 1, 4)}),
    "module of no level": VENDOR.quote(body={"tee_tcb_svn": svn(0, 1, 4)}),
    "no such module": VENDOR.quote(body={"tee_tcb_svn": svn(9, 2, 4)}),
    "module before 1": VENDOR.quote(body={"tee_tcb_svn": svn(5, 0, 4)}),
    "old module before 1": VENDOR.quote(body={"tee_tcb_svn": svn(4, 0, 4)}),
    "low SVN of a new module": VENDOR.quote(body={"tee_tcb_svn": svn(3, 3, 4)}),
    "old TDX microcode": VENDOR.quote(body={"tee_tcb_svn": svn(11, 1, 2)}),
    "TDX of no level": VENDOR.quote(body={"tee_tcb_svn": svn(11, 1, 0)}),
    "old QE": VENDOR.quote(qe_report={"isv_svn": 3}),
    "QE of no level": VENDOR.quote(qe_report={"isv_svn": 1}),
    "QE signer": VENDOR.quote(qe_report={"mr_signer": bytes(32)}),
    "QE product": VENDOR.quote(qe_report={"isv_prod_id": 1}),
    "QE debug": VENDOR.quote(qe_report={"attributes": b"\x17" + bytes(15)}),
    "QE attributes": VENDOR.quote(qe_report={"attributes": b"\x31" + bytes(15)}),
    "QE MISCSELECT": VENDOR.quote(qe_report={"misc_select": b"\x01\0\0\0"}),
    "QE vendor": VENDOR.quote(header={"qe_vendor_id": bytes(16)}),
    "QE binds another key": VENDOR.quote(qe_report={"report_data": bytes(64)}),
    "body": VENDOR.quote(after={"body.mr_td": bytes(48)}),
    "signature": VENDOR.quote(after={"signature": bytes(64)}),
    "QE report signature": VENDOR.quote(after={"qe_report_signature": b"\x01" * 64}),
    "auth data": VENDOR.quote(after={"qe_auth": bytes(32)}),
    "key off the curve": VENDOR.quote(after={"attestation_key": b"\x01" * 64}),
    "expired PCK": VENDOR.quote(machine=VENDOR.pck(not_after=NOW - 1)),
    "PCK of another name": VENDOR.quote(machine=VENDOR.pck(name="SIMULATED")),
    "PCK of no CA": VENDOR.quote(machine=VENDOR.pck(by=issue(PCK_CA_NAMES[0], VENDOR.root))),
    "no SGX extension": VENDOR.quote(machine=VENDOR.pck(sgx=b"\x30\x00")),
    "cut": VENDOR.quote()[:1000],
    "empty": b"",
}  # fmt: skip

COLLATERALS: Mapping[str, Values] = {
    "FMSPC": {"tcb_info": {"fmspc": "b0c06f000000"}},
    "PCE id": {"tcb_info": {"pceId": "0001"}},
    "TCB info over": {"tcb_info": {"nextUpdate": stamp(NOW - 1)}},
    "TCB info from the future": {"tcb_info": {"issueDate": stamp(NOW + 1)}},
    "old TCB info": {"tcb_info": {"issueDate": stamp(NOW - 31 * DAY)}},
    "QE identity over": {"qe_identity": {"nextUpdate": stamp(NOW - 1)}},
    "QE identity from the future": {"qe_identity": {"issueDate": stamp(NOW + 1)}},
    "QE identity of SGX": {"qe_identity": {"id": "QE"}},
    "QE identity 3": {"qe_identity": {"version": 3}},
    "TCB info of SGX": {"tcb_info": {"id": "SGX"}},
    "edited TCB info": {"after": {"tcb_info": json.dumps(VENDOR.tcb_info())}},
    "edited QE identity": {"after": {"qe_identity": json.dumps(VENDOR.qe_identity())}},
    "signed by a machine": {"signer": VENDOR.machine},
    "signed by a nameless one": {"signer": issue("SIMULATED", VENDOR.root)},
    "CRL issuer": {"after": {"pck_crl_issuer_chain": VENDOR.tcb_signer.pem.decode()}},
    "CRL over": {"after": {"pck_crl": crl(VENDOR.platform_ca, next_update=NOW - 1).hex()}},
    "CRL from the future": {"after": {"pck_crl": crl(
        VENDOR.platform_ca, this_update=NOW + 1).hex()}},
    "old CRL": {"after": {"root_ca_crl": crl(VENDOR.root, this_update=NOW - 40 * DAY).hex()}},
    "CRL of another CA": {"after": {"pck_crl": crl(VENDOR.processor_ca).hex()}},
    "PCK revoked": {"after": {"pck_crl": crl(
        VENDOR.platform_ca, revoked=[VENDOR.machine.certificate.serial_number]).hex()}},
    "CA revoked": {"after": {"root_ca_crl": crl(
        VENDOR.root, revoked=[VENDOR.platform_ca.certificate.serial_number]).hex()}},
    "TCB signer revoked": {"after": {"root_ca_crl": crl(
        VENDOR.root, revoked=[VENDOR.tcb_signer.certificate.serial_number]).hex()}},
    "another member": {"after": {"more": ""}},
    "module id in lower case": {"tcb_info": {"tdxModuleIdentities": [module("tdx_01", 6)]}},
    "module of another signer": {"tcb_info": {"tdxModuleIdentities": [
        module("TDX_01", 6, mrsigner="11" * 48)]}},
    "no modules": {"tcb_info": {"tdxModuleIdentities": []}},
    **{f"level {status}": {"tcb_info": {"tcbLevels": [platform_level(status=status)]}}
       for status in ("SWHardeningNeeded", "ConfigurationNeeded", "OutOfDate", "Revoked",
                      "ConfigurationAndSWHardeningNeeded", "OutOfDateConfigurationNeeded")},
    "QE revoked": {"qe_identity": {"tcbLevels": [isv_level(1, "Revoked")]}},
}  # fmt: skip


@pytest.mark.parametrize("name", QUOTES)
def test_both_say_the_same_of_a_quote(name: str):
    compare(QUOTES[name], VENDOR.collateral(), ROOT, VENDOR.context())


@pytest.mark.parametrize("name", COLLATERALS)
def test_both_say_the_same_of_collateral(name: str):
    collateral = VENDOR.collateral(**COLLATERALS[name])
    compare(VENDOR.quote(), collateral, ROOT, VENDOR.context(collateral))


@pytest.mark.parametrize("version", [3, 4, 5])
def test_both_say_the_same_of_an_enclave(version: int):
    collateral = VENDOR.collateral(tcb_info={"id": "SGX"}, qe_identity={"id": "QE"})
    quote = VENDOR.quote(version=version, kind=EnclaveReport)
    compare(quote, collateral, ROOT, VENDOR.context(collateral))


def test_both_name_the_same_status():
    for quote in (one for name, one in QUOTES.items() if "old" in name and "launched" not in name):
        parsed, collateral = Quote.parse(quote), Collateral.parse(VENDOR.collateral())
        status = tcb_status(
            collateral.tcb_info.content,
            collateral.qe_identity.content,
            pck_identity(parse_chain(parsed.certificates)[0]),
            parsed.body,
            parsed.qe_report,
        )
        assert theirs(quote, VENDOR.collateral(), ROOT, NOW) == (status.worst, True)


def published(shared: Path) -> Iterator[tuple[str, bytes, bytes, bytes, int]]:
    folder = shared / "vectors" / "tdx"
    for case in json.loads((folder / "INDEX.json").read_bytes())["cases"]:
        files = case["files"]
        if "collateral" in files:
            root = x509.load_pem_x509_certificate((folder / files["root"]).read_bytes())
            at = calendar.timegm(time.strptime(case["at"], "%Y-%m-%dT%H:%M:%SZ"))
            quote, collateral = (
                (folder / files[one]).read_bytes() for one in ("quote", "collateral")
            )
            yield case["id"], quote, collateral, root.public_bytes(Encoding.DER), at


def test_both_say_the_same_of_published_evidence(shared: Path):
    for name, quote, collateral, root, at in published(shared):
        endorsed = (Endorsement(type="tdx-collateral", data=collateral),)
        values: dict[str, Any] = {"floors": Floors(), "newest": NewestAccepted()}
        policy = AppraisalPolicy(platforms=("tdx",))
        context = Context(now=at, endorsements=endorsed, policy=policy, **values)
        try:
            compare(quote, collateral, root, context)
        except AssertionError as error:
            raise AssertionError(name) from error
