"""A path holds only if every name, signature, date and constraint from leaf to root does."""

import base64
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.name import _ASN1Type
from hypothesis import given, settings
from hypothesis import strategies as st

from attestation.certificates import (
    Anchor,
    Certificate,
    check_path,
    expiry,
    parse_chain,
    spki_sha256,
)
from attestation.errors import AppraisalError, AttestationError, MalformedEvidenceError
from attestation.simulated.issuing import Authority, Validity, issue, new_key, pem

NOW = 1_800_000_000
LONG = Validity(not_before=NOW - 1000, not_after=NOW + 1000)
PAST = Validity(not_before=NOW - 1000, not_after=NOW - 1)
FUTURE = Validity(not_before=NOW + 1, not_after=NOW + 1000)
ROOT = issue("root", new_key(), by=None, validity=LONG, is_ca=True)
CA = issue("ca", new_key(), by=ROOT, validity=LONG, is_ca=True, ca_path_length=0)
LEAF = issue("leaf", new_key(), by=CA, validity=LONG)
PIN = spki_sha256(ROOT.certificate.public_key())


def chain(authority: Authority = LEAF) -> tuple[Certificate, ...]:
    return parse_chain(pem(authority.chain))


def pin(spki: bytes = PIN, certificate: bytes | None = None) -> Anchor:
    return Anchor(
        platform="simulated", name="root", certificate_sha256=certificate, spki_sha256=spki
    )


def judge(certificates: tuple[Certificate, ...], **changes) -> None:
    check_path(certificates, **{"anchors": [pin()], "now": NOW, **changes})


def test_accepts_a_path_that_holds():
    judge(chain())
    judge(chain(), now=NOW - 1000)
    judge(chain(), now=NOW + 1000)
    assert expiry(chain()) == NOW + 1000


def leaf_of_other_root() -> Authority:
    root = issue("root", new_key(), by=None, validity=LONG, is_ca=True)
    ca = issue("ca", new_key(), by=root, validity=LONG, is_ca=True)
    return issue("leaf", new_key(), by=ca, validity=LONG)


def spliced(authority: Authority, *above: Authority) -> Authority:
    """The same certificate under other issuers."""
    certificates = tuple(one.certificate for one in above)
    return Authority(key=authority.key, certificate=authority.certificate, above=certificates)


def same_name_ca() -> Authority:
    return issue("ca", new_key(), by=ROOT, validity=LONG, is_ca=True)


def under_a_leaf() -> Authority:
    return issue("under", new_key(), by=LEAF, validity=LONG)


def too_deep() -> Authority:
    below = issue("below", new_key(), by=CA, validity=LONG, is_ca=True)
    return issue("leaf", new_key(), by=below, validity=LONG)


WRONG: dict[str, tuple[Callable[[], Authority], str]] = {
    "another root": (leaf_of_other_root, "root"),
    "another root above the same name": (lambda: spliced(LEAF, CA, leaf_root()), "root"),
    "a CA of the same name": (lambda: spliced(LEAF, same_name_ca(), ROOT), "does not verify"),
    "a CA left out": (lambda: spliced(LEAF, ROOT), "another issuer is named"),
    "order of the chain": (lambda: spliced(CA, LEAF, ROOT), "signed by"),
    "leaf expired": (lambda: issue("leaf", new_key(), by=CA, validity=PAST), "valid at"),
    "leaf of the future": (lambda: issue("leaf", new_key(), by=CA, validity=FUTURE), "valid at"),
    "CA expired": (
        lambda: issue("leaf", new_key(), by=expired_ca(), validity=LONG),
        "valid at",
    ),
    "a leaf as CA": (under_a_leaf, "not allowed to sign"),
    "too many CAs": (too_deep, "at most 0 CAs"),
    "a CA as leaf": (lambda: CA, "a signing leaf"),
    "a critical extension nobody knows": (
        lambda: issue_critical("1.3.6.1.4.1.32473.9"),
        r"1\.3\.6\.1\.4\.1\.32473\.9",
    ),
    "name constraints nobody heeds": (lambda: name_constrained(), "critical extension"),
}


def leaf_root() -> Authority:
    return issue("root", new_key(), by=None, validity=LONG, is_ca=True)


def expired_ca() -> Authority:
    return issue("ca", new_key(), by=ROOT, validity=PAST, is_ca=True)


def built(subject: str, by: Authority, *extensions: x509.ExtensionType) -> Authority:
    """A CA certificate with critical extensions of one's own choice."""
    key = new_key()
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, subject)]))
        .issuer_name(by.certificate.subject)
        .public_key(key.public_key())
        .serial_number(5)
        .not_valid_before(datetime.fromtimestamp(LONG.not_before, UTC))
        .not_valid_after(datetime.fromtimestamp(LONG.not_after, UTC))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=True)
    certificate = builder.sign(by.key, hashes.SHA384())
    return Authority(key=key, certificate=certificate, above=by.chain)


def issue_critical(oid: str) -> Authority:
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), b"\x05\x00")
    return issue("leaf", new_key(), by=built("ca", ROOT, unknown), validity=LONG)


def name_constrained() -> Authority:
    only = x509.NameConstraints([x509.DNSName("example.org")], None)
    return issue("leaf", new_key(), by=built("ca", ROOT, only), validity=LONG)


@pytest.mark.parametrize("name", sorted(WRONG))
def test_refuses(name: str):
    make, reason = WRONG[name]
    with pytest.raises(AppraisalError, match=reason):
        judge(chain(make()))


def test_accepts_a_critical_extension_that_the_caller_heeds():
    oid = "1.3.6.1.4.1.32473.9"
    judge(chain(issue_critical(oid)), understood=frozenset({x509.ObjectIdentifier(oid)}))


