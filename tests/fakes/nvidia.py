"""A throw-away NVIDIA: roots, chips, reports, RIMs and OCSP answers, wrong in any way asked for.

    nvidia = Nvidia()                                 Hopper; Nvidia("GB100"), Nvidia("LS_10")
    chip = nvidia.device()
    nvidia.report(chip, opaque={Opaque.FWID: None})   a report it signs, without its FWID
    nvidia.report(chip, after={4: b"x"})              changed after signing
    nvidia.rims(after=lambda xml: xml.replace(...))   its RIMs, changed after signing
    nvidia.answers(chip)                              an OCSP answer for every certificate

As the real one it signs the RIMs of driver and VBIOS by two signers under one CA, has one responder
for each issuer, which it keeps for years, and gives everybody who asks on a day the same answers.

Nothing here uses the canonicaliser it is to test: a RIM is written in canonical form to begin with.
"""

import base64
import functools
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from attestation.claims import Context
from attestation.evidence import DeviceEvidence, Endorsement
from attestation.nvidia.endorsements import GPU, SWITCH
from attestation.nvidia.evidence import Opaque
from attestation.policy import AppraisalPolicy, Floors, NewestAccepted
from tests.fakes.amd import NOW, moment, pem

DAY = 86400
FOREVER = 253402300799
"""The end of the year 9999, when device certificates end."""

NONCE = hashlib.sha256(b"nonce").digest()
SWID = "http://standards.iso.org/iso/19770/-2/2015/schema.xsd"
HASH = "http://www.w3.org/2001/04/xmlenc#sha384"
DSIG = "http://www.w3.org/2000/09/xmldsig#"
DRIVER, VBIOS, BIOS = "550.90.07", "96.00.9F.00.01", "96.10.55.00.01"

Key = ec.EllipticCurvePrivateKey
Edit = Callable[[str], str]


@functools.cache
def key_of(name: str) -> Key:
    """Make the key of an authority or chip, once per process."""
    return ec.generate_private_key(ec.SECP384R1())


@dataclass(frozen=True, kw_only=True)
class Holder:
    """Whoever has a key and a certificate that says so."""

    name: str
    key: Key = field(repr=False)
    der: bytes = field(repr=False)

    @property
    def loaded(self) -> x509.Certificate:
        return x509.load_der_x509_certificate(self.der)

    @property
    def spki_sha256(self) -> bytes:
        spki = self.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return hashlib.sha256(spki).digest()


@dataclass(frozen=True, kw_only=True)
class Chip:
    """A device: its chain, leaf first, and what its reports say of it.

    Attributes:
        holders: of the keys of the chain.
        kind: as in a bundle.
        fwid: of the firmware that made its leaf key.
        pdi: id by which others name it.
    """

    holders: tuple[Holder, ...]
    kind: str
    fwid: bytes
    pdi: bytes

    @property
    def key(self) -> Key:
        return self.holders[0].key

    @property
    def pem(self) -> bytes:
        return pem(*(holder.der for holder in self.holders))

    def evidence(self, report: bytes, **changes) -> DeviceEvidence:
        """Give the device's entry in a bundle."""
        usual = {"kind": self.kind, "certificates": self.pem, "mode": "on"}
        return DeviceEvidence(report=report, **{**usual, **changes})

    def instead(self, index: int, holder: Holder) -> "Chip":
        """Give the chip with another certificate in its chain."""
        holders = (*self.holders[:index], holder, *self.holders[index + 1 :])
        return replace(self, holders=holders)


@functools.cache
def nvidia(chip: str = "GH100") -> "Nvidia":
    """Give the vendor of tests that need just one; GPUs and switches share the keys of roots."""
    return Nvidia(chip)


