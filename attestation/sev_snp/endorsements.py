"""What AMD's certificates say: who may sign what, and which chip and firmware a leaf names.

AMD 57230, "Versioned Chip Endorsement Key Certificate and KDS Interface Specification". One root
per product line (ARK) stands above the signer of chip keys (ASK) and that of host keys (ASVK):

    ARK-Milan > SEV-Milan      > SEV-VCEK    the key of one chip at one firmware version
    ARK-Milan > SEV-VLEK-Milan > SEV-VLEK    the key a cloud loads into its chips, at one version

The common names carry the roles, and the root signed them. Extensions below 1.3.6.1.4.1.3704.1:

    02 01 18       ….3.3, SNP firmware 24: an INTEGER
    16 05 "Genoa"  ….2, product name: an IA5String
    7b 15 84 ...   ….4, hardware id: 64 bytes (Turin: 8) without a DER tag, or in an OCTET STRING

The rules of 2.identity are the `check_…` functions. Each reads only the extensions it is about, so
each can be judged by itself. The certificates themselves travel with the evidence, for example out
of the table that `attestation.sev_snp.certificate_table` reads.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

from cryptography.x509 import ObjectIdentifier

from attestation import der
from attestation.certificates import Certificate, parse_chain
from attestation.endorsements import of_type
from attestation.errors import AppraisalError, MalformedEvidenceError, UnjudgedError
from attestation.evidence import Endorsement
from attestation.sev_snp.evidence import Report
from attestation.sev_snp.product import (
    TURIN_CHIP_ID_SIZE,
    Product,
    components_of,
    product_of,
    read_tcb,
)

ARC = "1.3.6.1.4.1.3704.1"
"""AMD's extensions are below this."""

STRUCT_VERSION = ObjectIdentifier(f"{ARC}.1")
"""How the others are to be read: 0 or 1, see `STRUCT_VERSIONS`."""

PRODUCT_NAME = ObjectIdentifier(f"{ARC}.2")
"""Name of the product, with or without stepping."""

SPL_ARC = f"{ARC}.3."
"""Security patch levels, one extension per TCB component."""

HARDWARE_ID = ObjectIdentifier(f"{ARC}.4")
"""Id of the chip; in a VCEK only."""

CSP_ID = ObjectIdentifier(f"{ARC}.5")
"""Name of the cloud; in a VLEK only."""

SPL_NAMES: Mapping[str, str] = MappingProxyType(
    {"1": "bootloader", "2": "tee", "3": "snp", "8": "microcode", "9": "fmc"}
)
"""Last number of an SPL's OID to its component."""

SPL_RESERVED = frozenset({"4", "5", "6", "7"})
"""Last numbers of SPLs without a component; zero where they are present."""

MAX_SPL = 255
"""Highest security patch level: a byte of the TCB version."""

STRUCT_VERSIONS: Mapping[Product, int] = MappingProxyType(
    {Product.MILAN: 0, Product.GENOA: 0, Product.TURIN: 1}
)
"""Product line to the structure version of its certificates."""

KINDS: Mapping[str, str] = MappingProxyType({"SEV-VCEK": "VCEK", "SEV-VLEK": "VLEK"})
"""Common name of a leaf to the kind of key it holds, as a report names it."""

ROLES: Mapping[tuple[str, ...], Product] = MappingProxyType(
    {
        (leaf, f"{signer}-{line}", f"ARK-{line}"): line
        for leaf, signer in (("SEV-VCEK", "SEV"), ("SEV-VLEK", "SEV-VLEK"))
        for line in Product
    }
)
"""Common names of a chain, leaf first, to the product line whose chain it is."""

CHIP_ID_SIZE = 64
"""Bytes of a hardware id before Turin."""

KEPT_LEAVES = 256
"""Leaf certificates remembered as read: those of some shards."""


@dataclass(frozen=True, kw_only=True)
class LeafTcb:
    """The TCB version that a leaf's key is derived for.

    Attributes:
        components: component to version.
        reserved: the versions of components that have no name; all zero in what we know.
    """

    components: Mapping[str, int]
    reserved: tuple[int, ...]


def read_chain(endorsements: Iterable[Endorsement]) -> tuple[Certificate, ...]:
    """Read the leaf's chain; of several, as after a renewal, the one with the newest leaf.

    Raises:
        MalformedEvidenceError: one does not parse.
        UnjudgedError: there is none.
    """
    chains = [parse_chain(data) for data in of_type(endorsements, "x509-chain")]
    if not chains:
        raise UnjudgedError("there is no endorsement x509-chain")
    return max(chains, key=lambda chain: chain[0].not_before)


@lru_cache(maxsize=KEPT_LEAVES)
def leaf_product(leaf: Certificate) -> Product:
    """Read the product line a leaf is for.

    Raises:
        MalformedEvidenceError: it names none we know, or a structure that is not this line's.
    """
    name = _text(leaf, PRODUCT_NAME)
    product = Product.named(name)
    if product is None:
        raise MalformedEvidenceError(f"leaf certificate: product {name[:32]!r} is not known")
    version = der.integer(der.whole(_value(leaf, STRUCT_VERSION), der.INTEGER))
    if version != STRUCT_VERSIONS[product]:
        raise MalformedEvidenceError(
            f"leaf certificate: structure version {version} is not that of {product}"
        )
    return product


