"""Endorsements of the simulated platform: certificate roles, machine extensions, RIMs.

docs/formats.md, 3.5. One root stands above the machine CA, the device CA and the RIM signer. What
each may vouch for is its common name, which the root signed; so the device CA cannot make machines,
and no machine or device can sign reference measurements.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cryptography import x509

from attestation.certificates import Anchor, Certificate, check_path, expiry, parse_chain
from attestation.errors import AppraisalError, MalformedEvidenceError
from attestation.sections import MAX_CERTIFICATES, printable
from attestation.simulated.evidence import (
    MAX_BLOCKS,
    MEASUREMENT_SIZE,
    SIGNATURE_SIZE,
    check_signature,
)
from attestation.strict_json import Members, StrictJSONError, dumps, parse_object

ROOT_NAME = "openpcc SIMULATED root"
"""Common name of the root."""

MACHINE_CA_NAME = "openpcc SIMULATED machine CA"
"""Common name of the CA of machine certificates."""

DEVICE_CA_NAME = "openpcc SIMULATED device CA"
"""Common name of the CA of device certificates."""

RIM_SIGNER_NAME = "openpcc SIMULATED RIM signer"
"""Common name of the signer of reference measurements."""

MACHINE_ID_OID = x509.ObjectIdentifier("1.3.6.1.4.1.32473.1.1")
"""Machine id, an OCTET STRING of 32 bytes. RFC 5612 reserves 32473: it is nobody's product."""

VERSION_OID = x509.ObjectIdentifier("1.3.6.1.4.1.32473.1.2")
"""Firmware(2) ‖ microcode(2) of the machine, big endian, as an OCTET STRING."""

UNDERSTOOD = frozenset({MACHINE_ID_OID, VERSION_OID})
"""Extensions of a machine certificate that may be critical."""

MAX_RIM = 2**18
"""Bytes of a RIM."""

MAX_VALUES = 64
"""Accepted values of one measurement block."""


@dataclass(frozen=True, kw_only=True)
class MachineIdentity:
    """Whom a machine certificate names."""

    machine_id: bytes
    firmware: int
    microcode: int


@dataclass(frozen=True, kw_only=True)
class Rim:
    """Reference measurements of one kind of device.

    Attributes:
        name: kind of device they are for.
        measurements: block index to accepted values.
    """

    name: str
    not_before: int
    not_after: int
    measurements: Mapping[int, frozenset[bytes]]

    @classmethod
    def parse(cls, data: bytes) -> "Rim":
        """Read the bytes that a RIM signer signed. Raises: MalformedEvidenceError."""
        try:
            return _rim(parse_object(data, limit=MAX_RIM, name="rim body"))
        except StrictJSONError as error:
            raise MalformedEvidenceError(str(error)) from error


@dataclass(frozen=True, kw_only=True)
class SignedRim:
    """A RIM as stapled; worth something only once `authenticate` returns.

    Attributes:
        body: the signed bytes.
        rim: what they say.
        certificates: of the signer, PEM.
    """

    body: bytes
    rim: Rim
    signature: bytes
    certificates: bytes

    @classmethod
    def parse(cls, data: bytes) -> "SignedRim":
        """Read an endorsement of type `rim`. Raises: MalformedEvidenceError."""
        try:
            return _signed_rim(parse_object(data, limit=MAX_RIM, name="rim"))
        except StrictJSONError as error:
            raise MalformedEvidenceError(str(error)) from error

    def authenticate(self, *, anchors: Sequence[Anchor], now: int) -> int:
        """Judge signature, signer and validity; give the last second at which it holds.

        Raises:
            AppraisalError: one of them does not hold.
            MalformedEvidenceError: the certificates do not parse.
        """
        chain = parse_chain(self.certificates)
        check_path(chain, anchors=anchors, now=now)
        check_roles(chain, RIM_SIGNER_NAME, ROOT_NAME)
        check_signature(chain[0].public_key, self.signature, self.body, signer=RIM_SIGNER_NAME)
        rim = self.rim
        if not rim.not_before <= now <= rim.not_after:
            raise AppraisalError(
                "RIM",
                expected=f"valid at {now}",
                actual=f"valid from {rim.not_before} to {rim.not_after}",
            )
        return min(rim.not_after, expiry(chain))


