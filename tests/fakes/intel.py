"""A throw-away Intel: root, CAs, TCB signer, machines, lists, TCB data and quotes, all ECDSA P-256.

Everything has a good value that a keyword replaces, so a test breaks exactly one thing. What is
replaced by `body=`, `tcb_info=` and the like is signed as it is then; what is replaced by `after=`
is changed under a signature that was made before.
"""

import dataclasses
import functools
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from attestation.checks import Checks
from attestation.claims import Context, QuoteAppraisal
from attestation.evidence import Endorsement
from attestation.policy import AppraisalPolicy, NewestAccepted
from attestation.tdx.authenticate import authenticate
from attestation.tdx.endorsements import (
    PCK_CA_NAMES,
    PCK_NAME,
    ROOT_NAME,
    SGX_EXTENSION,
    TCB_SIGNER_NAME,
)
from attestation.tdx.evidence import Quote
from attestation.tdx.layout import EnclaveReport, FixedFields, Header, TdReport10, TdReport15
from tests.fakes.amd import SOME_FLOOR
from tests.fakes.intel_parts import (
    NOW,
    QE_SIGNER,
    Holder,
    crl,
    issue,
    qe_identity,
    sgx_extension,
    sign,
    tcb_info,
)

INTEL_QE = bytes.fromhex("939a7233f79c4ca9940a0db3957f0607")
TEE_TCB_SVN = bytes((11, 1, 4, *(0,) * 13))
BODY_TYPES: Mapping[type[FixedFields], int] = {EnclaveReport: 1, TdReport10: 2, TdReport15: 3}

Values = Mapping[str, Any]
NOTHING: Values = {}

TD_VALUES: dict[str, Any] = {
    "tee_tcb_svn": TEE_TCB_SVN,
    "td_attributes": (1 << 28).to_bytes(8, "little"),
    "xfam": (0x602E7).to_bytes(8, "little"),
    "mr_td": b"\x11" * 48,
    "report_data": b"\x22" * 64,
}
QE_VALUES: dict[str, Any] = {
    "cpu_svn": b"\x05" * 16,
    "attributes": (0x15).to_bytes(8, "little") + (0xE7).to_bytes(8, "little"),
    "mr_enclave": b"\x33" * 32,
    "mr_signer": QE_SIGNER,
    "isv_prod_id": 2,
    "isv_svn": 4,
}
BODY_VALUES: dict[type[FixedFields], dict[str, Any]] = {
    TdReport10: TD_VALUES,
    TdReport15: {**TD_VALUES, "tee_tcb_svn2": TEE_TCB_SVN},
    EnclaveReport: {**QE_VALUES, "report_data": b"\x22" * 64},
}


