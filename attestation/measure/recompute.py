"""Reference values of a machine, from the files that it is started from.

`measure` is the one place where it is said what decides what:

    sev-snp        launch digest: firmware, image (as kernel hashes), processors
    tdx            MRTD: firmware. RTMR1, RTMR2: image, and disk. RTMR0: a log. RTMR3: the agent
    …-vtpm         measurement: as the cloud publishes it. PCR 4, 5, 9, 11: image, and
                   disk. 15: the agent. The others that are touched: a log
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from attestation.boot_events import boot_events as agent_events
from attestation.boot_events import measured
from attestation.ccel import ccel_events, replay_ccel
from attestation.errors import ArtifactError, MalformedEvidenceError
from attestation.event_rules import EventRule
from attestation.eventlog import UNTOUCHED, Event
from attestation.measure import sev_snp, tdx, tpm
from attestation.measure.artifact import Artifact
from attestation.measure.boot import BOOT_CONFIGURATION, BootEvent, BootWay, boot_events
from attestation.measure.firmware import Firmware
from attestation.measure.gpt import PartitionTable
from attestation.measure.image import DISK, UKI, GuestMachine
from attestation.measure.observed import Observed, observe
from attestation.measure.uki import Uki
from attestation.tdx.collect import AGENT_REGISTER
from attestation.tpm.collect import AGENT_PCR
from attestation.tpm.ima import IMA_PCR
from attestation.tpm.pcrs import pcr_events, replay_pcrs

FIRMWARE_RTMR = 0
"""RTMR of what firmware measures of itself and its host."""

FIRMWARE_PCRS = frozenset({0, 1, 2, 3, 6, 7, IMA_PCR})
"""PCRs of the same, and the one of what Linux measures by itself."""


@dataclass(frozen=True, kw_only=True)
class Values:
    """What a machine measures to, as a release says it (docs/formats.md, 4.1).

    Attributes:
        measurement: launch measurement.
        registers: index to value.
        events: index to rules.
        sources: `measurement` or index of a register, to the artifacts that decide it.
        given: whether the measurement is as `image.json` gives it: nobody computed it.
    """

    measurement: bytes
    registers: Mapping[int, bytes] = field(default_factory=dict)
    events: Mapping[int, tuple[EventRule, ...]] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)
    given: bool = False


def measure(
    machine: GuestMachine,
    files: Mapping[str, Artifact],
    *,
    models: Sequence[tuple[str, bytes]],
    engine_arguments: Sequence[str],
) -> Values:
    """Give what a machine measures to.

    Args:
        machine: how it is started.
        files: artifacts that it names, whole; of the disk at least the partition table.
        models: name and digest of each model.
        engine_arguments: of the engine.

    Raises:
        ArtifactError: a file cannot be measured, or the machine would boot what nothing measures.
    """
    agent = measured(UNTOUCHED, agent_events(models, engine_arguments))
    match machine.platform:
        case "sev-snp":
            return _sev_snp(machine, files)
        case "tdx":
            return _tdx(machine, files, agent)
        case "sev-snp-vtpm" | "tdx-vtpm" | "simulated-vtpm":
            return _vtpm(machine, files, agent)
        case _:
            raise ArtifactError(f"{machine.platform}: nothing is known of what it measures")


def _sev_snp(machine: GuestMachine, files: Mapping[str, Artifact]) -> Values:
    if machine.boot is not BootWay.DIRECT:
        raise ArtifactError("sev-snp: from a disk nothing measures the image; boot it directly")
    if machine.log is not None or machine.firmware is None:
        raise ArtifactError("sev-snp: names its firmware, and has no event log")
    uki = Uki.parse(_file(files, UKI))
    digest = _launch(machine, files, sev_snp.Kernel.of(uki.image.file.data))
    sources = {"measurement": f"{machine.firmware}, {UKI}, number and type of processors"}
    return Values(measurement=digest, sources=sources)


def _tdx(machine: GuestMachine, files: Mapping[str, Artifact], agent: bytes) -> Values:
    if machine.firmware is None:
        raise ArtifactError("tdx: names its firmware")
    known = {**tdx.registers(_events(machine, files)), AGENT_REGISTER: agent}
    known.pop(FIRMWARE_RTMR)  # the image's part of it is one line; the rest is firmware's
    seen = _observed(machine, files, known, frozenset({FIRMWARE_RTMR}))
    return _joined(machine, _launch(machine, files, None), known, AGENT_REGISTER, seen)


def _vtpm(machine: GuestMachine, files: Mapping[str, Artifact], agent: bytes) -> Values:
    known = {**tpm.pcrs(_events(machine, files)), AGENT_PCR: agent}
    seen = _observed(machine, files, known, FIRMWARE_PCRS)
    if machine.measurement is None:
        raise ArtifactError(f"{machine.platform}: needs the measurement of its paravisor")
    return _joined(machine, machine.measurement, known, AGENT_PCR, seen)


def _joined(
    machine: GuestMachine,
    measurement: bytes,
    known: Mapping[int, bytes],
    agent: int,
    seen: Observed,
) -> Values:
    sources = {"measurement": machine.firmware or "image.json"}
    sources |= {str(register): _decides(machine, register) for register in known}
    sources |= {str(agent): "models and engine arguments of the release"}
    sources |= {str(one): machine.log or "" for one in (*seen.registers, *seen.events)}
    return Values(
        measurement=measurement,
        registers=dict(sorted({**known, **seen.registers}.items())),
        events=seen.events,
        sources=sources,
        given=machine.measurement is not None,
    )


def _decides(machine: GuestMachine, register: int) -> str:
    """Name the artifacts that decide a register."""
    if machine.boot is BootWay.DIRECT:
        return UKI
    return {("tdx", 1): f"{UKI}, {DISK}"}.get(
        (machine.platform, register), DISK if register == BOOT_CONFIGURATION else UKI
    )


def _launch(
    machine: GuestMachine, files: Mapping[str, Artifact], kernel: sev_snp.Kernel | None
) -> bytes:
    firmware = Firmware.parse(_file(files, machine.firmware or ""))
    if machine.snp is not None:
        return sev_snp.launch_digest(firmware, machine.snp, kernel)
    if machine.order is not None:
        return tdx.mrtd(firmware, machine.order)
    raise ArtifactError(f"{machine.platform}: image.json does not say how it is launched")


def _events(machine: GuestMachine, files: Mapping[str, Artifact]) -> Sequence[BootEvent]:
    uki = Uki.parse(_file(files, UKI))
    if machine.boot is BootWay.DIRECT:
        return boot_events(uki, machine.boot, None)
    partitions = PartitionTable.parse(_file(files, DISK)).measured
    return boot_events(uki, machine.boot, partitions)


def _observed(
    machine: GuestMachine,
    files: Mapping[str, Artifact],
    known: Mapping[int, bytes],
    firmware: frozenset[int],
) -> Observed:
    if machine.log is None:
        raise ArtifactError(f"{machine.platform}: needs an event log of such a machine")
    log = _file(files, machine.log)
    try:
        events, replayed = _read_log(machine.platform, log.data)
    except MalformedEvidenceError as error:
        raise ArtifactError(f"{log.name}: {error}") from error
    others = sorted({event.register for event in events} - set(known) - firmware)
    if others:
        log.refuse(
            f"measures into register {others[0]}, where a boot of the image alone measures "
            "nothing; take the log of a machine that nothing was added to"
        )
    return observe(events, replayed, known=frozenset(known), open_to_host=machine.open)


def _read_log(platform: str, data: bytes) -> tuple[Sequence[Event], Mapping[int, bytes]]:
    if platform == "tdx":
        return ccel_events(data), replay_ccel(data)
    return pcr_events(data), replay_pcrs(data)


def _file(files: Mapping[str, Artifact], name: str) -> Artifact:
    if name not in files:
        raise ArtifactError(f"image.json: needs artifact {name!r}")
    return files[name]
