"""The very bytes behind the checks of devices, for whoever wants to look for themselves.

Names of parts: `report`, `certificate 0` (the leaf) to `certificate 4` (the root), each after
`device N` where there are several; `rim N` and `rim N certificate M`, `ocsp N`: numbered as they
are stapled, each kind by itself. Shown is what counts: the RIMs of the versions that a report
names, the answers about certificates that are asked about. It judges nothing: what it shows may be
refused, and what does not parse has no grounds.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from xml.parsers import expat

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from attestation import der
from attestation.certificates import Certificate, parse_chain
from attestation.checks import readable
from attestation.claims import Ground
from attestation.endorsements import of_type
from attestation.errors import MalformedEvidenceError
from attestation.evidence import DeviceEvidence, Endorsement
from attestation.nvidia.endorsements import CHIPS, UNDERSTOOD, identify
from attestation.nvidia.evidence import (
    NONCE_SIZE,
    REQUEST,
    REQUEST_SIZE,
    RESPONSE,
    SIGNATURE_SIZE,
    Opaque,
    Report,
)
from attestation.nvidia.ocsp import Answer
from attestation.nvidia.rim import ACTIVE, SWID, SignedRim, find_rim
from attestation.nvidia.rim_id import rim_ids
from attestation.nvidia.xml_signature import DSIG

JUDGED: Mapping[str, tuple[Opaque, ...]] = {
    "6.authentic": (
        Opaque.FWID,
        Opaque.PROTECTED_PCIE_STATUS,
        Opaque.FEATURE_FLAG,
        Opaque.SWITCH_PDIS,
    ),
    "6.measurements": (
        Opaque.DRIVER_VERSION,
        Opaque.VBIOS_VERSION,
        Opaque.NVDEC0_STATUS,
        Opaque.PROJECT,
        Opaque.PROJECT_SKU,
        Opaque.CHIP_SKU,
    ),
}
"""Check to the opaque data that it judges."""

BLOCKS_OFFSET = REQUEST_SIZE + len(RESPONSE) + 6
"""Where the first block lies: behind two parameters, a count of one byte and a size of three."""

BLOCK_HEADER = 7
"""Bytes of a block before its value."""

OPAQUE_HEADER = 4
"""Bytes of opaque data before a value: type and size."""

RIM_ELEMENTS = {
    (SWID, "SoftwareIdentity"): "identity",
    (SWID, "Meta"): "meta",
    (SWID, "Resource"): "measurement",
}
"""Elements of a RIM that are shown by their start tag."""

SIGNATURE_ELEMENTS = frozenset(
    (DSIG, name) for name in ("SignedInfo", "DigestValue", "SignatureValue")
)
"""Those that are shown whole."""


TAG = re.compile(rb"""<(?:[^<>"']|"[^"]*"|'[^']*')*>""")
"""A start tag."""


@dataclass(frozen=True, kw_only=True)
class StapledRim:
    """A RIM that parses, and its number among those stapled."""

    number: int
    data: bytes
    signed: SignedRim


def explain_devices(
    devices: Sequence[DeviceEvidence],
    endorsements: tuple[Endorsement, ...],
    *,
    kinds: Collection[str] = CHIPS,
) -> Iterator[Ground]:
    """Give the bytes behind step 6 for these devices; one alone has no number.

    Args:
        devices: of a machine.
        endorsements: as stapled.
        kinds: of devices that are shown; others count only for the numbers.
    """
    stapled = _rims(of_type(endorsements, "rim"))
    chosen: dict[int, StapledRim] = {}
    chains: list[Sequence[Certificate]] = []
    for number, device in enumerate(devices):
        if device.kind not in kinds:
            continue
        name = f"device {number} " if len(devices) > 1 else ""
        rims = _chosen(device, stapled)
        chosen |= {one.number: one for one in rims}
        yield from _of_report(f"{name}report", device.report, rims)
        chain = readable(lambda one=device: parse_chain(one.certificates)) or ()  # type: ignore[misc]
        chains.append(chain[1:])
        yield from _of_chain(name, chain)
    for one in chosen.values():
        yield from _of_rim(one)
    signers = [one.signed.signed.certificates for one in chosen.values()]
    yield from _of_answers(endorsements, {"6.authentic": chains, "6.measurements": signers})


def explain_rim(data: bytes, endorsements: tuple[Endorsement, ...]) -> Iterator[Ground]:
    """Give the bytes behind what is judged of a RIM alone."""
    for one in _rims((data,)):
        yield from _of_rim(one)
        chain = one.signed.signed.certificates
        yield from _of_answers(endorsements, {"6.measurements": [chain]})


def _rims(ders: Sequence[bytes]) -> tuple[StapledRim, ...]:
    found = ((number, data, _parsed(data)) for number, data in enumerate(ders))
    return tuple(
        StapledRim(number=number, data=data, signed=signed)
        for number, data, signed in found
        if signed is not None
    )


def _parsed(data: bytes) -> SignedRim | None:
    return readable(lambda: SignedRim.parse(data))


def _chosen(device: DeviceEvidence, stapled: Sequence[StapledRim]) -> list[StapledRim]:
    """Give the RIMs for the versions that a report names, as far as they are there."""

    def choose() -> list[StapledRim]:
        report, chain = Report.parse(device.report), parse_chain(device.certificates)
        chip = identify(chain, device.kind).chip
        found = (
            find_rim([one.signed for one in stapled], chip=chip, version=wanted.version)
            for wanted in rim_ids(report, kind=device.kind, chip=chip)
        )
        return [one for signed in found for one in stapled if one.signed is signed]

    return readable(choose) or []


def _of_report(part: str, data: bytes, rims: Sequence[StapledRim]) -> Iterator[Ground]:
    report = readable(lambda: Report.parse(data))
    if report is None:
        return
    end = len(data) - SIGNATURE_SIZE
    yield _ground("6.authentic", part, data, 0, end, "signed bytes")
    yield _ground("6.authentic", part, data, end, SIGNATURE_SIZE, "signature")
    yield _ground("6.nonce", part, data, len(REQUEST), NONCE_SIZE, "nonce")
    counted = {one.block for rim in rims for one in rim.signed.rim.active}
    at = BLOCKS_OFFSET
    for block in report.blocks:
        size = len(block.value)
        if block.index in counted or not rims:
            place, name = at + BLOCK_HEADER, f"block {block.index}"
            yield _ground("6.measurements", part, data, place, size, name)
        at += BLOCK_HEADER + size
    yield from _of_opaque(part, data, report, at + NONCE_SIZE + 2)


def _of_opaque(part: str, data: bytes, report: Report, at: int) -> Iterator[Ground]:
    """Give opaque data, which stands in the report in the order of the mapping."""
    for kind, value in report.opaque.items():
        at += OPAQUE_HEADER
        for check, kinds in JUDGED.items():
            if kind in kinds and value:
                yield _ground(check, part, data, at, len(value), Opaque(kind).name)
        at += len(value)


def _of_chain(name: str, chain: Sequence[Certificate]) -> Iterator[Ground]:
    for depth, certificate in enumerate(chain):
        part, data = f"{name}certificate {depth}", certificate.der
        yield _ground("6.authentic", part, data, 0, len(data), certificate.name)
        if depth == 0:
            key = certificate.public_key.public_bytes(
                Encoding.DER, PublicFormat.SubjectPublicKeyInfo
            )
            yield from _found(part, data, key, "public key")
            for oid in UNDERSTOOD & certificate.extensions.keys():
                yield from _found(part, data, certificate.extensions[oid], oid.dotted_string)


def _found(part: str, data: bytes, value: bytes, field: str) -> Iterator[Ground]:
    """Give a piece of a certificate where it stands; a key in another spelling stands nowhere."""
    at = data.find(value)
    if at >= 0 and value:
        yield _ground("6.authentic", part, data, at, len(value), field)


def _of_rim(rim: StapledRim) -> Iterator[Ground]:
    part = f"rim {rim.number}"
    for place in _places(rim.data):
        name, index = place.name, place.attributes.get("index")
        if name in SIGNATURE_ELEMENTS:
            size = place.end - place.begin
            yield _ground("6.measurements", part, rim.data, place.begin, size, name[1])
        elif name in RIM_ELEMENTS and ACTIVE.get(place.attributes.get("active", "true")):
            field = RIM_ELEMENTS[name] + ("" if index is None else f" {index}")
            size = place.tag_end - place.begin
            yield _ground("6.measurements", part, rim.data, place.begin, size, field)
    for depth, certificate in enumerate(rim.signed.signed.certificates):
        data = certificate.der
        piece = f"{part} certificate {depth}"
        yield _ground("6.measurements", piece, data, 0, len(data), certificate.name)


@dataclass(kw_only=True)
class _Place:
    """Where an element stands."""

    name: tuple[str, str]
    attributes: Mapping[str, str]
    begin: int
    tag_end: int
    end: int


def _places(data: bytes) -> list[_Place]:
    """Give where every element stands, in the order of the document.

    Args:
        data: parsed before by `parse_xml`, which refuses all that makes expat dangerous.
    """
    parser = expat.ParserCreate("UTF-8", " ")
    found: list[_Place] = []
    inside: list[_Place] = []

    def start(name: str, attributes: dict[str, str]) -> None:
        begin = parser.CurrentByteIndex
        tag_end = _tag_end(data, begin)
        namespace, _, local = name.rpartition(" ")
        found.append(
            _Place(
                name=(namespace, local),
                attributes=attributes,
                begin=begin,
                tag_end=tag_end,
                end=tag_end,
            )
        )
        inside.append(found[-1])

    def end(_name: str) -> None:
        place, at = inside.pop(), parser.CurrentByteIndex
        if data.startswith(b"</", at):  # else it is empty and ends with its tag
            place.end = data.index(b">", at) + 1

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.Parse(data, True)
    return found


def _tag_end(data: bytes, begin: int) -> int:
    """Give where a start tag ends; a `>` inside the quotes of an attribute does not end it."""
    match = TAG.match(data, begin)
    if match is None:
        raise MalformedEvidenceError("XML: a tag has no end")
    return match.end()


def _of_answers(
    endorsements: tuple[Endorsement, ...],
    chains: Mapping[str, Sequence[Sequence[Certificate]]],
) -> Iterator[Ground]:
    """Give the answers that are about these certificates, under the check that asks."""
    for number, data in enumerate(of_type(endorsements, "ocsp")):
        answer = readable(lambda one=data: Answer.parse(one))  # type: ignore[misc]
        if answer is None:
            continue
        for check, asked in chains.items():
            pairs = [pair for chain in asked for pair in pairwise(chain)]
            if any(answer.names(*pair) for pair in pairs):
                for ground in _of_answer(f"ocsp {number}", data):
                    yield replace(ground, check=check)


def _of_answer(part: str, data: bytes) -> Iterator[Ground]:
    """Give serial number, status and times of the one answer inside. RFC 6960, section 4.2.1."""
    inside = readable(lambda: _answer_parts(data))
    for field, element in (inside or {}).items():
        size = element.end - element.start
        yield _ground("6.authentic", part, data, element.start, size, field)


def _answer_parts(data: bytes) -> dict[str, der.Element]:
    outer = der.children(der.whole(data, der.SEQUENCE))
    _oid, response = der.children(der.children(outer[1])[0])
    basic = der.read(data, response.offset)
    signed, _algorithm, signature = der.children(basic)[:3]
    answers = next(one for one in der.children(signed) if one.tag == der.SEQUENCE)
    named, status, this_update, next_update = der.children(der.children(answers)[0])[:4]
    return {
        "signed bytes": signed,
        "certificate asked about": named,
        "status": status,
        "this update": this_update,
        "next update": next_update,
        "signature": signature,
    }


def _ground(check: str, part: str, data: bytes, offset: int, size: int, field: str) -> Ground:
    return Ground(
        check=check,
        part=part,
        offset=offset,
        size=size,
        field=field,
        value=data[offset : offset + size],
    )
