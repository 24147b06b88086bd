"""A quote has one spelling: every length is that of what is inside; unknown kinds are refused."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from attestation.errors import AttestationError, MalformedEvidenceError
from attestation.evidence import MAX_QUOTE
from attestation.tdx.evidence import Quote
from attestation.tdx.fields import fields
from attestation.tdx.layout import EnclaveReport, TdReport10, TdReport15
from tests.fakes.intel import intel
from tests.fakes.intel_parts import FMSPC

VENDOR = intel()
V3 = VENDOR.quote(version=3, kind=EnclaveReport)
V4 = VENDOR.quote()
V5 = VENDOR.quote(version=5, kind=TdReport15)


def test_parts_are_where_the_sheet_says():
    quote = Quote.parse(V4)
    assert quote.signed == V4[:632]
    assert quote.bytes_of("body") == V4[48:632]
    assert quote.signature == V4[636:700]
    assert quote.attestation_key == V4[700:764]
    quote = Quote.parse(V5)
    assert quote.signed == V5[: 54 + 648]
    assert V5[48:54] == b"\x03\x00\x88\x02\x00\x00"
    assert (quote.body_type, quote.bytes_of("body")) == (3, V5[54 : 54 + 648])
    assert Quote.parse(V3).signed == V3[:432]


@pytest.mark.parametrize("data", [V3, V4, V5])
def test_parts_and_fields_leave_no_gap(data: bytes):
    quote = Quote.parse(data)
    for places in (quote.parts.values(), quote.table()):
        end = 0
        for place in places:
            assert place.offset == end
            end += place.size
        assert end == len(data) == quote.signed_length


def test_trailing_bytes_are_counted_and_ignored():
    quote = Quote.parse(V4 + b"\x00extra")
    assert (quote.data, quote.trailing_bytes, quote.signed_length) == (V4, 6, len(V4))


def test_final_nuls_are_not_part_of_the_chain():
    pem = VENDOR.machine.pem
    for certificates in (pem, pem + b"\0", pem + b"\0\0"):
        quote = VENDOR.quote(certificates=certificates)
        assert Quote.parse(quote).certificates == pem


def number(value: int, size: int) -> bytes:
    return value.to_bytes(size, "little")


@pytest.mark.parametrize(
    ("data", "name", "value", "text"),
    [
        (V4, "header.version", number(2, 2), "version 2"),
        (V4, "header.version", number(6, 2), "version 6"),
        (V4, "header.version", number(3, 2), "version 3"),
        (V4, "header.version", number(5, 2), "no known body"),
        (V5, "header.version", number(4, 2), "is cut"),
        (V4, "header.att_key_type", number(3, 2), "attestation key type 3"),
        (V4, "header.att_key_type", number(0, 2), "attestation key type 0"),
        (V4, "header.tee_type", number(1, 4), "TEE type 0x1"),
        (V4, "header.tee_type", number(0, 4), "is cut|certification"),
        (V3, "header.tee_type", number(0x81, 4), "TEE type 0x81"),
        (V5, "body_type", number(0, 2), "no known body"),
        (V5, "body_type", number(1, 2), "no known body"),
        (V5, "body_type", number(4, 2), "no known body"),
        (V5, "body_type", number(2, 2), "a body of type 2 has 584"),
        (V5, "body_size", number(584, 4), "a body of type 3 has 648"),
        (V4, "signature_data_size", number(0, 4), "signature is cut"),
        (V4, "signature_data_size", number(2**32 - 1, 4), "the signature data is cut"),
        (V4, "signature_data_size", number(len(V4) - 637, 4), "outer_cert_size says"),
        (V4, "outer_cert_type", number(5, 2), "of type 5, not 6"),
        (V4, "outer_cert_size", number(2**32 - 1, 4), "outer_cert_size says"),
        (V4, "qe_auth_size", number(2**16 - 1, 2), "qe_auth is cut"),
        (V4, "qe_auth_size", number(31, 2), "certification data of type"),
        (V4, "cert_type", number(6, 2), "of type 6, not 5"),
        (V4, "cert_type", number(1, 2), "of type 1, not 5"),
        (V4, "cert_size", number(0, 4), "cert_size says 0 bytes"),
        (V3, "cert_size", number(2**32 - 1, 4), "cert_size says"),
    ],
)
def test_refuses_other_kinds_and_lengths(data: bytes, name: str, value: bytes, text: str):
    place = next(one for one in Quote.parse(data).table() if one.name == name)
    assert len(value) == place.size
    altered = data[: place.offset] + value + data[place.offset + place.size :]
    with pytest.raises(MalformedEvidenceError, match=text):
        Quote.parse(altered)


def test_refuses_every_cut_and_what_is_too_large():
    for data in (V3, V4, V5):
        for size in range(0, len(data), 11):
            with pytest.raises(MalformedEvidenceError):
                Quote.parse(data[:size])
    assert Quote.parse(V4 + bytes(MAX_QUOTE - len(V4))).trailing_bytes == MAX_QUOTE - len(V4)
    with pytest.raises(MalformedEvidenceError, match="at most"):
        Quote.parse(V4 + bytes(MAX_QUOTE - len(V4) + 1))


def test_fields_have_the_published_names():
    found = fields(Quote.parse(V5))
    assert found["tee_type"] == "0x81"
    assert (found["version"], found["body_type"], found["outer_cert_type"]) == (5, 3, 6)
    assert found["fmspc"] == FMSPC.hex()
    assert found["pck_serial"] == f"{VENDOR.machine.certificate.serial_number:x}"
    assert found["pck_issuer"] == "Intel SGX PCK Platform CA"
    assert {"tee_tcb_svn2", "mr_service_td", "rt_mr3", "sept_ve_disable"} <= set(found)
    found = fields(Quote.parse(V3))
    assert found["tee_type"] == "0x0"
    assert {"outer_cert_type", "body_type", "mr_td"}.isdisjoint(found)
    assert found["isv_prod_id"] == 2


def test_fields_of_a_quote_without_a_readable_chain_name_no_certificate():
    found = fields(Quote.parse(VENDOR.quote(certificates=b"no chain")))
    assert "pck_serial" not in found
    assert found["mr_td"] == "11" * 48


@given(st.binary(max_size=2000))
@example(b"")
def test_any_bytes_give_a_quote_or_this_packages_error(data: bytes):
    try:
        quote = Quote.parse(data)
    except AttestationError:
        return
    fields(quote)


@given(
    st.sampled_from([V3, V4, V5]),
    st.lists(st.tuples(st.integers(0, 1500), st.integers(0, 255)), min_size=1, max_size=6),
)
def test_any_altered_quote_gives_a_quote_or_this_packages_error(data: bytes, changes):
    altered = bytearray(data)
    for position, value in changes:
        altered[position] = value
    try:
        quote = Quote.parse(bytes(altered))
    except MalformedEvidenceError:
        return
    assert quote.data + bytes(altered[quote.signed_length :]) == altered
    assert isinstance(quote.body, TdReport10 | EnclaveReport)