class Nvidia:
    """The vendor, for one family of chips. `root` names its keys: another name, another vendor."""

    def __init__(self, chip: str = "GH100", *, root: str = "") -> None:
        self.chip = chip
        self.is_switch = chip.startswith("LS")
        self._root = root
        self._responders: dict[bytes, Holder] = {}
        self._answers: dict[bytes, bytes] = {}

    @functools.cached_property
    def root(self) -> Holder:
        return self.authority("NVIDIA Device Identity CA")

    @functools.cached_property
    def identity(self) -> Holder:
        return self.authority(f"NVIDIA {self.chip} Identity", by=self.root)

    @functools.cached_property
    def provisioner(self) -> Holder:
        return self.authority(f"NVIDIA {self.chip} Provisioner ICA 1", by=self.identity)

    @functools.cached_property
    def rim_chain(self) -> tuple[Holder, ...]:
        """Give the signer of RIMs of drivers and switches, and everything above it."""
        root = self.authority("NVIDIA CoRIM signing Root CA")
        upper = self.authority(f"NVIDIA Reference Value {self.chip} CA", by=root)
        lower = self.authority(f"NVIDIA Reference Value L3 {self.chip}", by=upper)
        return self.rim_signer(lower), lower, upper, root

    @functools.cached_property
    def vbios_chain(self) -> tuple[Holder, ...]:
        """Give the signer of RIMs of VBIOSes, of the same name, and everything above it."""
        above = self.rim_chain[1:]
        return self.rim_signer(above[0], key=key_of(self._root + "VBIOS"), serial=4), *above

    def rim_signer(self, by: Holder, **changes) -> Holder:
        """Make a signer of RIMs; `changes` are those of `authority`."""
        usual = {"is_ca": False, "not_after": NOW + 365 * DAY}
        return self.authority("HCC RIM L4 Signer", by=by, **{**usual, **changes})

    def authority(
        self, name: str, *, by: Holder | None = None, key: Key | None = None, **changes
    ) -> Holder:
        """Make a CA; `changes` are those of `certificate`."""
        own = key or key_of(self._root + name)
        der = certificate(name, own, by=by, **{"is_ca": True, **changes})
        return Holder(name=name, key=own, der=der)

    def device(
        self,
        name: str = "chip",
        *,
        fwid: bytes | None = None,
        extensions: Mapping[str, bytes] | None = None,
        leaf_name: str | None = None,
        **changes,
    ) -> Chip:
        """Make a chip.

        Args:
            name: of its keys.
            fwid: of its firmware.
            extensions: of the leaf, instead of the one with the FWID.
            leaf_name: common name of the leaf.
            changes: of the leaf; see `certificate`.
        """
        firmware = hashlib.sha384(b"firmware").digest() if fwid is None else fwid
        pdi = hashlib.sha256(name.encode()).digest()[:8]
        engine = "FSP" if self.is_switch else "GSP"
        brom = self.authority(
            f"{self.chip} A01 {engine} BROM",
            by=self.provisioner,
            key=key_of(f"{self._root}{name} BROM"),
            serial=int.from_bytes(b"\x41" + pdi, "big"),
            crl_sign=False,
        )
        device_id = tcb_info if self.chip.startswith("GB") else composite_device_id
        leaf = self.authority(
            leaf_name or f"{self.chip} A01 {engine} FMC LF",
            by=brom,
            key=key_of(f"{self._root}{name} FMC"),
            extensions=device_id(firmware) if extensions is None else extensions,
            **{"is_ca": False, **changes},
        )
        return Chip(
            holders=(leaf, brom, self.provisioner, self.identity, self.root),
            kind=SWITCH if self.is_switch else GPU,
            fwid=firmware,
            pdi=pdi,
        )

    @property
    def block_count(self) -> int:
        return 31 if self.is_switch else 64

    def opaque(self, chip: Chip) -> dict[int, bytes]:
        """Give the opaque data of a family's reports."""
        if self.is_switch:
            return {
                Opaque.VBIOS_VERSION: BIOS.encode(),
                Opaque.SWITCH_PDIS: chip.pdi,
                Opaque.LOCK_SWITCH_STATUS: b"\1\0",
            }
        found: dict[int, bytes] = {
            Opaque.VBIOS_VERSION: bytes.fromhex("009f009601000000"),
            Opaque.BOARD_ID: bytes.fromhex("b1030000"),
            Opaque.CHIP_SKU: b"882\0\0\0",
            Opaque.PROJECT: b"1010\0",
            Opaque.PROJECT_SKU: b"0200\0",
            Opaque.DRIVER_VERSION: DRIVER.encode() + b"\0",
            Opaque.NVDEC0_STATUS: b"\xaa",
            Opaque.FWID: chip.fwid,
        }
        if self.chip == "GH100":
            return {**found, Opaque.PROTECTED_PCIE_STATUS: b"\x55"}
        return {**found, Opaque.CHIP_INFO: self.chip.encode() + b"\0", Opaque.FEATURE_FLAG: b"\0\0"}

    def report(
        self,
        chip: Chip,
        *,
        nonce: bytes = NONCE,
        blocks: Mapping[int, bytes | None] | None = None,
        opaque: Mapping[int, bytes | None] | None = None,
        key: Key | None = None,
        before: Mapping[int, bytes] | None = None,
        after: Mapping[int, bytes] | None = None,
    ) -> bytes:
        """Sign a report.

        Args:
            chip: whose report it is.
            nonce: it was asked with.
            blocks: block index to another value; None leaves the block out.
            opaque: type to another value; None leaves it out.
            key: that signs; None: the leaf's.
            before: offset to bytes that are written there before it is signed.
            after: the same, after it was signed.
        """
        usual = {index: value_of(index) for index in range(1, self.block_count + 1)}
        record = given({**usual, **(blocks or {})})
        data = given({**self.opaque(chip), **(opaque or {})})
        return message(record, data, nonce=nonce, key=key or chip.key, before=before, after=after)

    def rims(self, *, edit: Edit | None = None, after: Edit | None = None) -> tuple[bytes, ...]:
        """Give the RIMs of the family's one release: of driver and VBIOS, or of a switch's BIOS."""
        if self.is_switch:
            return (self.rim(BIOS, range(31), edition="SWITCH", edit=edit, after=after),)
        return (
            self.rim(DRIVER, range(1, 64, 2), edit=edit, after=after),
            self.rim(VBIOS, range(0, 64, 2), edit=edit, after=after, chain=self.vbios_chain),
        )

    def rim(
        self,
        version: str,
        active: Sequence[int],
        *,
        edition: str = "GPU",
        product: str | None = None,
        tag_version: int = 0,
        values: Mapping[int, Sequence[bytes]] | None = None,
        edit: Edit | None = None,
        edit_info: Edit | None = None,
        after: Edit | None = None,
        chain: tuple[Holder, ...] | None = None,
        key: Key | None = None,
    ) -> bytes:
        """Sign a RIM.

        Args:
            version: of what it is for.
            active: the indexes that count; all others have a value that does not.
            edition: `GPU` or `SWITCH`.
            product: name of the chip.
            tag_version: of the tag.
            values: index to its values, where they are not the usual one.
            edit: changes the unsigned document, in which `@SIGNATURE@` marks the place.
            edit_info: changes what is signed; must stay canonical.
            after: changes the signed document.
            chain: of the signer, leaf first.
            key: that signs; None: the signer's.
        """
        chip = (product or self.chip).replace("_", "")
        found = {**{index: (value_of(index + 1),) for index in range(64)}, **(values or {})}
        text = "".join(resource(index, one, active=index in active) for index, one in found.items())
        document = (edit or str)(tag(chip, version, edition, tag_version, text))
        holders = self.rim_chain if chain is None else chain
        info = (edit_info or str)(signed_info(document.replace("@SIGNATURE@", "")))
        signature = raw_signature(info.encode(), key or holders[0].key)
        element = signature_element(info, signature, holders)
        return (after or str)(document.replace("@SIGNATURE@", element)).encode()

    def answers(self, *chips: Chip, **changes) -> tuple[bytes, ...]:
        """Give one OCSP answer about each certificate of devices and RIM signers; see `answer`."""
        signers = (self.rim_chain,) if self.is_switch else (self.rim_chain, self.vbios_chain)
        chains = (*(chip.holders[1:] for chip in chips), *signers)
        pairs = {one.der: (one, by) for chain in chains for one, by in pairwise(chain)}
        if changes:
            return tuple(self.answer(one, by, **changes) for one, by in pairs.values())
        return tuple(self._todays(one, by) for one, by in pairs.values())

    def _todays(self, about: Holder, by: Holder) -> bytes:
        """Give the answer of today, the same to everybody."""
        if about.der not in self._answers:
            self._answers[about.der] = self.answer(about, by)
        return self._answers[about.der]

    def answer(
        self,
        about: Holder,
        by: Holder,
        *,
        status: ocsp.OCSPCertStatus = ocsp.OCSPCertStatus.GOOD,
        reason: x509.ReasonFlags | None = None,
        this_update: int = NOW - 3600,
        next_update: int | None = NOW + DAY - 3600,
        responder: Holder | None = None,
        inside: Sequence[Holder] | None = None,
        naming: hashes.HashAlgorithm = hashes.SHA384(),  # noqa: B008 - immutable
    ) -> bytes:
        """Sign an OCSP answer, DER.

        Args:
            about: whose certificate.
            by: its issuer.
            status: good, revoked or unknown.
            reason: of a revocation.
            this_update: when it is true.
            next_update: None: it does not say.
            responder: None: one that the issuer delegated.
            inside: certificates in the answer; None: the responder's.
            naming: hash that names the issuer.
        """
        signer = responder or self.responder(by)
        revoked = status is ocsp.OCSPCertStatus.REVOKED
        builder = (
            ocsp.OCSPResponseBuilder()
            .add_response(
                cert=about.loaded,
                issuer=by.loaded,
                algorithm=naming,
                cert_status=status,
                this_update=moment(this_update),
                next_update=None if next_update is None else moment(next_update),
                revocation_time=moment(this_update) if revoked else None,
                revocation_reason=reason,
            )
            .responder_id(ocsp.OCSPResponderEncoding.HASH, signer.loaded)
        )
        certificates = [one.loaded for one in ([signer] if inside is None else inside)]
        if certificates:
            builder = builder.certificates(certificates)
        made = builder.sign(signer.key, hashes.SHA384())
        return made.public_bytes(Encoding.DER)

    def responder(self, by: Holder, **changes) -> Holder:
        """Give an issuer's responder, or make another; `changes` are those of `certificate`."""
        if not changes and by.der in self._responders:
            return self._responders[by.der]
        usual = {"is_ca": False, "answers": True, "not_after": NOW + 365 * DAY}
        made = self.authority(f"OCSP Responder of {by.name}", by=by, **{**usual, **changes})
        if not changes:
            self._responders[by.der] = made
        return made

    def endorsements(
        self,
        *chips: Chip,
        rims: Sequence[bytes] | None = None,
        answers: Sequence[bytes] | None = None,
    ) -> tuple[Endorsement, ...]:
        """Give what is stapled to reports of these chips."""
        usual = self.answers(*chips)
        return (
            *(Endorsement(type="rim", data=one) for one in (self.rims() if rims is None else rims)),
            *(
                Endorsement(type="ocsp", data=one)
                for one in (usual if answers is None else answers)
            ),
        )

    @property
    def roots(self) -> dict[str, bytes]:
        """Give what a policy pins to accept this vendor."""
        return {"nvidia": self.root.spki_sha256, "nvidia-rim": self.rim_chain[-1].spki_sha256}

    def context(self, endorsements: tuple[Endorsement, ...], **changes) -> Context:
        """Give what a device is judged against; `now`, `policy`, `floors`, `newest` can change."""
        roots = {"sev-snp": bytes(32), **self.roots}
        usual: dict[str, object] = {
            "now": NOW,
            "policy": AppraisalPolicy(platforms=("sev-snp",), roots=roots),
            "floors": Floors(),
            "newest": NewestAccepted(),
        }
        return Context(endorsements=endorsements, **{**usual, **changes})


