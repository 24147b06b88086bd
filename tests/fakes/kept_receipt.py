"""A receipt as somebody kept it, with the evidence beside it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from attestation.binding import evidence_binding
from attestation.evidence import EvidenceBundle
from node_image.agent import receipts
from node_image.agent.usage import TokenCounts
from tests.fakes.world import MODELS, NOW, World


class KeptReceipt:
    """A node of this world that signs receipts, and its bundle."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.bundle = world.bundle().encode()
        kept = EvidenceBundle.parse(self.bundle)
        self._service = receipts.Service(
            release=world.release,
            model=MODELS[0][0],
            model_digest=MODELS[0][1],
            not_before=world.not_before,
            not_after=world.not_after,
            binding=evidence_binding(kept.keys, kept.freshness, kept.devices, kept.software),
            engine="embedded",
            parameters=bytes(32),
        )
        self._exchange = receipts.Exchange(
            request=b"\x01" * 32,
            response=b"\x02" * 32,
            request_digest=b"\x03" * 32,
            engine_version="0.1.0",
            tokens=TokenCounts(prompt=3, completion=4),
        )

    def sign(
        self, *, issued: int = NOW, key: Ed25519PrivateKey | None = None, **instead: Any
    ) -> str:
        """Sign a receipt as the node does; what is given is said instead."""
        service = replace(self._service, **instead)
        return receipts.sign(key or self.world.receipt_key, service, self._exchange, issued=issued)

    def keep(self, folder: Path) -> tuple[Path, Path]:
        """Write an honest receipt and the bundle."""
        receipt, bundle = folder / "receipt.txt", folder / "bundle.json"
        receipt.write_text(self.sign() + "\n")
        bundle.write_bytes(self.bundle)
        return receipt, bundle
