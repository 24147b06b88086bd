"""Every byte of a quote counts: flip it, and the quote is refused. The exceptions are listed.

The same for collateral, of which every seventh byte is tried: all of them take a minute.
"""

import json
from collections.abc import Iterator

from attestation import der
from attestation.tdx.evidence import Quote
from tests.fakes.intel import intel

VENDOR = intel()
QUOTE = VENDOR.quote()
CONTEXT = VENDOR.context()
CERTIFICATE = b"-----END CERTIFICATE-----\n"

TOLERATED = {"certificates": "the line end behind a certificate may be LF or CR"}
"""Field of the quote and why a byte of it may change; nothing that is signed is among them."""


def flips(byte: int) -> tuple[int, ...]:
    """Flip the lowest bit; a line end also into the other one."""
    return (1, 7) if byte in b"\r\n" else (1,)


def altered() -> Iterator[tuple[int, bytes]]:
    for offset, byte in enumerate(QUOTE):
        for flip in flips(byte):
            quote = bytearray(QUOTE)
            quote[offset] ^= flip
            yield offset, bytes(quote)


def expected() -> set[int]:
    """Give the offsets of the line ends behind certificates."""
    found = set()
    at = QUOTE.find(CERTIFICATE)
    while at >= 0:
        found.add(at + len(CERTIFICATE) - 1)
        at = QUOTE.find(CERTIFICATE, at + 1)
    return found


def field_at(offset: int) -> str:
    return next(one.name for one in Quote.parse(QUOTE).table() if offset < one.offset + one.size)


def test_the_quote_is_accepted_as_it_is():
    assert not VENDOR.not_passed(QUOTE, CONTEXT)


def test_every_flipped_byte_is_refused_or_listed():
    accepted = {offset for offset, quote in altered() if not VENDOR.not_passed(quote, CONTEXT)}
    table = Quote.parse(QUOTE).table()
    fields = {
        one.name
        for one in table
        for offset in accepted
        if one.offset <= offset < one.offset + one.size
    }
    assert accepted == expected()
    assert fields == set(TOLERATED)
    assert len(accepted) <= len(QUOTE) // 50


def test_flipped_bytes_of_collateral_are_refused():
    collateral = VENDOR.collateral()
    accepted = set()
    for offset in range(0, len(collateral), 7):
        altered = bytearray(collateral)
        altered[offset] ^= 1
        if not VENDOR.not_passed(QUOTE, VENDOR.context(bytes(altered))):
            accepted.add(offset)
    assert accepted <= {spare_bits(collateral, name) for name in ("root_ca_crl", "pck_crl")}


def spare_bits(collateral: bytes, name: str) -> int:
    """Give the offset of the digit that counts spare bits of a CRL's signature.

    A signature that ends in a zero bit may be written as one bit shorter. It stays the same
    signature over the same list, and nothing is named by a list's bytes.
    """
    text: str = json.loads(collateral)[name]
    signature = der.children(der.whole(bytes.fromhex(text), der.SEQUENCE))[2]
    return collateral.index(text.encode()) + 2 * signature.offset + 1


def test_every_missing_tail_is_refused():
    for size in (*range(0, 1400, 7), *range(len(QUOTE) - 40, len(QUOTE))):
        assert VENDOR.not_passed(QUOTE[:size], CONTEXT), size
