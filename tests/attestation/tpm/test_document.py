"""The `quote` of a `*-vtpm` platform is strict JSON of strict parts."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attestation.errors import MalformedEvidenceError
from attestation.tcg_log import Bank
from attestation.tpm.document import Azure, Direct, TpmQuote
from attestation.tpm.public import spki
from tests.fakes import tpm
from tests.fakes.tpm import b64, cloud, document, ec_ak, hcl_report, pcr_values, rsa_ak

HCL = hcl_report(bytes(1184), tpm.runtime_data(rsa_ak()))
HCL_TDX = hcl_report(bytes(1024), tpm.runtime_data(rsa_ak()), kind=tpm.TDX)
QUOTE = document({"quote": b"hardware"}, ec_ak(), pcr_values())


def changed(how: Callable[[dict[str, Any]], object]) -> bytes:
    whole = json.loads(QUOTE)
    how(whole)
    return json.dumps(whole).encode()


@pytest.mark.parametrize(
    "data",
    [
        QUOTE,
        document({"quote": b""}, rsa_ak(), pcr_values(), chain=cloud().chain(rsa_ak())),
        document({"hcl_report": HCL}, rsa_ak(), pcr_values()),
        document({"hcl_report": HCL_TDX, "td_quote": b"td"}, rsa_ak(), pcr_values()),
        document({"quote": b"q"}, ec_ak(), pcr_values(), members={"pcrs": {}}),
    ],
)
def test_reads_and_writes_the_same(data: bytes):
    assert TpmQuote.parse(data).encode() == data


def test_gives_the_parts():
    quote = TpmQuote.parse(QUOTE)
    assert quote.hardware == Direct(quote=b"hardware")
    assert spki(quote.ak) == ec_ak().spki
    assert quote.ak_chain is None
    assert quote.pcrs == {Bank.SHA384: pcr_values()}
    assert quote.attest.extra_data == b"challenge"
    azure = TpmQuote.parse(document({"hcl_report": HCL}, rsa_ak(), pcr_values())).hardware
    assert isinstance(azure, Azure)
    assert azure.td_quote is None


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "quote: not a JSON document"),
        (b"[]", "expected an object"),
        (b" " * 2**17, "at most 65536"),
        (QUOTE.replace(b'"version":1', b'"version":1,"version":1'), "a member is repeated"),
        (
            changed(lambda one: one.update(version=2)),
            r"quote.version: expected an integer of 1\.\.",
        ),
        (changed(lambda one: one.update(surprise=1)), "unknown member 'surprise'"),
        (changed(lambda one: one.pop("ak")), "member 'ak' is missing"),
        (changed(lambda one: one.update(ak=b64(rsa_ak("s", 1024).spki))), "AK: not RSA of 2048"),
        (changed(lambda one: one.update(ak=one["ak"] + "\n")), "not base64"),
        (changed(lambda one: one.update(message=b64(b"x"))), "quote message: is cut"),
        (changed(lambda one: one.update(message=b64(bytes(1025)))), "at most 1024 bytes"),
        (changed(lambda one: one.update(signature=b64(b"x"))), "quote signature: is cut"),
        (changed(lambda one: one.update(ak_certificates=b64(b"x"))), "chain: not PEM"),
        (changed(lambda one: one["hardware"].update(td_quote="")), "unknown member 'td_quote'"),
        (changed(lambda one: one["hardware"].pop("quote")), "member 'quote' is missing"),
        (
            changed(lambda one: one["hardware"].update(hcl_report=b64(HCL))),
            "unknown member 'quote'",
        ),
        (changed(lambda one: one["pcrs"].update(sha3={})), "no bank 'sha3'"),
        (changed(lambda one: one["pcrs"]["sha384"].update({"24": "00"})), "unknown member '24'"),
        (changed(lambda one: one["pcrs"]["sha384"].update({"01": "00"})), "unknown member '01'"),
        (changed(lambda one: one["pcrs"]["sha384"].update({"1": "00"})), "96 lower-case hex"),
        (changed(lambda one: one["pcrs"]["sha384"].update({"1": "FF" * 48})), "lower-case hex"),
    ],
)
def test_refuses_by_name(data: bytes, reason: str):
    with pytest.raises(MalformedEvidenceError, match=reason):
        TpmQuote.parse(data)


def test_the_form_of_the_hardware_decides_which_parts_there_are():
    with pytest.raises(MalformedEvidenceError, match="member 'td_quote' is missing"):
        TpmQuote.parse(document({"hcl_report": HCL_TDX}, rsa_ak(), pcr_values()))
    with pytest.raises(MalformedEvidenceError, match="unknown member 'td_quote'"):
        TpmQuote.parse(document({"hcl_report": HCL, "td_quote": b"q"}, rsa_ak(), pcr_values()))


def test_a_bare_signature_is_no_signature_here():
    bare = rsa_ak().sign(b"message")[6:]
    with pytest.raises(MalformedEvidenceError, match="quote signature"):
        TpmQuote.parse(document({"quote": b""}, rsa_ak(), pcr_values(), after={"signature": bare}))


@given(st.binary(max_size=200), st.integers(0, len(QUOTE)))
def test_any_bytes_are_a_document_or_refused(data: bytes, at: int):
    for whole in (data, QUOTE[:at] + data + QUOTE[at + len(data) :]):
        try:
            quote = TpmQuote.parse(whole)
        except MalformedEvidenceError:
            continue
        assert TpmQuote.parse(quote.encode()) == quote
