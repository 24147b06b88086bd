"""A simulated machine: the keys that real hardware would hold, in a folder.

    machine.key  chain.pem  crl-*.der  device.key  device-chain.pem  rim.json

What signs here is a file, so whoever can read the folder can be this machine. That is why nothing
simulated is trusted beside anything real.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from attestation.certificates import parse_chain
from attestation.errors import AttesterError, MalformedEvidenceError
from attestation.evidence import DeviceEvidence, Endorsement
from attestation.simulated.endorsements import MachineIdentity, machine_identity
from attestation.simulated.evidence import DeviceReport, Quote, device_blocks, sign
from attestation.simulated.files import load_key, read, save_key

DEVICE_KIND = "simulated-gpu"
"""Kind of the one device that a simulated machine has."""


@dataclass(frozen=True, kw_only=True)
class SimulatedMachine:
    """One machine with one device.

    Attributes:
        key: of the machine certificate; signs quotes.
        chain: its certificates, PEM, leaf first.
        device_key: of the device certificate; signs device reports.
        device_chain: its certificates.
        crls: by root, machine CA and device CA, DER, under the names of their files.
        rim: reference measurements of the device.
    """

    key: ec.EllipticCurvePrivateKey = field(repr=False)
    chain: bytes
    device_key: ec.EllipticCurvePrivateKey = field(repr=False)
    device_chain: bytes
    crls: Mapping[str, bytes]
    rim: bytes

    @property
    def identity(self) -> MachineIdentity:
        """Read whom the machine certificate names."""
        return machine_identity(parse_chain(self.chain)[0])

    def quote(
        self,
        report_data: bytes,
        *,
        measurement: bytes,
        registers: tuple[bytes, ...],
        flags: int = 0,
    ) -> bytes:
        """Sign a quote, as the hardware would."""
        identity = self.identity
        quote = Quote(
            flags=flags,
            firmware=identity.firmware,
            microcode=identity.microcode,
            machine_id=identity.machine_id,
            measurement=measurement,
            registers=registers,
            report_data=report_data,
        )
        return quote.signed_bytes() + sign(self.key, quote.signed_bytes())

    def device_report(self, nonce: bytes, *, blocks: tuple[bytes, ...] | None = None) -> bytes:
        """Sign a device report, as the device would."""
        report = DeviceReport(nonce=nonce, blocks=device_blocks() if blocks is None else blocks)
        return report.signed_bytes() + sign(self.device_key, report.signed_bytes())

    def devices(self, nonce: bytes) -> tuple[DeviceEvidence, ...]:
        """Ask every device, of which there is one."""
        device = DeviceEvidence(
            kind=DEVICE_KIND,
            report=self.device_report(nonce),
            certificates=self.device_chain,
            mode="on",
        )
        return (device,)

    def endorsements(self) -> tuple[Endorsement, ...]:
        """Give what the vendor says of this machine and its device."""
        return (
            Endorsement(type="x509-chain", data=self.chain),
            *(Endorsement(type="x509-crl", data=crl) for crl in self.crls.values()),
            Endorsement(type="rim", data=self.rim),
        )

    def save(self, folder: Path) -> None:
        """Write the machine to a folder of its own, made 0700 if missing; keys are 0600."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        save_key(folder / "machine.key", self.key)
        save_key(folder / "device.key", self.device_key)
        (folder / "chain.pem").write_bytes(self.chain)
        (folder / "device-chain.pem").write_bytes(self.device_chain)
        (folder / "rim.json").write_bytes(self.rim)
        for name, crl in self.crls.items():
            (folder / name).write_bytes(crl)

    @classmethod
    def load(cls, folder: Path) -> "SimulatedMachine":
        """Read a machine.

        Raises:
            AttesterError: a file is missing or unfit; the text names it.
        """
        machine = cls(
            key=load_key(folder / "machine.key"),
            chain=read(folder / "chain.pem"),
            device_key=load_key(folder / "device.key"),
            device_chain=read(folder / "device-chain.pem"),
            crls={path.name: read(path) for path in sorted(folder.glob("crl-*.der"))},
            rim=read(folder / "rim.json"),
        )
        try:
            _ = machine.identity
        except MalformedEvidenceError as error:
            raise AttesterError(
                f"{folder / 'chain.pem'}: {error}; make the machine again"
            ) from error
        return machine
