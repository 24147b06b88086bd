"""A whole service whose one node is a guest: the demonstration's programs around a booted image.

Log, witnesses, publisher, gateway and relay are the programs that operators run, as in the other
journeys. Only the release is another: its values are computed from the image's files.
"""

import base64
import json
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any

import httpx

from attestation.measure import files
from attestation.measure.recompute import Values, measure
from attestation.model import model_digest
from attestation.simulated.collect import measure_software
from attestation.simulated.vendor import SimulatedVendor
from node_image.build.machines import add_machines
from openpcc import clock
from openpcc.cli import demo
from openpcc.cli.demo import keys as demo_keys
from openpcc.cli.demo.programs import Program
from openpcc.cli.demo.stack import MODEL, RELEASE_LIFE, DemoStack, EngineChoice
from tests.journeys.release_desk import openpcc_log
from tests.node_image.build.guest import Guest, write_host_disk

PLATFORM = "simulated-vtpm"
OPEN = ("host-tables", "boot-variables", "boot-aggregate")
OWN = {"image.json", "machines", "machines.json", "release.toml"}
"""What an image's folder has for machines of its own, if its makers know any."""

MODELS = ((MODEL, model_digest(demo.embedded_model())),)


def with_machine(image: Path, folder: Path, log: bytes) -> None:
    """Make an image folder that knows the machine: the image's files, and the log of one of them.

    The launch measurement of a simulated machine is that of the installed code: of this checkout,
    so that an image of other code is found to be one.
    """
    folder.mkdir()
    shutil.copyfile(image / "image.json", folder / "image.json")
    for path in image.iterdir():
        if path.name not in OWN:
            (folder / path.name).symlink_to(path)
    (folder / "boot.bin").write_bytes(log)
    machine = {
        "boot": "disk",
        "measurement": measure_software().hex(),
        "log": "log",
        "open": list(OPEN),
    }
    said = {"version": 1, "artifacts": {"log": "boot.bin"}, "machines": {PLATFORM: machine}}
    (folder / "said.json").write_text(json.dumps(said))
    add_machines(folder, folder / "said.json")


def measured(folder: Path) -> Values:
    """Compute what the image measures to, as `openpcc audit release` does."""
    image = files.read_image(folder)
    found = {name: files.read_file(folder, image, name) for name in image.artifacts}
    assert not [one.wrong for one in found.values() if one.wrong]
    return measure(
        image.machines[PLATFORM],
        {name: one.artifact for name, one in found.items()},
        models=MODELS,
        engine_arguments=(),
    )


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

    def sign(self, image: Path) -> None:
        """Publish an image's release, by the commands that its makers and signers have.

        A status lists it; the proof is put beside the image, and with the publisher.
        """
        policy, token = self._write("policy.toml", self._policy()), self.folder / "log.token"
        key, proof = self.folder / "release.key", image / "release.proof"
        demo_keys.write_seed(key, self.keys.release)
        (image / "release.toml").write_text(_manifest(image))
        done = openpcc_log(
            "publish", image / "release.toml", "--key", key, "--yes", "--policy", policy,
            "--out", image / "release.json", "--to", self.log.listening, "--token-file", token,
            "--proof", proof, "--json",
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        self.release = bytes.fromhex(json.loads(done.stdout)["leaf_hash"])
        stapled = {"type": "log-entry", "data": base64.b64encode(proof.read_bytes()).decode()}
        self._write("endorsements.json", json.dumps({"endorsements": [stapled]}))
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


def _manifest(image: Path) -> str:
    expires = datetime.fromtimestamp(clock.now() + RELEASE_LIFE, UTC)
    words = {
        "--devices": "1",
        "--kind": "simulated-gpu",
        "--version": "0.1.0",
        "--engine": "embedded=0.1.0",
        "--source": "https://demo.openpcc.invalid/source",
        "--commit": "0" * 40,
        "--expires": f"{expires:%Y-%m-%dT%H:%M:%SZ}",
    }
    command = [sys.executable, "-m", "node_image.measure", "release", str(image)]
    done = subprocess.run(
        [*command, *chain(*words.items())], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def chat(content: str, **more: object) -> dict[str, Any]:
    return {"model": MODEL, "messages": [{"role": "user", "content": content}], **more}
