"""A valid simulated bundle in parts, so that a test can break exactly one of them.

`Scene()` is valid at `NOW` under its own policy and reference values. Change a part with
`dataclasses.replace`-like keywords of `bundle`, or take the vendor's single acts to make a wrong
certificate, list or RIM, and judge with `appraise`.
"""

import functools
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from attestation import verifier
from attestation.binding import device_nonce, evidence_binding
from attestation.checks import Check, Outcome
from attestation.evidence import (
    DeviceEvidence,
    DevicesSection,
    Endorsement,
    EvidenceBundle,
    FreshnessSection,
    KeysSection,
    SoftwareSection,
)
from attestation.policy import AppraisalPolicy, Floors, Mark, NewestAccepted
from attestation.reference_values import ReferenceValues
from attestation.simulated.eventlog import SimulatedEventLog
from attestation.simulated.machine import SimulatedMachine
from attestation.simulated.vendor import SimulatedVendor
from attestation.verifier import Appraisal

NOW = 1_800_000_100
"""When the scene is judged; the vendor was created 100 s before, the epoch began then."""

EPOCH = NOW - 100
SOME_FLOOR = Floors(crl={bytes(32): Mark(number=1)})
"""Of an issuer that is none of ours: makes 2.floors have something to test."""
MACHINE_ID = hashlib.sha256(b"machine").digest()
MODELS = (("demo", hashlib.sha256(b"model").digest()),)
MEASUREMENT = hashlib.sha384(b"software").digest()
RELEASE = hashlib.sha256(b"release").digest()
LOG = SimulatedEventLog().then(0, '["software"]').then(1, '["model", "demo"]')
REGISTERS = {0: LOG.replay()[0], 1: LOG.replay()[1]}


@functools.cache
def vendor() -> SimulatedVendor:
    return SimulatedVendor.create(EPOCH)


@functools.cache
def machine() -> SimulatedMachine:
    return vendor().machine(MACHINE_ID)


def keys_section() -> KeysSection:
    return KeysSection(
        hpke=(b"key config",), receipt=bytes(32), not_before=EPOCH, not_after=EPOCH + 3600
    )


def software_section() -> SoftwareSection:
    return SoftwareSection(
        release=RELEASE, event_log=LOG.encode(), models=MODELS, settings=b'listen = "127.0.0.1:0"\n'
    )


def policy(**changes) -> AppraisalPolicy:
    table: dict[str, object] = {
        "platforms": ("simulated",),
        "roots": {"simulated": vendor().root_spki_sha256},
        "minimum_tcb": {"simulated": {"firmware": 1}},
    }
    return AppraisalPolicy(**{**table, **changes})


def reference_values(**changes) -> ReferenceValues:
    values: dict[str, object] = {
        "measurement": MEASUREMENT,
        "registers": REGISTERS,
        "device_count": 1,
        "device_kinds": ("simulated-gpu",),
        "models": dict(MODELS),
    }
    return ReferenceValues(**{**values, **changes})


@dataclass(frozen=True, kw_only=True)
class Scene:
    """Everything a verdict rests on. Replace one field, and all signatures still fit."""

    machine: SimulatedMachine = field(default_factory=machine)
    now: int = NOW
    keys: KeysSection = field(default_factory=keys_section)
    checkpoint: bytes = b"a cosigned checkpoint"
    software: SoftwareSection = field(default_factory=software_section)
    measurement: bytes = MEASUREMENT
    registers: tuple[bytes, ...] = LOG.replay()
    flags: int = 0
    nonce: bytes | None = None
    blocks: tuple[bytes, ...] | None = None
    kind: str = "simulated-gpu"
    mode: str = "on"
    device_count: int = 1
    endorsements: tuple[Endorsement, ...] | None = None
    policy: AppraisalPolicy = field(default_factory=policy)
    reference: ReferenceValues | None = field(default_factory=reference_values)
    floors: Floors = SOME_FLOOR
    newest: NewestAccepted = field(default_factory=NewestAccepted)

    def bundle(self) -> EvidenceBundle:
        keys = self.keys.encode()
        freshness = FreshnessSection(checkpoint=self.checkpoint).encode()
        nonce = device_nonce(keys, freshness) if self.nonce is None else self.nonce
        devices = DevicesSection(devices=(self._device(nonce),) * self.device_count).encode()
        software = self.software.encode()
        quote = self.machine.quote(
            evidence_binding(keys, freshness, devices if self.device_count else None, software),
            measurement=self.measurement,
            registers=self.registers,
            flags=self.flags,
        )
        endorsements = self.endorsements
        return EvidenceBundle(
            platform="simulated",
            quote=quote,
            keys=keys,
            freshness=freshness,
            devices=devices if self.device_count else None,
            software=software,
            endorsements=self.machine.endorsements() if endorsements is None else endorsements,
        )

    def appraise(self, bundle: EvidenceBundle | None = None) -> Appraisal:
        return verifier.verify(
            self.bundle() if bundle is None else bundle,
            now=self.now,
            policy=self.policy,
            reference_values=self.reference,
            floors=self.floors,
            newest=self.newest,
        )

    def _device(self, nonce: bytes) -> DeviceEvidence:
        return DeviceEvidence(
            kind=self.kind,
            report=self.machine.device_report(nonce, blocks=self.blocks),
            certificates=self.machine.device_chain,
            mode=self.mode,
        )


def scene(**changes) -> Scene:
    return replace(Scene(), **changes)


def outcomes(appraisal: Appraisal) -> Mapping[str, Outcome]:
    return {check.id: check.outcome for check in appraisal.checks}


def failures(appraisal: Appraisal) -> set[str]:
    return {check.id for check in appraisal.checks if check.outcome is Outcome.FAIL}


def check(appraisal: Appraisal, check_id: str) -> Check:
    return next(one for one in appraisal.checks if one.id == check_id)
