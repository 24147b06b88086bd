"""One spelling of each value, one error for everything else."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from attestation import der
from attestation.errors import MalformedEvidenceError


def element(tag: int, content: bytes) -> bytes:
    """Write DER, the other way round and independently."""
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(octets)]) + octets + content


@given(st.integers(0, 0x1E), st.binary(max_size=700))
def test_reads_what_was_written(tag: int, content: bytes):
    found = der.whole(element(tag, content), tag)
    assert found.content == content
    assert found.end == len(element(tag, content))


def test_offsets_of_children_count_from_the_outermost_byte():
    inner = element(der.SEQUENCE, element(der.INTEGER, b"\x07") + element(der.OCTET_STRING, b"ab"))
    data = element(der.SEQUENCE, element(der.INTEGER, b"\x01") + inner)
    first, second = der.children(der.whole(data, der.SEQUENCE))
    seven, text = der.children(second)
    assert (der.integer(first), der.integer(seven)) == (1, 7)
    for child in (first, second, seven, text):
        assert data[child.start] == child.tag
        assert data[child.offset : child.end] == child.content


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "nothing"),
        (b"\x30", "cut before the length"),
        (b"\x30\x01", "cut content"),
        (b"\x30\x80\x00\x00", "indefinite length"),
        (b"\x30\x81\x01\x00", "length longer than it needs to be"),
        (b"\x30\x82\x00\x80" + bytes(128), "length with a leading zero"),
        (b"\x30\x81", "cut length"),
        (b"\x30\x85\x01\x00\x00\x00\x00", "length of five bytes"),
        (b"\x30\x84\xff\xff\xff\xff", "length of 4 GiB"),
        (b"\x1f\x81\x00\x00", "tag of several bytes"),
        (b"\x30\x00\x00", "byte left over"),
        (b"\x31\x00", "another tag"),
    ],
)
def test_refuses(data: bytes, why: str):
    with pytest.raises(MalformedEvidenceError):
        der.whole(data, der.SEQUENCE)


def test_refuses_more_children_than_anybody_needs():
    many = element(der.SEQUENCE, element(der.INTEGER, b"\x01") * (der.MAX_CHILDREN + 1))
    with pytest.raises(MalformedEvidenceError, match="more than 64"):
        der.children(der.whole(many, der.SEQUENCE))


@pytest.mark.parametrize(
    ("content", "value"),
    [(b"\x00", 0), (b"\x7f", 127), (b"\x00\x80", 128), (b"\x80", -128), (b"\xff\x7f", -129)],
)
def test_reads_an_integer(content: bytes, value: int):
    assert der.integer(der.read(element(der.INTEGER, content))) == value


@pytest.mark.parametrize("content", [b"", b"\x00\x7f", b"\xff\x80", b"\x00\x00"])
def test_refuses_an_integer_longer_than_it_needs_to_be(content: bytes):
    with pytest.raises(MalformedEvidenceError):
        der.integer(der.read(element(der.INTEGER, content)))


def test_refuses_an_integer_of_more_digits_than_anybody_can_be_shown():
    content = b"\x7f" * der.MAX_INTEGER
    assert der.integer(der.read(element(der.INTEGER, content))) == int(content.hex(), 16)
    with pytest.raises(MalformedEvidenceError, match="1 to 64 bytes"):
        der.integer(der.read(element(der.INTEGER, content + b"\x7f")))


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("2a8648ce3d0301", "1.2.840.10045.3.1"),
        ("2b060104019c7801030a", "1.3.6.1.4.1.3704.1.3.10"),
        ("2a864886f84d010d01", "1.2.840.113741.1.13.1"),
        ("550403", "2.5.4.3"),
        ("883703", "2.999.3"),
    ],
)
def test_reads_an_object_identifier(content: str, text: str):
    assert der.oid(der.read(element(der.OID, bytes.fromhex(content)))) == text


@pytest.mark.parametrize("content", ["", "2a86", "2a8001", "2a908080808001"])
def test_refuses_a_bad_object_identifier(content: str):
    with pytest.raises(MalformedEvidenceError):
        der.oid(der.read(element(der.OID, bytes.fromhex(content))))


def test_reads_what_the_library_writes():
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    data = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    algorithm, _ = der.children(der.whole(data, der.SEQUENCE))
    names = [der.oid(one) for one in der.children(algorithm)]
    assert names == ["1.2.840.10045.2.1", "1.2.840.10045.3.1.7"]


@given(st.binary(max_size=200), st.integers(0, 255))
def test_any_bytes_give_a_value_or_this_packages_error(data: bytes, tag: int):
    try:
        found = der.whole(data, tag)
        for child in der.children(found):
            der.integer(child)
            der.oid(child)
    except MalformedEvidenceError:
        return
    assert element(tag, found.content) == data
