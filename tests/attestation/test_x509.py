"""Certificates are read as they arrive, AMD's serial number 0 included, without a warning."""

import hashlib
import warnings
from collections.abc import Callable
from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st

from attestation import der
from attestation.certificates import Anchor, check_issued, check_path
from attestation.errors import AppraisalError, MalformedEvidenceError
from attestation.simulated.issuing import Authority, Validity, issue, new_key, pem
from attestation.x509 import Certificate, armored, parse_certificate, parse_chain

NOW = 1_800_000_000
LONG = Validity(not_before=NOW - 1000, not_after=NOW + 1000)
ROOT = issue("root", new_key(), by=None, validity=LONG, is_ca=True)
LEAF = issue("leaf", new_key(), by=ROOT, validity=LONG)


def der_of(authority: Authority) -> bytes:
    return parse_chain(pem(authority.chain))[0].der


def resigned(certificate: bytes, serial: bytes, by: Authority = ROOT) -> bytes:
    """Give another serial number, signed anew: what the library refuses to build."""
    tbs, algorithm, _ = der.children(der.whole(certificate, der.SEQUENCE))
    version, old, *rest = der.children(tbs)
    content = b"".join(
        (
            certificate[version.start : version.end],
            bytes([der.INTEGER, len(serial)]) + serial,
            certificate[rest[0].start : rest[-1].end],
        )
    )
    assert old.tag == der.INTEGER
    body = sequence(content)
    signature = by.key.sign(body, ec.ECDSA(hashes.SHA384()))
    packed = bytes([der.BIT_STRING, len(signature) + 1, 0]) + signature
    return sequence(body + certificate[algorithm.start : algorithm.end] + packed)


def sequence(content: bytes) -> bytes:
    size = len(content).to_bytes(2, "big")
    return b"\x30\x82" + size + content


@pytest.mark.parametrize(
    ("serial", "value"),
    [(b"\x00", 0), (b"\x80", -128), (b"\xff\x7f", -129), (b"\x05", 5), (b"\x7f" * 20, None)],
)
def test_reads_a_serial_number_of_any_sign_without_a_warning(serial: bytes, value: int | None):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = parse_certificate(resigned(der_of(LEAF), serial))
    assert found.serial == (int.from_bytes(serial, "big") if value is None else value)
    check_issued(found, parse_certificate(der_of(ROOT)))


def test_reads_names_of_any_length_without_a_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the library warns whoever builds it, too
        name = x509.NameAttribute(x509.NameOID.COMMON_NAME, "leaf " * 20, _validate=False)
        built = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([name]))
            .issuer_name(ROOT.certificate.subject)
            .public_key(LEAF.key.public_key())
            .serial_number(1)
            .not_valid_before(LEAF.certificate.not_valid_before_utc)
            .not_valid_after(LEAF.certificate.not_valid_after_utc)
            .sign(ROOT.key, hashes.SHA384())
        )
        data = built.public_bytes(Encoding.DER)
    assert parse_certificate(data).name == "leaf " * 20


def with_extension(oid: str, value: bytes) -> bytes:
    """Write a certificate with an extension of any content."""
    return (
        x509.CertificateBuilder()
        .subject_name(LEAF.certificate.subject)
        .issuer_name(ROOT.certificate.subject)
        .public_key(LEAF.key.public_key())
        .serial_number(1)
        .not_valid_before(LEAF.certificate.not_valid_before_utc)
        .not_valid_after(LEAF.certificate.not_valid_after_utc)
        .add_extension(
            x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), value), critical=False
        )
        .sign(ROOT.key, hashes.SHA384())
        .public_bytes(Encoding.DER)
    )


def test_a_feature_of_tls_that_the_library_does_not_know_is_refused_and_no_error_of_its_own():
    with pytest.raises(MalformedEvidenceError):
        parse_certificate(with_extension("1.3.6.1.5.5.7.1.24", bytes.fromhex("3003020101")))


def test_a_serial_number_in_an_extension_warns_nobody():
    names = [x509.DirectoryName(ROOT.certificate.subject)]
    value = x509.AuthorityKeyIdentifier(None, names, 5).public_bytes()
    data = with_extension("2.5.29.35", value[:-1] + b"\x00")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert parse_certificate(data).name == "leaf"


def test_the_library_still_warns_of_such_a_serial_number():
    """Why the tolerant reader is there; once this turns into an error, nothing else changes."""
    with pytest.warns(Warning, match="serial"):
        x509.load_der_x509_certificate(resigned(der_of(LEAF), b"\x00"))


def test_the_signature_is_over_the_bytes_that_arrived():
    """The copy with a positive serial number vouches for nothing."""
    zero = resigned(der_of(LEAF), b"\x00")
    at = zero.index(b"\x02\x01\x00")
    as_read = zero[:at] + b"\x02\x01\x01" + zero[at + 3 :]
    check_issued(parse_certificate(zero), parse_certificate(der_of(ROOT)))
    with pytest.raises(AppraisalError, match="does not verify"):
        check_issued(parse_certificate(as_read), parse_certificate(der_of(ROOT)))