def value_of(block: int) -> bytes:
    """Give what a block of the one good release measures to."""
    return hashlib.sha384(f"block {block}".encode()).digest()


def given(values: Mapping[int, bytes | None]) -> dict[int, bytes]:
    return {name: value for name, value in values.items() if value is not None}


def message(
    blocks: Mapping[int, bytes],
    opaque: Mapping[int, bytes],
    *,
    nonce: bytes,
    key: Key,
    before: Mapping[int, bytes] | None = None,
    after: Mapping[int, bytes] | None = None,
) -> bytes:
    """Write request and response, and sign them."""
    record = b"".join(block(index, value) for index, value in blocks.items())
    data = b"".join(number(kind, 2) + number(len(v), 2) + v for kind, v in opaque.items())
    plain = (
        bytes.fromhex("11e001ff") + nonce + b"\0"
        + bytes.fromhex("11600000") + number(len(blocks), 1) + number(len(record), 3) + record
        + hashlib.sha256(b"responder nonce").digest() + number(len(data), 2) + data
    )  # fmt: skip
    plain = patched(plain, before or {})
    return patched(plain + raw_signature(plain, key), after or {})


def block(index: int, value: bytes) -> bytes:
    return (
        number(index, 1) + b"\1" + number(3 + len(value), 2) + b"\1" + number(len(value), 2) + value
    )


