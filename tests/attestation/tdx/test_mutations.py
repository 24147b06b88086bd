"""Every byte of a quote counts: flip it, and the quote is refused. The exceptions are listed."""

from collections.abc import Iterator

import pytest

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


# A flipped name may become a country, which the library warns of before the name is compared.
@pytest.mark.filterwarnings("ignore:Attribute's length:UserWarning")
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


def test_every_missing_tail_is_refused():
    for size in (*range(0, 1400, 7), *range(len(QUOTE) - 40, len(QUOTE))):
        assert VENDOR.not_passed(QUOTE[:size], CONTEXT), size
