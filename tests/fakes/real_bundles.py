"""Whole bundles of the real platforms, under the throw-away vendors of `amd` and `intel`.

`Machine` is one machine and everything a verdict on it rests on; replace one part and judge again.
"""

import functools
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from attestation import verifier
from attestation.binding import evidence_binding
from attestation.ccel import append, replay_ccel
from attestation.event_rules import EventRule
from attestation.evidence import (
    Endorsement,
    EvidenceBundle,
    FreshnessSection,
    KeysSection,
    SoftwareSection,
)
from attestation.policy import AppraisalPolicy, Floors, NewestAccepted
from attestation.reference_values import ReferenceValues
from attestation.tdx.layout import TdReport10
from attestation.verifier import Appraisal
from tests.fakes.amd import NOW, SOME_FLOOR, Amd
from tests.fakes.intel import intel

EPOCH = NOW - 100
MODELS = (("demo", hashlib.sha256(b"model").digest()),)
AGENT_REGISTER = 3
"""RTMR 3 is the application's."""


@functools.cache
def amd() -> Amd:
    return Amd("Genoa")


@functools.cache
def event_log() -> bytes:
    return append(b"", AGENT_REGISTER, '["model", "demo"]')


def registers() -> dict[int, bytes]:
    return {AGENT_REGISTER: replay_ccel(event_log())[AGENT_REGISTER]}


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Attributes: quote makes the quote over a binding; the rest are parts of the bundle."""

    platform: str
    quote: Callable[[bytes], bytes]
    endorsements: tuple[Endorsement, ...]
    policy: AppraisalPolicy
    measurement: bytes
    registers: Mapping[int, bytes]
    event_log: bytes
    events: Mapping[int, tuple[EventRule, ...]] = field(default_factory=dict)
    now: int = NOW
    floors: Floors = SOME_FLOOR
    newest: NewestAccepted = field(default_factory=NewestAccepted)

    def bundle(self) -> EvidenceBundle:
        keys = KeysSection(
            hpke=(b"key config",), receipt=bytes(32), not_before=EPOCH, not_after=EPOCH + 3600
        ).encode()
        freshness = FreshnessSection(checkpoint=b"a cosigned checkpoint").encode()
        software = SoftwareSection(
            release=bytes(32), event_log=self.event_log, models=MODELS, settings=b""
        ).encode()
        return EvidenceBundle(
            platform=self.platform,
            quote=self.quote(evidence_binding(keys, freshness, None, software)),
            keys=keys,
            freshness=freshness,
            devices=None,
            software=software,
            endorsements=self.endorsements,
        )

    def appraise(self, bundle: EvidenceBundle | None = None) -> Appraisal:
        reference = ReferenceValues(
            measurement=self.measurement,
            registers=self.registers,
            device_count=0,
            device_kinds=(),
            models=dict(MODELS),
            events=self.events,
        )
        return verifier.verify(
            bundle or self.bundle(),
            now=self.now,
            policy=self.policy,
            reference_values=reference,
            floors=self.floors,
            newest=self.newest,
        )


def snp_machine(**fields) -> Machine:
    """An EPYC Genoa; keywords are fields of its reports."""
    chip = amd().vcek()
    measurement = fields.pop("measurement", hashlib.sha384(b"image").digest())
    return Machine(
        platform="sev-snp",
        quote=lambda binding: amd().report(
            chip, report_data=binding, **{"measurement": measurement, **fields}
        ),
        endorsements=amd().endorsements(chip),
        policy=amd().policy(),
        measurement=hashlib.sha384(b"image").digest(),
        registers={},
        event_log=b"",
    )


def tdx_machine(kind: type = TdReport10, version: int = 4, **fields) -> Machine:
    """A TDX host; keywords are fields of its TD reports."""
    measurement = fields.pop("mr_td", hashlib.sha384(b"image").digest())
    body = {"mr_td": measurement, f"rt_mr{AGENT_REGISTER}": registers()[AGENT_REGISTER], **fields}
    body = {**{f"rt_mr{index}": bytes(48) for index in range(3)}, **body}
    return Machine(
        platform="tdx",
        quote=lambda binding: intel().quote(
            version=version, kind=kind, body={**body, "report_data": binding}
        ),
        endorsements=(Endorsement(type="tdx-collateral", data=intel().collateral()),),
        policy=intel().policy,
        measurement=hashlib.sha384(b"image").digest(),
        registers=registers(),
        event_log=event_log(),
    )
