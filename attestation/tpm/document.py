"""The `quote` of a `*-vtpm` platform: our JSON. docs/formats.md, 3.9.

What the hardware signed, which key it thereby vouches for, and what that key signed. Reading gives
fields; nothing is trusted yet.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from attestation.certificates import Certificate, armored, parse_chain
from attestation.errors import MalformedEvidenceError
from attestation.evidence import MAX_QUOTE
from attestation.strict_json import Members, StrictJSONError, b64encode, dumps, parse_object
from attestation.tcg_log import Bank
from attestation.tpm.evidence import PCRS, Attest, Pcrs, bank_named
from attestation.tpm.hcl import MAX_REPORT, HardwareType, HclReport
from attestation.tpm.public import MAX_SPKI, AkKey, read_spki, spki
from attestation.tpm.signature import Signature

MAX_MESSAGE = 1024
"""Bytes of a quote message; one selection and every field at its longest come to about 260."""

MAX_SIGNATURE = 1024
"""Bytes of a signature; RSA with 4096 bits has 518."""

MAX_CHAIN = 2**14
"""Bytes of an AK's certificate chain, PEM."""


@dataclass(frozen=True, kw_only=True)
class Direct:
    """A quote of the hardware's own platform, whose report data names the AK."""

    quote: bytes = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Azure:
    """A report of Azure's paravisor, whose runtime data names the AK.

    Attributes:
        hcl: holds the SNP report, or a TDREPORT.
        td_quote: over the same report data as that TDREPORT; None exactly if there is none.
    """

    hcl: HclReport
    td_quote: bytes | None = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class TpmQuote:
    """A parsed document.

    Attributes:
        hardware: what the hardware signed.
        ak: the key that signs the message.
        ak_chain: a cloud's certificates for it, leaf first; None if there are none.
        message: as marshalled by the TPM.
        signature: over `message`.
        pcrs: values, said to be those quoted.
    """

    hardware: Direct | Azure
    ak: AkKey
    ak_chain: tuple[Certificate, ...] | None
    message: bytes = field(repr=False)
    signature: Signature
    pcrs: Pcrs

    @classmethod
    def parse(cls, data: bytes) -> "TpmQuote":
        """Read a document.

        Raises:
            MalformedEvidenceError: not the one accepted spelling, of it or of a part.
        """
        try:
            members = parse_object(data, limit=MAX_QUOTE, name="quote")
            quote = _read(members)
            members.end()
        except StrictJSONError as error:
            raise MalformedEvidenceError(str(error)) from error
        return quote

    def encode(self) -> bytes:
        """Write the document."""
        document: dict[str, object] = {
            "version": 1,
            "hardware": _hardware_json(self.hardware),
            "ak": b64encode(spki(self.ak)),
        }
        if self.ak_chain is not None:
            pem = b"".join(armored(one.der) for one in self.ak_chain)
            document["ak_certificates"] = b64encode(pem)
        return dumps(
            {
                **document,
                "message": b64encode(self.message),
                "signature": b64encode(self.signature.encode()),
                "pcrs": pcrs_json(self.pcrs),
            }
        )

    @property
    def attest(self) -> Attest:
        """Give the message's fields."""
        return Attest.parse(self.message)


def pcrs_json(pcrs: Pcrs) -> dict[str, dict[str, str]]:
    """Write PCR values: bank to number to hex."""
    return {
        bank.name.lower(): {str(pcr): value.hex() for pcr, value in sorted(values.items())}
        for bank, values in pcrs.items()
    }


def read_pcrs(members: Members) -> Pcrs:
    """Read PCR values, every bank and number in its one spelling.

    Raises:
        StrictJSONError: another spelling, or a value that has not its bank's size.
        MalformedEvidenceError: an unknown bank.
    """
    found: dict[Bank, Mapping[int, bytes]] = {}
    for name in members.names():
        bank = bank_named(name)
        values = members.child(name)
        numbers = {str(pcr): pcr for pcr in range(PCRS)}
        present = [one for one in values.names() if one in numbers]
        found[bank] = {numbers[one]: values.hex(one, size=bank.size) for one in present}
        values.end()
    return found


def _read(members: Members) -> TpmQuote:
    members.integer("version", low=1, high=1)
    quote = TpmQuote(
        hardware=_hardware(members.child("hardware")),
        ak=read_spki(members.data("ak", limit=MAX_SPKI)),
        ak_chain=_chain(members) if "ak_certificates" in members else None,
        message=members.data("message", limit=MAX_MESSAGE),
        signature=Signature.parse(members.data("signature", limit=MAX_SIGNATURE)),
        pcrs=read_pcrs(members.child("pcrs")),
    )
    Attest.parse(quote.message)
    return quote


def _hardware(members: Members) -> Direct | Azure:
    if "hcl_report" not in members:
        direct = Direct(quote=members.data("quote", limit=MAX_QUOTE))
        members.end()
        return direct
    hcl = HclReport.parse(members.data("hcl_report", limit=MAX_REPORT))
    tdx = hcl.report_type is HardwareType.TDX
    td_quote = members.data("td_quote", limit=MAX_QUOTE) if tdx else None
    members.end()
    return Azure(hcl=hcl, td_quote=td_quote)


def _hardware_json(hardware: Direct | Azure) -> dict[str, str]:
    if isinstance(hardware, Direct):
        return {"quote": b64encode(hardware.quote)}
    found = {"hcl_report": b64encode(hardware.hcl.encode())}
    if hardware.td_quote is not None:
        found["td_quote"] = b64encode(hardware.td_quote)
    return found


def _chain(members: Members) -> tuple[Certificate, ...]:
    return parse_chain(members.data("ak_certificates", limit=MAX_CHAIN))
