"""Reference integrity manifests: what a driver or a VBIOS measures to. TCG RIM information model.

A RIM is a SWID tag (ISO/IEC 19770-2) with an XML signature:

    <SoftwareIdentity name="GH100" version="1.0" tagVersion="0" ...>
      <Meta colloquialVersion="550.90.07" edition="GPU" product="GH100" .../>
      <Payload>
        <Resource type="Measurement" index="7" active="True" alternatives="2"
                  ns2:Hash0="80161aac..." ns2:Hash1="..." .../>      index 7 is block 8

It does not hold the identifier under which the vendor serves it; what it is for are the chip
(`product`) and the version, and these must be those of the report: see `find_rim`.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from attestation.certificates import Anchor, check_path, expiry
from attestation.errors import AppraisalError, MalformedEvidenceError
from attestation.nvidia.ocsp import is_responder
from attestation.nvidia.xml_signature import Signed, check_digest, check_signed_info
from attestation.nvidia.xml_tree import Element

SWID = "http://standards.iso.org/iso/19770/-2/2015/schema.xsd"
"""Namespace of the tag."""

SHA384 = "http://www.w3.org/2001/04/xmlenc#sha384"
"""Namespace of the attributes that hold values."""

MEASUREMENT_SIZE = 48
"""Bytes of a value: SHA-384."""

MAX_INDEX = 254
"""Highest index: a block has one byte for its own, which is one more."""

MAX_ALTERNATIVES = 32
"""Values that one measurement may have; the most known is 4."""

NAMES = {
    count: {f"Hash{number}" for number in range(count)} for count in range(MAX_ALTERNATIVES + 1)
}
"""Names of the values of a measurement, by how many it has."""

INDEX = re.compile("0|[1-9][0-9]{0,2}", re.ASCII)

ACTIVE = {"True": True, "true": True, "False": False, "false": False}
"""Whether a measurement counts."""


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """What one measurement may be.

    Attributes:
        index: from 0; the block of a report has the index after it.
        active: whether it counts.
        values: the acceptable ones.
    """

    index: int
    active: bool
    values: frozenset[bytes]

    @property
    def block(self) -> int:
        """Give the index of its block."""
        return self.index + 1


@dataclass(frozen=True, kw_only=True)
class Rim:
    """What a RIM says; worth something only once `SignedRim.authenticate` returned.

    Attributes:
        name: of the chip, as `product`.
        version: of the form.
        tag_version: of this tag; a corrected one has a higher number.
        colloquial_version: of the driver, VBIOS or BIOS that it is for.
        edition: `GPU` or `SWITCH`.
        product: name of the chip.
        measurements: by index.
    """

    name: str
    version: str
    tag_version: str
    colloquial_version: str
    edition: str
    product: str
    measurements: Mapping[int, Measurement]

    @property
    def active(self) -> tuple[Measurement, ...]:
        """Give the measurements that count."""
        return tuple(one for one in self.measurements.values() if one.active)


@dataclass(frozen=True, kw_only=True)
class SignedRim:
    """A RIM as stapled."""

    rim: Rim
    signed: Signed

    @classmethod
    def parse(cls, data: bytes) -> "SignedRim":
        """Read an endorsement of type `rim`.

        Raises:
            MalformedEvidenceError: not a signed SWID tag with measurements.
        """
        signed = Signed.parse(data)
        return cls(rim=_rim(signed.payload), signed=signed)

    def authenticate(self, *, anchors: Sequence[Anchor], now: int) -> int:
        """Judge signature and signer; give the last second at which the signer is valid.

        Raises:
            AppraisalError: one of them does not hold.
        """
        chain = self.signed.certificates
        check_path(chain, anchors=anchors, now=now)
        if is_responder(chain[0]):
            raise AppraisalError("signer", expected="a signer of RIMs", actual="an OCSP responder")
        check_signed_info(self.signed, chain[0])
        check_digest(self.signed)
        return expiry(chain)


def find_rim(rims: Iterable[SignedRim], *, chip: str, version: str) -> SignedRim | None:
    """Give the RIM for a version on a chip; of several the one that was made last.

    Made last is judged by tag version, then by the signer's certificate: a later issue of a RIM
    comes with a new one. None where there is none.
    """
    fitting = [one for one in rims if _is_for(one.rim, chip, version)]
    return max(fitting, key=_newness, default=None)


def mismatches(measured: Mapping[int, bytes], rims: Sequence[Rim]) -> list[int]:
    """Give the active indexes whose block has none of the values; once for each RIM, sorted.

    Args:
        measured: block index to value.
        rims: to compare with.
    """
    return sorted(
        one.index for rim in rims for one in rim.active if measured.get(one.block) not in one.values
    )


def overlap(rims: Sequence[Rim]) -> list[int]:
    """Give the indexes that are active in more than one RIM, sorted."""
    count = Counter(one.index for rim in rims for one in rim.active)
    return sorted(index for index, times in count.items() if times > 1)


def _is_for(rim: Rim, chip: str, version: str) -> bool:
    return rim.product == chip and rim.colloquial_version.casefold() == version.casefold()


def _newness(signed: SignedRim) -> tuple[int, int]:
    return int(signed.rim.tag_version), signed.signed.certificates[0].not_before


def _rim(root: Element) -> Rim:
    if root.name.expanded != (SWID, "SoftwareIdentity"):
        raise MalformedEvidenceError("RIM: not a SWID tag")
    meta, payload = _only(root, "Meta"), _only(root, "Payload")
    found: dict[int, Measurement] = {}
    for resource in payload.elements:
        measurement = _measurement(resource)
        if measurement.index in found:
            raise MalformedEvidenceError(f"RIM: measurement {measurement.index} stands there twice")
        found[measurement.index] = measurement
    if not any(one.active for one in found.values()):
        raise MalformedEvidenceError("RIM: no measurement counts")
    return Rim(
        name=_attribute(root, "name"),
        version=_attribute(root, "version"),
        tag_version=_tag_version(root),
        colloquial_version=_attribute(meta, "colloquialVersion"),
        edition=_attribute(meta, "edition"),
        product=_attribute(meta, "product"),
        measurements=found,
    )


def _tag_version(root: Element) -> str:
    version = _attribute(root, "tagVersion")
    if not INDEX.fullmatch(version):
        raise MalformedEvidenceError("RIM: its tag version is not a number")
    return version


def _only(root: Element, local: str) -> Element:
    found = root.named(SWID, local)
    if len(found) != 1:
        raise MalformedEvidenceError(f"RIM: expected one {local}, found {len(found)}")
    return found[0]


def _measurement(resource: Element) -> Measurement:
    """Read a measurement; anything else among them is refused, so that none is overlooked."""
    if (
        resource.name.expanded != (SWID, "Resource")
        or _attribute(resource, "type") != "Measurement"
    ):
        raise MalformedEvidenceError("RIM: something other than a measurement among them")
    index, active = _attribute(resource, "index"), _attribute(resource, "active")
    if not INDEX.fullmatch(index) or int(index) > MAX_INDEX or active not in ACTIVE:
        raise MalformedEvidenceError("RIM: a measurement without index, or not said to count")
    values = _values(resource)
    if ACTIVE[active] and not values:
        raise MalformedEvidenceError(f"RIM: measurement {index} counts and has no value")
    return Measurement(index=int(index), active=ACTIVE[active], values=values)


def _values(resource: Element) -> frozenset[bytes]:
    """Read `Hash0`, `Hash1` and so on: as many as `alternatives` says, and no other."""
    found = {name.local: value for name, value in resource.attributes if name.namespace == SHA384}
    count = len(found)
    if _attribute(resource, "alternatives") != str(count) or found.keys() != NAMES.get(count):
        raise MalformedEvidenceError("RIM: a measurement has not the values that it counts")
    return frozenset([_value(value) for value in found.values()])


def _value(text: str) -> bytes:
    """Read a digest: hex in either case and nothing else, because no space fits beside it."""
    try:
        value = bytes.fromhex(text)
    except ValueError as error:
        raise MalformedEvidenceError("RIM: a value is not a SHA-384 digest") from error
    if len(text) != 2 * MEASUREMENT_SIZE or len(value) != MEASUREMENT_SIZE:
        raise MalformedEvidenceError("RIM: a value is not a SHA-384 digest")
    return value


def _attribute(element: Element, name: str) -> str:
    value = element.attribute(name)
    if value is None:
        raise MalformedEvidenceError(f"RIM: {element.name.local} has no {name}")
    return value
