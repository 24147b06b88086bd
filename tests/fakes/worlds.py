"""Machines of every platform, under their throw-away vendors, in a service of their own.

    world = PlatformWorld(HOSTS["tdx"]())     honest: `world.establish()` gives a node
    world.name(measurement=bytes(48))         another release, listed in another status
    world.ask(tcb_evaluation=10**6)           another status, of these floors
    world.be(event_log=b"")                   another machine

A release names every platform of DESIGN 4.1, each with a launch measurement of its own. A status
asks for exactly what the machine shows, so one step more is too much.
"""

import functools
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from attestation.binding import device_nonce, evidence_binding
from attestation.evidence import (
    DeviceEvidence,
    DevicesSection,
    EvidenceBundle,
    FreshnessSection,
    KeysSection,
    SoftwareSection,
)
from attestation.policy import AppraisalPolicy, Mark
from tests.fakes import simulated, tpm, vtpm_bundles
from tests.fakes.intel_parts import PPID
from tests.fakes.nvidia import nvidia
from tests.fakes.real_bundles import Machine, amd, snp_machine, tdx_machine
from tests.fakes.world import Logged
from transparency_log.release import Devices, PlatformReference
from transparency_log.status import Floor, Floors

GPUS = ("first", "second")
"""Of a machine that has any."""

Devicing = Callable[[bytes], tuple[DeviceEvidence, ...]]


def no_devices(nonce: bytes) -> tuple[DeviceEvidence, ...]:
    return ()


@dataclass(frozen=True, kw_only=True)
class Host:
    """A machine, and what is true of it.

    Attributes:
        machine: with its quote, endorsements and policy.
        machine_id: as its hardware names itself.
        tcb: a component and the version it has.
        tcb_evaluation: of its TCB data, where the platform has any.
        devices: asks them all, with a nonce.
        kinds: of its devices, one for each.
    """

    machine: Machine
    machine_id: bytes
    tcb: tuple[str, int]
    tcb_evaluation: int = 0
    devices: Devicing = no_devices
    kinds: tuple[str, ...] = ()

    @property
    def platform(self) -> str:
        return self.machine.platform

    @property
    def reference(self) -> PlatformReference:
        """Give what a release says of it."""
        kinds = tuple(dict.fromkeys(self.kinds))
        return PlatformReference(
            measurement=self.machine.measurement,
            registers=self.machine.registers,
            devices=Devices(count=len(self.kinds), kinds=kinds),
        )


class PlatformWorld(Logged):
    """A service on one host. What is changed after it was made is not what its release names."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.asked = Floors(minimum_tcb={host.platform: dict([host.tcb])})
        super().__init__()
        marks = {issuer: Floor(number=one.number, time=one.time) for issuer, one in self.marks()}
        self.ask(crl=marks, tcb_evaluation=host.tcb_evaluation)

    def marks(self) -> tuple[tuple[bytes, Mark], ...]:
        """Judge the machine; give how new its endorsements are, by issuer."""
        return tuple(self.judge()[1].items())

    def ask(self, **floors: Any) -> None:
        """Publish a status with other floors; keywords are those of `Floors`."""
        self.asked = replace(self.asked, **floors)
        self.status = self.add_status([self.release])

    def name(self, **changes: Any) -> None:
        """Release and list other reference values of this platform: of `PlatformReference`."""
        changed = replace(self.host.reference, **changes)
        self.publish({**self.platforms(), self.host.platform: changed})

    def publish(self, platforms: Mapping[str, PlatformReference], **changes: Any) -> None:
        """Release and list software that measures to this; keywords as of `add_release`."""
        self.release_index = len(self.log.entries)
        self.release = self.add_release(platforms=platforms, **changes)
        self.status = self.add_status([self.release])

    def be(self, **changes: Any) -> None:
        """Become a machine of other parts: of `Machine`."""
        self.host = replace(self.host, machine=replace(self.host.machine, **changes))

    @property
    def bare(self) -> bool:
        """Say whether it has no devices."""
        return not self.host.kinds

    def floors(self) -> Floors:
        return self.asked

    def platforms(self) -> Mapping[str, PlatformReference]:
        return {**references(), self.host.platform: self.host.reference}

    @property
    def attestation(self) -> AppraisalPolicy:
        return self.host.machine.policy

    @property
    def machine_id(self) -> bytes:
        return self.host.machine_id

    def event_log(self) -> bytes:
        return self.host.machine.event_log

    def collect(self, keys: KeysSection, software: SoftwareSection) -> EvidenceBundle:
        machine, told = self.host.machine, software.encode()
        epoch, freshness = keys.encode(), FreshnessSection(checkpoint=self.beacon).encode()
        found = self.host.devices(device_nonce(epoch, freshness))
        devices = DevicesSection(devices=found).encode() if found else None
        return EvidenceBundle(
            platform=machine.platform,
            quote=machine.quote(evidence_binding(epoch, freshness, devices, told)),
            keys=epoch,
            freshness=freshness,
            devices=devices,
            software=told,
            endorsements=machine.endorsements,
        )


def launched(platform: str) -> bytes:
    """Give the launch measurement of a platform's image."""
    return hashlib.sha384(f"image for {platform}".encode()).digest()


def on_snp(make: Callable[..., Machine]) -> Host:
    """Give an EPYC Genoa."""
    chip = amd().vcek()
    return Host(machine=make(), machine_id=chip.hardware_id, tcb=("snp", chip.tcb["snp"]))


