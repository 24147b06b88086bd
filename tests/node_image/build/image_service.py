"""A whole service whose one node is a guest: the demonstration's programs around a booted image.

Log, witnesses, publisher, gateway and relay are the programs that operators run, as in the other
journeys. Only the release is another: its values are computed from the image's files.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from attestation.measure import files
from attestation.measure.recompute import Values, measure
from attestation.model import model_digest
from attestation.simulated.collect import measure_software
from attestation.simulated.vendor import SimulatedVendor
from openpcc import clock
from openpcc.cli import demo
from openpcc.cli.demo import keys as demo_keys
from openpcc.cli.demo.programs import Program
from openpcc.cli.demo.stack import MODEL, RELEASE_LIFE, DemoStack, EngineChoice
from tests.node_image.build.guest import Guest, write_host_disk
from transparency_log.entry import sign_entry
from transparency_log.release import (
    Devices,
    Engine,
    EventRule,
    Model,
    PlatformReference,
    Recipe,
    ReleaseStatement,
    Source,
)

PLATFORM = "simulated-vtpm"
OPEN = ("memory-map", "host-tables", "boot-variables", "boot-aggregate")
MODELS = ((MODEL, model_digest(demo.embedded_model())),)


@dataclass(frozen=True, kw_only=True)
class Measured:
    """An image as its files say.

    Attributes:
        image: SHA-256 of the disk, which a release names.
        recipe: SHA-256 of what it was made by.
    """

    values: Values
    image: bytes
    recipe: bytes


def with_machine(image: Path, folder: Path, log: bytes) -> None:
    """Make an image folder that knows the machine: the image's files, and the log of one of them.

    The launch measurement of a simulated machine is that of the installed code: of this checkout,
    so that an image of other code is found to be one.
    """
    folder.mkdir()
    document = json.loads((image / "image.json").read_text())
    for one in document["artifacts"].values():
        (folder / one["file"]).symlink_to(image / one["file"])
    (folder / "log.bin").write_bytes(log)
    document["artifacts"]["log"] = {
        "file": "log.bin",
        "size": len(log),
        "sha256": hashlib.sha256(log).hexdigest(),
    }
    document["machines"] = {
        PLATFORM: {
            "boot": "disk",
            "measurement": measure_software().hex(),
            "log": "log",
            "open": list(OPEN),
        }
    }
    (folder / "image.json").write_text(json.dumps(document))


def measured(folder: Path) -> Measured:
    """Compute what the image measures to, as `openpcc audit release` does."""
    image = files.read_image(folder)
    found = {name: files.read_file(folder, image, name) for name in image.artifacts}
    assert not [one.wrong for one in found.values() if one.wrong]
    values = measure(
        image.machines[PLATFORM],
        {name: one.artifact for name, one in found.items()},
        models=MODELS,
        engine_arguments=(),
    )
    return Measured(values=values, image=found["disk"].sha256, recipe=found["recipe"].sha256)


class ImageService(DemoStack):
    """Begins as a log with its witnesses; `release_of`, then `serve`."""

    def __init__(self, folder: Path) -> None:
        engine = EngineChoice(kind="embedded", model=demo.embedded_model(), patience=300.0)
        super().__init__(folder, engine, print)
        self.vendor = SimulatedVendor.create(clock.now())
        self.vendor.machine(b"machine of the image".ljust(32, b".")).save(folder / "machine")

    def start(self) -> None:
        self.log = self._start_log()

    def host_disk(self, name: str, release: bytes) -> Path:
        """Write the disk that says which release the guest is."""
        disk = self.folder / name
        write_host_disk(disk, release=release, machine=self.folder / "machine")
        return disk

    def checkpoint(self) -> bytes:
        """Give the log's newest checkpoint, as the publisher brings it to nodes."""
        return httpx.get(f"{self.log.listening}/checkpoint", trust_env=False).content

    def release_of(self, image: Measured) -> None:
        """Publish the image's release, and a status that lists it."""
        values = image.values
        statement = ReleaseStatement(
            name="openpcc-node",
            version="0.1.0",
            image=image.image,
            platforms={
                PLATFORM: PlatformReference(
                    measurement=values.measurement,
                    registers=values.registers,
                    events={
                        index: tuple(EventRule(**vars(rule)) for rule in rules)
                        for index, rules in values.events.items()
                    },
                    devices=Devices(count=1, kinds=("simulated-gpu",)),
                )
            },
            models=tuple(Model(name=name, digest=digest) for name, digest in MODELS),
            engine=Engine(name="embedded", version="0.1.0", arguments=()),
            source=Source(uri="https://demo.openpcc.invalid/source", commit="0" * 40),
            recipe=Recipe(uri="node_image/build", sha256=image.recipe),
            expires=clock.now() + RELEASE_LIFE,
        )
        entry = sign_entry(statement, [demo_keys.signer(self.keys.release)])
        index, self.release = self._submit(entry)
        self._staple(index, entry)
        self.publish_status([self.release])

    def serve(self, guest: Guest) -> None:
        """Start publisher, gateway and relay around a node that waits for its beacon."""
        said = {"listening": guest.service, "control": guest.control}
        log = guest.state / "serial.log"
        self.nodes = [Program(name="node", said=said, log=log, process=guest.process)]
        self.publisher = self._start_publisher()
        self.gateway = self._start_gateway()
        self.relay = self._start_relay()
        self.client = self.write_client("client", self.relay.listening)
        guest.wait_for(f"{guest.control}/readyz")
        self._wait_ready()

    def _write(self, name: str, text: str) -> Path:
        return super()._write(name, text.replace("candidates = 2", "candidates = 1"))

    def _policy(self) -> str:
        return (
            super()
            ._policy()
            .replace('["simulated"]', f'["{PLATFORM}"]')
            .replace("simulated = ", f"{PLATFORM} = ")
        )


def chat(content: str, **more: object) -> dict[str, Any]:
    return {"model": MODEL, "messages": [{"role": "user", "content": content}], **more}
