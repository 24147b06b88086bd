"""What Intel's certificates say: who may sign what, and which machine a PCK certificate names.

Intel SGX PCK Certificate and CRL Profile Specification, 1.3 (names) and 1.3.5 (SGX extension).
One root stands above the CAs that issue PCK certificates and above the signer of TCB data. What
each may vouch for is its common name, which the root signed.

    30 1E 06 0A 2A 86 48 86 F8 4D 01 0D 01 01 04 10 ...    one entry: OID ….1 (PPID), 16 bytes
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from cryptography.x509 import ObjectIdentifier

from attestation import der
from attestation.certificates import Certificate, parse_chain
from attestation.errors import AppraisalError, MalformedEvidenceError

ROOT_NAME = "Intel SGX Root CA"
"""Subject of the root."""

PCK_CA_NAMES = ("Intel SGX PCK Platform CA", "Intel SGX PCK Processor CA")
"""Subjects of the CAs that issue PCK certificates."""

PCK_NAME = "Intel SGX PCK Certificate"
"""Subject of every PCK certificate."""

TCB_SIGNER_NAME = "Intel SGX TCB Signing"
"""Subject of the signer of TCB info and QE identity."""

SGX_EXTENSION = "1.2.840.113741.1.13.1"
"""The extension that says what the machine is; its members are this with a further number."""

COMPONENTS = 16
"""TCB components of SGX, and of TDX."""

KEPT_IDENTITIES = 256
"""PCK certificates remembered as read: those of some shards."""


@dataclass(frozen=True, kw_only=True)
class PckIdentity:
    """What a PCK certificate says of its machine.

    Attributes:
        ppid: names the machine: the platform provisioning id.
        components: SVNs of the 16 SGX TCB components.
        pcesvn: SVN of the provisioning certification enclave.
        cpusvn: the components in the processor's own coding, which only it understands.
        pce_id: which provisioning certification enclave.
        fmspc: family, model, stepping, platform type and SKU; TCB data is issued for one.
    """

    ppid: bytes
    components: tuple[int, ...]
    pcesvn: int
    cpusvn: bytes
    pce_id: bytes
    fmspc: bytes


def read_chain(pem: bytes) -> tuple[Certificate, ...]:
    """Read a chain of Intel's certificates, whose serial numbers are positive. RFC 5280, 4.1.2.2.

    Raises:
        MalformedEvidenceError: it does not parse, or a serial number is one that no list can name.
    """
    chain = parse_chain(pem)
    if min(one.serial for one in chain) <= 0:
        raise MalformedEvidenceError("chain: a serial number is not positive")
    return chain


def pck_identity(leaf: Certificate) -> PckIdentity:
    """Read which machine a PCK certificate names.

    Raises:
        MalformedEvidenceError: it has no such extension, or one that does not say it.
    """
    value = leaf.extensions.get(ObjectIdentifier(SGX_EXTENSION))
    if value is None:
        raise MalformedEvidenceError("PCK certificate: has no SGX extension")
    return _pck_identity(value)


def check_roles(chain: Sequence[Certificate], *roles: Sequence[str]) -> None:
    """Judge that each certificate, leaf first, has one of the names of its role.

    Raises:
        AppraisalError: other names, or another number of certificates.
    """
    found = [certificate.name for certificate in chain]
    fits = [name in names for name, names in zip(found, roles, strict=False)]
    if len(found) != len(roles) or not all(fits):
        raise AppraisalError(
            "roles",
            expected=" < ".join(" or ".join(names) for names in roles),
            actual=" < ".join(found),
        )


@lru_cache(maxsize=KEPT_IDENTITIES)
def _pck_identity(value: bytes) -> PckIdentity:
    members = _members(der.whole(value, der.SEQUENCE), SGX_EXTENSION)
    tcb = _members(_member(members, "2"), f"{SGX_EXTENSION}.2")
    return PckIdentity(
        ppid=_octets(members, "1", 16),
        components=tuple(_svn(tcb, str(one), 0xFF) for one in range(1, COMPONENTS + 1)),
        pcesvn=_svn(tcb, "17", 0xFFFF),
        cpusvn=_octets(tcb, "18", 16),
        pce_id=_octets(members, "3", 2),
        fmspc=_octets(members, "4", 6),
    )


def _members(sequence: der.Element, prefix: str) -> dict[str, der.Element]:
    """Read entries of OID and value; gives what follows the prefix, each once, to value.

    Members that say nothing about the TCB (platform type, instance id, configuration) stay unread.
    """
    found: dict[str, der.Element] = {}
    for entry in der.children(sequence):
        parts = der.children(entry)
        if sequence.tag != der.SEQUENCE or entry.tag != der.SEQUENCE or len(parts) != 2:
            raise MalformedEvidenceError("PCK certificate: an SGX extension of another form")
        name = der.oid(parts[0])
        member = name.removeprefix(f"{prefix}.")
        if member == name or member in found:
            raise MalformedEvidenceError("PCK certificate: a foreign or repeated SGX extension")
        found[member] = parts[1]
    return found


def _member(members: Mapping[str, der.Element], name: str) -> der.Element:
    if name not in members:
        raise MalformedEvidenceError(f"PCK certificate: its SGX extension has no member {name}")
    return members[name]


def _octets(members: Mapping[str, der.Element], name: str, size: int) -> bytes:
    element = _member(members, name)
    if element.tag != der.OCTET_STRING or len(element.content) != size:
        raise MalformedEvidenceError(f"PCK certificate: member {name} is not {size} bytes")
    return element.content


def _svn(members: Mapping[str, der.Element], name: str, high: int) -> int:
    number = der.integer(_member(members, name))
    if not 0 <= number <= high:
        raise MalformedEvidenceError(f"PCK certificate: member {name} is not a version")
    return number
