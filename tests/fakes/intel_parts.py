"""What `tests.fakes.intel` is made of: certificates, lists, the SGX extension, TCB data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding

from attestation.tdx.endorsements import SGX_EXTENSION
from attestation.x509 import spki_sha256

NOW = 1_800_000_000
DAY = 86400
FMSPC = bytes.fromhex("90c06f000000")
PPID = bytes(range(0x10, 0x20))
QE_SIGNER = bytes.fromhex("dc9e2a7c6f948f17474e34a7fc43ed030f7c1563f1babddf6340c82e0e54a8c5")
COMPONENTS = (3, 3, 2, 2, 4, 1, 0, 5, *(0,) * 8)
TDX_COMPONENTS = (5, 0, 3, *(0,) * 13)
PCESVN = 13
NO_EXTENSIONS: Mapping[str, bytes] = {}


@dataclass(frozen=True, kw_only=True)
class Holder:
    """A certificate with its key and everything above it."""

    key: ec.EllipticCurvePrivateKey = field(repr=False)
    certificate: x509.Certificate
    above: tuple[x509.Certificate, ...] = ()

    @property
    def chain(self) -> tuple[x509.Certificate, ...]:
        return self.certificate, *self.above

    @property
    def pem(self) -> bytes:
        return b"".join(one.public_bytes(Encoding.PEM) for one in self.chain)

    @property
    def spki_sha256(self) -> bytes:
        return spki_sha256(self.key.public_key())


def issue(
    name: str,
    by: Holder | None,
    *,
    ca: int | None = None,
    key: ec.EllipticCurvePrivateKey | None = None,
    not_before: int = NOW - 100 * DAY,
    not_after: int = NOW + 1000 * DAY,
    extensions: Mapping[str, bytes] = NO_EXTENSIONS,
    serial: int | None = None,
) -> Holder:
    """Issue a certificate; `ca` is a path length and makes it a CA; without `by` a root."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    signer = key if by is None else by.key
    issuer = name_of(name) if by is None else by.certificate.subject
    builder = (
        x509.CertificateBuilder()
        .subject_name(name_of(name))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(serial or x509.random_serial_number())
        .not_valid_before(moment(not_before))
        .not_valid_after(moment(not_after))
        .add_extension(x509.BasicConstraints(ca=ca is not None, path_length=ca), critical=True)
        .add_extension(usage(is_ca=ca is not None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(authority_id(signer), critical=False)
    )
    for oid, value in extensions.items():
        extension = x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), value)
        builder = builder.add_extension(extension, critical=False)
    certificate = builder.sign(signer, hashes.SHA256())
    return Holder(key=key, certificate=certificate, above=() if by is None else by.chain)


def crl(
    by: Holder,
    *,
    revoked: Sequence[int] = (),
    number: int = 1,
    this_update: int = NOW - DAY,
    next_update: int = NOW + 29 * DAY,
) -> bytes:
    """Sign a list; Intel's number is always 1."""
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(by.certificate.subject)
        .last_update(moment(this_update))
        .next_update(moment(next_update))
        .add_extension(x509.CRLNumber(number), critical=False)
        .add_extension(authority_id(by.key), critical=False)
    )
    for serial in revoked:
        entry = x509.RevokedCertificateBuilder(serial, moment(this_update)).build()
        builder = builder.add_revoked_certificate(entry)
    return builder.sign(by.key, hashes.SHA256()).public_bytes(Encoding.DER)


def tcb_info() -> dict[str, Any]:
    """Give the good TCB info: two levels and the module's major versions 1 and 3."""
    return {
        "id": "TDX",
        "version": 3,
        "issueDate": stamp(NOW - DAY),
        "nextUpdate": stamp(NOW + 29 * DAY),
        "fmspc": FMSPC.hex().upper(),
        "pceId": "0000",
        "tcbType": 0,
        "tcbEvaluationDataNumber": 18,
        "tdxModule": module_signer(),
        "tdxModuleIdentities": [module("TDX_03", 3), module("TDX_01", 6)],
        "tcbLevels": [platform_level(), old_platform_level()],
    }


def module_signer() -> dict[str, Any]:
    return {"mrsigner": "00" * 48, "attributes": "00" * 8, "attributesMask": "FF" * 8}


def module(name: str, lowest: int, **values: Any) -> dict[str, Any]:
    """Name a TDX module that is up to date from an SVN on, and out of date before."""
    levels = [isv_level(lowest), isv_level(1, "OutOfDate", ["INTEL-SA-01036"])]
    return {"id": name, **module_signer(), "tcbLevels": levels, **values}


def isv_level(
    lowest: int, status: str = "UpToDate", advisories: Sequence[str] = ()
) -> dict[str, Any]:
    level = {"tcb": {"isvsvn": lowest}, "tcbDate": "2026-11-13T00:00:00Z", "tcbStatus": status}
    return level | ({"advisoryIDs": list(advisories)} if advisories else {})


