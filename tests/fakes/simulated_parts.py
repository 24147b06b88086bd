"""Endorsements wrong in one way, made with the vendor's single acts."""

import re
from dataclasses import replace

from attestation.certificates import parse_chain, spki_sha256
from attestation.evidence import Endorsement
from attestation.simulated.endorsements import MACHINE_ID_OID, VERSION_OID, octet_string
from attestation.simulated.evidence import device_blocks
from attestation.simulated.issuing import (
    Authority,
    Validity,
    issue,
    new_key,
    pem,
    revocation_list,
    signed_rim,
)
from attestation.simulated.vendor import SimulatedVendor
from tests.fakes.simulated import EPOCH, MACHINE_ID, NOW, machine, vendor

PAST = Validity(not_before=EPOCH - 1000, not_after=NOW - 1)
FUTURE = Validity(not_before=NOW + 1, not_after=NOW + 1000)


def spki(authority: Authority) -> bytes:
    """What names an issuer in floors and in what a client remembers."""
    return spki_sha256(authority.certificate.public_key())


def serial(chain: bytes) -> int:
    return parse_chain(chain)[0].serial


def leaf(
    *,
    by: Authority | None = None,
    validity: Validity | None = None,
    machine_id: bytes = MACHINE_ID,
    version: bytes = bytes((0, 1, 0, 1)),
) -> bytes:
    """A chain for the machine's own key."""
    authority = issue(
        "SIMULATED machine",
        machine().key,
        by=by or vendor().machine_ca,
        validity=validity or vendor().validity,
        extensions={MACHINE_ID_OID: octet_string(machine_id), VERSION_OID: octet_string(version)},
    )
    return pem(authority.chain)


def stapled(kind: str, *data: bytes) -> tuple[Endorsement, ...]:
    """The endorsements of the machine with those of one kind replaced."""
    others = tuple(one for one in machine().endorsements() if one.type != kind)
    return (*others, *(Endorsement(type=kind, data=one) for one in data))


def with_chain(*chains: bytes) -> tuple[Endorsement, ...]:
    return stapled("x509-chain", *chains)


def with_rim(*rims: bytes) -> tuple[Endorsement, ...]:
    return stapled("rim", *rims)


def with_crl(name: str, *replacement: bytes) -> tuple[Endorsement, ...]:
    """The endorsements with the list of one authority replaced, or left out."""
    kept = [der for file, der in machine().crls.items() if file != f"crl-{name}.der"]
    return stapled("x509-crl", *kept, *replacement)


def crl(name: str, validity: Validity, number: int = 1) -> bytes:
    return revocation_list(vendor().authorities[name], number=number, validity=validity)


def revoked(number: int) -> tuple[Endorsement, ...]:
    return stapled("x509-crl", *vendor().revoke(number, now=EPOCH).crls.values())


def rim(
    by: Authority | None = None,
    *,
    validity: Validity | None = None,
    blocks: tuple[bytes, ...] = device_blocks(),
    name: str = "simulated-gpu",
) -> bytes:
    return signed_rim(
        by or vendor().rim_signer, validity=validity or vendor().validity, blocks=blocks, name=name
    )


def edited(signed: bytes) -> bytes:
    return re.sub(rb'"signature":"....', b'"signature":"AAAA', signed)


def newer_rim() -> bytes:
    """A RIM in which the device's firmware is no longer a good one."""
    validity = replace(vendor().validity, not_before=EPOCH)
    return rim(validity=validity, blocks=(bytes(48), bytes(48)))


def stranger(name: str) -> Authority:
    """An authority of another vendor, under the same name."""
    return SimulatedVendor.create(EPOCH).authorities[name]


def device_as_signer() -> Authority:
    """What a corrupt device CA would make to vouch for its own firmware."""
    by = vendor().device_ca
    return issue("openpcc SIMULATED RIM signer", new_key(), by=by, validity=vendor().validity)
