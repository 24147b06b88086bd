"""Endorsements that several platforms share: certificate chains and revocation lists.

RFC 5280, section 5. A list says something only if it is signed by the issuer it speaks for, and an
issuer without a list is not one that revoked nothing. Whoever staples endorsements is hostile, so
of several lists by one issuer the newest counts, and `check_recency` holds it to the policy's age,
the status entry's floors and everything accepted before.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.x509.oid import ExtensionOID

from attestation.certificates import HASHES, X509_ERRORS, Certificate, seconds, signature_hash
from attestation.errors import AppraisalError, MalformedEvidenceError
from attestation.evidence import Endorsement
from attestation.policy import Floors, NewestAccepted

CRL_UNDERSTOOD = frozenset({x509.OID_AUTHORITY_KEY_IDENTIFIER, ExtensionOID.CRL_NUMBER})
"""Extensions of a CRL that change nothing about what it lists. Delta and partial CRLs do."""

MAX_CRL_NUMBER = 2**53 - 1
"""Highest CRL number: those of vendors are counters or times, and ours travel in JSON."""


@dataclass(frozen=True, kw_only=True)
class Crl:
    """A parsed revocation list; unsigned paper until `signed_by` has found its issuer.

    Attributes:
        number: CRL number; the newer list has the higher.
        this_update: when it was made, Unix seconds.
        next_update: when the next one is due at the latest.
    """

    issuer: x509.Name
    number: int
    this_update: int
    next_update: int
    signature_hash: str
    parsed: x509.CertificateRevocationList = field(repr=False)

    @classmethod
    def parse(cls, der: bytes) -> "Crl":
        """Read a complete, direct CRL.

        Raises:
            MalformedEvidenceError: not one, or without number or next update.
        """
        try:
            loaded = x509.load_der_x509_crl(der)
            return _crl(loaded)
        except x509.ExtensionNotFound as error:
            raise MalformedEvidenceError("CRL: has no number") from error
        except X509_ERRORS as error:
            raise MalformedEvidenceError("CRL: does not parse") from error

    def is_signed_by(self, issuer: Certificate) -> bool:
        """Say whether the issuer's key signed this list, and was allowed to."""
        usage = issuer.key_usage
        if self.issuer != issuer.subject or self.signature_hash not in HASHES:
            return False
        if not issuer.is_ca or (usage is not None and not usage.crl_sign):
            return False
        try:
            return self.parsed.is_signature_valid(issuer.public_key)  # type: ignore[arg-type]
        except (InvalidSignature, TypeError, ValueError, UnsupportedAlgorithm):
            return False

    def lists(self, serial: int) -> bool:
        """Say whether a certificate of this issuer is revoked."""
        return self.parsed.get_revoked_certificate_by_serial_number(serial) is not None


def of_type(endorsements: Iterable[Endorsement], kind: str) -> tuple[bytes, ...]:
    """Give the bytes of all endorsements of one type."""
    return tuple(one.data for one in endorsements if one.type == kind)


def signed_crls(
    endorsements: Iterable[Endorsement], chain: Sequence[Certificate]
) -> dict[bytes, Crl]:
    """Give the newest CRL by each CA of the chain, by SHA-256 of its key; others are passed over.

    A list that does not parse is passed over like one nobody signed: whoever staples it could as
    well have left it out, and its absence is what `check_revocation` refuses.
    """
    crls = list(_parsed(of_type(endorsements, "x509-crl")))
    found = {}
    for issuer in chain[1:]:
        signed = [crl for crl in crls if crl.is_signed_by(issuer)]
        if signed:
            found[issuer.spki_sha256] = max(signed, key=lambda crl: crl.number)
    return found


def numbers(crls: Mapping[bytes, Crl]) -> dict[bytes, int]:
    """Give what a client remembers of lists it accepted: issuer to number."""
    return {issuer: crl.number for issuer, crl in crls.items()}


def check_revocation(chain: Sequence[Certificate], crls: Mapping[bytes, Crl]) -> None:
    """Judge that every certificate below the root has a list by its issuer that omits it.

    Raises:
        AppraisalError: there is no list by an issuer, or a certificate is revoked.
    """
    for certificate, issuer in pairwise(chain):
        crl = crls.get(issuer.spki_sha256)
        if crl is None:
            raise AppraisalError("CRL", expected=f"a CRL signed by {issuer.name}", actual="none")
        if crl.lists(certificate.serial):
            raise AppraisalError(
                "revocation",
                expected=f"{certificate.name} not on the CRL of {issuer.name}",
                actual=f"revoked in CRL number {crl.number}",
            )


def check_recency(
    crls: Mapping[bytes, Crl], *, now: int, age: int, floors: Floors, newest: NewestAccepted
) -> int:
    """Judge that every list is recent; give the last second at which it still is.

    Raises:
        AppraisalError: outside its validity, older than `age`, or below a floor or what was
            accepted before; or there is no list at all.
    """
    if not crls:
        raise AppraisalError("CRL", expected="a CRL by each issuer", actual="none")
    for issuer, crl in crls.items():
        _check_current(crl, now, age)
        lowest = max(floors.crl.get(issuer, 0), newest.crl.get(issuer, 0))
        if crl.number < lowest:
            raise AppraisalError(
                "CRL number", expected=f"{lowest} or newer", actual=str(crl.number)
            )
    return min(min(crl.next_update, crl.this_update + age) for crl in crls.values())


def _check_current(crl: Crl, now: int, age: int) -> None:
    if not crl.this_update <= now <= crl.next_update:
        raise AppraisalError(
            "CRL",
            expected=f"valid at {now}",
            actual=f"valid from {crl.this_update} to {crl.next_update}",
        )
    if now - crl.this_update > age:
        raise AppraisalError(
            "CRL", expected=f"at most {age} s old", actual=f"{now - crl.this_update} s old"
        )


def _crl(loaded: x509.CertificateRevocationList) -> Crl:
    number = loaded.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    for extension in loaded.extensions:
        if extension.critical and extension.oid not in CRL_UNDERSTOOD:
            raise MalformedEvidenceError("CRL: an unknown critical extension")
        if isinstance(extension.value, x509.DeltaCRLIndicator | x509.IssuingDistributionPoint):
            raise MalformedEvidenceError("CRL: not a complete list")
    if loaded.next_update_utc is None:
        raise MalformedEvidenceError("CRL: has no next update")
    if not 0 <= number <= MAX_CRL_NUMBER:
        raise MalformedEvidenceError("CRL: its number is out of range")
    return Crl(
        issuer=loaded.issuer,
        number=number,
        this_update=seconds(loaded.last_update_utc),
        next_update=seconds(loaded.next_update_utc),
        signature_hash=signature_hash(loaded),
        parsed=loaded,
    )


def _parsed(crls: Iterable[bytes]) -> Iterable[Crl]:
    for der in crls:
        try:
            yield Crl.parse(der)
        except MalformedEvidenceError:
            continue
