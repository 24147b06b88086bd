"""OCSP answers: whether the vendor still stands by one certificate. RFC 6960, RFC 5019.

NVIDIA publishes answers, not lists, for its chains: one answer for one certificate, signed by a
responder that the certificate's own issuer delegated. An answer says something only if

1. it names the certificate: issuer's name, issuer's key and serial number;
2. a responder signed it whose certificate is inside, was issued by that issuer, is in its validity,
   and may answer (extended key usage); the issuer's own key never answers directly;
3. the status is good. Revoked, on hold and unknown refuse.

A responder's own certificate has no answer: the vendor marks it so (id-pkix-ocsp-nocheck), and lets
it live shortly. Of several answers for one certificate the newest counts. Whoever staples answers
is hostile, so age and floors are judged as of revocation lists.

Not asked for is the leaf of a device: the device's own burnt-in key issues it, which nobody can
ask. Its answer is the one for that key.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

from attestation import der
from attestation.ahead import Call
from attestation.certificates import (
    HASHES,
    Certificate,
    check_issued,
    read_certificate,
    seconds,
)
from attestation.claims import Context
from attestation.endorsements import check_floors, oldest
from attestation.errors import AppraisalError, MalformedEvidenceError, UnjudgedError
from attestation.policy import Mark
from attestation.x509 import X509_ERRORS

MAX_ANSWER = 2**14
"""Bytes of an answer; those of the vendor have about 1 KiB."""

MAX_RESPONDERS = 4
"""Certificates inside an answer; those of the vendor have one."""

NAMING_HASHES = frozenset({"sha1", "sha256", "sha384", "sha512"})
"""Hashes that may name an issuer. They find it; what binds an answer to it is its signature."""

UNDERSTOOD = frozenset(
    {ExtensionOID.KEY_USAGE, ExtensionOID.BASIC_CONSTRAINTS, ExtensionOID.EXTENDED_KEY_USAGE}
)
"""Extensions of a responder that may be critical."""

KEPT_ANSWERS = 256
"""Parsed answers remembered, and pairs of answer and issuer with who signed for it: the answers for
a vendor's CAs come with every bundle, those for chips with every bundle of their machine."""

KEPT_NAMES = 64
"""Issuers remembered with the digests that name them."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Answer:
    """A parsed answer; worth something only once `check_status` returns. Equal by every byte.

    Attributes:
        der: all its bytes.
        serial: of the certificate it is about.
        naming_hash: that names the issuer in the next two.
        status: good, revoked or unknown.
        reason: why it is revoked, if it says so.
        this_update: when it was true, Unix seconds.
        next_update: when there is a newer one at the latest.
        responders: the certificates inside.
        algorithm: hash of the signature.
        signed: the bytes that are signed.
        signature: over them.
    """

    der: bytes = field(repr=False)
    serial: int
    naming_hash: str
    issuer_name_hash: bytes
    issuer_key_hash: bytes
    status: ocsp.OCSPCertStatus
    reason: str
    this_update: int
    next_update: int
    responders: tuple[Certificate, ...]
    algorithm: hashes.HashAlgorithm
    signed: bytes = field(repr=False)
    signature: bytes = field(repr=False)

    @classmethod
    def parse(cls, data: bytes) -> "Answer":
        """Read an endorsement of type `ocsp`: a basic response about one certificate, DER.

        Raises:
            MalformedEvidenceError: not one, without a next update, or over a limit.
        """
        if len(data) > MAX_ANSWER:
            raise MalformedEvidenceError(f"OCSP: more than {MAX_ANSWER} bytes")
        try:
            return _answer(data, ocsp.load_der_ocsp_response(data))
        except X509_ERRORS as error:
            raise MalformedEvidenceError("OCSP: does not parse") from error

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Answer) and self.der == other.der

    def __hash__(self) -> int:
        return hash(self.der)

    @property
    def mark(self) -> Mark:
        """Say how new it is; answers have no number."""
        return Mark(number=0, time=self.this_update)

    def names(self, certificate: Certificate, issuer: Certificate) -> bool:
        """Say whether it is about this certificate of this issuer."""
        named = (self.issuer_name_hash, self.issuer_key_hash)
        return self.serial == certificate.serial and named == _naming(issuer, self.naming_hash)


Pair = tuple[Certificate, Certificate]
"""A certificate and its issuer."""


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What holds for certificates that the vendor stands by: until when, on which answers."""

    expires: int
    marks: Mapping[bytes, Mark]


