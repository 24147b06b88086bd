"""The hardware's part of a TPM quote: what its own platform judges, and how it names the AK.

Two forms (docs/formats.md, 3.9). *Direct*: the platform's own quote, whose report data is
SHA-512("openpcc tpm ak v2" 00 ‖ lp(SubjectPublicKeyInfo of the AK) ‖ lp(extra data)): made for
this very quote, so it is as new. *Azure*: the paravisor's report, whose runtime data names the AK
and has its digest in the report data; of an earlier time.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import replace

from attestation.binding import lp
from attestation.claims import Context, Fault, QuoteClaims
from attestation.errors import AppraisalError, MalformedEvidenceError
from attestation.tpm.document import Azure, Direct, TpmQuote
from attestation.tpm.hcl import HardwareType, check_binds_runtime
from attestation.tpm.public import AkKey, spki

AK_LABEL = b"openpcc tpm ak v2\x00"
"""Domain of the report data that names an AK, and one quote by it."""

AZURE = {HardwareType.SNP: "sev-snp", HardwareType.TDX: "tdx"}
"""Type of a paravisor's report to the platform that judges it."""

OF_THE_PARAVISOR = frozenset({"SEPT_VE_DISABLE"})
"""Faults of a guest's kernel that are none of Azure's paravisor. A page that the host takes away
becomes an exception inside whoever runs at the first level, and that is the paravisor alone: its
guest never sees one. Microsoft starts every TD so, and the code that has to bear it is measured."""


def ak_report_data(ak: AkKey, extra_data: bytes) -> bytes:
    """Give the report data by which a hardware quote names an AK and its quote over these bytes."""
    return hashlib.sha512(AK_LABEL + lp(spki(ak)) + lp(extra_data)).digest()


def hardware_quote(document: TpmQuote, hardware: str) -> bytes:
    """Give what the platform of this name judges.

    Raises:
        MalformedEvidenceError: the document is about other hardware.
    """
    part = document.hardware
    if isinstance(part, Direct):
        return part.quote
    found = AZURE[part.hcl.report_type]
    if found != hardware:
        raise MalformedEvidenceError(f"HCL report: of {found}, expected {hardware}")
    return part.hcl.hardware if part.td_quote is None else part.td_quote


def hardware_context(context: Context, hardware: str, name: str) -> Context:
    """Give what the platform below judges against: the policy's words for this one are for it.

    A policy that does not accept this platform has none, and refuses by 9.platform.
    """
    policy = context.policy
    if name not in policy.platforms:
        return context
    roots = {hardware: policy.roots[name]} if name in policy.roots else {}
    inner = replace(policy, platforms=(hardware,), roots=roots, minimum_tcb={})
    return replace(context, policy=inner)


def check_vouched(document: TpmQuote, claims: QuoteClaims) -> None:
    """Judge that the hardware's report vouches for the AK, in the direct form for this very quote.

    Args:
        document: with the AK.
        claims: of the hardware's report; its report data is what was signed.

    Raises:
        AppraisalError: for another key or quote, or for none.
    """
    part = document.hardware
    if isinstance(part, Azure):
        _check_runtime(part, claims, document.ak)
        return
    expected = ak_report_data(document.ak, document.attest.extra_data)
    if claims.report_data != expected:
        raise AppraisalError(
            "AK",
            expected=f"report data that names the AK and this quote, {expected.hex()}",
            actual=claims.report_data.hex(),
        )


def faults_of(document: TpmQuote, claims: QuoteClaims) -> Iterator[Fault]:
    """Give what 8.guest refuses about what the hardware launched."""
    azure = isinstance(document.hardware, Azure)
    for fault in claims.faults:
        if not (azure and fault.claim in OF_THE_PARAVISOR):
            yield fault
    for index, value in sorted(claims.registers.items()):
        if any(value):
            # The release's registers are PCRs: what was measured here it could not name.
            yield Fault(
                claim="hardware register",
                expected=f"hardware register {index} untouched",
                actual=value.hex(),
            )


def _check_runtime(part: Azure, claims: QuoteClaims, ak: AkKey) -> None:
    check_binds_runtime(part.hcl, claims.report_data)
    if part.hcl.report_data != claims.report_data:
        # Of SNP they are the same bytes. Of TDX, the quote is of another TDREPORT.
        raise AppraisalError(
            "report data",
            expected=f"as quoted, {claims.report_data.hex()}",
            actual=f"{part.hcl.report_data.hex()} in the HCL report",
        )
    vouched = part.hcl.runtime.ak()
    if spki(vouched) != spki(ak):
        digest = hashlib.sha256(spki(ak)).hexdigest()
        raise AppraisalError(
            "AK", expected="the AK of the runtime data", actual=f"a key with digest {digest}"
        )
