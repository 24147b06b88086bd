"""A throw-away AMD: roots, CAs, chips, revocation lists and reports, wrong in any way asked for.

    amd = Amd("Genoa")
    chip = amd.vcek(spl={"snp": 23})                  a chip with another firmware version
    amd.report(chip, version=5, vmpl=1)               a report it signs
    amd.report(chip, after={0x330: b"x"})             the same, changed after signing
    amd.endorsements(chip, crls=(amd.crl(revoked=(amd.ask.serial,)),))
    amd.appraise(report, endorsements)                step 2, under a policy that pins this root

CA keys are made once per process and shared by the product lines; what tells the lines apart, here
as at AMD, is the names that the root signed.
"""

import base64
import functools
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from attestation.checks import Checks
from attestation.claims import Context, QuoteAppraisal
from attestation.evidence import Endorsement
from attestation.policy import AppraisalPolicy, Floors, Mark, NewestAccepted
from attestation.sev_snp.authenticate import authenticate
from attestation.sev_snp.evidence import REPORT_SIZE, SIGNED_SIZE, Policy, Report
from attestation.sev_snp.product import COMPONENTS, TURIN_COMPONENTS

NOW = 1_800_000_100
"""When what is made here is judged, Unix seconds."""

SOME_FLOOR = Floors(crl={bytes(32): Mark(number=1)})
"""Of an issuer that is none of ours: makes 2.floors have something to test."""

DAY = 86400
PSS = padding.PSS(mgf=padding.MGF1(hashes.SHA384()), salt_length=48)
ARC = "1.3.6.1.4.1.3704.1"
SPL_ARCS = {"bootloader": 1, "tee": 2, "snp": 3, "microcode": 8, "fmc": 9}
CPUIDS = {"Milan": (0x19, 0x01, 1), "Genoa": (0x19, 0x11, 1), "Turin": (0x1A, 0x02, 1)}
PRODUCT_NAMES = {"Milan": "Milan-B0", "Genoa": "Genoa-B1", "Turin": "Turin"}
TCBS = {
    "Milan": {"bootloader": 4, "tee": 1, "snp": 24, "microcode": 219},
    "Genoa": {"bootloader": 10, "tee": 2, "snp": 23, "microcode": 84},
    "Turin": {"fmc": 1, "bootloader": 2, "tee": 3, "snp": 4, "microcode": 75},
}

LeafKey = ec.EllipticCurvePrivateKey
Key = LeafKey | rsa.RSAPrivateKey


@functools.cache
def rsa_key(name: str, bits: int = 4096) -> rsa.RSAPrivateKey:
    """Make the key of an authority, once per process."""
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


@functools.cache
def leaf_key(name: str) -> LeafKey:
    return ec.generate_private_key(ec.SECP384R1())


@dataclass(frozen=True, kw_only=True)
class Authority:
    """A CA: its key, and the certificate that says so."""

    name: str
    key: rsa.RSAPrivateKey = field(repr=False)
    der: bytes
    serial: int
    spki_sha256: bytes


@dataclass(frozen=True, kw_only=True)
class Leaf:
    """A VCEK or VLEK with its chain, leaf first, DER.

    Attributes:
        hardware_id: what its reports carry as chip id.
        tcb: what its reports carry as TCB versions.
    """

    key: LeafKey = field(repr=False)
    chain: tuple[bytes, ...]
    signing_key: int
    hardware_id: bytes
    tcb: Mapping[str, int]

    @property
    def pem(self) -> bytes:
        return pem(*self.chain)

    def instead(self, index: int, der: bytes) -> "Leaf":
        """Give the leaf with another certificate in its chain."""
        return replace(self, chain=(*self.chain[:index], der, *self.chain[index + 1 :]))