def number(value: int, size: int) -> bytes:
    return value.to_bytes(size, "little")


def patched(data: bytes, patches: Mapping[int, bytes]) -> bytes:
    """Write bytes at offsets."""
    changed = bytearray(data)
    for offset, value in patches.items():
        changed[offset : offset + len(value)] = value
    assert len(changed) == len(data)
    return bytes(changed)


def raw_signature(data: bytes, key: Key) -> bytes:
    """Sign; r ‖ s."""
    r, s = decode_dss_signature(key.sign(data, ec.ECDSA(hashes.SHA384())))
    return r.to_bytes(48, "big") + s.to_bytes(48, "big")


def tag(chip: str, version: str, edition: str, tag_version: int, resources: str) -> str:
    """Write an unsigned RIM, canonical, with `@SIGNATURE@` where that comes."""
    return (
        f'<SoftwareIdentity xmlns="{SWID}" xmlns:ns0="{SWID}" xmlns:ns2="{HASH}" name="{chip}"'
        f' tagId="0" tagVersion="{tag_version}" version="1.0">\n'
        f'    <ns0:Entity name="throw-away NVIDIA" role="tagCreator"></ns0:Entity>\n'
        f'    <ns0:Meta colloquialVersion="{version}" edition="{edition}" product="{chip}">'
        "</ns0:Meta>\n"
        f"    <ns0:Payload>\n{resources}    </ns0:Payload>\n"
        "@SIGNATURE@</SoftwareIdentity>"
    )


