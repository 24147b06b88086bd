"""The attester's side of the simulated platform: what is measured at boot, and what is quoted.

Real machines measure what they launch; here the launch measurement is computed over the installed
code that handles content, so altered code is refused like an altered image. What a release must say
is computed by the same functions (`expected_values`), in the release tool.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from attestation.binding import lp
from attestation.boot_events import boot_events
from attestation.errors import AttesterError
from attestation.evidence import DeviceEvidence, Endorsement
from attestation.simulated.eventlog import SimulatedEventLog
from attestation.simulated.machine import SimulatedMachine

MEASURED = (
    "attestation",
    "node_image",
    "openpcc/__init__.py",
    "openpcc/protocol",
    "transparency_log",
)
"""What runs in a node, by path below the folder the packages are installed in."""

NOT_MEASURED = frozenset({"build", "measure", "model", "train"})
"""Folders of node_image that no node runs; the model has a digest of its own."""

SUFFIXES = frozenset({".py", ".so"})
"""Files that are code."""

SOFTWARE_REGISTER = 0
"""Register of the software."""

MODEL_REGISTER = 1
"""Register of the models and the engine's arguments."""


class SimulatedAttester:
    """Quotes of one machine since one boot."""

    def __init__(self, machine: SimulatedMachine) -> None:
        self._machine = machine
        self._measurement = measure_software()
        self._log = SimulatedEventLog()

    @classmethod
    def open(cls, folder: Path) -> "SimulatedAttester":
        """Open the machine of a folder. Raises: AttesterError."""
        return cls(SimulatedMachine.load(folder))

    @property
    def machine(self) -> bytes:
        """Give the machine id."""
        return self._machine.identity.machine_id

    def boot(self, models: Sequence[tuple[str, bytes]], engine_arguments: Sequence[str]) -> bytes:
        """Measure what is loaded after launch; gives the event log."""
        self._log = boot_log(self._measurement, models, engine_arguments)
        return self._log.encode()

    def devices(self, nonce: bytes) -> tuple[DeviceEvidence, ...]:
        """Ask every device."""
        return self._machine.devices(nonce)

    def quote(self, binding: bytes) -> bytes:
        """Quote a binding."""
        return self._machine.quote(
            binding, measurement=self._measurement, registers=self._log.replay()
        )

    def endorsements(self) -> tuple[Endorsement, ...]:
        """Give what the vendor says of this machine and its device."""
        return self._machine.endorsements()


def expected_values(
    models: Sequence[tuple[str, bytes]], engine_arguments: Sequence[str]
) -> tuple[bytes, Mapping[int, bytes]]:
    """Give measurement and registers of a machine that runs this code and these models.

    Registers that stay untouched are left out, as in a release.

    Raises:
        AttesterError: a measured package is not installed.
    """
    measurement = measure_software()
    registers = boot_log(measurement, models, engine_arguments).replay()
    return measurement, {index: registers[index] for index in (SOFTWARE_REGISTER, MODEL_REGISTER)}


def boot_log(
    measurement: bytes, models: Sequence[tuple[str, bytes]], engine_arguments: Sequence[str]
) -> SimulatedEventLog:
    """Give the events of a boot: the software, each model, the engine's arguments.

    Only what the release fixes is measured; the host's settings are bound by the quote instead.
    """
    software = json.dumps(["software", measurement.hex()])
    log = SimulatedEventLog().then(SOFTWARE_REGISTER, software)
    for event in boot_events(models, engine_arguments):
        log = log.then(MODEL_REGISTER, event)
    return log


def measure_software() -> bytes:
    """Give the launch measurement: SHA-384 over lp(name) ‖ SHA-384(file) of all measured files.

    Raises:
        AttesterError: a measured package is not installed, or a file cannot be read.
    """
    digest = hashlib.sha384()
    for name, path in sorted(_measured_files()):
        try:
            content = path.read_bytes()
        except OSError as error:
            raise AttesterError(f"{path}: cannot be measured ({error.strerror})") from error
        digest.update(lp(name.encode()) + hashlib.sha384(content).digest())
    return digest.digest()


def _measured_files() -> Iterator[tuple[str, Path]]:
    """Name every measured file by its path below the folder its package is installed in."""
    for entry in MEASURED:
        package = _package(entry.split("/", 1)[0])
        path = package.parent / entry
        for file in [path] if path.is_file() else path.rglob("*"):
            name = file.relative_to(package.parent)
            if file.suffix in SUFFIXES and NOT_MEASURED.isdisjoint(name.parts) and file.is_file():
                yield name.as_posix(), file


def _package(name: str) -> Path:
    """Find where a package is installed, without running it."""
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise AttesterError(f"{name} is not installed here; a node needs the whole distribution")
    return Path(spec.origin).parent
