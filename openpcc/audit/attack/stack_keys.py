"""The secrets of a stack of one's own, for attacks by who owns a log, an operator's key, a machine.

`openpcc demo --keep` lays them out in its folder, and so may any stack:

    log.key  service.key  <witness name>.key        Ed25519 seeds, as the servers read them
    node-1/  node-2/ …                              simulated machines

What is not there is simply not at hand; the attacks that need it are then not tried.
"""

import base64
import binascii
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from attestation.errors import AttesterError
from attestation.simulated.machine import SimulatedMachine
from openpcc.audit.attack.attempt import NotTriedError

MAX_SEED = 256
"""Bytes of a seed file."""

MAX_MACHINES = 64
"""Machines that are read."""


@dataclass(frozen=True)
class StackKeys:
    """The keys in a folder; None: no folder was named, so none is at hand."""

    folder: Path | None

    def seed(self, name: str) -> Ed25519PrivateKey:
        """Read the private key `<name>.key`.

        Raises:
            NotTriedError: it is not at hand.
        """
        if self.folder is None:
            raise NotTriedError(f"it needs {name}.key of the stack; name its folder with --stack")
        if not name or Path(name).name != name:
            raise NotTriedError(f"{name}: no file of the stack can have this name")
        try:
            with (self.folder / f"{name}.key").open("rb") as file:
                return Ed25519PrivateKey.from_private_bytes(
                    base64.b64decode(file.read(MAX_SEED).strip(), validate=True)
                )
        except (OSError, ValueError, binascii.Error) as error:
            raise NotTriedError(f"{name}.key of the stack cannot be read") from error

    def machine(self, machine_id: bytes | None) -> SimulatedMachine:
        """Give the machine of an id.

        Raises:
            NotTriedError: its keys are not at hand: no stack was named, or it is real hardware.
        """
        for machine in self._machines:
            if machine.identity.machine_id == machine_id:
                return machine
        raise NotTriedError(
            "it needs the keys of the machine itself, which only a simulated one gives away; name "
            "the stack's folder with --stack"
        )

    @cached_property
    def _machines(self) -> tuple[SimulatedMachine, ...]:
        if self.folder is None:
            return ()
        try:
            folders = sorted(path.parent for path in self.folder.glob("*/machine.key"))
            return tuple(SimulatedMachine.load(folder) for folder in folders[:MAX_MACHINES])
        except AttesterError as error:
            raise NotTriedError(str(error)) from error