class Amd:
    """One product line of the vendor."""

    def __init__(self, product: str = "Milan", *, root: str = "ARK") -> None:
        """Take a product line. `root` names the key of the ARK: another name is another vendor."""
        self.product = product
        self._root = root

    @functools.cached_property
    def ark(self) -> Authority:
        return self.authority(f"ARK-{self.product}", self._root, serial=0x10000)

    @functools.cached_property
    def ask(self) -> Authority:
        return self.authority(f"SEV-{self.product}", "ASK", by=self.ark, serial=0x10001)

    @functools.cached_property
    def asvk(self) -> Authority:
        return self.authority(f"SEV-VLEK-{self.product}", "ASVK", by=self.ark, serial=0x10101)

    @property
    def root_spki_sha256(self) -> bytes:
        """Give the digest that a policy pins."""
        return self.ark.spki_sha256

    def authority(
        self, name: str, key: str, *, by: Authority | None = None, serial: int, **changes
    ) -> Authority:
        """Make a CA; `changes` are those of `certificate`."""
        private = rsa_key(key)
        self_signed = Authority(name=name, key=private, der=b"", serial=serial, spki_sha256=b"")
        usual = {"is_ca": True, "ca_path_length": 0 if by else None, "crl_sign": by is None}
        options = {**usual, **changes}
        der = certificate(name, private, by=by or self_signed, serial=serial, **options)
        return replace(self_signed, der=der, spki_sha256=spki_sha256(private))

    def vcek(self, name: str = "chip", **changes) -> Leaf:
        """Make a chip and its VCEK; see `leaf`."""
        size = 8 if self.product == "Turin" else 64
        hardware_id = hashlib.sha512(name.encode()).digest()[:size]
        defaults = {"common_name": "SEV-VCEK", "by": self.ask, "hardware_id": hardware_id}
        return self.leaf(name, **{**defaults, **changes})

    def vlek(self, name: str = "host", **changes) -> Leaf:
        """Make a VLEK of a cloud; see `leaf`."""
        defaults = {"common_name": "SEV-VLEK", "by": self.asvk, "csp_id": "CN=cloud.example"}
        return self.leaf(name, **{**defaults, **changes})

    def leaf(
        self,
        name: str,
        *,
        common_name: str,
        by: Authority,
        hardware_id: bytes | None = None,
        csp_id: str | None = None,
        product_name: str | None = None,
        struct_version: int | None = None,
        spl: Mapping[str, int] | None = None,
        extensions: Mapping[str, bytes | None] | None = None,
        **changes,
    ) -> Leaf:
        """Make a leaf certificate.

        Args:
            name: of its key.
            common_name: of the subject.
            by: its issuer.
            hardware_id: None: none.
            csp_id: None: none.
            product_name: None: that of the line.
            struct_version: None: that of the line.
            spl: TCB components that differ from those of the line.
            extensions: suffix below AMD's arc (`.3.9`) to a DER value, or None to leave it out.
            changes: see `certificate`.
        """
        turin = self.product == "Turin"
        tcb = {**TCBS[self.product], **(spl or {})}
        values: dict[str, bytes | None] = {
            ".1": integer(int(turin) if struct_version is None else struct_version),
            ".2": ia5(product_name or PRODUCT_NAMES[self.product]),
            **{f".3.{n}": integer(0) for n in (range(5, 8) if turin else range(4, 8))},
            **{f".3.{SPL_ARCS[one]}": integer(value) for one, value in tcb.items()},
            ".4": hardware_id,
            ".5": None if csp_id is None else ia5(csp_id),
            **(extensions or {}),
        }
        shown = {ARC + end: value for end, value in values.items() if value is not None}
        key = leaf_key(name)
        der = certificate(common_name, key, by=by, extensions=shown, **{"serial": 0, **changes})
        return Leaf(
            key=key,
            chain=(der, by.der, self.ark.der),
            signing_key=int(common_name == "SEV-VLEK"),
            hardware_id=(hardware_id or b"").ljust(64, b"\0")[:64],
            tcb=tcb,
        )

    def tcb(self, **components: int) -> bytes:
        """Write a TCB version, the line's own where nothing else is said."""
        return tcb(self.product, **{**TCBS[self.product], **components})

    def fields(self, leaf: Leaf, version: int = 3, **changes) -> Report:
        """Give a report that fits a leaf, unsigned, with any field changed."""
        family, model, stepping = CPUIDS[self.product] if version >= 3 else (0, 0, 0)
        raw = tcb(self.product, **leaf.tcb)
        fitting = Report(
            version=version,
            guest_svn=1,
            policy=Policy.ALWAYS_ONE | Policy.SMT,
            family_id=b"f" * 16,
            image_id=b"i" * 16,
            vmpl=0,
            signature_algo=1,
            current_tcb=raw,
            platform_info=1,
            signer_info=leaf.signing_key << 2,
            report_data=hashlib.sha512(b"report data").digest(),
            measurement=hashlib.sha384(b"software").digest(),
            host_data=b"h" * 32,
            id_key_digest=b"k" * 48,
            author_key_digest=bytes(48),
            report_id=b"r" * 32,
            report_id_ma=b"\xff" * 32,
            reported_tcb=raw,
            cpuid_family=family,
            cpuid_model=model,
            cpuid_stepping=stepping,
            chip_id=leaf.hardware_id,
            committed_tcb=raw,
            current_build=1,
            current_minor=55,
            current_major=1,
            committed_build=1,
            committed_minor=55,
            committed_major=1,
            launch_tcb=raw,
            launch_mit_vector=3 if version >= 5 else 0,
            current_mit_vector=3 if version >= 5 else 0,
            signature_r=bytes(48),
            signature_s=bytes(48),
        )
        return fitting._replace(**changes)

    def report(
        self,
        leaf: Leaf,
        version: int = 3,
        *,
        key: LeafKey | None = None,
        before: Mapping[int, bytes] | None = None,
        after: Mapping[int, bytes] | None = None,
        **changes,
    ) -> bytes:
        """Sign a report.

        Args:
            leaf: whose report it is.
            version: of the report.
            key: that signs; None: the leaf's.
            before: offset to bytes that are written there before it is signed.
            after: the same, after it was signed.
            changes: fields of the report.
        """
        plain = patched(self.fields(leaf, version, **changes).encode(), before or {})
        return patched(signed(plain, key or leaf.key), after or {})

    def crl(
        self,
        *,
        revoked: tuple[int, ...] = (),
        by: Authority | None = None,
        key: rsa.RSAPrivateKey | None = None,
        number: int = 7,
        this_update: int = NOW - 3600,
        next_update: int = NOW + 60 * DAY,
    ) -> bytes:
        """Sign a CRL, DER; by the ARK, as AMD does."""
        issuer = by or self.ark
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(distinguished(issuer.name))
            .last_update(moment(this_update))
            .next_update(moment(next_update))
            .add_extension(x509.CRLNumber(number), critical=False)
        )
        for serial in revoked:
            entry = x509.RevokedCertificateBuilder(serial, moment(this_update))
            builder = builder.add_revoked_certificate(entry.build())
        crl = builder.sign(key or issuer.key, hashes.SHA384(), rsa_padding=PSS)
        return crl.public_bytes(Encoding.DER)

    def endorsements(
        self, leaf: Leaf, *, crls: tuple[bytes, ...] | None = None
    ) -> tuple[Endorsement, ...]:
        """Give what is stapled to a report of this leaf; without `crls` the line's own list."""
        lists = (self.crl(),) if crls is None else crls
        return (
            Endorsement(type="x509-chain", data=leaf.pem),
            *(Endorsement(type="x509-crl", data=one) for one in lists),
        )

    def policy(self, **changes) -> AppraisalPolicy:
        """Give a policy that accepts this vendor's machines."""
        table: dict[str, object] = {
            "platforms": ("sev-snp",),
            "roots": {"sev-snp": self.root_spki_sha256},
        }
        return AppraisalPolicy(**{**table, **changes})

    def context(self, endorsements: tuple[Endorsement, ...], **changes) -> Context:
        """Give what step 2 judges against; `now`, `policy`, `floors`, `newest` can be changed."""
        usual: dict[str, object] = {
            "now": NOW,
            "policy": self.policy(),
            "floors": SOME_FLOOR,
            "newest": NewestAccepted(),
        }
        return Context(endorsements=endorsements, **{**usual, **changes})

    def appraise(
        self, quote: bytes, endorsements: tuple[Endorsement, ...], **changes
    ) -> tuple[QuoteAppraisal, dict[str, str]]:
        """Judge step 2; give what it found, and the outcome of every check by its id."""
        context = self.context(endorsements, **changes)
        checks = Checks(optional=context.policy.optional)
        appraisal = authenticate(quote, context, checks)
        return appraisal, {one.id: str(one.outcome) for one in checks.done()}