def is_responder(certificate: Certificate) -> bool:
    """Say whether an issuer made this certificate to answer for it.

    Raises:
        MalformedEvidenceError: its extended key usage is not of its form.
    """
    value = certificate.extensions.get(ExtensionOID.EXTENDED_KEY_USAGE)
    if value is None:
        return False
    usages = der.children(der.whole(value, der.SEQUENCE))
    return ExtendedKeyUsageOID.OCSP_SIGNING.dotted_string in {der.oid(one) for one in usages}


def check_status(pairs: Sequence[Pair], ders: Iterable[bytes], context: Context) -> Standing:
    """Judge that the vendor stands by every certificate.

    Args:
        pairs: what is asked about.
        ders: stapled answers, about these certificates or others. One that does not parse is
            passed over like one that nobody stapled: its absence is what refuses.
        context: time, ages, floors and memory.

    Raises:
        AppraisalError: a status is not good, or an answer is old or below a floor.
        UnjudgedError: none is bad, and there is no answer about a certificate.
    """
    answers = signed_answers(pairs, ders, context.now)
    for (certificate, _issuer), answer in answers.items():
        _check_good(certificate, answer)
    missing = [pair[0].name for pair in pairs if pair not in answers]
    if missing:
        raise UnjudgedError(f"there is no OCSP answer about {' or about '.join(missing)}")
    for answer in answers.values():
        _check_current(answer, context)
    found, age = marks(answers), context.policy.ages.ocsp
    check_floors(found, context)
    return Standing(
        expires=min(min(one.next_update, one.this_update + age) for one in answers.values()),
        marks=found,
    )


def signed_answers(pairs: Sequence[Pair], ders: Iterable[bytes], now: int) -> dict[Pair, Answer]:
    """Give the newest answer about each certificate that a responder of its issuer signed."""
    answers = list(_parsed(ders))
    found = {}
    for certificate, issuer in pairs:
        about = [one for one in answers if one.names(certificate, issuer)]
        signed = [one for one in about if _is_signed(one, issuer, now)]
        if signed:
            found[certificate, issuer] = max(signed, key=lambda one: one.this_update)
    return found


def status_verifications(pairs: Sequence[Pair], ders: Iterable[bytes]) -> Iterator[Call]:
    """Give the verifications of signatures that `check_status` will ask for, in that order."""
    answers = list(_parsed(ders))
    return (
        partial(_signers, answer, issuer)
        for certificate, issuer in pairs
        for answer in answers
        if answer.names(certificate, issuer)
    )


def marks(answers: Mapping[Pair, Answer]) -> dict[bytes, Mark]:
    """Give what a client remembers: issuer to the oldest of the answers under it."""
    return oldest({issuer.spki_sha256: one.mark} for (_certificate, issuer), one in answers.items())


def _check_good(certificate: Certificate, answer: Answer) -> None:
    if answer.status is not ocsp.OCSPCertStatus.GOOD:
        raise AppraisalError(
            "revocation",
            expected=f"{certificate.name} good",
            actual=answer.status.name.lower() + (f" ({answer.reason})" if answer.reason else ""),
        )


def _check_current(answer: Answer, context: Context) -> None:
    now, age = context.now, context.policy.ages.ocsp
    if not answer.this_update <= now <= answer.next_update:
        raise AppraisalError(
            "OCSP",
            expected=f"valid at {now}",
            actual=f"valid from {answer.this_update} to {answer.next_update}",
        )
    if now - answer.this_update > age:
        raise AppraisalError(
            "OCSP", expected=f"at most {age} s old", actual=f"{now - answer.this_update} s old"
        )


