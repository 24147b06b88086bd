"""A strict reader of DER, for the few structures no library reads for us. X.690, sections 8 and 10.

It reads one level at a time and never descends by itself, so what it costs is bounded by what the
caller asks for. Lengths are definite and minimal, integers too; everything else is refused.

    30 03 02 01 07    SEQUENCE of 3 bytes: INTEGER of 1 byte: 7
"""

from typing import NamedTuple

from attestation.errors import MalformedEvidenceError

INTEGER = 0x02
BIT_STRING = 0x03
OCTET_STRING = 0x04
OID = 0x06
ENUMERATED = 0x0A
UTF8_STRING = 0x0C
IA5_STRING = 0x16
SEQUENCE = 0x30
SET = 0x31

MAX_LENGTH = 2**22
"""Bytes of an element; nothing here is larger than a bundle."""

MAX_CHILDREN = 64
"""Elements directly inside another; the longest known, a PCK certificate's TCB, has 18."""

MAX_INTEGER = 64
"""Bytes of an INTEGER. Serial numbers have 20 at most; thousands of digits cannot even be shown."""

MAX_ARC = 2**32 - 1
"""Highest arc of an object identifier."""


class Element(NamedTuple):
    """One element of a text of DER.

    Attributes:
        tag: its identifier byte.
        start: offset of that byte.
        end: offset after its last byte.
        content: the bytes inside.
    """

    tag: int
    start: int
    end: int
    content: bytes

    @property
    def offset(self) -> int:
        """Give the offset of the content."""
        return self.end - len(self.content)


def read(data: bytes, offset: int = 0, *, origin: int = 0) -> Element:
    """Read the element that begins at `offset`; `origin` is added to the offsets it gives.

    Raises:
        MalformedEvidenceError: none does, or its length is not DER.
    """
    if len(data) - offset < 2 or data[offset] & 0x1F == 0x1F:
        raise MalformedEvidenceError("DER: cut, or a tag of several bytes")
    size, first = data[offset + 1], offset + 2
    if size >= 0x80:
        size, first = _length(data, offset + 1)
    if size > len(data) - first:
        raise MalformedEvidenceError("DER: an element is cut")
    end = first + size
    content = data[first:end]
    return Element(tag=data[offset], start=origin + offset, end=origin + end, content=content)


def whole(data: bytes, tag: int) -> Element:
    """Read data that is exactly one element.

    Raises:
        MalformedEvidenceError: another tag, or bytes left over.
    """
    element = read(data)
    if element.tag != tag or element.end != len(data):
        raise MalformedEvidenceError(f"DER: expected one element of tag {tag:#04x}")
    return element


def children(element: Element) -> tuple[Element, ...]:
    """Read the elements directly inside; their offsets count from the same origin.

    Raises:
        MalformedEvidenceError: too many, or one that does not parse.
    """
    found: list[Element] = []
    content, origin = element.content, element.offset
    at = 0
    while at < len(content):
        if len(found) == MAX_CHILDREN:
            raise MalformedEvidenceError(f"DER: more than {MAX_CHILDREN} elements in one")
        child = read(content, at, origin=origin)
        at = child.end - origin
        found.append(child)
    return tuple(found)


def integer(element: Element) -> int:
    """Give an INTEGER, which may be negative.

    Raises:
        MalformedEvidenceError: not one, not its shortest spelling, or too long.
    """
    content = element.content
    if element.tag not in (INTEGER, ENUMERATED) or not 0 < len(content) <= MAX_INTEGER:
        raise MalformedEvidenceError(f"DER: expected an INTEGER of 1 to {MAX_INTEGER} bytes")
    if len(content) > 1 and content[0] in (0x00, 0xFF) and content[0] >> 7 == content[1] >> 7:
        raise MalformedEvidenceError("DER: an INTEGER is longer than it needs to be")
    return int.from_bytes(content, "big", signed=True)


def oid(element: Element) -> str:
    """Give an OBJECT IDENTIFIER in dotted form.

    Raises:
        MalformedEvidenceError: not one.
    """
    if element.tag != OID or not element.content or element.content[-1] & 0x80:
        raise MalformedEvidenceError("DER: expected an OBJECT IDENTIFIER")
    arcs: list[int] = []
    arc = 0
    for byte in element.content:
        if arc == 0 and byte == 0x80:
            raise MalformedEvidenceError("DER: an arc is longer than it needs to be")
        arc = arc << 7 | byte & 0x7F
        if arc > MAX_ARC:
            raise MalformedEvidenceError("DER: an arc is out of range")
        if not byte & 0x80:
            arcs.append(arc)
            arc = 0
    first = min(arcs[0] // 40, 2)
    return ".".join(str(one) for one in (first, arcs[0] - 40 * first, *arcs[1:]))


def _length(data: bytes, at: int) -> tuple[int, int]:
    """Give the length in several octets that begins at `at`, and the offset after it."""
    count = data[at] & 0x7F
    octets = data[at + 1 : at + 1 + count]
    size = int.from_bytes(octets, "big")
    canonical = 1 <= count <= 4 and len(octets) == count and octets[0] and size >= 0x80
    if not canonical or size > MAX_LENGTH:
        raise MalformedEvidenceError("DER: a length is indefinite, not minimal or too large")
    return size, at + 1 + count
