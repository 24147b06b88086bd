"""The fields of reports and quotes under the names of FORMAT.md, 3.9, which are the sheets'."""

from collections.abc import Mapping, Sequence

from attestation.certificates import Certificate
from attestation.nvidia.evidence import DMTF, REQUEST, RESPONSE, SIGNATURE_SIZE
from attestation.nvidia.evidence import Report as DeviceReport
from attestation.sev_snp.evidence import NAMES, Report, SignerInfo
from attestation.tdx.evidence import Quote
from attestation.tdx.layout import FixedFields
from attestation.x509 import parse_chain

BITS = ("policy", "platform_info")
"""Numbers of a report that are shown in hex."""

SHEET_NAMES = {
    "rt_mr0": "rtmr0",
    "rt_mr1": "rtmr1",
    "rt_mr2": "rtmr2",
    "rt_mr3": "rtmr3",
    "tee_tcb_svn2": "tee_tcb_svn_2",
}
"""Our name of a field of a quote's body to the sheet's, where they differ."""


def report_fields(report: Report) -> Mapping[str, object]:
    """Give the fields of an SEV-SNP report."""
    found = {name: _plain(getattr(report, name)) for name in NAMES}
    found |= {name: hex(getattr(report, name)) for name in BITS}
    return found | {
        "signer_info": {
            "raw": report.signer_info,
            "author_key_en": int(bool(report.signer_info & SignerInfo.AUTHOR_KEY_EN)),
            "mask_chip_key": int(bool(report.signer_info & SignerInfo.MASK_CHIP_KEY)),
            "signing_key": report.signer_info >> 2 & 7,
        },
        "cpuid_fam_mod_step": [report.cpuid_family, report.cpuid_model, report.cpuid_stepping],
        "current_build_minor_major": [
            report.current_build,
            report.current_minor,
            report.current_major,
        ],
        "committed_build_minor_major": [
            report.committed_build,
            report.committed_minor,
            report.committed_major,
        ],
    }


def quote_fields(quote: Quote) -> Mapping[str, object]:
    """Give the fields of an Intel quote, with those of its certification data."""
    chain = parse_chain(quote.certificates)
    header = {**_structure(quote.header), "tee_type": hex(quote.header.tee_type)}
    if quote.body_type is not None:
        header |= {"body_type": quote.body_type, "body_size": quote.body.size()}
    return {
        "header": header,
        "body": {SHEET_NAMES.get(name, name): v for name, v in _structure(quote.body).items()},
        "sig_data_len": int.from_bytes(quote.bytes_of("signature_data_size"), "little"),
        "cert_data_type": quote.outer_cert_type,
        "qe_auth_len": len(quote.qe_auth),
        "pck_type": quote.cert_type,
        "n_certs": len(chain),
        "pck_subject": chain[0].subject.rfc4514_string(),
        "trailing": quote.trailing_bytes,
        "qe_mrsigner": quote.qe_report.mr_signer.hex(),
        "qe_isvprodid": quote.qe_report.isv_prod_id,
        "qe_isvsvn": quote.qe_report.isv_svn,
        "root_sha256": chain[-1].sha256.hex(),
    }


def device_fields(report: DeviceReport, chain: Sequence[Certificate]) -> Mapping[str, object]:
    """Give the fields of a device report, and the subjects of its chain."""
    names = ("spdm_version", "code", "param1", "param2")
    subjects = [one.subject.rfc4514_string() for one in chain]
    return {
        "request": {
            **dict(zip(names, map(hex, REQUEST), strict=True)),
            "nonce": report.nonce.hex(),
            "slot_id": report.slot,
        },
        "response": {
            **dict(zip(names[:2], map(hex, RESPONSE), strict=True)),
            "param1": report.param1,
            "param2": report.param2,
            "number_of_blocks": len(report.blocks),
            "measurement_record_length": sum(7 + len(one.value) for one in report.blocks),
            "responder_nonce": report.responder_nonce.hex(),
            "opaque_length": sum(4 + len(value) for value in report.opaque.values()),
            "signature_len": SIGNATURE_SIZE,
        },
        "measurements": {
            str(one.index): {
                "spec": DMTF,
                "value_type": one.value_type,
                "value_size": len(one.value),
                "value": one.value.hex(),
            }
            for one in report.blocks
        },
        "opaque": [{"type": kind, "value": value.hex()} for kind, value in report.opaque.items()],
        "leaf": subjects[0],
        "chain": subjects,
    }


def _structure(structure: FixedFields) -> dict[str, object]:
    return {one.name: _plain(getattr(structure, one.name)) for one in structure.table()}


def _plain(value: object) -> object:
    return value.hex() if isinstance(value, bytes) else value
