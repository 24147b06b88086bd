"""Endorsements that several platforms share: certificate chains and revocation lists.

RFC 5280, section 5. A list says something only if it is signed by the issuer it speaks for, and an
issuer without a list is not one that revoked nothing. Whoever staples endorsements is hostile, so
of several lists by one issuer the newest counts, `check_recency` holds it to its dates and the
policy's age, and `check_floors` to the status entry's floors and everything accepted before.
"""

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509.oid import ExtensionOID

from attestation import der
from attestation.certificates import HASHES, Certificate
from attestation.checks import Checks
from attestation.claims import Context
from attestation.errors import AppraisalError, MalformedEvidenceError, UnjudgedError
from attestation.evidence import Endorsement
from attestation.policy import NO_MARK, Mark
from attestation.x509 import X509_ERRORS, seconds, signature_hash

CRL_UNDERSTOOD = frozenset({x509.OID_AUTHORITY_KEY_IDENTIFIER, ExtensionOID.CRL_NUMBER})
"""Extensions of a CRL that change nothing about what it lists. Delta and partial CRLs do."""

MAX_CRL_NUMBER = 2**53 - 1
"""Highest CRL number: those of vendors are counters or times, and ours travel in JSON."""

TOLERANCE = 86400
"""Seconds an endorsement may be older than the newest accepted from its issuer. Some vendors date a
list anew at every download, and two nodes of one service download at different hours."""

KEPT_CRLS = 32
"""Parsed lists remembered, and pairs of list and issuer remembered as signed."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Crl:
    """A parsed revocation list; unsigned paper until its issuer is found. Equal by every byte.

    Attributes:
        issuer_der: distinguished name of who is said to have signed it, as it is spelled.
        number: CRL number; the newer list has the higher.
        this_update: when it was made, Unix seconds.
        next_update: when the next one is due at the latest.
        serials: of the certificates it revokes; all positive.
    """

    der: bytes = field(repr=False)
    issuer_der: bytes = field(repr=False)
    number: int
    this_update: int
    next_update: int
    signature_hash: str
    serials: frozenset[int] = field(repr=False)
    parsed: x509.CertificateRevocationList = field(repr=False)

    @classmethod
    def parse(cls, der: bytes) -> "Crl":
        """Read a complete, direct CRL.

        Raises:
            MalformedEvidenceError: not one, or without number or next update.
        """
        try:
            # The library warns of serial numbers that are not positive; `_serials` refuses them.
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", CryptographyDeprecationWarning)
                return _crl(der, x509.load_der_x509_crl(der))
        except x509.ExtensionNotFound as error:
            raise MalformedEvidenceError("CRL: has no number") from error
        except X509_ERRORS as error:
            raise MalformedEvidenceError("CRL: does not parse") from error

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Crl) and self.der == other.der

    def __hash__(self) -> int:
        return hash(self.der)

    @property
    def mark(self) -> Mark:
        """Say how new it is."""
        return Mark(number=self.number, time=self.this_update)

    def is_signed_by(self, issuer: Certificate) -> bool:
        """Say whether the issuer's key signed this list, and was allowed to."""
        usage = issuer.key_usage
        if self.signature_hash not in HASHES:
            return False
        if not issuer.is_ca or (usage is not None and not usage.crl_sign):
            return False
        return _is_signed(self, issuer)

    def lists(self, serial: int) -> bool:
        """Say whether a certificate of this issuer is revoked."""
        return serial in self.serials


def of_type(endorsements: Iterable[Endorsement], kind: str) -> tuple[bytes, ...]:
    """Give the bytes of all endorsements of one type."""
    return tuple(one.data for one in endorsements if one.type == kind)


def signed_crls(ders: Iterable[bytes], issuers: Sequence[Certificate]) -> dict[bytes, Crl]:
    """Give the newest CRL by each of these CAs, by SHA-256 of its key; others are passed over.

    A list that does not parse is passed over like one nobody signed: whoever staples it could as
    well have left it out, and its absence is what `check_revocation` refuses.
    """
    crls = list(_parsed(ders))
    found = {}
    for issuer in issuers:
        signed = [crl for crl in crls if crl.is_signed_by(issuer)]
        if signed:
            found[issuer.spki_sha256] = max(signed, key=lambda crl: (crl.number, crl.this_update))
    return found


def marks(crls: Mapping[bytes, Crl]) -> dict[bytes, Mark]:
    """Give what a client remembers of lists it accepted: issuer to how new."""
    return {issuer: crl.mark for issuer, crl in crls.items()}


def oldest(found: Iterable[Mapping[bytes, Mark]]) -> dict[bytes, Mark]:
    """Give what a client remembers of several: issuer to the oldest.

    The oldest, because one machine's fresh answer says nothing about another's.
    """
    together: dict[bytes, Mark] = {}
    for some in found:
        for issuer, mark in some.items():
            known = together.get(issuer, mark)
            together[issuer] = min(known, mark, key=lambda one: (one.number, one.time))
    return together