def _is_signed(answer: Answer, issuer: Certificate, now: int) -> bool:
    """Say whether a responder that the issuer delegated, valid now, signed this answer."""
    signers = _signers(answer, issuer)
    return any(responder.not_before <= now <= responder.not_after for responder in signers)


@lru_cache(maxsize=KEPT_ANSWERS)
def _signers(answer: Answer, issuer: Certificate) -> tuple[Certificate, ...]:
    """Give the responders of an issuer that signed an answer. Remembered by every byte of both.

    Nothing in it depends on the time: validity, age and floors are judged anew every time.
    """
    return tuple(
        responder
        for responder in answer.responders
        if _may_answer(responder, issuer) and _verifies(answer, responder)
    )


def _may_answer(responder: Certificate, issuer: Certificate) -> bool:
    """Say whether an issuer delegated this responder; dates are not looked at."""
    usage = responder.key_usage
    try:
        check_issued(responder, issuer)
        delegated = is_responder(responder)
    except (AppraisalError, MalformedEvidenceError):
        return False
    return (
        delegated
        and not responder.is_ca
        and (usage is None or usage.digital_signature)
        and responder.critical <= UNDERSTOOD
    )


def _verifies(answer: Answer, responder: Certificate) -> bool:
    key = responder.public_key
    if not isinstance(key, ec.EllipticCurvePublicKey) or answer.algorithm.name not in HASHES:
        return False
    try:
        key.verify(answer.signature, answer.signed, ec.ECDSA(answer.algorithm))
    except InvalidSignature:
        return False
    return True


@lru_cache(maxsize=KEPT_NAMES)
def _naming(issuer: Certificate, algorithm: str) -> tuple[bytes, bytes]:
    """Give the digests that name an issuer: of its name, and of its key without its algorithm."""
    spki = issuer.public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    _algorithm, key = der.children(der.whole(spki, der.SEQUENCE))
    name = issuer.subject.public_bytes()
    digests = [hashlib.new(algorithm, one).digest() for one in (name, key.content[1:])]
    return digests[0], digests[1]


def _answer(data: bytes, response: ocsp.OCSPResponse) -> Answer:
    if response.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
        raise MalformedEvidenceError("OCSP: the responder gave no answer")
    for extension in (*response.extensions, *response.single_extensions):
        if extension.critical:
            raise MalformedEvidenceError("OCSP: an unknown critical extension")
    algorithm, next_update = response.signature_hash_algorithm, response.next_update_utc
    if algorithm is None or response.hash_algorithm.name not in NAMING_HASHES:
        raise MalformedEvidenceError("OCSP: an unknown hash")
    if next_update is None or len(response.certificates) > MAX_RESPONDERS:
        raise MalformedEvidenceError("OCSP: without a next update, or with too many certificates")
    reason = response.revocation_reason
    return Answer(
        der=data,
        serial=response.serial_number,
        naming_hash=response.hash_algorithm.name,
        issuer_name_hash=response.issuer_name_hash,
        issuer_key_hash=response.issuer_key_hash,
        status=response.certificate_status,
        reason="" if reason is None else reason.value,
        this_update=seconds(response.this_update_utc),
        next_update=seconds(next_update),
        responders=tuple(
            read_certificate(one.public_bytes(Encoding.DER)) for one in response.certificates
        ),
        algorithm=algorithm,
        signed=response.tbs_response_bytes,
        signature=response.signature,
    )


def _parsed(ders: Iterable[bytes]) -> Iterable[Answer]:
    for data in ders:
        try:
            yield _parse(data)
        except MalformedEvidenceError:
            continue


@lru_cache(maxsize=KEPT_ANSWERS)
def _parse(data: bytes) -> Answer:
    return Answer.parse(data)
