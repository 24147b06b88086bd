"""Azure's part of a node's evidence: the paravisor's report, and a quote of the TD it is for.

The report is in the TPM, made when the VM started. On SEV-SNP it holds AMD's report. On TDX it
holds a TDREPORT, which counts on its own machine alone; the host turns it into a quote:

    POST http://169.254.169.254/acc/tdquote   {"report": base64url of 1024 bytes}
    200                                       {"quote": base64url of the quote}

That address is the host's own service, not the network. What it answers counts as far as the quote
is Intel's and over the same report data, which clients check (2.identity).
"""

import base64
import http.client
import json
import re

from attestation.errors import AttesterError, MalformedEvidenceError
from attestation.evidence import MAX_QUOTE
from attestation.sev_snp.evidence import Report
from attestation.strict_json import StrictJSONError, parse_object
from attestation.tdx.endorsements import pck_identity, read_chain
from attestation.tdx.evidence import Quote
from attestation.tpm.document import Azure
from attestation.tpm.hardware import AZURE
from attestation.tpm.hcl import TD_REPORT_SIZE, HardwareType, HclReport

HCL_INDEX = 0x01400001
"""NV index of the paravisor's report."""

AK_HANDLE = 0x81000003
"""The AK that the paravisor made."""

HOST = "169.254.169.254"
"""The host's service (IMDS), by its address on every link."""

TIMEOUT = 30.0
"""Seconds for a quote."""


def read_hardware(hcl_report: bytes, host: str) -> Azure:
    """Give the hardware's part of the quote document.

    Args:
        hcl_report: as the TPM has it.
        host: of the service that makes TD quotes.

    Raises:
        AttesterError: the report does not parse, or the host gives no quote.
    """
    hcl = _parsed(hcl_report)
    tdx = hcl.report_type is HardwareType.TDX
    return Azure(hcl=hcl, td_quote=_td_quote(hcl.hardware[:TD_REPORT_SIZE], host) if tdx else None)


def platform_of(hcl_report: bytes) -> str:
    """Name the platform of the hardware. Raises: AttesterError."""
    return AZURE[_parsed(hcl_report).report_type]


def machine_of(hardware: Azure) -> bytes | None:
    """Give the machine id, as the hardware's own platform names it; None where it is masked.

    Raises:
        AttesterError: the hardware's part does not parse.
    """
    try:
        if hardware.td_quote is not None:
            certificates = Quote.parse(hardware.td_quote).certificates
            return pck_identity(read_chain(certificates)[0]).ppid
        chip = Report.parse(hardware.hcl.hardware).chip_id
    except MalformedEvidenceError as error:
        raise AttesterError(f"HCL report: {error}; this version reads other reports") from error
    return chip if any(chip) else None


def _parsed(hcl_report: bytes) -> HclReport:
    try:
        return HclReport.parse(hcl_report)
    except MalformedEvidenceError as error:
        raise AttesterError(f"TPM: {error}; this version reads other reports") from error


def _td_quote(td_report: bytes, host: str) -> bytes:
    body = json.dumps({"report": base64.urlsafe_b64encode(td_report).decode().rstrip("=")})
    connection = http.client.HTTPConnection(host, timeout=TIMEOUT)
    try:
        headers = {"Content-Type": "application/json"}
        connection.request("POST", "/acc/tdquote", body=body, headers=headers)
        response = connection.getresponse()
        answer = response.read(2 * MAX_QUOTE + 1)
    except (OSError, http.client.HTTPException) as error:
        raise AttesterError(
            f"http://{host}/acc/tdquote: no answer; let the agent, and nothing else, reach it"
        ) from error
    finally:
        connection.close()
    if response.status != http.client.OK:
        raise AttesterError(f"http://{host}/acc/tdquote: status {response.status}; try again later")
    return _quote_in(answer, host)


def _quote_in(answer: bytes, host: str) -> bytes:
    """Take the quote out of an answer; its other members are Microsoft's."""
    try:
        members = parse_object(answer, limit=2 * MAX_QUOTE, name="answer")
        text = members.text("quote", limit=2 * MAX_QUOTE).rstrip("=")
        if not re.fullmatch(r"[A-Za-z0-9_-]+", text) or len(text) % 4 == 1:
            raise MalformedEvidenceError("answer.quote: expected base64url")
        return Quote.parse(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))).data
    except (StrictJSONError, MalformedEvidenceError) as error:
        raise AttesterError(f"http://{host}/acc/tdquote: {error}; try again later") from error
