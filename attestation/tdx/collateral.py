"""The endorsement `tdx-collateral`: what Intel's service answers for one kind of machine.

docs/formats.md, 3.7: a JSON object of nine texts. TCB info and QE identity are the exact texts that
Intel signed, their signatures hex of r ‖ s, the CRLs hex of DER, the issuer chains PEM.

Whoever staples collateral is hostile. Every part is signed by Intel for itself, so parts are picked
one by one out of everything stapled: of the TCB infos for this machine, and of the QE identities,
the newest authentic one each. An extra collateral can therefore replace a part only by one that
Intel issued later, and one that is malformed, forged or about another machine changes nothing.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Generic, TypeVar

from attestation.certificates import Anchor, Certificate, check_issued, check_path
from attestation.claims import Context
from attestation.endorsements import of_type
from attestation.errors import AppraisalError, MalformedEvidenceError, UnjudgedError
from attestation.evidence import MAX_ENDORSEMENT
from attestation.policy import Mark
from attestation.sections import MAX_CERTIFICATES
from attestation.strict_json import Members, StrictJSONError, parse_object
from attestation.tdx.endorsements import (
    PCK_CA_NAMES,
    ROOT_NAME,
    TCB_SIGNER_NAME,
    PckIdentity,
    check_roles,
    read_chain,
)
from attestation.tdx.evidence import SIGNATURE_SIZE
from attestation.tdx.signatures import check_document
from attestation.tdx.tcb_data import MAX_DOCUMENT, Issued, QeIdentity, TcbInfo

MAX_CRL = 2**19
"""Bytes of a CRL: some ten thousand serial numbers."""

KEPT_COLLATERAL = 32
"""Collaterals remembered as read; one for each kind of machine in a fleet."""

Content = TypeVar("Content", bound=Issued)
Part = TypeVar("Part")


@dataclass(frozen=True, kw_only=True)
class Signed(Generic[Content]):
    """A document of Intel's with its signature and signer; paper until `authenticate`.

    Attributes:
        text: the exact bytes that are signed.
        content: what they say.
        signature: r ‖ s.
        certificates: of the signer, PEM.
    """

    text: bytes = field(repr=False)
    content: Content
    signature: bytes
    certificates: bytes = field(repr=False)

    def authenticate(self, anchors: Sequence[Anchor], now: int) -> None:
        """Judge signer and signature; of dates only the certificates'.

        Raises:
            AppraisalError: the signer is not Intel's, or did not sign this text.
            MalformedEvidenceError: the chain does not parse.
        """
        chain = read_chain(self.certificates)
        check_path(chain, anchors=anchors, now=now)
        check_roles(chain, (TCB_SIGNER_NAME,), (ROOT_NAME,))
        check_document(chain[0], self.signature, self.text)


@dataclass(frozen=True, kw_only=True)
class Collateral:
    """One collateral, read and unchecked; the CRLs are for `attestation.endorsements` to read."""

    tcb_info: Signed[TcbInfo]
    qe_identity: Signed[QeIdentity]
    root_ca_crl: bytes = field(repr=False)
    pck_crl: bytes = field(repr=False)
    pck_crl_certificates: bytes = field(repr=False)

    @classmethod
    def parse(cls, data: bytes) -> "Collateral":
        """Read a collateral, or remember having read it.

        Raises:
            MalformedEvidenceError: another member, type or spelling, or a document that is none.
        """
        return _parse(data)


@dataclass(frozen=True, kw_only=True)
class TcbData:
    """The TCB info and QE identity that count; authentic, their dates not yet judged.

    Attributes:
        signers: chain of each one's signer.
    """

    tcb_info: TcbInfo
    qe_identity: QeIdentity
    signers: tuple[tuple[Certificate, ...], ...]

    @property
    def documents(self) -> tuple[Issued, ...]:
        """Give both."""
        return self.tcb_info, self.qe_identity

    def marks(self) -> dict[bytes, Mark]:
        """Say how new they are, by signer's key and subject.

        One key signs for every kind of machine, and Intel's service dates each answer when it is
        asked; so a mark by key alone would refuse a machine whose data is as good as ever because
        that of another was fetched later.
        """
        subjects = (self.tcb_info.id.encode() + self.tcb_info.fmspc, self.qe_identity.id.encode())
        return {
            hashlib.sha256(chain[0].spki_sha256 + subject).digest(): Mark(
                number=one.evaluation, time=one.issue_date
            )
            for one, chain, subject in zip(self.documents, self.signers, subjects, strict=True)
        }


def read_collaterals(context: Context) -> tuple[Collateral, ...]:
    """Read everything stapled of this type.

    What does not parse is passed over if anything else does: it could as well have been left out.

    Raises:
        MalformedEvidenceError: nothing parses.
        UnjudgedError: there is none.
    """
    stapled = of_type(context.endorsements, "tdx-collateral")
    return tuple(Collateral.parse(data) for data in _holding(stapled, Collateral.parse))


def select(
    collaterals: Iterable[Collateral],
    *,
    tdx: bool,
    pck: PckIdentity,
    anchors: Sequence[Anchor],
    now: int,
) -> TcbData:
    """Pick the newest authentic TCB info for this machine, and QE identity.

    Args:
        collaterals: everything stapled.
        tdx: whether the quote is of TDX; else of SGX.
        pck: of the machine.
        anchors: the pinned roots.
        now: Unix seconds, for the dates of the signers' certificates.

    Raises:
        AppraisalError: nothing stapled is authentic, or nothing authentic is for this machine.
        MalformedEvidenceError: a chain does not parse.
        UnjudgedError: nothing is stapled.
    """
    kind, enclave = ("TDX", "TD_QE") if tdx else ("SGX", "QE")
    authentic = _holding(collaterals, lambda one: check_authentic(one, anchors, now))
    infos = _holding(
        [one.tcb_info for one in authentic], lambda one: check_fits(one.content, kind, pck)
    )
    identities = _holding(
        [one.qe_identity for one in authentic], lambda one: _check_enclave(one.content, enclave)
    )
    info = max(infos, key=lambda one: one.content.newness)
    identity = max(identities, key=lambda one: one.content.newness)
    return TcbData(
        tcb_info=info.content,
        qe_identity=identity.content,
        signers=(read_chain(info.certificates), read_chain(identity.certificates)),
    )


def check_authentic(one: Collateral, anchors: Sequence[Anchor], now: int) -> None:
    """Judge the three chains and two signatures of a collateral; dates only of certificates.

    Raises:
        AppraisalError: one does not hold.
        MalformedEvidenceError: a chain does not parse.
    """
    one.tcb_info.authenticate(anchors, now)
    one.qe_identity.authenticate(anchors, now)
    check_crl_issuer(read_chain(one.pck_crl_certificates), anchors, now)


def check_fits(info: TcbInfo, kind: str, pck: PckIdentity) -> None:
    """Judge that a TCB info is about this kind of machine.

    Raises:
        AppraisalError: about another.
    """
    found = (info.id, info.fmspc.hex(), info.pce_id.hex())
    wanted = (kind, pck.fmspc.hex(), pck.pce_id.hex())
    if found != wanted:
        raise AppraisalError(
            "TCB info",
            expected="TCB info of {} for FMSPC {}, PCE id {}".format(*wanted),
            actual="of {} for FMSPC {}, PCE id {}".format(*found),
        )


def check_current(data: TcbData, now: int) -> None:
    """Judge that both documents hold now.

    Raises:
        AppraisalError: one does not.
    """
    for one in data.documents:
        if not one.issue_date <= now <= one.next_update:
            raise AppraisalError(
                one.id,
                expected=f"{one.id} data valid at {now}",
                actual=f"valid from {one.issue_date} to {one.next_update}",
            )


def check_age(data: TcbData, now: int, age: int) -> None:
    """Judge that both documents are younger than the policy asks.

    Raises:
        AppraisalError: one is older.
    """
    for one in data.documents:
        if now - one.issue_date > age:
            raise AppraisalError(
                one.id,
                expected=f"{one.id} data at most {age} s old",
                actual=f"{now - one.issue_date} s old",
            )


def check_evaluation(data: TcbData, lowest: int) -> None:
    """Judge that Intel knew enough when it issued both documents.

    Raises:
        AppraisalError: a tcbEvaluationDataNumber is below the floor.
    """
    for one in data.documents:
        if one.evaluation < lowest:
            raise AppraisalError(
                "tcbEvaluationDataNumber",
                expected=f"tcbEvaluationDataNumber {lowest} or higher in {one.id}",
                actual=str(one.evaluation),
            )


def check_crl_issuer(chain: Sequence[Certificate], anchors: Sequence[Anchor], now: int) -> None:
    """Judge the chain that names the issuer of the PCK CRL: a CA directly below the root.

    The CRL itself is held to the CA of the quote's chain; this only keeps out collateral that
    contradicts itself.

    Raises:
        AppraisalError: another chain.
    """
    check_roles(chain, PCK_CA_NAMES, (ROOT_NAME,))
    issuer, root = chain
    check_path((root,), anchors=anchors, now=now)
    check_issued(issuer, root)
    if not (issuer.is_ca and issuer.not_before <= now <= issuer.not_after):
        raise AppraisalError(
            "CRL issuer", expected=f"{issuer.name} a CA, valid at {now}", actual="it is not"
        )


def _check_enclave(identity: QeIdentity, enclave: str) -> None:
    if identity.id != enclave:
        raise AppraisalError(
            "QE identity", expected=f"QE identity of {enclave}", actual=f"of {identity.id}"
        )


def _holding(parts: Iterable[Part], check: Callable[[Part], object]) -> list[Part]:
    """Give the parts that pass; if none does, raise what was wrong with the first."""
    held, errors = [], []
    for part in parts:
        try:
            check(part)
        except (AppraisalError, MalformedEvidenceError) as error:
            errors.append(error)
        else:
            held.append(part)
    if not held:
        raise errors[0] if errors else UnjudgedError("there is no TDX collateral")
    return held


@lru_cache(maxsize=KEPT_COLLATERAL)
def _parse(data: bytes) -> Collateral:
    try:
        members = parse_object(data, limit=MAX_ENDORSEMENT, name="collateral")
        collateral = Collateral(
            tcb_info=_signed(members, "tcb_info", TcbInfo.parse),
            qe_identity=_signed(members, "qe_identity", QeIdentity.parse),
            root_ca_crl=_hex(members, "root_ca_crl"),
            pck_crl=_hex(members, "pck_crl"),
            pck_crl_certificates=_pem(members, "pck_crl_issuer_chain"),
        )
        members.end()
    except StrictJSONError as error:
        raise MalformedEvidenceError(str(error)) from error
    return collateral


def _signed(members: Members, key: str, read: Callable[[bytes], Content]) -> Signed[Content]:
    text = members.text(key, limit=MAX_DOCUMENT).encode()
    return Signed(
        text=text,
        content=read(text),
        signature=members.hex(f"{key}_signature", size=SIGNATURE_SIZE),
        certificates=_pem(members, f"{key}_issuer_chain"),
    )


def _pem(members: Members, key: str) -> bytes:
    return members.text(key, limit=MAX_CERTIFICATES).encode()


def _hex(members: Members, key: str) -> bytes:
    """Take bytes of any length, written as lower-case hex."""
    text = members.text(key, limit=2 * MAX_CRL)
    if not re.fullmatch(r"(?:[0-9a-f]{2})+", text, re.ASCII):
        raise StrictJSONError(f"{members.name}.{key}: expected lower-case hex")
    return bytes.fromhex(text)
