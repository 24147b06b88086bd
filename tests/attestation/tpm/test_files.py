"""Raw files of an Azure guest are judged like the bundle they make."""

import json

import pytest

from attestation.errors import MalformedEvidenceError
from attestation.parts import read_parts
from attestation.tcg_log import Bank
from attestation.tpm.document import Azure, TpmQuote
from attestation.tpm.evidence import Attest
from attestation.tpm.files import azure_quote, parse_pcrs, selected
from attestation.verifier import verify_parts
from attestation.x509 import parse_chain
from tests.fakes.amd import NOW
from tests.fakes.tpm import SHA256, message, pcr_values, selection
from tests.fakes.vtpm_bundles import azure_snp, azure_tdx, direct_snp


def files_of(data: bytes) -> dict[str, list[bytes]]:
    quote = TpmQuote.parse(data)
    document = json.loads(quote.encode())
    hardware = quote.hardware
    assert isinstance(hardware, Azure)
    td_quote = hardware.td_quote
    return {
        "hcl_report": [hardware.hcl.encode()],
        **({} if td_quote is None else {"td_quote": [td_quote]}),
        "quote_message": [quote.message],
        "quote_signature": [quote.signature.encode()],
        "pcrs": [json.dumps(document["pcrs"]).encode()],
    }


@pytest.mark.parametrize("make", [azure_snp, azure_tdx])
def test_files_are_judged_as_what_they_are(make):
    machine = make()
    files = [
        (name, data) for name, some in files_of(machine.bundle().quote).items() for data in some
    ]
    for one in machine.endorsements:
        if one.type == "x509-chain":
            leaf, ask, ark = (each.der for each in parse_chain(one.data))
            files += [("leaf", leaf), ("intermediates", ask), ("root", ark)]
        else:
            files.append(("crl" if one.type == "x509-crl" else "collateral", one.data))
    parts = read_parts(machine.platform, files)
    found = verify_parts(
        parts.platform, parts.quote, parts.endorsements, now=NOW, policy=machine.policy
    )
    assert found.accepted


def test_files_make_the_document_of_the_bundle():
    quote = azure_snp().bundle().quote
    document = TpmQuote.parse(quote)
    files = files_of(quote)
    files["quote_message"] = [document.message + b"room"]
    files["quote_signature"] = [document.signature.encode()]
    assert azure_quote(files) == quote
    files["quote_signature"] = [document.signature.values[0]]
    assert azure_quote(files) == quote


@pytest.mark.parametrize("name", ["hcl_report", "quote_message", "quote_signature", "pcrs"])
def test_every_file_must_be_there_and_parse(name: str):
    files = files_of(azure_snp().bundle().quote)
    with pytest.raises(MalformedEvidenceError):
        azure_quote({**files, name: [b"no"]})
    with pytest.raises(MalformedEvidenceError, match=f"file {name}: must be given"):
        azure_quote({**files, name: []})


def test_values_that_are_not_quoted_are_left_out():
    attest = Attest.parse(message(pcr_values(), selections=(selection((0, 8)),)))
    pcrs = {Bank.SHA384: pcr_values(), Bank.SHA256: pcr_values(SHA256)}
    assert selected(attest, pcrs) == {Bank.SHA384: {0: bytes(48), 8: bytes(48)}}


@pytest.mark.parametrize("data", [b"", b"[]", b'{"sha256":7}', b" " * 2**16])
def test_refuses_other_pcrs(data: bytes):
    with pytest.raises(MalformedEvidenceError):
        parse_pcrs(data)


def test_the_other_form_has_no_raw_files():
    assert direct_snp().appraise().accepted
    with pytest.raises(MalformedEvidenceError, match="file hcl_report"):
        read_parts("sev-snp-vtpm", [("quote_message", message(pcr_values()))])
