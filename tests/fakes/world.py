"""One honest service in memory, with every part a test may break: vendor, machine, log, policy.

`Logged` is what every machine's evidence rests on beside its vendor; `World` is that with a
simulated machine, as `attestation.attester` asks it. Machines of every platform are in `worlds`.
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from attestation import attester
from attestation.binding import evidence_binding
from attestation.evidence import Endorsement, EvidenceBundle, KeysSection, SoftwareSection
from attestation.policy import AppraisalPolicy, Mark
from attestation.simulated import collect
from attestation.simulated.vendor import SimulatedVendor
from openpcc import trust
from openpcc.config import ClientPolicy
from openpcc.protocol import hpke
from openpcc.protocol.messages import DirectoryLeaf, machine_digest
from openpcc.protocol.sealing import NodePrivateKey
from openpcc.trust import LogView, TrustedNode
from tests.transparency_log.memory_log import MemoryLog, release_statement, status_statement
from transparency_log.client import LogClient
from transparency_log.entry import sign_entry, verify_status
from transparency_log.errors import LogError
from transparency_log.release import Devices, Model, PlatformReference, ReleaseStatement
from transparency_log.witness_policy import verify_checkpoint

NOW = 1_800_000_000
MODELS = (("demo", bytes(range(32))),)
ARGUMENTS = ("--max-model-len", "1024")
MACHINE = b"machine of the tests".ljust(32, b".")


class Logged(ABC):
    """A service without its machine. Attributes may be replaced before `bundle`."""

    def __init__(self) -> None:
        self.log = MemoryLog()
        self.node_key = NodePrivateKey.generate(kem_id=hpke.KEM_XWING, key_id=1)
        self.receipt_key = Ed25519PrivateKey.generate()
        self.not_before, self.not_after = NOW - 60, NOW + 3540
        self.release_index = len(self.log.entries)
        self.release = self.add_release()
        self.status = self.add_status([self.release])
        self.beacon = self.log.note(times=(NOW - 90, NOW - 90))

    @abstractmethod
    def platforms(self) -> Mapping[str, PlatformReference]:
        """Give what the release says of each platform."""

    @property
    @abstractmethod
    def attestation(self) -> AppraisalPolicy:
        """Give a policy that accepts the machine."""

    @property
    @abstractmethod
    def machine_id(self) -> bytes:
        """Give the machine's id."""

    @abstractmethod
    def event_log(self) -> bytes:
        """Give what the machine wrote down since it was launched."""

    @abstractmethod
    def collect(self, keys: KeysSection, software: SoftwareSection) -> EvidenceBundle:
        """Ask the machine, and staple what its vendors say."""

    def add_release(self, **changes: Any) -> bytes:
        """Log a release of the software under test; give its leaf hash."""
        return self._add(replace(self.statement(), **changes), self.log.release)

    def statement(self) -> ReleaseStatement:
        return replace(
            release_statement(),
            platforms=self.platforms(),
            models=tuple(Model(name=name, digest=digest) for name, digest in MODELS),
            expires=NOW + 86400,
        )

    def add_status(self, releases: Sequence[bytes], *, issued: int = NOW - 60) -> bytes:
        """Log a status; give the entry."""
        statement = replace(
            status_statement(issued=issued), releases=tuple(releases), floors=self.floors()
        )
        self._add(statement, self.log.status)
        return self.log.entries[-1]

    def floors(self):
        return replace(status_statement().floors, crl={}, tcb_evaluation=0, minimum_tcb={})

    def _add(self, statement, signer) -> bytes:
        self.log.entries.append(sign_entry(statement, [signer]))
        return self.log.leaves[-1]

    @property
    def policy(self) -> ClientPolicy:
        return ClientPolicy(
            service="demo.example",
            kems=(hpke.KEM_XWING,),
            attestation=self.attestation,
            log=self.log.policy,
            release_signers=self.log.signers(self.log.release),
            status_signers=self.log.signers(self.log.status),
            service_signers=self.log.signers(self.log.service),
        )

    def view(self, **changes: Any) -> LogView:
        view = LogView(
            newest=self.log.witnessed(),
            status=verify_status(self.status, self.log.signers(self.log.status)),
            witnessed=NOW - 30,
        )
        return replace(view, **changes)

    def proof(self, index: int) -> bytes:
        """The proof file of an entry, as it is stapled."""
        client = LogClient(self.log.policy, self.log.fetch)
        return client.proof(self.log.witnessed(), index, self.log.entries[index])

    def bundle(self, *, release: bytes | None = None, proof: bytes | None = None) -> EvidenceBundle:
        """Quote the keys of an epoch, and staple the release."""
        keys = KeysSection(
            hpke=(self.node_key.node_key.config,),
            receipt=self.receipt_key.public_key().public_bytes_raw(),
            not_before=self.not_before,
            not_after=self.not_after,
        )
        software = SoftwareSection(
            release=release or self.release,
            event_log=self.event_log(),
            models=MODELS,
            settings=b"",
        )
        quoted = self.collect(keys, software)
        stapled = Endorsement(type="log-entry", data=proof or self.proof(self.release_index))
        return quoted.with_endorsements((*quoted.endorsements, stapled))

    def leaf(self, bundle: EvidenceBundle) -> DirectoryLeaf:
        return DirectoryLeaf(
            quote_digest=hashlib.sha256(bundle.quote).digest(),
            binding=evidence_binding(
                bundle.keys, bundle.freshness, bundle.devices, bundle.software
            ),
            node_key_ids=(self.node_key.node_key.id,),
            machine=machine_digest(self.machine_id),
        )

    def consistency(self) -> tuple[bytes, ...] | None:
        client = LogClient(self.log.policy, self.log.fetch)
        try:
            beacon = verify_checkpoint(self.beacon, self.log.policy)
            return client.consistency(beacon, self.log.witnessed())
        except LogError:
            return None

    def establish(self, bundle: EvidenceBundle | None = None, **changes: Any) -> TrustedNode:
        """Judge a bundle; keyword arguments replace those of `trust.establish`."""
        return self.judge(bundle, **changes)[0]

    def judge(
        self, bundle: EvidenceBundle | None = None, **changes: Any
    ) -> tuple[TrustedNode, Mapping[bytes, Mark]]:
        """Judge a bundle; give the node, and how new its endorsements are."""
        bundle = bundle or self.bundle()
        arguments: dict[str, Any] = {
            "leaf": self.leaf(bundle),
            "now": NOW,
            "policy": self.policy,
            "view": self.view(),
            "consistency": self.consistency(),
            "newest": {},
        } | changes
        return trust.establish(bundle.encode(), **arguments)


class World(Logged):
    """A service on a simulated machine, whose vendor is made for each world."""

    def __init__(self, folder: Path) -> None:
        self.vendor = SimulatedVendor.create(NOW - 3600)
        self.vendor.machine(MACHINE).save(folder)
        self.attester = attester.open("simulated", folder)
        super().__init__()

    def platforms(self) -> Mapping[str, PlatformReference]:
        measurement, registers = collect.expected_values(MODELS, ARGUMENTS)
        devices = Devices(count=1, kinds=("simulated-gpu",))
        reference = PlatformReference(measurement=measurement, registers=registers, devices=devices)
        return {"simulated": reference}

    @property
    def attestation(self) -> AppraisalPolicy:
        roots = {"simulated": self.vendor.root_spki_sha256}
        return AppraisalPolicy(platforms=("simulated",), roots=roots)

    @property
    def machine_id(self) -> bytes:
        return MACHINE

    def event_log(self) -> bytes:
        return self.attester.event_log(MODELS, ARGUMENTS)

    def collect(self, keys: KeysSection, software: SoftwareSection) -> EvidenceBundle:
        return self.attester.collect(keys, self.beacon, software)