def certificate(
    name: str,
    key: Key,
    *,
    by: Authority,
    serial: int,
    is_ca: bool = False,
    ca_path_length: int | None = None,
    crl_sign: bool = False,
    not_before: int = NOW - DAY,
    not_after: int = NOW + 365 * DAY,
    extensions: Mapping[str, bytes] | None = None,
    signer: rsa.RSAPrivateKey | None = None,
    critical: tuple[str, ...] = (),
) -> bytes:
    """Sign a certificate, DER. `signer` is a key other than the issuer's."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(distinguished(name))
        .issuer_name(distinguished(by.name))
        .public_key(key.public_key())
        .serial_number(serial or 1)
        .not_valid_before(moment(not_before))
        .not_valid_after(moment(not_after))
    )
    if is_ca:
        constraints = x509.BasicConstraints(ca=True, path_length=ca_path_length)
        builder = builder.add_extension(constraints, critical=True)
        builder = builder.add_extension(usage(crl_sign=crl_sign), critical=True)
    for oid, value in (extensions or {}).items():
        unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), value)
        builder = builder.add_extension(unknown, critical=oid in critical)
    made = builder.sign(signer or by.key, hashes.SHA384(), rsa_padding=PSS)
    if serial:
        return made.public_bytes(Encoding.DER)
    return with_serial_zero(made, signer or by.key)


def with_serial_zero(made: x509.Certificate, signer: rsa.RSAPrivateKey) -> bytes:
    """Give a certificate the serial number 0, as AMD does and the builder does not; sign again."""
    old = made.tbs_certificate_bytes
    new = old.replace(bytes.fromhex("a003020102020101"), bytes.fromhex("a003020102020100"), 1)
    signature = signer.sign(new, PSS, hashes.SHA384())
    return made.public_bytes(Encoding.DER).replace(old, new).replace(made.signature, signature)


def signed(data: bytes, key: LeafKey) -> bytes:
    """Sign a report's first bytes and write r and s behind them, little endian."""
    r, s = decode_dss_signature(key.sign(data[:SIGNED_SIZE], ec.ECDSA(hashes.SHA384())))
    return patched(
        data, {SIGNED_SIZE: r.to_bytes(72, "little"), SIGNED_SIZE + 72: s.to_bytes(72, "little")}
    )


