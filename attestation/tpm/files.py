"""Raw files of an Azure guest, put into one document for the verifier.

Names as in the sets of evidence: `hcl_report`, `td_quote` (TDX), `quote_message`,
`quote_signature` (TPMT_SIGNATURE, or the bytes of an RSA signature) and `pcrs`, our JSON of bank to
PCR to hex. The AK is that of the runtime data.
"""

from collections.abc import Mapping, Sequence

from attestation.errors import MalformedEvidenceError
from attestation.strict_json import StrictJSONError, parse_object
from attestation.tpm.document import Azure, TpmQuote, read_pcrs
from attestation.tpm.evidence import Attest, Pcrs
from attestation.tpm.hcl import HclReport
from attestation.tpm.signature import Signature

FILES = ("hcl_report", "td_quote", "quote_message", "quote_signature", "pcrs")
"""Every file; `td_quote` is left out of a guest on AMD."""

MAX_PCRS = 2**15
"""Bytes of the JSON of PCRs; four banks of 24 have about 10 KiB."""


def azure_quote(files: Mapping[str, Sequence[bytes]]) -> bytes:
    """Write the document.

    Raises:
        MalformedEvidenceError: a file is missing or does not parse.
    """
    attest, length = Attest.read(_one(files, "quote_message"))
    hcl = HclReport.parse(_one(files, "hcl_report"))
    quote = TpmQuote(
        hardware=Azure(hcl=hcl, td_quote=next(iter(files.get("td_quote", ())), None)),
        ak=hcl.runtime.ak(),
        ak_chain=None,
        message=_one(files, "quote_message")[:length],
        signature=Signature.parse_any(_one(files, "quote_signature")),
        pcrs=selected(attest, parse_pcrs(_one(files, "pcrs"))),
    )
    return quote.encode()


def parse_pcrs(data: bytes) -> Pcrs:
    """Read a file of PCR values.

    Raises:
        MalformedEvidenceError: not the one accepted spelling.
    """
    try:
        return read_pcrs(parse_object(data, limit=MAX_PCRS, name="pcrs"))
    except StrictJSONError as error:
        raise MalformedEvidenceError(str(error)) from error


def selected(attest: Attest, pcrs: Pcrs) -> Pcrs:
    """Give those of the values that the message selects; tools write down all they can read."""
    wanted = {(one.algorithm, pcr) for one in attest.selections for pcr in one.pcrs}
    kept = {
        bank: {pcr: value for pcr, value in values.items() if (bank, pcr) in wanted}
        for bank, values in pcrs.items()
    }
    return {bank: values for bank, values in kept.items() if values}


def _one(files: Mapping[str, Sequence[bytes]], name: str) -> bytes:
    found = files.get(name)
    if not found:
        raise MalformedEvidenceError(f"file {name}: must be given")
    return found[0]
