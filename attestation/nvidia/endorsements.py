"""What the vendor's certificates say of a device: which chip it is, and what firmware it booted.

A chain has five certificates, leaf first: the attestation key (made by the first firmware that the
chip loads), the chip's own key (burnt in), two CAs of the vendor, and the pinned root. The leaf
says in an extension of TCG DICE which firmware made its key: the FWID. A report that repeats it
must repeat it rightly.

    2.23.133.5.4.1      CompositeDeviceID: version, device key, FWID (Hopper, LS10)
    2.23.133.5.4.1.1    DiceTcbInfo: vendor, model, ..., FWIDs under tag [6] (Blackwell)
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509

from attestation import der
from attestation.certificates import Anchor, Certificate, check_path
from attestation.errors import AppraisalError, MalformedEvidenceError
from attestation.nvidia.evidence import PDI_SIZE, Opaque, Report

CHAIN_LENGTH = 5
"""Certificates of a chain: no OCSP responder and no other kind of leaf lies as deep."""

COMPOSITE_DEVICE_ID = x509.ObjectIdentifier("2.23.133.5.4.1")
TCB_INFO = x509.ObjectIdentifier("2.23.133.5.4.1.1")

UNDERSTOOD = frozenset({COMPOSITE_DEVICE_ID, TCB_INFO})
"""Extensions of a leaf that may be critical."""

FWIDS_TAG = 0xA6
"""Tag of the list of FWIDs in DiceTcbInfo."""

SHA384 = "2.16.840.1.101.3.4.2.2"
"""The one hash of an FWID."""

GPU, SWITCH = "nvidia-gpu", "nvidia-switch"
"""Kinds of devices, as in a bundle."""

CHIPS = {GPU: re.compile(r"G[A-Z]?[0-9A-Z]{2,8}"), SWITCH: re.compile(r"LS_?[0-9]{2,4}")}
"""Names of chips by kind: `GH100`, `GB100`; `LS_10`."""


@dataclass(frozen=True, kw_only=True)
class Device:
    """Whom a chain names.

    Attributes:
        chip: name of the chip, as RIMs spell it.
        pdi: id by which other devices name it: the end of the chip certificate's serial number.
    """

    chip: str
    pdi: bytes


def check_chain(chain: Sequence[Certificate], *, anchors: Sequence[Anchor], now: int) -> None:
    """Judge a device's chain: the path to the pinned root, and its five roles.

    Raises:
        AppraisalError: the first thing that does not hold.
        MalformedEvidenceError: the leaf's firmware id does not parse.
    """
    check_path(chain, anchors=anchors, now=now, understood=UNDERSTOOD)
    if len(chain) != CHAIN_LENGTH:
        raise AppraisalError(
            "chain", expected=f"{CHAIN_LENGTH} certificates", actual=str(len(chain))
        )
    if not leaf_fwids(chain[0]):
        raise AppraisalError("leaf", expected="a firmware id (TCG DICE)", actual="none")


def identify(chain: Sequence[Certificate], kind: str) -> Device:
    """Give the device that a chain names.

    Raises:
        AppraisalError: its chip is none of this kind.
        MalformedEvidenceError: the chain is too short to name one.
    """
    if len(chain) < 2:
        raise MalformedEvidenceError("chain: names no chip")
    chip = chain[0].name.partition(" ")[0]
    fits = CHIPS.get(kind)
    if fits is None or not fits.fullmatch(chip):
        raise AppraisalError("chip", expected=f"a chip of kind {kind}", actual=chip or "none")
    serial = chain[1].serial & (1 << 8 * PDI_SIZE) - 1
    return Device(chip=chip.replace("_", ""), pdi=serial.to_bytes(PDI_SIZE, "big"))


def check_fwid(report: Report, leaf: Certificate) -> None:
    """Judge that the firmware id in a report, where it has one, is that of the leaf.

    Raises:
        AppraisalError: it is another.
        MalformedEvidenceError: the leaf's does not parse.
    """
    fwid = report.opaque.get(Opaque.FWID)
    fwids = leaf_fwids(leaf)
    if fwid is not None and fwid not in fwids:
        raise AppraisalError(
            "FWID",
            expected=" or ".join(one.hex() for one in fwids) or "none",
            actual=fwid.hex(),
        )


def leaf_fwids(leaf: Certificate) -> tuple[bytes, ...]:
    """Read the firmware ids of a leaf; a place that is all zero names no firmware.

    Raises:
        MalformedEvidenceError: the extension is not of its form.
    """
    found: list[bytes] = []
    composite, info = (leaf.extensions.get(oid) for oid in (COMPOSITE_DEVICE_ID, TCB_INFO))
    if composite is not None:
        found.append(_composite_fwid(composite))
    if info is not None:
        found += _tcb_info_fwids(info)
    return tuple(fwid for fwid in found if any(fwid))


def _composite_fwid(value: bytes) -> bytes:
    parts = der.children(der.whole(value, der.SEQUENCE))
    if [part.tag for part in parts] != [der.INTEGER, der.SEQUENCE, der.SEQUENCE]:
        raise MalformedEvidenceError("leaf: its device id is not of the known form")
    return _fwid(parts[2])


def _tcb_info_fwids(value: bytes) -> list[bytes]:
    parts = der.children(der.whole(value, der.SEQUENCE))
    lists = [part for part in parts if part.tag == FWIDS_TAG]
    if len(lists) != 1:
        raise MalformedEvidenceError("leaf: its TCB info has not exactly one list of FWIDs")
    return [_fwid(one) for one in der.children(lists[0])]


def _fwid(element: der.Element) -> bytes:
    parts = der.children(element)
    tags = [part.tag for part in parts]
    if element.tag != der.SEQUENCE or tags != [der.OID, der.OCTET_STRING]:
        raise MalformedEvidenceError("leaf: an FWID is not of the known form")
    algorithm, digest = parts
    if der.oid(algorithm) != SHA384 or len(digest.content) != 48:
        raise MalformedEvidenceError("leaf: an FWID is not a SHA-384 digest")
    return digest.content