def patched(data: bytes, patches: Mapping[int, bytes]) -> bytes:
    """Write bytes at offsets."""
    changed = bytearray(data)
    for offset, value in patches.items():
        changed[offset : offset + len(value)] = value
    assert len(changed) == REPORT_SIZE
    return bytes(changed)


def tcb(product: str, **components: int) -> bytes:
    """Write a TCB version."""
    places = TURIN_COMPONENTS if product == "Turin" else COMPONENTS
    raw = bytearray(8)
    for name, value in components.items():
        if name in places:
            raw[places[name]] = value
    return bytes(raw)


def integer(value: int) -> bytes:
    """Write a small DER INTEGER."""
    content = value.to_bytes(1 + value.bit_length() // 8, "big")
    return bytes((0x02, len(content))) + content


def ia5(text: str) -> bytes:
    """Write a short DER IA5String."""
    return bytes((0x16, len(text))) + text.encode("ascii")


def pem(*ders: bytes) -> bytes:
    """Write certificates as PEM, without reading them."""
    return b"".join(
        b"-----BEGIN CERTIFICATE-----\n"
        + b"".join(text[at : at + 64] + b"\n" for at in range(0, len(text), 64))
        + b"-----END CERTIFICATE-----\n"
        for text in map(base64.b64encode, ders)
    )


def spki_sha256(key: Key) -> bytes:
    spki = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(spki).digest()


def distinguished(common_name: str) -> x509.Name:
    oid = x509.NameOID
    return x509.Name(
        [
            x509.NameAttribute(oid.ORGANIZATION_NAME, "throw-away AMD"),
            x509.NameAttribute(oid.COMMON_NAME, common_name),
        ]
    )


def usage(*, crl_sign: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=False,
        key_cert_sign=True,
        crl_sign=crl_sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def moment(unix: int) -> datetime:
    return datetime.fromtimestamp(unix, UTC)
