"""The simulated hardware vendor: makes the root, the CAs, machines, revocation lists and RIMs.

For set-up, the demonstration and tests. Everything it signs ends seven days after it was created.
It plays the vendor honestly; whoever needs something wrong in one way takes the single acts of
`attestation.simulated.issuing`.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from cryptography import x509

from attestation.certificates import Anchor, parse_chain, seconds, spki_sha256
from attestation.errors import AttesterError, MalformedEvidenceError
from attestation.simulated.endorsements import (
    DEVICE_CA_NAME,
    MACHINE_CA_NAME,
    MACHINE_ID_OID,
    RIM_SIGNER_NAME,
    ROOT_NAME,
    VERSION_OID,
    octet_string,
)
from attestation.simulated.evidence import device_blocks
from attestation.simulated.files import load_key, read, save_key
from attestation.simulated.issuing import (
    Authority,
    Validity,
    issue,
    new_key,
    pem,
    revocation_list,
    signed_rim,
)
from attestation.simulated.machine import SimulatedMachine

LIFE = 7 * 86400
"""Seconds from creation to the end of everything."""

SKEW = 300
"""Seconds that validity begins before creation: clocks may be that far apart."""

MACHINE_ID_SIZE = 32
"""Bytes of a machine id."""


@dataclass(frozen=True, kw_only=True)
class SimulatedVendor:
    """A vendor with its keys and its newest lists.

    Attributes:
        validity: of everything it issues.
        crls: file name to list; each authority lists every revoked serial number.
    """

    root: Authority
    machine_ca: Authority
    device_ca: Authority
    rim_signer: Authority
    validity: Validity
    crls: Mapping[str, bytes]

    @classmethod
    def create(cls, now: int) -> "SimulatedVendor":
        """Make a vendor with new keys, from `now` (Unix seconds) for seven days."""
        validity = Validity(not_before=now - SKEW, not_after=now + LIFE)
        root = issue(ROOT_NAME, new_key(), by=None, validity=validity, is_ca=True)
        machine_ca, device_ca = (
            issue(name, new_key(), by=root, validity=validity, is_ca=True, ca_path_length=0)
            for name in (MACHINE_CA_NAME, DEVICE_CA_NAME)
        )
        vendor = cls(
            root=root,
            machine_ca=machine_ca,
            device_ca=device_ca,
            rim_signer=issue(RIM_SIGNER_NAME, new_key(), by=root, validity=validity),
            validity=validity,
            crls={},
        )
        return vendor._listing((), number=1, validity=validity)

    @property
    def root_spki_sha256(self) -> bytes:
        """Give the digest that a policy pins under `[attestation.roots]`."""
        return spki_sha256(self.root.certificate.public_key())

    @property
    def anchor(self) -> Anchor:
        """Give the root as a policy that pins it makes it count."""
        return Anchor(
            platform="simulated",
            name=ROOT_NAME,
            certificate_sha256=None,
            spki_sha256=self.root_spki_sha256,
        )

    @property
    def authorities(self) -> dict[str, Authority]:
        """Name everything of the vendor that holds a key, as its files are named."""
        return {
            "root": self.root,
            "machine-ca": self.machine_ca,
            "device-ca": self.device_ca,
            "rim-signer": self.rim_signer,
        }

    def machine(
        self, machine_id: bytes | None = None, *, firmware: int = 1, microcode: int = 1
    ) -> SimulatedMachine:
        """Make a machine with one device; its id is drawn if None.

        Raises:
            AttesterError: the id has another length.
        """
        machine_id = secrets.token_bytes(MACHINE_ID_SIZE) if machine_id is None else machine_id
        if len(machine_id) != MACHINE_ID_SIZE:
            raise AttesterError(f"a machine id has {MACHINE_ID_SIZE} bytes, not {len(machine_id)}")
        name, version = (
            machine_id.hex()[:16],
            firmware.to_bytes(2, "big") + microcode.to_bytes(2, "big"),
        )
        leaf = issue(
            f"SIMULATED machine {name}",
            new_key(),
            by=self.machine_ca,
            validity=self.validity,
            extensions={
                MACHINE_ID_OID: octet_string(machine_id),
                VERSION_OID: octet_string(version),
            },
        )
        device = issue(
            f"SIMULATED GPU of {name}", new_key(), by=self.device_ca, validity=self.validity
        )
        return SimulatedMachine(
            key=leaf.key,
            chain=pem(leaf.chain),
            device_key=device.key,
            device_chain=pem(device.chain),
            crls=dict(self.crls),
            rim=signed_rim(self.rim_signer, validity=self.validity, blocks=device_blocks()),
        )

    def revoke(self, serial: int, *, now: int) -> "SimulatedVendor":
        """Give the vendor with new lists, made at `now`, that list one more serial number.

        Serial numbers are random, so every authority lists it and only its issuer's list matters.
        """
        crl = x509.load_der_x509_crl(self.crls["crl-root.der"])
        listed = [entry.serial_number for entry in crl]
        number = crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
        return self._listing(
            (*listed, serial),
            number=number + 1,
            validity=Validity(not_before=now, not_after=self.validity.not_after),
        )

    def save(self, folder: Path) -> None:
        """Write the vendor to a folder of its own, made 0700 if missing; keys are 0600."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name, authority in self.authorities.items():
            save_key(folder / f"{name}.key", authority.key)
            (folder / f"{name}.pem").write_bytes(pem(authority.chain))
        for name, crl in self.crls.items():
            (folder / name).write_bytes(crl)

    @classmethod
    def load(cls, folder: Path) -> "SimulatedVendor":
        """Read a vendor.

        Raises:
            AttesterError: a file is missing or unfit; the text names it.
        """
        root = _authority(folder, "root")
        certificate = root.certificate
        crls = {path.name: read(path) for path in sorted(folder.glob("crl-*.der"))}
        return cls(
            root=root,
            machine_ca=_authority(folder, "machine-ca"),
            device_ca=_authority(folder, "device-ca"),
            rim_signer=_authority(folder, "rim-signer"),
            validity=Validity(
                not_before=seconds(certificate.not_valid_before_utc),
                not_after=seconds(certificate.not_valid_after_utc),
            ),
            crls=crls,
        )

    def _listing(
        self, serials: tuple[int, ...], *, number: int, validity: Validity
    ) -> "SimulatedVendor":
        crls = {
            f"crl-{name}.der": revocation_list(
                authority, number=number, validity=validity, revoked=serials
            )
            for name, authority in self.authorities.items()
            if name != "rim-signer"
        }
        return replace(self, crls=crls)


def _authority(folder: Path, name: str) -> Authority:
    try:
        chain = parse_chain(read(folder / f"{name}.pem"))
    except MalformedEvidenceError as error:
        raise AttesterError(f"{folder / name}.pem: {error}; make the vendor again") from error
    return Authority(
        key=load_key(folder / f"{name}.key"),
        certificate=chain[0].parsed,
        above=tuple(one.parsed for one in chain[1:]),
    )
