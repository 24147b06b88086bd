"""What signs behind the stand-in of a guest's kernel: the throw-away vendors, or nobody.

A vendor leaves what a verifier needs in a folder: `root.sha256`, the SHA-256 of its root's public
key in hex, for a policy to pin, and `endorsements.json`, as a gateway would push them to a node.
"""

import hashlib
import struct
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from uuid import UUID

from attestation.evidence import Endorsement, endorsement_json
from attestation.strict_json import dumps
from tests.fakes.amd import Amd
from tests.fakes.intel import intel

MEASUREMENT = hashlib.sha384(b"image").digest()
"""What was launched, unless said otherwise."""

GUIDS = {
    "vcek": "63da758d-e664-4564-adc5-f4b93be8accd",
    "vlek": "a8074bc2-a25a-483e-aae6-39c045a0b8a1",
    "ask": "4ab7b379-bbac-4fe4-a02f-05aef327c782",
    "ark": "c0b406a4-a803-4952-9743-3fb6014cd0ae",
}


class Nobody:
    """Answers with the question, at the place where a report of SEV-SNP has it; signs nothing."""

    auxblob: bytes | None = b"certificates"

    def __init__(self, provider: str = "sev_guest") -> None:
        self.provider = provider
        self.registers: list[bytes] = []

    def sign(self, inblob: bytes, privlevel: int) -> bytes:
        return bytes(0x50) + inblob.ljust(64, b"\0") + bytes((privlevel,)) * (1184 - 0x90)


class AmdChip:
    """An EPYC Genoa whose host hands out the chip's certificates."""

    provider = "sev_guest"

    def __init__(self, out: Path, measurement: bytes = MEASUREMENT) -> None:
        self._amd = Amd("Genoa")
        self._leaf = self._amd.vcek()
        self._measurement = measurement
        self.registers: list[bytes] = []
        self.auxblob = certificate_table(
            dict(zip(("vcek", "ask", "ark"), self._leaf.chain, strict=True))
        )
        crl = Endorsement(type="x509-crl", data=self._amd.crl())
        leave(out, self._amd.root_spki_sha256, [crl])

    def sign(self, inblob: bytes, privlevel: int) -> bytes:
        return self._amd.report(
            self._leaf,
            report_data=inblob.ljust(64, b"\0"),
            vmpl=privlevel,
            measurement=self._measurement,
        )


class IntelMachine:
    """A TDX host; its quotes carry the registers as they are when asked."""

    provider = "tdx_guest"
    auxblob = None

    def __init__(self, out: Path, measurement: bytes = MEASUREMENT) -> None:
        self._measurement = measurement
        self.registers = [bytes(48) for _ in range(4)]
        collateral = Endorsement(type="tdx-collateral", data=intel().collateral())
        leave(out, intel().root.spki_sha256, [collateral])

    def sign(self, inblob: bytes, privlevel: int) -> bytes:
        registers = {f"rt_mr{index}": value for index, value in enumerate(self.registers)}
        body = {"mr_td": self._measurement, "report_data": inblob.ljust(64, b"\0"), **registers}
        # The kernel hands out its whole buffer.
        return intel().quote(body=body).ljust(8192, b"\0")


HARDWARE: Mapping[str, Callable[[Path], Nobody | AmdChip | IntelMachine]] = {
    "none": lambda _: Nobody(),
    "amd": AmdChip,
    "intel": IntelMachine,
}


def leave(out: Path, root: bytes, endorsements: Sequence[Endorsement]) -> None:
    """Write what a verifier needs."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "root.sha256").write_text(root.hex() + "\n")
    shown = [endorsement_json(one) for one in endorsements]
    (out / "endorsements.json").write_bytes(dumps({"endorsements": shown}))


def certificate_table(certificates: Mapping[str, bytes]) -> bytes:
    """Write the table of the GHCB's extended guest request."""
    at = 24 * (len(certificates) + 1)
    entries, bodies = b"", b""
    for name, der in certificates.items():
        entries += UUID(GUIDS[name]).bytes + struct.pack("<II", at + len(bodies), len(der))
        bodies += der
    return entries + bytes(24) + bodies
