"""A revocation list counts if its issuer signed it, completely, and recently."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st

from attestation.certificates import parse_chain
from attestation.claims import Context
from attestation.endorsements import (
    TOLERANCE,
    Crl,
    check_floors,
    check_recency,
    check_revocation,
    marks,
    of_type,
    signed_crls,
)
from attestation.errors import (
    AppraisalError,
    AttestationError,
    MalformedEvidenceError,
    UnjudgedError,
)
from attestation.evidence import Endorsement
from attestation.policy import Ages, AppraisalPolicy, Floors, Mark, NewestAccepted
from attestation.simulated.issuing import Authority, Validity, issue, new_key, pem, revocation_list

NOW = 1_800_000_000
LONG = Validity(not_before=NOW - 1000, not_after=NOW + 1000)
ROOT = issue("root", new_key(), by=None, validity=LONG, is_ca=True)
CA = issue("ca", new_key(), by=ROOT, validity=LONG, is_ca=True)
LEAF = issue("leaf", new_key(), by=CA, validity=LONG)
CHAIN = parse_chain(pem(LEAF.chain))
SERIAL = LEAF.certificate.serial_number


def crl(by: Authority = CA, number: int = 5, *revoked: int, validity: Validity = LONG) -> bytes:
    return revocation_list(by, number=number, validity=validity, revoked=revoked)


def found(*lists: bytes) -> dict[bytes, Crl]:
    return signed_crls(lists, CHAIN[1:])


def judge(*lists: bytes) -> None:
    check_revocation(pairwise(CHAIN), found(*lists))


def context(now: int = NOW, age: int = 10**6, root_age: int = 10**6, **limits) -> Context:
    policy = AppraisalPolicy(platforms=("sev-snp",), ages=Ages(crl=age, root_crl=root_age))
    limits = {"floors": Floors(), "newest": NewestAccepted(), **limits}
    return Context(now=now, endorsements=(), policy=policy, **limits)


def recency(*lists: bytes, now: int = NOW, age: int = 10**6, root_age: int = 10**6) -> int:
    return check_recency(found(*lists), context(now, age, root_age), CHAIN)


def floors(*lists: bytes, **limits) -> None:
    check_floors(marks(found(*lists)), context(**limits))


def test_accepts_lists_by_every_issuer():
    judge(crl(), crl(ROOT))
    made = NOW - 1000
    newest = marks(found(crl(), crl(ROOT, 7)))
    assert set(newest.values()) == {Mark(number=5, time=made), Mark(number=7, time=made)}


@pytest.mark.parametrize(
    "lists",
    [
        (),
        (crl(),),
        (crl(ROOT),),
        (crl(ROOT), crl(issue("ca", new_key(), by=ROOT, validity=LONG, is_ca=True))),
        (crl(ROOT), crl(LEAF)),
        (crl(ROOT), crl()[:-1]),
        (crl(ROOT), b""),
    ],
)
def test_an_issuer_without_a_list_of_its_own_refuses(lists: tuple[bytes, ...]):
    with pytest.raises(UnjudgedError, match="no CRL signed by"):
        judge(*lists)


def test_a_missing_list_hides_no_revocation():
    with pytest.raises(AppraisalError, match="revoked"):
        judge(crl(CA, 5, SERIAL))


def test_refuses_what_its_issuer_lists():
    with pytest.raises(AppraisalError, match="revoked in CRL number 5"):
        judge(crl(CA, 5, SERIAL), crl(ROOT))
    with pytest.raises(AppraisalError, match="ca not on the CRL of root"):
        judge(crl(), crl(ROOT, 5, CA.certificate.serial_number))


def test_what_another_issuer_lists_is_not_revoked():
    judge(crl(), crl(ROOT, 5, SERIAL))


def test_the_newest_list_counts():
    with pytest.raises(AppraisalError, match="revoked"):
        judge(crl(CA, 5), crl(CA, 6, SERIAL), crl(ROOT))
    judge(crl(CA, 5, SERIAL), crl(CA, 6), crl(ROOT))


def test_a_ca_that_may_not_sign_lists_signs_none():
    usage = CHAIN[1].key_usage
    assert usage is not None
    forbidden = replace(CHAIN[1], key_usage=CHAIN[0].key_usage)
    assert not Crl.parse(crl()).is_signed_by(forbidden)
    assert Crl.parse(crl()).is_signed_by(CHAIN[1])


def test_a_list_under_another_name_is_not_the_issuers():
    renamed = issue("another", CA.key, by=ROOT, validity=LONG, is_ca=True)
    assert CHAIN[1].spki_sha256 not in found(crl(renamed))


def test_recency_gives_the_last_good_second():
    assert recency(crl(), crl(ROOT)) == NOW + 1000
    assert recency(crl(), crl(ROOT), age=1500) == NOW + 500


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"now": NOW + 1001}, "valid at"),
        ({"now": NOW - 1001}, "valid at"),
        ({"age": 999}, "at most 999 s old"),
        ({"root_age": 998}, "at most 998 s old"),
    ],
)
def test_refuses_a_list_that_is_not_recent(changes, reason: str):
    with pytest.raises(AppraisalError, match=reason):
        recency(crl(), crl(ROOT), **changes)


def test_a_roots_list_has_an_age_of_its_own():
    """Roots are offline; AMD and Intel publish their lists once a year."""
    assert recency(crl(), crl(ROOT), age=1500, root_age=1200) == NOW + 200
    assert recency(crl(ROOT), age=1) == NOW + 1000


def test_a_serial_number_that_no_list_can_name_is_refused():
    negative = replace(CHAIN[0], serial=-5)
    assert not Crl.parse(crl()).lists(-5)
    with pytest.raises(AppraisalError, match="a CRL can name"):
        check_revocation([(negative, CHAIN[1])], found(crl()))


def test_refuses_recency_of_nothing():
    with pytest.raises(UnjudgedError, match="no CRL"):
        recency()
    with pytest.raises(UnjudgedError, match="no endorsement"):
        floors()


def below(**mark: int) -> Mapping[bytes, Mark]:
    return {CHAIN[1].spki_sha256: Mark(**mark)}


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ({"floors": Floors(crl=below(number=6))}, "number 6 or newer"),
        ({"floors": Floors(crl=below(time=NOW - 999))}, "made at"),
        ({"newest": NewestAccepted(marks=below(number=6))}, "number 6 or newer"),
        ({"newest": NewestAccepted(marks=below(time=NOW - 999 + TOLERANCE))}, "made at"),
    ],
)
def test_refuses_a_list_below_a_floor(limits, reason: str):
    with pytest.raises(AppraisalError, match=reason):
        floors(crl(), crl(ROOT), **limits)


@pytest.mark.parametrize(
    "limits",
    [
        {"floors": Floors(crl={bytes(32): Mark(number=99, time=NOW)})},
        {"floors": Floors(crl=below(number=5, time=NOW - 1000))},
        {"newest": NewestAccepted(marks=below(number=5, time=NOW - 1000 + TOLERANCE))},
    ],
)
def test_accepts_a_list_at_its_floor(limits):
    floors(crl(), crl(ROOT), **limits)


def built(*extensions: tuple[x509.ExtensionType, bool]) -> bytes:
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(CA.certificate.subject)
        .last_update(datetime.fromtimestamp(NOW, UTC))
        .next_update(datetime.fromtimestamp(NOW + 9, UTC))
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    return builder.sign(CA.key, hashes.SHA384()).public_bytes(Encoding.DER)


PARTIAL = x509.IssuingDistributionPoint(
    full_name=[x509.UniformResourceIdentifier("http://example.org")],
    relative_name=None,
    only_contains_user_certs=False,
    only_contains_ca_certs=True,
    only_some_reasons=None,
    indirect_crl=False,
    only_contains_attribute_certs=False,
)
UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.32473.9"), b"\x05\x00")
NUMBER = (x509.CRLNumber(5), False)


@pytest.mark.parametrize(
    ("extensions", "reason"),
    [
        ((), "no number"),
        (((x509.CRLNumber(2**53), False),), "out of range"),
        ((NUMBER, (UNKNOWN, True)), "unknown critical"),
        ((NUMBER, (x509.DeltaCRLIndicator(4), True)), "critical"),
        ((NUMBER, (x509.DeltaCRLIndicator(4), False)), "not a complete list"),
        ((NUMBER, (PARTIAL, False)), "not a complete list"),
    ],
)
def test_refuses_a_list_that_does_not_say_everything(extensions, reason: str):
    with pytest.raises(MalformedEvidenceError, match=reason):
        Crl.parse(built(*extensions))


def test_gives_the_endorsements_of_a_type():
    both = [Endorsement(type="rim", data=b"r"), Endorsement(type="ocsp", data=b"o")]
    assert of_type(both, "rim") == (b"r",)


DER = crl()
SIGNED = len(x509.load_der_x509_crl(DER).tbs_certlist_bytes)
"""Bytes, after a head of three, that the signature covers; its own encoding may have spare bits."""


@settings(deadline=None)
@given(st.integers(3, 3 + SIGNED - 1), st.integers(1, 255))
def test_a_changed_list_is_not_signed(position: int, change: int):
    changed = bytearray(DER)
    changed[position] ^= change
    assert CHAIN[1].spki_sha256 not in found(bytes(changed))


@given(st.binary(max_size=200))
def test_any_bytes_give_a_list_or_this_packages_error(data: bytes):
    with pytest.raises(AttestationError):
        Crl.parse(data)
