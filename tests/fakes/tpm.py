"""A throw-away TPM: AKs, quotes, Azure reports and AK certificates, wrong in any way asked for.

    ak = rsa_ak()                                     or ec_ak(), and other names are other keys
    message(pcrs, extra_data=b"…", magic=0)           a TPMS_ATTEST, byte by byte
    ak.sign(message, scheme=RSAPSS, hashed=SHA384)    a TPMT_SIGNATURE
    hcl_report(hardware, runtime_data(ak))            an Azure report
    document(hardware, ak, pcrs, extra_data=…)        the `quote` of a bundle

Nothing here uses the code under test: what it writes is what the specifications say.
"""

import base64
import functools
import hashlib
import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.fakes.amd import DAY, NOW, distinguished, moment, pem, usage

SHA1, SHA256, SHA384, SHA512 = 0x4, 0xB, 0xC, 0xD
NAMES = {SHA1: "sha1", SHA256: "sha256", SHA384: "sha384", SHA512: "sha512"}
HASHES: Mapping[int, hashes.HashAlgorithm] = {
    SHA1: hashes.SHA1(),
    SHA256: hashes.SHA256(),
    SHA384: hashes.SHA384(),
    SHA512: hashes.SHA512(),
}
RSASSA, RSAPSS, ECDSA = 0x14, 0x16, 0x18
GENERATED, ST_QUOTE = 0xFF544347, 0x8018
SNP, TDX = 2, 4
AK_USAGE = "2.23.133.8.3"
ALL = tuple(range(24))

Pcrs = Mapping[int, bytes]
Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


