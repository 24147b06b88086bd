"""What is shown is what was judged, byte for byte."""

from dataclasses import replace

from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from attestation.checks import CHECKS
from attestation.tdx.evidence import Quote
from attestation.tdx.explain import CHECKS as FIELDS
from attestation.tdx.explain import explain
from attestation.tdx.layout import EnclaveReport, TdReport15
from tests.fakes.intel import intel

VENDOR = intel()
CONTEXT = VENDOR.context()
ROOT = VENDOR.root.certificate.public_bytes(Encoding.DER)
QUOTE = VENDOR.quote(version=5, kind=TdReport15)


def test_the_bytes_are_those_at_the_place_shown():
    grounds = explain(QUOTE, CONTEXT)
    shown = [one for one in grounds if one.part == "quote"]
    assert shown
    for one in shown:
        assert QUOTE[one.offset : one.offset + one.size] == one.value
    assert all(one.size == len(one.value) and one.check in CHECKS for one in grounds)


def test_every_field_named_is_one_of_some_quote():
    quotes = (QUOTE, VENDOR.quote(version=3, kind=EnclaveReport))
    known = {one.name for quote in quotes for one in Quote.parse(quote).table()}
    assert set(FIELDS) <= known


def test_certificates_and_documents_are_shown_whole():
    grounds = {(one.part, one.field): one.value for one in explain(QUOTE, CONTEXT)}
    assert grounds["certificate 2", "certificate"] == ROOT
    assert grounds["collateral 0", "tcb_info"].startswith(b'{"id":"TDX"')
    assert len(grounds["collateral 0", "qe_identity_signature"]) == 64


def test_what_does_not_parse_has_no_grounds():
    assert explain(b"no quote", replace(CONTEXT, endorsements=())) == ()
    without = explain(VENDOR.quote(certificates=b"no chain"), CONTEXT)
    assert not [one for one in without if one.check == "2.chain"]


@given(st.binary(max_size=300), st.binary(max_size=100))
def test_any_bytes_are_explained_or_passed_over(quote: bytes, collateral: bytes):
    explain(quote, VENDOR.context(collateral))
