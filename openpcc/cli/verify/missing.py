"""What evidence lacks to be judged in full, and where it is to be had."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from attestation.result import Scope
from openpcc.cli.verify.judged import Judged

NVIDIA_RIMS = "https://rim.attestation.nvidia.com/v1/rim"
NVIDIA_OCSP = "https://ocsp.ndis.nvidia.com"
"""NVIDIA's services of reference values and of revocation."""

AMD = "https://kdsintf.amd.com"
"""AMD's key distribution service. AMD 57230."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """What a file is, where it comes from, and which checks cannot be judged without it."""

    what: str
    checks: frozenset[str]


SOURCES: Mapping[str, Mapping[str, Source]] = {
    "sev-snp": {
        "leaf": Source(
            what="the VCEK or VLEK that signed the report, from the host or "
            f"{AMD}/vcek/v1/PRODUCT/HWID?…",
            checks=frozenset({"2.signature", "2.chain"}),
        ),
        "intermediates": Source(
            what=f"ASK or ASVK, the first certificate of {AMD}/vcek/v1/PRODUCT/cert_chain or "
            f"{AMD}/vlek/v1/PRODUCT/cert_chain",
            checks=frozenset({"2.chain"}),
        ),
        "root": Source(
            what="ARK, the second certificate of the same answer", checks=frozenset({"2.chain"})
        ),
        "crl": Source(
            what=f"the revocation list, {AMD}/vcek/v1/PRODUCT/crl",
            checks=frozenset({"2.revocation", "2.recency"}),
        ),
    },
    "tdx": {
        "collateral": Source(
            what="TCB info, QE identity and revocation lists of Intel's PCS as one JSON object "
            "(docs/formats.md, 3.7)",
            checks=frozenset({"2.collateral", "2.revocation", "2.tcb", "2.recency"}),
        ),
    },
    "nvidia": {
        "chain": Source(
            what="the device's certificates, leaf first, as its driver gives them",
            checks=frozenset({"6.authentic", "6.measurements"}),
        ),
        "rims": Source(
            what=f"the RIM of each version the report names, from {NVIDIA_RIMS}/ID",
            checks=frozenset({"6.measurements"}),
        ),
        "ocsp": Source(
            what="an answer about each certificate but a device's leaf and the root, DER, from "
            f"{NVIDIA_OCSP}",
            checks=frozenset({"6.authentic", "6.measurements"}),
        ),
    },
    "tpm": {
        "quote_message": Source(
            what="the quote, as tpm2_quote --message writes it", checks=frozenset({"2.signature"})
        ),
        "quote_signature": Source(
            what="its signature, as tpm2_quote --signature writes it",
            checks=frozenset({"2.signature"}),
        ),
        "pcrs": Source(
            what="the values of the PCRs, as JSON of bank to number to hex",
            checks=frozenset({"2.signature"}),
        ),
        "ak_cert": Source(
            what="the cloud's certificate of the AK, with intermediates and root",
            checks=frozenset({"2.chain", "2.identity"}),
        ),
    },
}
"""Platform or kind to file to its source; PRODUCT is Milan, Genoa or Turin."""

OF_A_RIM = frozenset({"ocsp"})
"""What a RIM by itself may lack."""


def remedies(judged: Judged) -> Iterator[str]:
    """Say what was not given and refused something, and how to give it."""
    refused = {check.id for check in judged.report.failed}
    if judged.kind is None:
        if "5.consistency" in refused:
            yield "5.consistency: give a proof from the one to the other with --consistency"
        return
    hardware = judged.report.platform.removesuffix("-vtpm")  # endorsed like the machine below it
    for name, source in SOURCES.get(hardware, {}).items():
        if judged.report.scope is Scope.RIM and name not in OF_A_RIM:
            continue
        if name not in judged.given and (found := sorted(source.checks & refused)):
            yield f"not given: {name}, {source.what}; --file {name}=PATH ({', '.join(found)})"