@dataclass(frozen=True)
class Ak:
    """An attestation key."""

    key: Key = field(repr=False)

    @property
    def spki(self) -> bytes:
        public = self.key.public_key()
        return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    @property
    def scheme(self) -> int:
        return RSASSA if isinstance(self.key, rsa.RSAPrivateKey) else ECDSA

    def sign(self, data: bytes, *, scheme: int | None = None, hashed: int = SHA256) -> bytes:
        """Give a TPMT_SIGNATURE."""
        head = struct.pack(">HH", scheme or self.scheme, hashed)
        return head + b"".join(sized(value) for value in self._values(data, scheme, hashed))

    def _values(self, data: bytes, scheme: int | None, hashed: int) -> tuple[bytes, ...]:
        algorithm = HASHES[hashed]
        if isinstance(self.key, ec.EllipticCurvePrivateKey):
            size = self.key.curve.key_size // 8
            r, s = decode_dss_signature(self.key.sign(data, ec.ECDSA(algorithm)))
            return r.to_bytes(size, "big"), s.to_bytes(size, "big")
        pss = padding.PSS(padding.MGF1(algorithm), algorithm.digest_size)
        chosen = pss if scheme == RSAPSS else padding.PKCS1v15()
        return (self.key.sign(data, chosen, algorithm),)

    def jwk(self, kid: str = "HCLAkPub", **members: Any) -> dict[str, Any]:
        """Give the key as Azure's runtime data has it."""
        key = self.key
        assert isinstance(key, rsa.RSAPrivateKey)
        numbers = key.public_key().public_numbers()
        n, e = (b64url(one) for one in (numbers.n, numbers.e))
        return {"kid": kid, "key_ops": ["sign"], "kty": "RSA", "e": e, "n": n, **members}

    def tpmt(self, *, scheme: int = RSASSA, **changes: int) -> bytes:
        """Give the key as TPMT_PUBLIC; `changes` are `kind`, `cipher`, `bits`, `curve`."""
        key = self.key
        if isinstance(key, rsa.RSAPrivateKey):
            n = key.public_key().public_numbers().n
            kind, bits = changes.get("kind", 1), changes.get("bits", key.key_size)
            rest = struct.pack(">HI", bits, 0) + sized(n.to_bytes(key.key_size // 8, "big"))
        else:
            kind, numbers = changes.get("kind", 0x23), key.public_key().public_numbers()
            size = key.curve.key_size // 8
            points = (one.to_bytes(size, "big") for one in (numbers.x, numbers.y))
            curve = changes.get("curve", 3 if size == 32 else 4)
            rest = struct.pack(">HH", curve, 0x10) + b"".join(map(sized, points))
            scheme = ECDSA
        head = struct.pack(">HHI", kind, SHA256, 0x00050072) + sized(b"")
        return head + struct.pack(">HHH", changes.get("cipher", 0x10), scheme, SHA256) + rest


@functools.cache
def rsa_ak(name: str = "ak", bits: int = 2048) -> Ak:
    return Ak(rsa.generate_private_key(public_exponent=65537, key_size=bits))


@functools.cache
def ec_ak(name: str = "ak", curve: type[ec.EllipticCurve] = ec.SECP256R1) -> Ak:
    return Ak(ec.generate_private_key(curve()))


def sized(data: bytes) -> bytes:
    return len(data).to_bytes(2, "big") + data


def pcr_values(bank: int = SHA384, **values: bytes) -> dict[int, bytes]:
    """Give PCRs as a TPM starts with them; `pcr8=…` sets one."""
    size = HASHES[bank].digest_size
    start = {pcr: (b"\xff" if 17 <= pcr <= 22 else b"\0") * size for pcr in ALL}
    return start | {int(name.removeprefix("pcr")): value for name, value in values.items()}


def selection(pcrs: tuple[int, ...] = ALL, bank: int = SHA384, size: int = 3) -> bytes:
    """Give a TPMS_PCR_SELECTION."""
    bits = sum(1 << pcr for pcr in pcrs)
    return struct.pack(">HB", bank, size) + bits.to_bytes(size, "little")


def digest_of(pcrs: Pcrs, hashed: int = SHA256) -> bytes:
    return hashlib.new(NAMES[hashed], b"".join(pcrs[pcr] for pcr in sorted(pcrs))).digest()


def message(
    pcrs: Pcrs,
    *,
    hashed: int = SHA256,
    bank: int = SHA384,
    magic: int = GENERATED,
    kind: int = ST_QUOTE,
    qualified_signer: bytes = b"\x00\x0b" + b"q" * 32,
    extra_data: bytes = b"challenge",
    clock: int = 0x359BAE00,
    reset_count: int = 2,
    restart_count: int = 0,
    safe: int = 1,
    firmware_version: int = 0x2020031200120003,
    selections: tuple[bytes, ...] | None = None,
    pcr_digest: bytes | None = None,
    trailing: bytes = b"",
) -> bytes:
    """Give a TPMS_ATTEST over these PCRs, with any field changed before it is signed."""
    selected = (selection(tuple(pcrs), bank),) if selections is None else selections
    digest = digest_of(pcrs, hashed) if pcr_digest is None else pcr_digest
    return (
        struct.pack(">IH", magic, kind)
        + sized(qualified_signer)
        + sized(extra_data)
        + struct.pack(">QIIBQ", clock, reset_count, restart_count, safe, firmware_version)
        + struct.pack(">I", len(selected))
        + b"".join(selected)
        + sized(digest)
        + trailing
    )


def runtime_data(ak: Ak, **changes: Any) -> bytes:
    """Give Azure's runtime data; `changes` replace members, and None takes one away."""
    whole: dict[str, Any] = {
        "keys": [ak.jwk(), rsa_ak("ek").jwk("HCLEkPub", key_ops=["encrypt"])],
        "vm-configuration": {"console-enabled": True, "secure-boot": True, "tpm-enabled": True},
        "user-data": "00" * 64,
        **{name.replace("_", "-"): value for name, value in changes.items()},
    }
    kept = {name: value for name, value in whole.items() if value is not None}
    return json.dumps(kept, separators=(",", ":")).encode()


def hcl_report(
    hardware: bytes,
    runtime: bytes,
    *,
    kind: int = SNP,
    hash_type: int = 1,
    size: int = 2600,
    after: Mapping[int, bytes] | None = None,
) -> bytes:
    """Give an Azure report around a hardware report; `after` writes bytes at offsets."""
    length = len(runtime)
    frame = struct.pack("<4sIIII12x", b"HCLA", 2, 1236 + length, 2, 0)
    inner = struct.pack("<IIIII", 20 + length, 1, kind, hash_type, length)
    whole = bytearray((frame + hardware.ljust(1184, b"\0") + inner + runtime).ljust(size, b"\0"))
    for offset, value in (after or {}).items():
        whole[offset : offset + len(value)] = value
    return bytes(whole)


def runtime_report_data(runtime: bytes, name: str = "sha256") -> bytes:
    """Give the report data that binds runtime data."""
    return hashlib.new(name, runtime).digest().ljust(64, b"\0")


def td_report(report_data: bytes) -> bytes:
    """Give a TDREPORT, which nothing but a machine of its own could check."""
    return bytes((0x81,)).ljust(128, b"\0") + report_data + bytes(1024 - 192)


def ak_report_data(ak: Ak, extra: bytes) -> bytes:
    """Give the report data by which a hardware quote names an AK and a quote over these bytes."""
    prefixed = (len(one).to_bytes(8, "big") + one for one in (ak.spki, extra))
    return hashlib.sha512(b"openpcc tpm ak v2\0" + b"".join(prefixed)).digest()


def document(
    hardware: Mapping[str, bytes],
    ak: Ak,
    pcrs: Pcrs,
    *,
    signer: Ak | None = None,
    hashed: int = SHA256,
    scheme: int | None = None,
    chain: bytes | None = None,
    members: Mapping[str, Any] | None = None,
    after: Mapping[str, bytes] | None = None,
    **changes: Any,
) -> bytes:
    """Give the `quote` of a `*-vtpm` bundle.

    Args:
        hardware: members of `hardware`, raw.
        ak: named by the document.
        pcrs: of the SHA-384 bank.
        signer: that signs; None: the AK.
        hashed: of the signature.
        scheme: of the signature.
        chain: PEM.
        members: replace members of the document; None takes one away.
        after: replaces `message` or `signature` after signing.
        changes: see `message`.
    """
    signed = message(pcrs, hashed=hashed, **changes)
    signature = (signer or ak).sign(signed, hashed=hashed, scheme=scheme)
    made: dict[str, Any] = {
        "version": 1,
        "hardware": {name: b64(value) for name, value in hardware.items()},
        "ak": b64(ak.spki),
        "ak_certificates": None if chain is None else b64(chain),
        **{
            name: b64((after or {}).get(name, value))
            for name, value in (("message", signed), ("signature", signature))
        },
        "pcrs": {"sha384": {str(pcr): value.hex() for pcr, value in sorted(pcrs.items())}},
        **(members or {}),
    }
    kept = {name: value for name, value in made.items() if value is not None}
    return json.dumps(kept, separators=(",", ":")).encode()


@dataclass(frozen=True, kw_only=True)
class Cloud:
    """A cloud that certifies the AKs of its virtual TPMs: root and intermediate."""

    root_key: Key = field(repr=False)
    root: bytes
    ca_key: Key = field(repr=False)
    ca: bytes

    @property
    def spki_sha256(self) -> bytes:
        """Give the digest that a policy pins."""
        return hashlib.sha256(Ak(self.root_key).spki).digest()

    def chain(self, ak: Ak, **changes: Any) -> bytes:
        """Certify an AK; `changes` as for `certificate`. Gives PEM, leaf first."""
        usual = {"by": (self.ca_key, "vTPM CA"), "usages": (AK_USAGE,)}
        return pem(certificate("vm.example", ak.key, **{**usual, **changes}), self.ca, self.root)


@functools.cache
def cloud(name: str = "cloud") -> Cloud:
    root, ca = ec_ak(f"{name} root").key, ec_ak(f"{name} ca").key
    by = (root, "vTPM root")
    return Cloud(
        root_key=root,
        root=certificate("vTPM root", root, by=by, ca=1),
        ca_key=ca,
        ca=certificate("vTPM CA", ca, by=by, ca=0),
    )


def certificate(
    name: str,
    key: Key,
    *,
    by: tuple[Key, str],
    ca: int | None = None,
    usages: tuple[str, ...] = (),
    not_before: int = NOW - DAY,
    not_after: int = NOW + 30 * DAY,
) -> bytes:
    """Sign a certificate, DER; `ca` is a path length and makes it one of a CA."""
    signer, issuer = by
    builder = (
        x509.CertificateBuilder()
        .subject_name(distinguished(name))
        .issuer_name(distinguished(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(moment(not_before))
        .not_valid_after(moment(not_after))
        .add_extension(x509.BasicConstraints(ca=ca is not None, path_length=ca), critical=True)
    )
    if ca is not None:
        builder = builder.add_extension(usage(crl_sign=False), critical=True)
    if usages:
        oids = [x509.ObjectIdentifier(one) for one in usages]
        builder = builder.add_extension(x509.ExtendedKeyUsage(oids), critical=False)
    return builder.sign(signer, hashes.SHA256()).public_bytes(Encoding.DER)


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def b64url(number: int) -> str:
    data = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
