"""The endorsement `tdx-collateral` as it arrives: nine texts, and who signed them.

docs/formats.md, 3.7. TCB info and QE identity are the exact texts that Intel signed, their
signatures hex of r ‖ s, the CRLs hex of DER, the issuer chains PEM. Our wrapper has one spelling;
what is inside the two documents is for `attestation.tdx.tcb_data`. Which of several count, and
until when, is for `attestation.tdx.collateral`.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Generic, TypeVar

from attestation.certificates import Anchor, Certificate, check_issued, check_path
from attestation.errors import AppraisalError, MalformedEvidenceError
from attestation.evidence import MAX_ENDORSEMENT
from attestation.sections import MAX_CERTIFICATES
from attestation.strict_json import Members, StrictJSONError, parse_object
from attestation.tdx.endorsements import (
    PCK_CA_NAMES,
    ROOT_NAME,
    TCB_SIGNER_NAME,
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


def check_authentic(one: Collateral, anchors: Sequence[Anchor], now: int) -> None:
    """Judge the three chains and two signatures of a collateral; dates only of certificates.

    Raises:
        AppraisalError: one does not hold.
        MalformedEvidenceError: a chain does not parse.
    """
    one.tcb_info.authenticate(anchors, now)
    one.qe_identity.authenticate(anchors, now)
    check_crl_issuer(read_chain(one.pck_crl_certificates), anchors, now)


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