def check_revocation(
    pairs: Iterable[tuple[Certificate, Certificate]], crls: Mapping[bytes, Crl]
) -> None:
    """Judge that every certificate has a list by its issuer that omits it.

    Args:
        pairs: certificate and issuer.
        crls: by SHA-256 of the issuer's key, signed.

    Raises:
        AppraisalError: a certificate is revoked.
        UnjudgedError: none is, as far as the lists go, and there is no list by an issuer.
    """
    missing = []
    for certificate, issuer in pairs:
        crl = crls.get(issuer.spki_sha256)
        if crl is None:
            missing.append(issuer.name)
        elif certificate.serial < 0:
            raise AppraisalError(
                "serial number",
                expected=f"{certificate.name} with a serial number that a CRL can name",
                actual="a negative one",
            )
        elif crl.lists(certificate.serial):
            raise AppraisalError(
                "revocation",
                expected=f"{certificate.name} not on the CRL of {issuer.name}",
                actual=f"revoked in CRL number {crl.number}",
            )
    if missing:
        raise UnjudgedError(f"there is no CRL signed by {' or by '.join(dict.fromkeys(missing))}")


def check_recency(crls: Mapping[bytes, Crl], context: Context, chain: Sequence[Certificate]) -> int:
    """Judge that every list is inside its validity and the policy's age; give its last such second.

    Args:
        crls: by SHA-256 of the issuer's key, signed.
        context: with the time and the policy's ages.
        chain: that the lists are about; its last certificate is the root.

    Raises:
        AppraisalError: one is not.
        UnjudgedError: there is none.
    """
    if not crls:
        raise UnjudgedError("there is no CRL")
    ends = []
    for issuer, crl in crls.items():
        ages = context.policy.ages
        age = ages.root_crl if issuer == chain[-1].spki_sha256 else ages.crl
        _check_current(crl, context.now, age)
        ends.append(min(crl.next_update, crl.this_update + age))
    return min(ends)


def is_held_to_floors(context: Context) -> bool:
    """Say whether anything is asked of endorsements beyond their own dates and the policy's ages.

    At a client's first look, or without a service, there is neither floor nor memory; then there
    is nothing that 2.floors could test.
    """
    floors = context.floors
    least = max(floors.tcb_evaluation, context.policy.tcb_evaluation)
    return bool(floors.crl or context.newest.marks or least)


def judge_floors(checks: Checks, context: Context, test: Callable[[], None]) -> None:
    """Run 2.floors, where there is a floor or a memory to hold endorsements to."""
    if is_held_to_floors(context):
        checks.run("2.floors", test)
    else:
        checks.not_asked("2.floors", "there is no floor, and nothing was accepted before")


def check_floors(found: Mapping[bytes, Mark], context: Context) -> None:
    """Judge that no endorsement is below the floors, or older than what was accepted before.

    Args:
        found: issuer to how new its endorsement is.
        context: with the status entry's floors and the client's memory.

    Raises:
        AppraisalError: one is.
        UnjudgedError: there is none.
    """
    if not found:
        raise UnjudgedError("there is no endorsement by a known issuer")
    for issuer, mark in found.items():
        floor = context.floors.crl.get(issuer, NO_MARK)
        newest = context.newest.marks.get(issuer, NO_MARK)
        lowest = Mark(
            number=max(floor.number, newest.number),
            time=max(floor.time, newest.time - TOLERANCE),
        )
        if mark.number < lowest.number:
            raise AppraisalError(
                "number", expected=f"number {lowest.number} or newer", actual=str(mark.number)
            )
        if mark.time < lowest.time:
            raise AppraisalError(
                "date", expected=f"made at {lowest.time} or later", actual=f"made at {mark.time}"
            )


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


def _crl(der: bytes, loaded: x509.CertificateRevocationList) -> Crl:
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
        der=der,
        issuer_der=_issuer(der),
        number=number,
        this_update=seconds(loaded.last_update_utc),
        next_update=seconds(loaded.next_update_utc),
        signature_hash=signature_hash(loaded),
        serials=_serials(loaded),
        parsed=loaded,
    )


def _issuer(crl: bytes) -> bytes:
    """Cut the issuer's name out of a list: behind the version, if there is one, and algorithm."""
    signed, *_ = der.children(der.whole(crl, der.SEQUENCE))
    parts = der.children(signed)
    issuer = parts[1 + (parts[0].tag == der.INTEGER)]
    return crl[issuer.start : issuer.end]


def _serials(loaded: x509.CertificateRevocationList) -> frozenset[int]:
    serials = frozenset(entry.serial_number for entry in loaded)
    if any(serial <= 0 for serial in serials):
        raise MalformedEvidenceError("CRL: lists a serial number that is not positive")
    return serials


def _parsed(ders: Iterable[bytes]) -> Iterable[Crl]:
    for one in ders:
        try:
            yield _parse(one)
        except MalformedEvidenceError:
            continue


@lru_cache(maxsize=KEPT_CRLS)
def _parse(der: bytes) -> Crl:
    return Crl.parse(der)


@lru_cache(maxsize=KEPT_CRLS)
def _is_signed(crl: Crl, issuer: Certificate) -> bool:
    """Check a list's issuer and signature. Remembered by every byte of both."""
    if crl.issuer_der != issuer.subject_der:
        return False
    try:
        return crl.parsed.is_signature_valid(issuer.public_key)  # type: ignore[arg-type]
    except (InvalidSignature, TypeError, ValueError, UnsupportedAlgorithm):
        return False