def test_refuses_a_weak_hash():
    weak = (
        x509.CertificateBuilder()
        .subject_name(CA.certificate.subject)
        .issuer_name(ROOT.certificate.subject)
        .public_key(CA.key.public_key())
        .serial_number(5)
        .not_valid_before(datetime.fromtimestamp(LONG.not_before, UTC))
        .not_valid_after(datetime.fromtimestamp(LONG.not_after, UTC))
        .sign(ROOT.key, hashes.SHA224())
    )
    with pytest.raises(AppraisalError, match="signed with one of"):
        judge(parse_chain(pem([LEAF.certificate, weak, ROOT.certificate])))


def test_a_pin_names_a_key_and_not_a_certificate():
    renewed = issue("root", ROOT.key, by=None, validity=LONG, is_ca=True)
    judge(chain(spliced(LEAF, CA, renewed)))


def unsigned_root() -> bytes:
    """The root with the last byte of its self-signature changed."""
    der = ROOT.certificate.public_bytes(Encoding.DER)
    return der[:-1] + bytes([der[-1] ^ 1])


def test_a_root_of_which_only_the_key_is_pinned_signs_itself():
    with pytest.raises(AppraisalError, match="root signed by root, found its signature does not"):
        judge(parse_chain(pem([LEAF.certificate, CA.certificate]) + armored(unsigned_root())))


def test_a_root_that_is_pinned_whole_needs_no_signature():
    certificates = parse_chain(pem([LEAF.certificate, CA.certificate]) + armored(unsigned_root()))
    judge(certificates, anchors=[pin(certificate=certificates[-1].sha256)])
    with pytest.raises(AppraisalError, match="pinned root"):
        judge(chain(), anchors=[pin(certificate=certificates[-1].sha256)])


def test_refuses_an_issuer_in_another_spelling():
    name = x509.NameAttribute(x509.NameOID.COMMON_NAME, "ca", _ASN1Type.PrintableString)
    assert x509.Name([name]) == CA.certificate.subject
    respelled = (
        x509.CertificateBuilder()
        .subject_name(LEAF.certificate.subject)
        .issuer_name(x509.Name([name]))
        .public_key(LEAF.key.public_key())
        .serial_number(5)
        .not_valid_before(datetime.fromtimestamp(LONG.not_before, UTC))
        .not_valid_after(datetime.fromtimestamp(LONG.not_after, UTC))
        .sign(CA.key, hashes.SHA384())
    )
    with pytest.raises(AppraisalError, match="another issuer is named"):
        judge(parse_chain(pem([respelled, CA.certificate, ROOT.certificate])))


@pytest.mark.parametrize("data", [b"", b"-----BEGIN", pem([LEAF.certificate] * 9), bytes(70000)])
def test_refuses_what_is_no_chain(data: bytes):
    with pytest.raises(MalformedEvidenceError):
        parse_chain(data)


@pytest.mark.parametrize(
    "key", [ed25519.Ed25519PrivateKey.generate(), rsa.generate_private_key(65537, 2048)]
)
def test_reads_keys_of_other_kinds(key):
    algorithm = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "other")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(5)
        .not_valid_before(datetime.fromtimestamp(LONG.not_before, UTC))
        .not_valid_after(datetime.fromtimestamp(LONG.not_after, UTC))
        .sign(key, algorithm)
    )
    parsed = parse_chain(pem([certificate]))
    assert parsed[0].name == "other"
    with pytest.raises(AppraisalError):
        judge(parsed)


DER = LEAF.certificate.public_bytes(Encoding.DER)


def armored(der: bytes) -> bytes:
    body = base64.encodebytes(der)
    return b"-----BEGIN CERTIFICATE-----\n" + body + b"-----END CERTIFICATE-----\n"


SIGNED = len(LEAF.certificate.tbs_certificate_bytes)
"""Bytes, after a head of four, that the signature covers; its own encoding may have spare bits."""


@settings(deadline=None)
@given(st.integers(4, 4 + SIGNED - 1), st.integers(1, 255))
def test_a_changed_certificate_is_refused_with_this_packages_error(position: int, change: int):
    changed = bytearray(DER)
    changed[position] ^= change
    with pytest.raises(AttestationError):
        judge(parse_chain(armored(bytes(changed)) + pem(CA.chain)))


def test_what_was_remembered_as_signed_vouches_for_no_other_signature():
    judge(parse_chain(armored(DER) + pem(CA.chain)))
    changed = DER[:-1] + bytes([DER[-1] ^ 1])  # the last byte of the signature's s
    with pytest.raises(AppraisalError, match="does not verify"):
        judge(parse_chain(armored(changed) + pem(CA.chain)))


@settings(deadline=None)
@given(st.integers(0, len(DER) - 1), st.integers(1, 255))
def test_a_changed_certificate_gives_no_other_error(position: int, change: int):
    changed = bytearray(DER)
    changed[position] ^= change
    try:
        judge(parse_chain(armored(bytes(changed)) + pem(CA.chain)))
    except AttestationError:
        return


def test_reads_serial_numbers_of_which_the_parser_warns():
    at = DER.index(b"\xa0\x03\x02\x01\x02\x02") + 7
    changed = bytearray(DER)
    changed[at] |= 0x80  # negative; one vendor issues zero
    assert parse_chain(armored(bytes(changed)))[0].name == "leaf"


@given(st.binary(max_size=200))
def test_any_der_gives_a_chain_or_this_packages_error(der: bytes):
    with pytest.raises(AttestationError):
        parse_chain(armored(der))
