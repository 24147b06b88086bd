"""The very bytes behind the checks of a report, for whoever wants to look for themselves.

Names of parts: `report`, `certificate 0` (the leaf) to `certificate 2` (the root), `crl 0` and on.
It judges nothing: what it shows may be refused, and what does not parse has no grounds.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from attestation import der
from attestation.certificates import Certificate
from attestation.checks import readable
from attestation.claims import Context, Ground
from attestation.endorsements import of_type
from attestation.sev_snp.endorsements import ARC, read_chain
from attestation.sev_snp.evidence import FIELDS, SIGNED_SIZE, Report

CHECKED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "2.signature": ("signature_algo", "signature_r", "signature_s"),
        "2.identity": (
            "signer_info",
            "reported_tcb",
            "cpuid_family",
            "cpuid_model",
            "cpuid_stepping",
            "chip_id",
        ),
        "2.tcb": ("current_tcb", "reported_tcb", "committed_tcb", "launch_tcb"),
        "3.binding": ("report_data",),
        "8.measurement": ("measurement",),
        "8.debug": ("policy",),
        "8.migration": ("policy",),
        "8.guest": ("policy", "vmpl", "signer_info"),
        "9.tcb": ("reported_tcb", "committed_tcb", "launch_tcb"),
        "9.machine": ("chip_id",),
    }
)
"""Check to the fields of the report that it judges; 2.signature also covers what is signed."""

VERSION_TAG = 0xA0
"""Tag of the version of a certificate, its first part unless the version is 1."""

EXTENSIONS_TAG = 0xA3
"""Tag of the extensions of a certificate, its last part."""

KEY_INDEX = 5
"""Place of the public key among the parts, behind serial number, algorithm, names and validity."""


def explain(quote: bytes, context: Context) -> tuple[Ground, ...]:
    """Give the bytes behind the checks; what does not parse has none."""
    report = readable(lambda: Report.parse(quote))
    chain = readable(lambda: read_chain(context.endorsements))
    return (
        *(() if report is None else _of_report(quote)),
        *_of_chain(chain or ()),
        *_of_lists(context),
    )


def _of_report(report: bytes) -> Iterator[Ground]:
    yield _ground("2.signature", "report", report, 0, SIGNED_SIZE, "signed bytes")
    places = {field.name: field for field in FIELDS}
    for check, names in CHECKED.items():
        for name in names:
            field = places[name]
            yield _ground(check, "report", report, field.offset, field.size, name)


def _of_chain(chain: tuple[Certificate, ...]) -> Iterator[Ground]:
    for depth, certificate in enumerate(chain):
        part, data = f"certificate {depth}", certificate.der
        yield _ground("2.chain", part, data, 0, len(data), certificate.name)
        inside = _of_leaf if depth == 0 else _of_authority
        yield from _readable(inside(part, data))


def _readable(grounds: Iterator[Ground]) -> tuple[Ground, ...]:
    return readable(lambda: tuple(grounds)) or ()


def _of_leaf(part: str, data: bytes) -> Iterator[Ground]:
    parts = _parts(data)
    yield _element("2.signature", part, data, parts[KEY_INDEX], "public key")
    if parts[-1].tag != EXTENSIONS_TAG:
        return
    for extension in der.children(der.children(parts[-1])[0]):
        oid, *_, value = der.children(extension)
        name = der.oid(oid)
        if name.startswith(f"{ARC}."):
            yield _element("2.identity", part, data, value, name)


def _of_authority(part: str, data: bytes) -> Iterator[Ground]:
    yield _element("2.revocation", part, data, _parts(data)[0], "serial number")


def _of_lists(context: Context) -> Iterator[Ground]:
    for index, crl in enumerate(of_type(context.endorsements, "x509-crl")):
        for check in ("2.revocation", "2.recency", "2.floors"):
            yield _ground(check, f"crl {index}", crl, 0, len(crl), "revocation list")


def _parts(certificate: bytes) -> tuple[der.Element, ...]:
    """Give the parts of what is signed of a certificate, without the version."""
    parts = der.children(der.children(der.whole(certificate, der.SEQUENCE))[0])
    return parts[1:] if parts[0].tag == VERSION_TAG else parts


def _element(check: str, part: str, data: bytes, element: der.Element, field: str) -> Ground:
    return _ground(check, part, data, element.offset, element.end - element.offset, field)


def _ground(check: str, part: str, data: bytes, offset: int, size: int, field: str) -> Ground:
    return Ground(
        check=check,
        part=part,
        offset=offset,
        size=size,
        field=field,
        value=data[offset : offset + size],
    )