def check_roles(chain: Sequence[Certificate], *names: str | None) -> None:
    """Judge that a chain has these common names, leaf first; None stands for any.

    Raises:
        AppraisalError: other names, or another number of certificates.
    """
    found = [certificate.name for certificate in chain]
    fits = [want in (None, name) for want, name in zip(names, found, strict=False)]
    if len(found) != len(names) or not all(fits):
        raise AppraisalError(
            "roles",
            expected=" < ".join(name or "leaf" for name in names),
            actual=" < ".join(found),
        )


def machine_identity(leaf: Certificate) -> MachineIdentity:
    """Read whom a machine certificate names.

    Raises:
        MalformedEvidenceError: an extension is missing or of another length.
    """
    version = _octets(leaf, VERSION_OID, 4)
    return MachineIdentity(
        machine_id=_octets(leaf, MACHINE_ID_OID, 32),
        firmware=int.from_bytes(version[:2], "big"),
        microcode=int.from_bytes(version[2:], "big"),
    )


def octet_string(data: bytes) -> bytes:
    """Write a DER OCTET STRING of fewer than 128 bytes."""
    return bytes((0x04, len(data))) + data


def rim_body(
    *, name: str, not_before: int, not_after: int, measurements: Mapping[int, Sequence[bytes]]
) -> bytes:
    """Write the bytes that a RIM signer signs."""
    return dumps(
        {
            "version": 1,
            "name": name,
            "not_before": not_before,
            "not_after": not_after,
            "measurements": {
                str(index): [value.hex() for value in values]
                for index, values in measurements.items()
            },
        }
    )


def _octets(leaf: Certificate, oid: x509.ObjectIdentifier, size: int) -> bytes:
    value = leaf.extensions.get(oid, b"")
    if len(value) != 2 + size or value != octet_string(value[2:]):
        raise MalformedEvidenceError("machine certificate: names no machine id and version")
    return value[2:]


def _signed_rim(members: Members) -> SignedRim:
    body = members.data("rim", limit=MAX_RIM)
    signed = SignedRim(
        body=body,
        rim=Rim.parse(body),
        signature=members.data("signature", size=SIGNATURE_SIZE),
        certificates=members.data("certificates", limit=MAX_CERTIFICATES),
    )
    members.end()
    return signed


def _rim(members: Members) -> Rim:
    members.integer("version", low=1, high=1)
    rim = Rim(
        name=printable(members, "name", limit=64),
        not_before=members.integer("not_before"),
        not_after=members.integer("not_after"),
        measurements=_measurements(members.child("measurements")),
    )
    members.end()
    return rim


def _measurements(members: Members) -> dict[int, frozenset[bytes]]:
    names = members.names()
    if not 1 <= len(names) <= MAX_BLOCKS:
        raise StrictJSONError(f"{members.name}: expected 1 to {MAX_BLOCKS} blocks")
    return {_index(members, name): _values(members, name) for name in names}


def _index(members: Members, name: str) -> int:
    if not re.fullmatch(r"0|[1-9][0-9]?", name, re.ASCII) or int(name) >= MAX_BLOCKS:
        raise StrictJSONError(f"{members.name}: {name[:8]!r} is not a block of 0..{MAX_BLOCKS - 1}")
    return int(name)


def _values(members: Members, name: str) -> frozenset[bytes]:
    texts = members.texts(name, limit=MAX_VALUES, length=2 * MEASUREMENT_SIZE)
    if not texts:
        raise StrictJSONError(f"{members.name}.{name}: expected at least one value")
    return frozenset(
        Members({name: text}, members.name).hex(name, size=MEASUREMENT_SIZE) for text in texts
    )