def platform_level(
    components: Sequence[int] = COMPONENTS,
    tdx: Sequence[int] = TDX_COMPONENTS,
    *,
    pcesvn: int = PCESVN,
    status: str = "UpToDate",
    advisories: Sequence[str] = (),
) -> dict[str, Any]:
    tcb = {
        "sgxtcbcomponents": [{"svn": one, "category": "BIOS"} for one in components],
        "pcesvn": pcesvn,
        "tdxtcbcomponents": [{"svn": one} for one in tdx],
    }
    level = {"tcb": tcb, "tcbDate": "2026-11-13T00:00:00Z", "tcbStatus": status}
    return level | ({"advisoryIDs": list(advisories)} if advisories else {})


def old_platform_level() -> dict[str, Any]:
    """Give the level below, which a machine of lesser components reaches."""
    lower = [max(0, one - 1) for one in COMPONENTS], [max(0, one - 1) for one in TDX_COMPONENTS]
    return platform_level(
        *lower, pcesvn=5, status="OutOfDate", advisories=("INTEL-SA-00982", "INTEL-SA-00960")
    )


def qe_identity() -> dict[str, Any]:
    """Give the good QE identity."""
    return {
        "id": "TD_QE",
        "version": 2,
        "issueDate": stamp(NOW - DAY),
        "nextUpdate": stamp(NOW + 29 * DAY),
        "tcbEvaluationDataNumber": 18,
        "miscselect": "00000000",
        "miscselectMask": "FFFFFFFF",
        "attributes": "11000000000000000000000000000000",
        "attributesMask": "FBFFFFFFFFFFFFFF0000000000000000",
        "mrsigner": QE_SIGNER.hex().upper(),
        "isvprodid": 2,
        "tcbLevels": [isv_level(4), isv_level(2, "OutOfDate", ["INTEL-SA-00615"])],
    }


def sgx_extension(
    *,
    ppid: bytes = PPID,
    components: Sequence[int] = COMPONENTS,
    pcesvn: int = PCESVN,
    cpusvn: bytes | None = None,
    pce_id: bytes = bytes(2),
    fmspc: bytes = FMSPC,
    more: Sequence[bytes] = (),
) -> bytes:
    """Write the extension of a PCK certificate; `more` are entries put behind."""
    coded = bytes(components) if cpusvn is None else cpusvn
    svns = [(str(at), der_integer(one)) for at, one in enumerate((*components, pcesvn), start=1)]
    tcb = [entry(f"2.{at}", value) for at, value in (*svns, ("18", tlv(0x04, coded)))]
    entries = [
        entry("1", tlv(0x04, ppid)),
        entry("2", tlv(0x30, b"".join(tcb))),
        entry("3", tlv(0x04, pce_id)),
        entry("4", tlv(0x04, fmspc)),
        entry("5", tlv(0x0A, b"\x01")),
    ]
    return tlv(0x30, b"".join((*entries, *more)))


def entry(member: str, value: bytes) -> bytes:
    """Write one member of the extension."""
    arcs = [int(one) for one in f"{SGX_EXTENSION}.{member}".split(".")]
    coded = b"".join(base128(one) for one in (40 * arcs[0] + arcs[1], *arcs[2:]))
    return tlv(0x30, tlv(0x06, coded) + value)


def der_integer(number: int) -> bytes:
    return tlv(0x02, number.to_bytes(number.bit_length() // 8 + 1, "big"))


def base128(number: int) -> bytes:
    groups = [number & 0x7F]
    while number := number >> 7:
        groups.insert(0, number & 0x7F | 0x80)
    return bytes(groups)


def tlv(tag: int, content: bytes) -> bytes:
    size = len(content)
    length = bytes((size,)) if size < 0x80 else b"\x82" + size.to_bytes(2, "big")
    if 0x80 <= size < 0x100:
        length = bytes((0x81, size))
    return bytes((tag,)) + length + content


def sign(key: ec.EllipticCurvePrivateKey, data: bytes) -> bytes:
    """Sign with ECDSA P-256 and SHA-256; gives r ‖ s."""
    r, s = decode_dss_signature(key.sign(data, ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def stamp(unix: int) -> str:
    return moment(unix).strftime("%Y-%m-%dT%H:%M:%SZ")


def moment(unix: int) -> datetime:
    return datetime.fromtimestamp(unix, UTC)


def name_of(common_name: str) -> x509.Name:
    attributes = {
        x509.NameOID.COMMON_NAME: common_name,
        x509.NameOID.ORGANIZATION_NAME: "SIMULATED Corporation",
    }
    return x509.Name([x509.NameAttribute(oid, text) for oid, text in attributes.items()])


def authority_id(key: ec.EllipticCurvePrivateKey) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())


def usage(*, is_ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not is_ca,
        content_commitment=not is_ca,
        key_cert_sign=is_ca,
        crl_sign=is_ca,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