def test_fields_are_those_of_the_certificate():
    found = parse_certificate(der_of(LEAF))
    assert found.name == "leaf"
    assert found.sha256 == hashlib.sha256(der_of(LEAF)).digest()
    assert found.serial == LEAF.certificate.serial_number
    assert found.tbs == LEAF.certificate.tbs_certificate_bytes
    assert found.signature == LEAF.certificate.signature
    assert (found.not_before, found.not_after) == (LONG.not_before, LONG.not_after)


def test_pem_and_der_are_one_certificate():
    assert parse_certificate(der_of(LEAF)) == parse_certificate(armored(der_of(LEAF)))


def test_certificates_are_equal_by_every_byte():
    one = parse_certificate(der_of(LEAF))
    assert one == replace(one, name="another name")
    assert one != parse_certificate(der_of(issue("leaf", new_key(), by=ROOT, validity=LONG)))
    assert one != object()


BENT: list[tuple[str, Callable[[bytes], bytes]]] = [
    ("text before", lambda text: b"Bag Attributes\n" + text),
    ("text between", lambda text: text + b"x\n" + text),
    ("text after", lambda text: text + b"#"),
    ("NUL after", lambda text: text + b"\0"),
    ("space in the base64", lambda text: text.replace(b"\nMII", b"\n MII", 1)),
    ("another label", lambda text: text.replace(b"CERTIFICATE", b"X509 CRL")),
    ("no end", lambda text: text.split(b"-----END")[0]),
    ("empty", lambda text: b""),
    ("line ends only", lambda text: b"\n\n"),
    ("padding left out", lambda text: text.replace(b"=", b"")),
    ("spare bits", lambda text: spare_bits(text)),
    ("nine certificates", lambda text: text * 9),
    ("65 KiB", lambda text: text + b"\n" * 2**16),
]


def spare_bits(text: bytes) -> bytes:
    """Set a bit that base64 leaves unused; decoders that look away see the same bytes."""
    at = text.index(b"=") - 1
    alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    letter = alphabet[alphabet.index(text[at]) | 1]
    return text[:at] + bytes([letter]) + text[at + 1 :]


def padded_pem() -> bytes:
    """A certificate whose base64 ends with padding, whatever its signature's length."""
    while True:
        text = armored(der_of(issue("leaf", new_key(), by=ROOT, validity=LONG)))
        if b"=" in text:
            return text


@pytest.mark.parametrize("bend", [pytest.param(bend, id=name) for name, bend in BENT])
def test_refuses_a_chain_in_another_spelling(bend: Callable[[bytes], bytes]):
    text = padded_pem()
    assert parse_chain(text)
    assert parse_chain(b"\r\n" + text.replace(b"\n", b"\r\n"))
    with pytest.raises(MalformedEvidenceError):
        parse_chain(bend(text))


def test_refuses_two_certificates_where_one_is_expected():
    with pytest.raises(MalformedEvidenceError, match="found 2"):
        parse_certificate(pem(LEAF.chain))


def test_refuses_two_names_of_the_signature_algorithm():
    data = der_of(LEAF)
    _, algorithm, _ = der.children(der.whole(data, der.SEQUENCE))
    changed = bytearray(data)
    changed[algorithm.end - 1] ^= 1
    with pytest.raises(MalformedEvidenceError, match="two signature algorithms"):
        parse_certificate(bytes(changed))


def test_every_flipped_byte_of_a_certificate_is_refused():
    data, root = der_of(LEAF), parse_certificate(der_of(ROOT))
    for at in range(len(data)):
        changed = bytearray(data)
        changed[at] ^= 1 << at % 8
        with pytest.raises((AppraisalError, MalformedEvidenceError)):
            check_issued(Certificate.parse(bytes(changed)), root)


@given(st.binary(max_size=300))
@settings(max_examples=200)
def test_any_bytes_give_certificates_or_this_packages_error(data: bytes):
    for read in (parse_chain, parse_certificate, Certificate.parse):
        try:
            read(data)
        except MalformedEvidenceError:
            continue


def test_a_pinned_certificate_is_pinned_by_every_byte():
    root = parse_certificate(der_of(ROOT))
    again = issue("root", ROOT.key, by=None, validity=LONG, is_ca=True)  # same key, other bytes
    for authority, holds in ((ROOT, True), (again, False)):
        certificate = parse_certificate(der_of(authority))
        leaf = issue("leaf", new_key(), by=authority, validity=LONG)
        anchor = Anchor(
            platform="sev-snp",
            name="root",
            certificate_sha256=root.sha256,
            spki_sha256=root.spki_sha256,
        )
        chain = (parse_certificate(der_of(leaf)), certificate)
        if holds:
            check_path(chain, anchors=[anchor], now=NOW)
        else:
            with pytest.raises(AppraisalError, match="pinned root"):
                check_path(chain, anchors=[anchor], now=NOW)
