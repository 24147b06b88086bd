"""An image folder: `image.json`, and the files it names. docs/formats.md, 12.

What a release says of an image was computed from these files, and for these machines. Nothing in
`image.json` is trusted: whoever audits computes again, and compares with what was logged. A machine
that is not the one of the release gives another measurement, and not a false one.

    artifacts   name to file, size and SHA-256
    machines    platform to how the guest is started there, and which artifacts it is started from
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from attestation.errors import ArtifactError
from attestation.measure import vmsa
from attestation.measure.boot import BootWay
from attestation.measure.firmware import MAX_FIRMWARE
from attestation.measure.gpt import MAX_TABLE
from attestation.measure.observed import HostEvents
from attestation.measure.recipe import MAX_RECIPE
from attestation.measure.sev_snp import MAX_CPUS, Machine
from attestation.measure.tdx import PageOrder
from attestation.measure.uki import MAX_UKI
from attestation.measure.vmsa import Monitor
from attestation.sections import MAX_EVENT_LOG
from attestation.strict_json import Members, StrictJSONError, parse_object

COMPUTED = frozenset({"sev-snp", "tdx"})
"""Those whose launch measurement is computed."""

UKI = "uki"
"""Artifact with the unified kernel image."""

RECIPE = "recipe"
"""Artifact that the image was made by."""

DISK = "disk"
"""Artifact with the disk, of which the beginning is measured."""

VERSION = 1
"""Of the format."""

MAX_IMAGE_JSON = 1 << 20
"""Bytes of `image.json`."""

MAX_ARTIFACTS = 64
"""Artifacts of an image."""

MAX_ARTIFACT = 1 << 40
"""Bytes of an artifact."""

NAME = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
"""How an artifact is named."""

FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+~-]*(?:/[A-Za-z0-9_][A-Za-z0-9._+~-]*){0,3}")
"""How a file is named: below the folder, never outside it."""

PLATFORMS = frozenset({"sev-snp", "tdx", "sev-snp-vtpm", "tdx-vtpm", "simulated-vtpm"})
"""Platforms whose values are computed. A simulated machine's launch measurement is as given, for it
is of what is installed there; under a TPM its registers are those of a boot all the same."""


@dataclass(frozen=True, kw_only=True)
class ArtifactFile:
    """What `image.json` says of a file."""

    name: str
    file: str
    size: int
    sha256: bytes


@dataclass(frozen=True, kw_only=True)
class GuestMachine:
    """How a guest is started on one platform.

    Attributes:
        platform: one of `PLATFORMS`.
        boot: where its image is loaded from.
        firmware: artifact of the firmware; None: under a TPM, where `measurement` is as given.
        measurement: launch measurement of the paravisor, as its cloud publishes it; None: it is
            computed. Firmware of ours is no paravisor: it would boot any kernel, which could ask
            the hardware and name a TPM of its own (`attestation.tpm.authenticate`).
        log: artifact of an event log of such a machine; None: there are no registers to rule.
        open: events whose digests are the host's to choose.
        snp: processors, of SEV-SNP.
        order: of pages, of TDX.
    """

    platform: str
    boot: BootWay
    firmware: str | None = None
    measurement: bytes | None = None
    log: str | None = None
    open: frozenset[HostEvents] = frozenset()
    snp: Machine | None = None
    order: PageOrder | None = None


@dataclass(frozen=True, kw_only=True)
class ImageFolder:
    """What `image.json` says."""

    artifacts: Mapping[str, ArtifactFile]
    machines: Mapping[str, GuestMachine]

    @classmethod
    def parse(cls, data: bytes) -> "ImageFolder":
        """Read `image.json`.

        Raises:
            ArtifactError: another spelling, a file outside the folder, or a machine that names an
                artifact which is not there.
        """
        try:
            members = parse_object(data, limit=MAX_IMAGE_JSON, name="image.json")
            members.integer("version", low=VERSION, high=VERSION)
            artifacts = _artifacts(members.child("artifacts"))
            machines = _machines(members.child("machines"))
            members.end()
        except StrictJSONError as error:
            raise ArtifactError(str(error)) from error
        folder = cls(artifacts=artifacts, machines=machines)
        missing = sorted(folder.measured.keys() - artifacts.keys() - {DISK, RECIPE})
        if any(one.boot is BootWay.DISK for one in machines.values()) and DISK not in artifacts:
            missing.append(DISK)
        if missing:
            raise ArtifactError(f"image.json: needs artifact {missing[0]!r}")
        return folder

    @property
    def measured(self) -> Mapping[str, int]:
        """Give how much of which artifacts is read; of the others only the digest counts."""
        limits = {UKI: MAX_UKI, DISK: MAX_TABLE, RECIPE: MAX_RECIPE}
        for machine in self.machines.values():
            if machine.firmware is not None:
                limits[machine.firmware] = MAX_FIRMWARE
            if machine.log is not None:
                limits[machine.log] = MAX_EVENT_LOG
        return limits


def _artifacts(members: Members) -> dict[str, ArtifactFile]:
    names = members.names()
    if len(names) > MAX_ARTIFACTS or not all(map(NAME.fullmatch, names)):
        raise StrictJSONError(f"{members.name}: at most {MAX_ARTIFACTS}, named like root-hash")
    return {name: _artifact(name, members.child(name)) for name in names}


def _artifact(name: str, members: Members) -> ArtifactFile:
    artifact = ArtifactFile(
        name=name,
        file=members.text("file", limit=256),
        size=members.integer("size", high=MAX_ARTIFACT),
        sha256=members.hex("sha256", size=32),
    )
    members.end()
    if not FILE.fullmatch(artifact.file):
        raise StrictJSONError(f"{members.name}.file: expected a path below the folder")
    return artifact


def _machines(members: Members) -> dict[str, GuestMachine]:
    return {name: _machine(name, members.child(name)) for name in members.names()}


def _machine(platform: str, members: Members) -> GuestMachine:
    if platform not in PLATFORMS:
        raise StrictJSONError(f"{members.name}: expected one of {', '.join(sorted(PLATFORMS))}")
    ours = platform in COMPUTED
    machine = GuestMachine(
        platform=platform,
        boot=BootWay(members.choice("boot", frozenset(BootWay))),
        firmware=members.text("firmware", limit=64) if ours else None,
        measurement=None if ours else members.hex("measurement", size=48),
        log=members.text("log", limit=64) if "log" in members else None,
        open=_open(members) if "open" in members else frozenset(),
        snp=_snp(members) if platform == "sev-snp" else None,
        order=_order(members) if platform == "tdx" else None,
    )
    members.end()
    return machine


def _open(members: Members) -> frozenset[HostEvents]:
    names = members.texts("open", limit=len(HostEvents), length=32)
    if not set(names) <= set(HostEvents) or len(set(names)) != len(names):
        known = ", ".join(HostEvents)
        raise StrictJSONError(f"{members.name}.open: expected some of {known}, each once")
    return frozenset(map(HostEvents, names))


def _snp(members: Members) -> Machine:
    return Machine(
        cpus=members.integer("cpus", low=1, high=MAX_CPUS),
        cpu=members.choice("cpu", frozenset(vmsa.CPU_TYPES)),
        features=members.integer("features"),
        monitor=Monitor(members.choice("monitor", frozenset(Monitor))),
    )


def _order(members: Members) -> PageOrder:
    return PageOrder(members.choice("order", frozenset(PageOrder)))
