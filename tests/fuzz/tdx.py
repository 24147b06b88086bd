"""Intel TDX: quotes, the PCK extension, collateral, and step 2 as a whole.

Of generated evidence the same holds as in `tests.fuzz.sev_snp`.
"""

import json
from dataclasses import replace

from cryptography.x509 import ObjectIdentifier

from attestation import verifier
from attestation.evidence import Endorsement
from attestation.tdx.collateral import Collateral, Signed, read_collaterals, select
from attestation.tdx.endorsements import SGX_EXTENSION, pck_identity, read_chain
from attestation.tdx.evidence import Quote
from attestation.tdx.fields import fields
from attestation.tdx.layout import FixedFields
from attestation.tdx.tcb_data import QeIdentity, TcbInfo
from attestation.x509 import parse_chain
from tests.fakes import intel_parts
from tests.fakes.intel import intel
from tests.fuzz.cases import case, judge
from tests.fuzz.target import Bytes, target
from tests.fuzz.vectors import cases, judged_at, published


def quotes() -> Bytes:
    return [*(intel().quote(version=one) for one in (4, 5)), *published("tdx", "quote")]


def extensions() -> Bytes:
    return [intel_parts.sgx_extension(), intel_parts.sgx_extension(ppid=bytes(16))]


def collaterals() -> Bytes:
    return [intel().collateral(), *published("tdx", "collateral")]


def tcb_infos() -> Bytes:
    return [json.loads(data)["tcb_info"].encode() for data in collaterals()]


def qe_identities() -> Bytes:
    return [json.loads(data)["qe_identity"].encode() for data in collaterals()]


def whole_cases() -> Bytes:
    yield _case("fake", intel_parts.NOW, intel().quote(), [intel().collateral()])
    for listed, files in cases("tdx"):
        found = files.get("collateral", [])
        yield _case("vendor", judged_at(listed), files["quote"][0], found)


def _case(root: str, now: int, quote: bytes, found: list[bytes]) -> bytes:
    stapled = [Endorsement(type="tdx-collateral", data=data) for data in found]
    return case(root, now, quote, stapled)


@target(Quote.parse, FixedFields.read, seeds=quotes)
def tdx_quote(data: bytes) -> None:
    """Any bytes give a TDX quote with all its fields in place, or MalformedEvidenceError."""
    quote = Quote.parse(data)
    assert quote.signed_length <= len(data)
    assert all(field.offset + field.size <= len(data) for field in quote.table())
    fields(quote)


@target(pck_identity, seeds=extensions, longest=2**10)
def pck_extension(data: bytes) -> None:
    """Any value of Intel's extension gives the machine's identity, or MalformedEvidenceError."""
    leaf = parse_chain(intel().pck().pem)[0]
    pck_identity(replace(leaf, extensions={ObjectIdentifier(SGX_EXTENSION): data}))


@target(Collateral.parse, seeds=collaterals)
def tdx_collateral(data: bytes) -> None:
    """Any bytes give collateral, or MalformedEvidenceError."""
    Collateral.parse(data)


@target(TcbInfo.parse, seeds=tcb_infos)
def tdx_tcb_info(data: bytes) -> None:
    """Any bytes give TCB info, or MalformedEvidenceError."""
    TcbInfo.parse(data)


@target(QeIdentity.parse, seeds=qe_identities)
def tdx_qe_identity(data: bytes) -> None:
    """Any bytes give a QE identity, or MalformedEvidenceError."""
    QeIdentity.parse(data)


@target(
    verifier.verify_parts, verifier.explain, read_chain, read_collaterals, select,
    Signed.authenticate, seeds=whole_cases, refusals=(),
)  # fmt: skip
def verify_tdx(data: bytes) -> None:
    """Any quote, time and endorsements give an appraisal; nothing is raised."""
    judge("tdx", data, intel().policy)