@lru_cache(maxsize=KEPT_LEAVES)
def leaf_tcb(leaf: Certificate) -> LeafTcb:
    """Read the TCB version a leaf is for.

    Raises:
        MalformedEvidenceError: a component that is not known, or not a number of one byte.
    """
    components, reserved = {}, []
    for oid, value in leaf.extensions.items():
        name = oid.dotted_string
        if not name.startswith(SPL_ARC):
            continue
        number = name.removeprefix(SPL_ARC)
        level = der.integer(der.whole(value, der.INTEGER))
        if not 0 <= level <= MAX_SPL:
            raise MalformedEvidenceError("leaf certificate: a patch level is not one byte")
        if number in SPL_NAMES:
            components[SPL_NAMES[number]] = level
        elif number in SPL_RESERVED:
            reserved.append(level)
        else:
            # A component of which we do not know which byte of a report it is compared with.
            raise MalformedEvidenceError(f"leaf certificate: component {number} is not known")
    return LeafTcb(components=MappingProxyType(components), reserved=tuple(reserved))


def hardware_id(leaf: Certificate) -> bytes | None:
    """Read the id of the chip, as it stands or in an OCTET STRING; None if there is none.

    Raises:
        MalformedEvidenceError: neither 64 nor 8 bytes.
    """
    value = leaf.extensions.get(HARDWARE_ID)
    if value is None or len(value) in (CHIP_ID_SIZE, TURIN_CHIP_ID_SIZE):
        return value
    wrapped = der.whole(value, der.OCTET_STRING).content
    if len(wrapped) not in (CHIP_ID_SIZE, TURIN_CHIP_ID_SIZE):
        raise MalformedEvidenceError(f"leaf certificate: a hardware id of {len(wrapped)} bytes")
    return wrapped


def check_roles(chain: Sequence[Certificate]) -> Product:
    """Judge that the three certificates have the names of one product line; give it.

    Raises:
        AppraisalError: other names, or another number of certificates.
    """
    names = tuple(certificate.name for certificate in chain)
    product = ROLES.get(names)
    if product is None:
        raise AppraisalError(
            "roles",
            expected="SEV-VCEK < SEV-P < ARK-P or SEV-VLEK < SEV-VLEK-P < ARK-P, P a product line",
            actual=" < ".join(names),
        )
    return product


def check_product(report: Report, chain: Sequence[Certificate]) -> None:
    """Judge that report, leaf and root are of one product line.

    Raises:
        AppraisalError: they are not.
        MalformedEvidenceError: the leaf names none.
    """
    line = check_roles(chain)
    named = {"leaf": leaf_product(chain[0]), "report": product_of(report)}
    for part, product in named.items():
        if product not in (line, None):
            raise AppraisalError("product", expected=f"{part} of {line}", actual=str(product))


def check_leaf_kind(report: Report, leaf: Certificate) -> None:
    """Judge that the leaf's key is of the kind that the report says signed it.

    Raises:
        AppraisalError: it is not.
    """
    if KINDS.get(leaf.name) != report.signing_key:
        raise AppraisalError(
            "leaf", expected=f"a key of the kind {report.signing_key}", actual=leaf.name
        )


def check_tcb(report: Report, leaf: Certificate) -> None:
    """Judge that the leaf's key is for exactly the reported TCB version, component by component.

    Raises:
        AppraisalError: a component differs, or one side lacks it.
        MalformedEvidenceError: the leaf does not say.
    """
    named = leaf_tcb(leaf)
    components = components_of(report, _product_if_needed(report, leaf))
    reported = read_tcb("reported TCB", report.reported_tcb, components)
    if dict(named.components) != reported:
        raise AppraisalError(
            "TCB", expected=_shown(named.components), actual=f"reported {_shown(reported)}"
        )
    if any(named.reserved):
        raise AppraisalError("TCB", expected="reserved components of zero", actual="others")


def check_chip_id(report: Report, leaf: Certificate) -> None:
    """Judge that the leaf is of the chip the report names; a VLEK names its cloud instead.

    Raises:
        AppraisalError: another chip, a masked chip id, or an id that this kind of key has not.
        MalformedEvidenceError: the leaf's id does not parse.
    """
    chip, is_vlek = hardware_id(leaf), leaf.name == "SEV-VLEK"
    if (chip is None) is not is_vlek or (CSP_ID in leaf.extensions) is not is_vlek:
        raise AppraisalError(
            "leaf",
            expected="a hardware id in a VCEK, a CSP id in a VLEK, and not the other",
            actual=f"{leaf.name} with {'no ' if chip is None else 'a '}hardware id",
        )
    if chip is None:
        _text(leaf, CSP_ID)
        return
    turin = leaf_product(leaf) is Product.TURIN
    if len(chip) != (TURIN_CHIP_ID_SIZE if turin else CHIP_ID_SIZE):
        raise AppraisalError(
            "hardware id", expected="the length of its product line", actual=f"{len(chip)} bytes"
        )
    # A masked chip id is all zero, and no chip has that.
    if not any(report.chip_id) or report.chip_id != chip.ljust(CHIP_ID_SIZE, b"\0"):
        raise AppraisalError(
            "chip id",
            expected=chip.hex(),
            actual=report.chip_id.hex() if any(report.chip_id) else "masked",
        )


def _product_if_needed(report: Report, leaf: Certificate) -> Product | None:
    """Give the leaf's product line where the report does not say which it is."""
    return leaf_product(leaf) if report.version < 3 else None


def _value(leaf: Certificate, oid: ObjectIdentifier) -> bytes:
    value = leaf.extensions.get(oid)
    if value is None:
        raise MalformedEvidenceError(f"leaf certificate: has no {oid.dotted_string}")
    return value


def _text(leaf: Certificate, oid: ObjectIdentifier) -> str:
    content = der.whole(_value(leaf, oid), der.IA5_STRING).content
    if not content or not content.isascii():
        raise MalformedEvidenceError(f"leaf certificate: {oid.dotted_string} is no ASCII text")
    return content.decode("ascii")


def _shown(components: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {version}" for name, version in sorted(components.items()))