def on_tdx(make: Callable[..., Machine]) -> Host:
    """Give a TDX host."""
    return Host(machine=make(), machine_id=PPID, tcb=("tdx_module", 11), tcb_evaluation=18)


def on_simulated(make: Callable[..., Machine]) -> Host:
    """Give a simulated machine with its one device."""
    return Host(
        machine=make(),
        machine_id=simulated.MACHINE_ID,
        tcb=("firmware", 1),
        devices=simulated.machine().devices,
        kinds=("simulated-gpu",),
    )


def measuring(make: Callable[..., Machine], platform: str, **changes: Any) -> Machine:
    """Make a machine of the image that is for its platform."""
    return replace(make(**changes), measurement=launched(platform))


def snp() -> Machine:
    return measuring(snp_machine, "sev-snp", measurement=launched("sev-snp"))


def tdx() -> Machine:
    return measuring(tdx_machine, "tdx", mr_td=launched("tdx"))


def snp_vtpm(make: Callable[..., Machine] = vtpm_bundles.direct_snp) -> Machine:
    hardware = {"measurement": launched("sev-snp-vtpm")}
    return measuring(make, "sev-snp-vtpm", hardware=hardware)


def tdx_vtpm(make: Callable[..., Machine] = vtpm_bundles.direct_tdx) -> Machine:
    return measuring(make, "tdx-vtpm", hardware={"mr_td": launched("tdx-vtpm")})


def simulated_vtpm() -> Machine:
    hardware = {"measurement": launched("simulated-vtpm")}
    return measuring(vtpm_bundles.direct_simulated, "simulated-vtpm", hardware=hardware)


def simulated_machine() -> Machine:
    """Give the machine of `simulated` as one of these."""
    return Machine(
        platform="simulated",
        quote=lambda binding: simulated.machine().quote(
            binding, measurement=launched("simulated"), registers=simulated.LOG.replay()
        ),
        endorsements=simulated.machine().endorsements(),
        policy=simulated.policy(),
        measurement=launched("simulated"),
        registers=simulated.REGISTERS,
        event_log=simulated.LOG.encode(),
    )


def with_gpus(host: Host, count: int = len(GPUS)) -> Host:
    """Put GPUs into a machine, with their RIMs and an OCSP answer for every certificate."""
    vendor, machine = nvidia(), host.machine
    chips = tuple(vendor.device(name) for name in GPUS[:count])
    policy = replace(machine.policy, roots={**machine.policy.roots, **vendor.roots})
    stapled = (*machine.endorsements, *vendor.endorsements(*chips))
    return replace(
        host,
        machine=replace(machine, policy=policy, endorsements=stapled),
        devices=lambda nonce: tuple(
            chip.evidence(vendor.report(chip, nonce=nonce)) for chip in chips
        ),
        kinds=("nvidia-gpu",) * len(chips),
    )


def gpus_beside(make: Callable[[], Host]) -> Callable[[], Host]:
    """Give a maker of the same host with GPUs, and nothing else in their place."""
    return functools.cache(lambda: with_gpus(make()))


def without_gpus(make: Callable[[], Host]) -> Callable[[], Host]:
    """Give a maker of the same host without its devices."""
    return functools.cache(lambda: replace(make(), devices=no_devices, kinds=()))


def azure_snp() -> Host:
    return on_snp(lambda: snp_vtpm(vtpm_bundles.azure_snp))


def azure_tdx() -> Host:
    return on_tdx(lambda: tdx_vtpm(vtpm_bundles.azure_tdx))


def certified_snp() -> Host:
    """Give a host whose cloud has certified the key of its TPM as well."""
    chain = tpm.cloud().chain(tpm.rsa_ak())
    return on_snp(lambda: snp_vtpm(functools.partial(vtpm_bundles.azure_snp, chain=chain)))


PLATFORMS: Mapping[str, Callable[[], Host]] = {
    "sev-snp": functools.cache(lambda: on_snp(snp)),
    "tdx": functools.cache(lambda: on_tdx(tdx)),
    "sev-snp-vtpm": functools.cache(lambda: on_snp(snp_vtpm)),
    "tdx-vtpm": functools.cache(lambda: on_tdx(tdx_vtpm)),
    "simulated": functools.cache(lambda: on_simulated(simulated_machine)),
    "simulated-vtpm": functools.cache(lambda: on_simulated(simulated_vtpm)),
}
"""Every platform name of DESIGN 4.1."""

FORMS: Mapping[str, Callable[[], Host]] = {
    **PLATFORMS,
    "sev-snp-vtpm on Azure": functools.cache(azure_snp),
    "sev-snp-vtpm on Azure, key certified": functools.cache(certified_snp),
    "tdx-vtpm on Azure": functools.cache(azure_tdx),
}
"""And the forms that a platform may have."""

HOSTS: Mapping[str, Callable[[], Host]] = {
    **FORMS,
    **{f"{name} without GPUs": without_gpus(make) for name, make in FORMS.items() if make().kinds},
    **{f"{name} with GPUs": gpus_beside(make) for name, make in FORMS.items()},
}
"""Every form without GPUs and with two; a simulated machine also with its simulated one."""


@functools.cache
def references() -> Mapping[str, PlatformReference]:
    """Give what one release says of every platform."""
    return {name: make().reference for name, make in PLATFORMS.items()}
