"""Hardware evidence: real reports, quotes and certificates, every field parsed. FORMAT.md, 3.9."""

import functools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from cryptography.x509 import ObjectIdentifier

from attestation.certificates import Certificate, check_issued, parse_certificate
from attestation.errors import AppraisalError, MalformedEvidenceError
from attestation.nvidia.evidence import Report as DeviceReport
from attestation.nvidia.signatures import check_signature as check_device_signature
from attestation.sev_snp.evidence import Report, check_signature
from attestation.tdx.evidence import Quote
from attestation.tdx.signatures import (
    check_qe_binds_key,
    check_qe_report_signature,
    check_quote_signature,
)
from attestation.x509 import parse_chain
from tests.conformance.standard_cases.contract import (
    CaseFile,
    MismatchError,
    Row,
    RowData,
    require_equal,
    require_refusal,
    rows_of,
    unhex,
)
from tests.conformance.standard_cases.hardware_fields import (
    device_fields,
    quote_fields,
    report_fields,
)

REFUSED = (AppraisalError, MalformedEvidenceError)

NAMING_KEYS = ("report", "vcek", "quote", "certs")
"""Keys of a row that name a file."""

CHAINS = ("amd/*_ark.pem", "amd/*_ask.pem", "amd/*_asvk.pem")
"""Certificates that no row need name: the chains above the leaves."""

EXCERPTS = frozenset({"pck_sgx_ext"})
"""Values that are not compared."""

Check = Callable[[RowData, Path], None]


def case_file(name: str) -> CaseFile | None:
    """Give the checker of a file of the set."""
    return CaseFile(rows=_rows) if name == "parsed.json" else None


def _rows(document: object, folder: Path) -> Iterable[Row]:
    above = tuple(str(path.relative_to(folder)) for path in _chain_files(folder))
    for row, data in zip(rows_of(document, _unknown), _objects(document), strict=True):
        check = _shape(data)
        named = (data[key] for key in NAMING_KEYS if isinstance(data.get(key), str))
        yield Row(
            id=row.id,
            check=row.check if check is None else functools.partial(check, data, folder),
            names=(*named, *above),
        )


def _objects(document: object) -> list[RowData]:
    rows = document if isinstance(document, list) else []
    return [row if isinstance(row, dict) and isinstance(row.get("id"), str) else {} for row in rows]


def _unknown(_row: RowData) -> None:
    raise MismatchError("unknown row shape")


def _shape(row: RowData) -> Check | None:
    """Tell the shapes of the page apart by their keys."""
    keys = frozenset(row)
    for shape, check in SHAPES.items():
        if keys >= shape and not keys & (frozenset(NAMING_KEYS) - shape):
            return check
    return None


def _check_roots(row: RowData, folder: Path) -> None:
    line = re.fullmatch("amd-([a-z]+)-roots", row["id"])
    if line is None:
        raise MismatchError("the id names no product line")
    for name in ("ark", "ask"):
        certificate = parse_certificate((folder / f"amd/{line[1]}_{name}.pem").read_bytes())
        require_equal(name, row[f"{name}_sha256"], certificate.sha256.hex())


def _check_report(row: RowData, folder: Path) -> None:
    data = (folder / row["report"]).read_bytes()
    leaf = parse_certificate((folder / row["vcek"]).read_bytes())
    _check_extensions(row, leaf)
    if "parsed" in row:
        _compare("parsed", row["parsed"], report_fields(Report.parse(data)))
    _check_expected(
        _expect(row),
        {
            "signature": lambda: check_signature(
                Report.parse(data), leaf.public_key, signer=leaf.name
            ),
            "chain": lambda: _check_chain(leaf, folder),
        },
    )


def _check_leaf(row: RowData, folder: Path) -> None:
    leaf = parse_certificate((folder / row["vcek"]).read_bytes())
    _check_extensions(row, leaf)
    _check_expected(_expect(row), {"chain": lambda: _check_chain(leaf, folder)})


def _check_quote(row: RowData, folder: Path) -> None:
    data = (folder / row["quote"]).read_bytes()
    if "parsed" in row:
        _compare("parsed", row["parsed"], quote_fields(Quote.parse(data)))
    _check_expected(
        _expect(row),
        {
            "quote signature": lambda: check_quote_signature(Quote.parse(data)),
            "QE report signature": lambda: _check_qe_report(Quote.parse(data)),
            "binding": lambda: check_qe_binds_key(Quote.parse(data)),
        },
    )


def _check_device(row: RowData, folder: Path) -> None:
    data = (folder / row["report"]).read_bytes()
    chain = parse_chain((folder / row["certs"]).read_bytes())
    if "parsed" in row:
        _compare("parsed", row["parsed"], device_fields(DeviceReport.parse(data), chain))
    _check_expected(
        _expect(row),
        {
            "report signature": lambda: check_device_signature(
                DeviceReport.parse(data), chain[0].public_key, signer=chain[0].name
            ),
            "chain": lambda: _check_links(chain),
        },
    )


def _check_links(chain: Sequence[Certificate]) -> None:
    for certificate, issuer in pairwise(chain):
        check_issued(certificate, issuer)


SHAPES: Mapping[frozenset[str], Check] = {
    frozenset({"ark_sha256", "ask_sha256"}): _check_roots,
    frozenset({"report", "vcek"}): _check_report,
    frozenset({"vcek"}): _check_leaf,
    frozenset({"quote"}): _check_quote,
    frozenset({"report", "certs"}): _check_device,
}
"""Keys that make a shape, to its check."""


def _expect(row: RowData) -> str:
    if not isinstance(row.get("expect"), str):
        raise MismatchError("no expect")
    return str(row["expect"])


def _check_expected(expect: str, signatures: Mapping[str, Callable[[], None]]) -> None:
    """Judge what the text names; if it says invalid, the evidence's own signature must fail."""
    if "invalid" in expect.lower():
        name, check = next(iter(signatures.items()))
        require_refusal(REFUSED, name, check)
        return
    for name, check in signatures.items():
        if name.lower() in expect.lower():
            check()


def _check_extensions(row: RowData, leaf: Certificate) -> None:
    for oid, value in row.get("vcek_extensions", {}).items():
        require_equal(oid, unhex(value), leaf.extensions.get(ObjectIdentifier(oid)))


def _check_qe_report(quote: Quote) -> None:
    check_qe_report_signature(quote, parse_chain(quote.certificates)[0])


def _check_chain(leaf: Certificate, folder: Path) -> None:
    """Judge names and signatures up to the root, as far as the certificates are there."""
    pool = [parse_certificate(path.read_bytes()) for path in _chain_files(folder)]
    certificate = leaf
    while certificate.subject != certificate.issuer:
        issuers = [one for one in pool if one.subject == certificate.issuer]
        if not issuers:
            return
        check_issued(certificate, issuers[0])
        certificate = issuers[0]
        pool.remove(certificate)
    check_issued(certificate, certificate)


def _chain_files(folder: Path) -> list[Path]:
    return sorted(path for pattern in CHAINS for path in folder.glob(pattern))


def _compare(name: str, expected: object, found: object) -> None:
    """Compare objects key by key, all else as it is; nothing listed may be unknown."""
    if not isinstance(expected, Mapping) or not isinstance(found, Mapping):
        require_equal(name, expected, found)
        return
    for key, value in expected.items():
        if key not in EXCERPTS:
            if key not in found:
                raise MismatchError(f"{name}.{key}: no such field")
            _compare(f"{name}.{key}", value, found[key])