def resource(index: int, values: Sequence[bytes], *, active: bool) -> str:
    """Write one measurement, canonical."""
    shown = "".join(f' ns2:Hash{n}="{value.hex()}"' for n, value in enumerate(values))
    return (
        f'        <ns0:Resource active="{active}" alternatives="{len(values)}" index="{index}"'
        f' name="Measurement_{index}" size="48" type="Measurement"{shown}></ns0:Resource>\n'
    )


def signed_info(document: str) -> str:
    """Write what is signed, canonical: with every namespace that is in scope there."""
    digest = base64.b64encode(hashlib.sha384(document.encode()).digest()).decode()
    c14n = "http://www.w3.org/2006/12/xml-c14n11"
    return (
        f'<ds:SignedInfo xmlns="{SWID}" xmlns:ds="{DSIG}" xmlns:ns0="{SWID}" xmlns:ns2="{HASH}">'
        f'<ds:CanonicalizationMethod Algorithm="{c14n}"></ds:CanonicalizationMethod>'
        '<ds:SignatureMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384">'
        '</ds:SignatureMethod><ds:Reference URI=""><ds:Transforms>'
        f'<ds:Transform Algorithm="{DSIG}enveloped-signature"></ds:Transform>'
        f'<ds:Transform Algorithm="{c14n}"></ds:Transform></ds:Transforms>'
        '<ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#sha384">'
        f"</ds:DigestMethod><ds:DigestValue>{digest}</ds:DigestValue></ds:Reference>"
        "</ds:SignedInfo>"
    )


