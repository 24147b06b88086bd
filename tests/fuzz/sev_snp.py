"""AMD SEV-SNP: extensions, reports, certificate tables, and step 2 as a whole.

Generated evidence is under keys of this process, so an input of `verify_sev_snp` that was found in
one process meets other keys in the next: what a parser does wrong with it stays, what a signature
does not. Published cases are judged under AMD's own roots and stay what they are.
"""

import functools
import struct
from dataclasses import replace
from uuid import UUID

from cryptography.x509 import ObjectIdentifier

from attestation import verifier
from attestation.evidence import Endorsement
from attestation.sev_snp.certificate_table import GUIDS, parse_certificate_table
from attestation.sev_snp.endorsements import hardware_id, leaf_product, leaf_tcb, read_chain
from attestation.sev_snp.evidence import REPORT_SIZE, Report
from attestation.sev_snp.fields import fields
from attestation.sev_snp.product import read_tcb
from attestation.x509 import parse_chain
from tests.fakes import amd
from tests.fuzz.cases import case, judge
from tests.fuzz.pieces import named, numbered, pieces
from tests.fuzz.target import Bytes, each, or_none, target
from tests.fuzz.vectors import cases, judged_at, published

PRODUCTS = ("Milan", "Genoa", "Turin")
SUFFIXES = (".1", ".2", ".4", ".5", *(f".3.{one}" for one in range(1, 11)))


@functools.cache
def vendor(product: str) -> amd.Amd:
    return amd.Amd(product)


def extensions() -> Bytes:
    for product in PRODUCTS:
        for leaf in (vendor(product).vcek(), vendor(product).vlek()):
            found = parse_chain(leaf.pem)[0].extensions.items()
            values = [(oid.dotted_string.removeprefix(amd.ARC), one) for oid, one in found]
            yield numbered(SUFFIXES, values)


def reports() -> Bytes:
    for product in PRODUCTS:
        for version in (3, 4, 5) if product == "Turin" else (2, 3, 4, 5):
            yield vendor(product).report(vendor(product).vcek(), version)
    yield from published("sev-snp", "report")


def certificate_tables() -> Bytes:
    guids = {name: UUID(text).bytes for text, name in GUIDS.items()}
    for leaf in (vendor("Milan").vcek(), vendor("Milan").vlek()):
        head, body, at = b"", b"", 24 * 4
        for name, data in zip(("vcek", "ask", "ark"), leaf.chain, strict=True):
            head += guids[name] + struct.pack("<II", at + len(body), len(data))
            body += data
        yield head + bytes(24) + body


def whole_cases() -> Bytes:
    line = vendor("Milan")
    for leaf in (line.vcek(), line.vlek()):
        yield case("fake", amd.NOW, line.report(leaf), line.endorsements(leaf))
    for listed, files in cases("sev-snp"):
        certificates = [*files.get("leaf", ()), *files.get("intermediates", ())]
        chain = b"".join([*certificates, *files.get("root", ())])
        crls = [Endorsement(type="x509-crl", data=data) for data in files.get("crl", ())]
        stapled = [Endorsement(type="x509-chain", data=chain), *crls]
        yield case("vendor", judged_at(listed), files["report"][0], stapled)


@target(leaf_product, leaf_tcb, hardware_id, seeds=extensions, longest=2**10)
def amd_extensions(data: bytes) -> None:
    """Any values of AMD's extensions give product, TCB and id, or MalformedEvidenceError."""
    found = named(pieces(data), SUFFIXES)
    values = {ObjectIdentifier(amd.ARC + suffix): value for suffix, value in found}
    good = parse_chain(vendor("Milan").vcek().pem)[0]
    leaf = replace(good, der=data, extensions=values)
    each(lambda: leaf_product(leaf), lambda: leaf_tcb(leaf), lambda: hardware_id(leaf))


@target(Report.parse, seeds=reports, longest=1300)
def snp_report(data: bytes) -> None:
    """Any bytes give an SNP report that writes the same bytes, or MalformedEvidenceError."""
    fitting = data[:REPORT_SIZE].ljust(REPORT_SIZE, b"\0")
    assert data == fitting or or_none(Report.parse, data) is None
    report = Report.parse(fitting)
    assert report.encode() == fitting
    fields(report)


@target(parse_certificate_table, seeds=certificate_tables)
def snp_certificate_table(data: bytes) -> None:
    """Any bytes give the certificates a host hands its guest, or MalformedEvidenceError."""
    assert sum(map(len, parse_certificate_table(data).values())) <= len(data)


@target(
    verifier.verify_parts, verifier.explain, read_chain, read_tcb, seeds=whole_cases, refusals=()
)
def verify_sev_snp(data: bytes) -> None:
    """Any report, time and endorsements give an appraisal; nothing is raised."""
    judge("sev-snp", data, vendor("Milan").policy())
