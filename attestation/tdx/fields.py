"""A quote as people and other programs read it: every field by name, in text and numbers.

For reports and for comparison with other readers; no decision rests on it.
"""

from attestation.errors import MalformedEvidenceError
from attestation.tdx.endorsements import pck_identity, read_chain
from attestation.tdx.evidence import Quote
from attestation.tdx.guest import TdAttribute, is_debug
from attestation.tdx.layout import EnclaveReport, TdReport10
from attestation.x509 import common_name

ENCLAVE_HEX = ("cpu_svn", "attributes", "mr_enclave", "mr_signer")
"""Fields of an enclave report shown as hex; the quoting enclave's own report has the rest."""


def fields(quote: Quote) -> dict[str, object]:
    """Give the fields of a quote, trusted or not, by name; bytes as lower-case hex.

    What names the PCK certificate is missing where the chain does not parse.
    """
    header = quote.header
    found: dict[str, object] = {
        "version": header.version,
        "att_key_type": header.att_key_type,
        "tee_type": hex(header.tee_type),
        "qe_vendor_id": header.qe_vendor_id.hex(),
        "user_data": header.user_data.hex(),
        "report_data": quote.body.report_data.hex(),
        "debug": is_debug(quote),
        "signed_length": quote.signed_length,
        "trailing_bytes": quote.trailing_bytes,
        "cert_type": quote.cert_type,
    }
    if quote.outer_cert_type is not None:
        found["outer_cert_type"] = quote.outer_cert_type
    if quote.body_type is not None:
        found["body_type"] = quote.body_type
    return found | _body(quote.body) | _certificate(quote)


def _body(body: TdReport10 | EnclaveReport) -> dict[str, object]:
    if isinstance(body, EnclaveReport):
        found: dict[str, object] = {name: getattr(body, name).hex() for name in ENCLAVE_HEX}
        return found | {"isv_prod_id": body.isv_prod_id, "isv_svn": body.isv_svn}
    attributes = int.from_bytes(body.td_attributes, "little")
    named = {one.name: getattr(body, one.name).hex() for one in body.table()}
    return named | {"sept_ve_disable": bool(attributes & TdAttribute.SEPT_VE_DISABLE)}


def _certificate(quote: Quote) -> dict[str, object]:
    try:
        leaf = read_chain(quote.certificates)[0]
        return {
            "pck_serial": f"{leaf.serial:x}",
            "pck_issuer": common_name(leaf.issuer),
            "fmspc": pck_identity(leaf).fmspc.hex(),
        }
    except MalformedEvidenceError:
        return {}