class Intel:
    """The whole vendor. Keys and certificates are made once; what is signed is made anew."""

    def __init__(self) -> None:
        self.root = issue(ROOT_NAME, None, ca=1)
        self.platform_ca, self.processor_ca = (issue(one, self.root, ca=0) for one in PCK_CA_NAMES)
        self.tcb_signer = issue(TCB_SIGNER_NAME, self.root)
        self.machine = self.pck()

    @property
    def policy(self) -> AppraisalPolicy:
        return self.policy_with()

    def policy_with(self, **values: Any) -> AppraisalPolicy:
        """Give a policy that pins this root."""
        pinned = {"platforms": ("tdx",), "roots": {"tdx": self.root.spki_sha256}}
        return AppraisalPolicy(**{**pinned, **values})

    def pck(
        self,
        *,
        by: Holder | None = None,
        name: str = PCK_NAME,
        sgx: bytes | None = None,
        **values: Any,
    ) -> Holder:
        """Make a machine; `sgx` is its whole extension."""
        dates = {one: values.pop(one) for one in ("not_before", "not_after") if one in values}
        extensions = {SGX_EXTENSION: sgx_extension(**values) if sgx is None else sgx}
        return issue(name, by or self.platform_ca, extensions=extensions, **dates)

    def quote(
        self,
        *,
        version: int = 4,
        kind: type[FixedFields] = TdReport10,
        header: Values = NOTHING,
        body: Values = NOTHING,
        qe_report: Values = NOTHING,
        qe_auth: bytes = bytes(range(32)),
        machine: Holder | None = None,
        certificates: bytes | None = None,
        after: Mapping[str, bytes] = NOTHING,
        trailing: bytes = b"",
    ) -> bytes:
        """Sign a quote of any version and body; names of `after` are those of `Quote.table`."""
        machine = machine or self.machine
        key = attestation_key()
        point = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)[1:]
        head = filled(Header, {**header_values(version, kind), **header}).write()
        if version == 5:
            head += le(BODY_TYPES[kind], 2) + le(kind.size(), 4)
        signed = head + filled(kind, {**BODY_VALUES[kind], **body}).write()
        bound = hashlib.sha256(point + qe_auth).digest() + bytes(32)
        qe = filled(EnclaveReport, {**QE_VALUES, "report_data": bound, **qe_report}).write()
        pem = machine.pem + b"\0" if certificates is None else certificates
        inner = qe + sign(machine.key, qe) + sized(qe_auth, 2) + le(5, 2) + sized(pem, 4)
        data = sign(key, signed) + point + (inner if version == 3 else le(6, 2) + sized(inner, 4))
        return patched(signed + sized(data, 4), after) + trailing

    def tcb_info(self, **values: Any) -> dict[str, Any]:
        """Give a TCB info in Intel's words."""
        return {**tcb_info(), **values}

    def qe_identity(self, **values: Any) -> dict[str, Any]:
        """Give a QE identity in Intel's words."""
        return {**qe_identity(), **values}

    def collateral(
        self,
        *,
        tcb_info: Values = NOTHING,
        qe_identity: Values = NOTHING,
        signer: Holder | None = None,
        after: Values = NOTHING,
    ) -> bytes:
        """Sign TCB data and put it into the nine texts; `after` replaces or adds texts."""
        signer = signer or self.tcb_signer
        texts = {
            "tcb_info": json.dumps(self.tcb_info(**tcb_info), separators=(",", ":")),
            "qe_identity": json.dumps(self.qe_identity(**qe_identity), separators=(",", ":")),
        }
        signatures = {
            f"{name}_signature": sign(signer.key, text.encode()).hex()
            for name, text in texts.items()
        }
        others = {
            "tcb_info_issuer_chain": signer.pem.decode(),
            "qe_identity_issuer_chain": signer.pem.decode(),
            "pck_crl_issuer_chain": self.platform_ca.pem.decode(),
            "root_ca_crl": crl(self.root).hex(),
            "pck_crl": crl(self.platform_ca).hex(),
        }
        return json.dumps({**texts, **signatures, **others, **after}).encode()

    def context(self, *collaterals: bytes, now: int = NOW, **values: Any) -> Context:
        """Give what to judge against; the good collateral if none is given."""
        stapled = collaterals or (self.collateral(),)
        given: dict[str, Any] = {
            "endorsements": tuple(Endorsement(type="tdx-collateral", data=one) for one in stapled),
            "policy": self.policy,
            "floors": SOME_FLOOR,
            "newest": NewestAccepted(),
        }
        return Context(now=now, **{**given, **values})

    def judge(
        self, quote: bytes | None = None, context: Context | None = None
    ) -> tuple[Checks, QuoteAppraisal]:
        """Run step 2."""
        checks = Checks()
        good = self.quote() if quote is None else quote
        return checks, authenticate(good, context or self.context(), checks)

    def not_passed(
        self, quote: bytes | None = None, context: Context | None = None
    ) -> dict[str, str]:
        """Judge; give the checks that did not pass, and how they ended."""
        checks, _ = self.judge(quote, context)
        return {one.id: str(one.outcome) for one in checks.done() if one.outcome != "PASS"}

    def refusal(
        self, check: str, quote: bytes | None = None, context: Context | None = None
    ) -> str:
        """Judge; give what the report says of one check."""
        checks, _ = self.judge(quote, context)
        return next(one.refusal for one in checks.done() if one.id == check)


@functools.cache
def intel() -> Intel:
    """Give the one Intel of this process."""
    return Intel()


@functools.cache
def attestation_key() -> ec.EllipticCurvePrivateKey:
    """Give the key that the quoting enclave made."""
    return ec.generate_private_key(ec.SECP256R1())


def header_values(version: int, kind: type[FixedFields]) -> dict[str, Any]:
    tee_type = 0 if kind is EnclaveReport else 0x81
    return {"version": version, "att_key_type": 2, "tee_type": tee_type, "qe_vendor_id": INTEL_QE}


def filled(kind: type[FixedFields], values: Values) -> FixedFields:
    """Make a structure; what is not named is zero."""
    return dataclasses.replace(kind.read(bytes(kind.size())), **values)


def patched(quote: bytes, after: Mapping[str, bytes]) -> bytes:
    """Write other bytes over fields, by the names of `Quote.table`."""
    places = {one.name: one for one in Quote.parse(quote).table()} if after else {}
    altered = bytearray(quote)
    for name, value in after.items():
        place = places[name]
        assert len(value) == place.size, name
        altered[place.offset : place.offset + place.size] = value
    return bytes(altered)


def le(number: int, size: int) -> bytes:
    return number.to_bytes(size, "little")


def sized(data: bytes, size: int) -> bytes:
    """Put the length of data before it."""
    return le(len(data), size) + data
