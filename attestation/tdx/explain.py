"""The very bytes behind the checks of a TDX quote, for whoever wants to look for themselves.

The places are those of `layout` and of the quote's own lengths, so what is shown is what was
judged. Nothing is judged here, and what does not parse has no grounds.
"""

from collections.abc import Iterator, Mapping

from attestation.checks import readable
from attestation.claims import Context, Ground
from attestation.tdx.collateral import read_collaterals
from attestation.tdx.documents import Collateral
from attestation.tdx.endorsements import read_chain
from attestation.tdx.evidence import Quote

CHECKS: Mapping[str, tuple[str, ...]] = {
    "header.tee_type": ("8.guest",),
    "header.qe_vendor_id": ("2.identity",),
    "body.tee_tcb_svn": ("2.tcb", "9.tcb"),
    "body.tee_tcb_svn2": ("9.tcb",),
    "body.mr_signer_seam": ("2.tcb", "8.guest"),
    "body.seam_attributes": ("2.tcb", "8.guest"),
    "body.td_attributes": ("8.debug", "8.migration", "8.guest"),
    "body.attributes": ("8.debug",),
    "body.xfam": ("8.guest",),
    "body.mr_td": ("8.measurement",),
    "body.mr_enclave": ("8.measurement",),
    "body.rt_mr0": ("8.eventlog",),
    "body.rt_mr1": ("8.eventlog",),
    "body.rt_mr2": ("8.eventlog",),
    "body.rt_mr3": ("8.eventlog",),
    "body.report_data": ("3.binding",),
    "body.mr_service_td": ("8.guest",),
    "signature": ("2.signature",),
    "attestation_key": ("2.signature",),
    "qe_report.misc_select": ("2.identity",),
    "qe_report.attributes": ("2.identity",),
    "qe_report.mr_signer": ("2.identity",),
    "qe_report.isv_prod_id": ("2.identity",),
    "qe_report.isv_svn": ("2.tcb",),
    "qe_report.report_data": ("2.signature",),
    "qe_report_signature": ("2.signature",),
    "qe_auth": ("2.signature",),
}
"""Field of a quote to the checks that rest on it; what is not here is signed and judged by none."""


def explain(quote: bytes, context: Context) -> tuple[Ground, ...]:
    """Give the bytes behind the checks; what does not parse has none."""
    parsed = readable(lambda: Quote.parse(quote))
    collaterals = readable(lambda: read_collaterals(context)) or ()
    grounds = [] if parsed is None else [*_of_quote(parsed), *_of_chain(parsed)]
    for number, collateral in enumerate(collaterals):
        grounds += _of_collateral(collateral, f"collateral {number}")
    return tuple(grounds)


def _of_quote(quote: Quote) -> Iterator[Ground]:
    for place in quote.table():
        for check in CHECKS.get(place.name, ()):
            yield Ground(
                check=check,
                part="quote",
                offset=place.offset,
                size=place.size,
                field=place.name,
                value=quote.data[place.offset : place.offset + place.size],
            )


def _of_chain(quote: Quote) -> Iterator[Ground]:
    for depth, certificate in enumerate(readable(lambda: read_chain(quote.certificates)) or ()):
        yield _whole("2.chain", f"certificate {depth}", "certificate", certificate.der)


def _of_collateral(collateral: Collateral, part: str) -> Iterator[Ground]:
    yield _whole("2.revocation", part, "root_ca_crl", collateral.root_ca_crl)
    yield _whole("2.revocation", part, "pck_crl", collateral.pck_crl)
    for name, document in (
        ("tcb_info", collateral.tcb_info),
        ("qe_identity", collateral.qe_identity),
    ):
        yield _whole("2.collateral", part, name, document.text)
        yield _whole("2.collateral", part, f"{name}_signature", document.signature)


def _whole(check: str, part: str, field: str, value: bytes) -> Ground:
    return Ground(check=check, part=part, offset=0, size=len(value), field=field, value=value)
