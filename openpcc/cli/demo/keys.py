"""Throw-away keys and the files that name them, for one demonstration service.

The roles are kept apart as in a deployment: each key is in a file of its own, made here, mode 0600,
in a folder that is removed at the end.
"""

import base64
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from openpcc.cli.service_files import SignerFacts, Trust, WitnessFacts
from transparency_log.cosignature import CosignatureSigner
from transparency_log.entry import Signer
from transparency_log.note import NoteSigner

ORIGIN = "log.demo.openpcc.invalid"
SERVICE = "demo.openpcc.invalid"
WITNESSES = ("witness-one", "witness-two", "witness-three")
QUORUM = 2


@dataclass(frozen=True, kw_only=True)
class DemoKeys:
    """Every private key of the demonstration."""

    log: Ed25519PrivateKey
    witnesses: tuple[Ed25519PrivateKey, ...]
    release: Ed25519PrivateKey
    status: Ed25519PrivateKey
    service: Ed25519PrivateKey
    token: str
    """Bearer token of the log's `POST /add`: spam control."""

    @classmethod
    def generate(cls) -> "DemoKeys":
        """Make all of them."""
        return cls(
            log=Ed25519PrivateKey.generate(),
            witnesses=tuple(Ed25519PrivateKey.generate() for _ in WITNESSES),
            release=Ed25519PrivateKey.generate(),
            status=Ed25519PrivateKey.generate(),
            service=Ed25519PrivateKey.generate(),
            token=secrets.token_urlsafe(32),
        )

    @property
    def log_vkey(self) -> str:
        """Verifier key of the log."""
        return str(NoteSigner(name=ORIGIN, private_key=self.log).key)

    def trust(self, roots: Mapping[str, str]) -> Trust:
        """Give what everybody is told; `roots` are those of the platforms."""
        return Trust(
            service=SERVICE,
            platforms=list(roots),
            roots=roots,
            origin=ORIGIN,
            log_vkey=self.log_vkey,
            quorum=QUORUM,
            witnesses=[
                WitnessFacts(
                    name=name,
                    operator=f"demo {number}",
                    vkey=str(CosignatureSigner(name=name, private_key=key).key),
                )
                for number, (name, key) in enumerate(zip(WITNESSES, self.witnesses, strict=True), 1)
            ],
            release=SignerFacts(keys=[public(self.release)]),
            status=SignerFacts(keys=[public(self.status)]),
            signs_service=SignerFacts(keys=[public(self.service)]),
        )


def signer(key: Ed25519PrivateKey) -> Signer:
    """Sign log entries with a key."""
    return Signer(private_key=key)


def public(key: Ed25519PrivateKey) -> str:
    """Give a public key as a policy names it."""
    return base64.b64encode(key.public_key().public_bytes_raw()).decode()


def write_seed(path: Path, key: Ed25519PrivateKey) -> None:
    """Write a seed as our servers read it."""
    write_secret(path, base64.b64encode(key.private_bytes_raw()))


def write_secret(path: Path, data: bytes) -> None:
    """Write a new file that nobody else can read."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