def signature_element(info: str, signature: bytes, holders: Sequence[Holder]) -> str:
    """Write the element of the signature, as the vendor's tools do."""
    certificates = "".join(
        f"<ds:X509Certificate>{base64.encodebytes(one.der).decode()}</ds:X509Certificate>"
        for one in holders
    )
    return (
        f'<ds:Signature xmlns:ds="{DSIG}">{info}'
        f"<ds:SignatureValue>{base64.b64encode(signature).decode()}</ds:SignatureValue>"
        f"<ds:KeyInfo><ds:X509Data>{certificates}</ds:X509Data></ds:KeyInfo></ds:Signature>"
    )


def tlv(kind: int, *parts: bytes) -> bytes:
    """Write an element of DER."""
    content = b"".join(parts)
    size = len(content)
    length = bytes((size,)) if size < 128 else bytes((0x81, size))
    return bytes((kind,)) + length + content


def fwid_element(fwid: bytes) -> bytes:
    return tlv(0x30, bytes.fromhex("0609608648016503040202"), tlv(0x04, fwid))


def composite_device_id(fwid: bytes) -> dict[str, bytes]:
    """Give the extension by which Hopper leaves name their firmware."""
    value = tlv(0x30, tlv(0x02, b"\1"), tlv(0x30, tlv(0x30)), fwid_element(fwid))
    return {"2.23.133.5.4.1": value}


def tcb_info(fwid: bytes) -> dict[str, bytes]:
    """Give the extension by which Blackwell leaves name their firmware."""
    fwids = tlv(0xA6, fwid_element(fwid), fwid_element(bytes(48)))
    return {"2.23.133.5.4.1.1": tlv(0x30, tlv(0x80, b"NVIDIA"), tlv(0x83, b"\1"), fwids)}


def certificate(
    name: str,
    key: Key,
    *,
    by: Holder | None = None,
    is_ca: bool,
    answers: bool = False,
    usage_critical: bool = True,
    digital_signature: bool | None = None,
    crl_sign: bool = True,
    serial: int | None = None,
    not_before: int = NOW - 400 * DAY,
    not_after: int = FOREVER,
    extensions: Mapping[str, bytes] | None = None,
    signer: Key | None = None,
    critical: tuple[str, ...] = (),
) -> bytes:
    """Sign a certificate, DER.

    Args:
        name: of its subject.
        key: of its subject.
        by: its issuer; None: itself.
        is_ca: whether it may issue others.
        answers: whether it may answer for its issuer, by OCSP.
        usage_critical: whether saying so is critical.
        digital_signature: whether it may sign; None: unless it is a CA.
        crl_sign: whether it, a CA, may sign lists.
        serial: None: one made from its name.
        not_before: first second of its validity.
        not_after: last second of its validity.
        extensions: OID to value, of others.
        signer: a key other than the issuer's.
        critical: OIDs of those of `extensions` that are.
    """
    issuer_name = name if by is None else by.name
    fixed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:12], "big")
    builder = (
        x509.CertificateBuilder()
        .subject_name(distinguished(name))
        .issuer_name(distinguished(issuer_name))
        .public_key(key.public_key())
        .serial_number(serial or fixed)
        .not_valid_before(moment(not_before))
        .not_valid_after(moment(not_after))
        .add_extension(
            usage(
                is_ca=is_ca,
                crl_sign=is_ca and crl_sign,
                digital_signature=not is_ca if digital_signature is None else digital_signature,
            ),
            critical=True,
        )
    )
    if is_ca:
        constraints = x509.BasicConstraints(ca=True, path_length=None)
        builder = builder.add_extension(constraints, critical=True)
    if answers:
        purposes = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING])
        builder = builder.add_extension(purposes, critical=usage_critical)
    for oid, value in (extensions or {}).items():
        unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), value)
        builder = builder.add_extension(unknown, critical=oid in critical)
    made = builder.sign(signer or (key if by is None else by.key), hashes.SHA384())
    return made.public_bytes(Encoding.DER)


def distinguished(common_name: str) -> x509.Name:
    oid = x509.NameOID
    return x509.Name(
        [
            x509.NameAttribute(oid.COMMON_NAME, common_name),
            x509.NameAttribute(oid.ORGANIZATION_NAME, "throw-away NVIDIA"),
        ]
    )


def usage(*, is_ca: bool, crl_sign: bool, digital_signature: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        key_cert_sign=is_ca,
        crl_sign=crl_sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
