"""Every private key of a new deployment, and what the others may know of them.

They are made together, and leave together: each goes into the folder of one holder, and this
process is the only place where they were ever side by side.
"""

import base64
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from attestation.simulated.vendor import SimulatedVendor
from openpcc.cli.init.answers import Answers
from openpcc.cli.service_files import SignerFacts, Trust, WitnessFacts
from transparency_log.cosignature import CosignatureSigner
from transparency_log.note import NoteSigner

Key = Ed25519PrivateKey

PASSWORDS = ("store", "database", "dashboard")


@dataclass(frozen=True, kw_only=True)
class Keys:
    """All of them."""

    log: Key = field(repr=False)
    witnesses: tuple[Key, ...] = field(repr=False)
    release: tuple[Key, ...] = field(repr=False)
    status: tuple[Key, ...] = field(repr=False)
    service: Key = field(repr=False)
    token: str = field(repr=False)
    """Bearer token of the log's `POST /add`: spam control, and no more."""
    passwords: Mapping[str, str] = field(repr=False)
    """Of the servers beside ours: `store`, `database` and `dashboard`."""
    vendor: SimulatedVendor | None = field(repr=False)
    """Makes simulated machines; thrown away with this process. None: the machines are real."""

    @classmethod
    def generate(cls, answers: Answers, *, now: int) -> "Keys":
        """Make them."""
        return cls(
            log=Key.generate(),
            witnesses=_some(answers.witnesses),
            release=_some(answers.release_signers),
            status=_some(answers.status_signers),
            service=Key.generate(),
            token=secrets.token_urlsafe(32),
            passwords={name: secrets.token_urlsafe(24) for name in PASSWORDS},
            vendor=SimulatedVendor.create(now) if answers.platforms == ("simulated",) else None,
        )

    def trust(self, answers: Answers) -> Trust:
        """Give what everybody is told."""
        origin = f"log.{answers.service}"
        names = [f"witness-{number + 1}.{answers.service}" for number in range(answers.witnesses)]
        return Trust(
            service=answers.service,
            platforms=answers.platforms,
            roots={} if self.vendor is None else {"simulated": self.vendor.root_spki_sha256.hex()},
            origin=origin,
            log_vkey=str(NoteSigner(name=origin, private_key=self.log).key),
            quorum=answers.quorum,
            witnesses=[
                WitnessFacts(
                    name=name,
                    operator=f"operator of {name}",
                    vkey=str(CosignatureSigner(name=name, private_key=key).key),
                )
                for name, key in zip(names, self.witnesses, strict=True)
            ],
            release=_signers(self.release),
            status=_signers(self.status),
            signs_service=_signers((self.service,)),
        )


def seed(key: Key) -> str:
    """Write a key as our servers read it."""
    return base64.b64encode(key.private_bytes_raw()).decode() + "\n"


def public(key: Key) -> str:
    """Write its public half as a policy names it."""
    return base64.b64encode(key.public_key().public_bytes_raw()).decode()


def _some(count: int) -> tuple[Key, ...]:
    return tuple(Key.generate() for _ in range(count))


def _signers(keys: tuple[Key, ...]) -> SignerFacts:
    return SignerFacts(keys=[public(key) for key in keys], threshold=len(keys) // 2 + 1)
