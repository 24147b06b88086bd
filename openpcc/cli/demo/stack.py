"""Brings up one whole service on this machine: log, witnesses, nodes, publisher, gateway, relay.

Every part is the program an operator runs, configured by a file as an operator writes it. Only the
roots of trust are special: they are made here and thrown away, and the machines are simulated.
"""

import base64
import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

from attestation.model import model_digest
from attestation.simulated import collect
from attestation.simulated.vendor import SimulatedVendor
from openpcc import clock
from openpcc.cli import service_files, toml
from openpcc.cli.demo import keys as demo_keys
from openpcc.cli.demo.issuing import DemoIssuer, Payment
from openpcc.cli.demo.keys import ORIGIN, WITNESSES, DemoKeys
from openpcc.cli.demo.programs import Program, Programs
from openpcc.cli.installed import run
from openpcc.cli.service_files import Trust
from openpcc.config import ClientPolicy
from openpcc.errors import ConfigurationError
from transparency_log.cli.connection import LogConnection
from transparency_log.client import LogClient
from transparency_log.entry import sign_entry
from transparency_log.errors import LogError
from transparency_log.release import (
    Devices,
    Engine,
    Model,
    PlatformReference,
    Recipe,
    ReleaseStatement,
    Source,
)
from transparency_log.status import Floors, StatusStatement

MODEL = "demo"
NODES = 2
RELEASE_LIFE = 30 * 86400
HERE: service_files.Table = {"listen": "127.0.0.1:0"}
"""Any free port of this machine."""

CONTROL: service_files.Table = {"control": "127.0.0.1:0"}

PROGRESS = 3.0
"""Seconds between two words on what is waited for."""

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class EngineChoice:
    """Which engine the nodes run, and with what."""

    kind: str
    model: Path
    arguments: tuple[str, ...] = ()
    python: Path | None = None
    patience: float = 60.0
    """Seconds until the slowest node must be ready."""


class DemoStack:
    """One running service. `close` ends everything it started."""

    def __init__(
        self, folder: Path, engine: EngineChoice, say: Say, *, payment: Payment | None = None
    ) -> None:
        """Start nothing yet; `payment` None: admission is open."""
        self.folder = folder
        self.engine = engine
        self.payment = payment
        self.issuer: DemoIssuer | None = None
        self.keys = DemoKeys.generate()
        self.programs = Programs(folder / "logs")
        self._say = say
        self._status: tuple[int, bytes | None] = (0, None)
        self.nodes: list[Program] = []

    def start(self) -> None:
        """Start every part, in the order in which they need each other.

        Raises:
            ConfigurationError: a part did not start; quotes its last words.
        """
        self.vendor = SimulatedVendor.create(clock.now())
        self.log = self._start_log()
        self.release = self.publish_release("openpcc-node", "0.1.0")
        self.publish_status([self.release])
        self.nodes = [self._start_node(number) for number in range(NODES)]
        if self.payment is not None:
            self.issuer = DemoIssuer(self.folder, self.programs, self.payment)
        self.publisher = self._start_publisher()
        self.gateway = self._start_gateway()
        self.relay = self._start_relay()
        self.client = self.write_client("client", self.relay.listening)
        self._wait_ready()

    def close(self) -> None:
        """End every program."""
        self.programs.close()

    def publish_release(self, name: str, version: str) -> bytes:
        """Log a release of the very software that runs here; give its leaf hash."""
        models = ((MODEL, model_digest(self.engine.model)),)
        measurement, registers = collect.expected_values(models, self.engine.arguments)
        statement = ReleaseStatement(
            name=name,
            version=version,
            # Nothing was built: the image stands for the installed files, and has no source entry.
            image=hashlib.sha256(measurement).digest(),
            platforms={
                "simulated": PlatformReference(
                    measurement=measurement,
                    registers=registers,
                    devices=Devices(count=1, kinds=("simulated-gpu",)),
                )
            },
            models=tuple(Model(name=name, digest=digest) for name, digest in models),
            engine=Engine(name=self.engine.kind, version=version, arguments=self.engine.arguments),
            source=Source(uri="https://demo.openpcc.invalid/source", commit="0" * 40),
            recipe=Recipe(uri="demo", sha256=bytes(32)),
            expires=clock.now() + RELEASE_LIFE,
        )
        entry = sign_entry(statement, [demo_keys.signer(self.keys.release)])
        index, leaf = self._submit(entry)
        self._staple(index, entry)
        return leaf

    def publish_status(self, releases: Sequence[bytes]) -> None:
        """Log the next status: the complete list of accepted releases."""
        sequence, previous = self._status
        statement = StatusStatement(
            log=ORIGIN,
            sequence=sequence,
            previous=previous,
            issued=clock.now(),
            releases=tuple(releases),
            floors=Floors(),
        )
        _, leaf = self._submit(sign_entry(statement, [demo_keys.signer(self.keys.status)]))
        self._status = (sequence + 1, leaf)

    def write_client(self, name: str, relay: str) -> Path:
        """Write configuration and policy of a client with a memory of its own."""
        tokens = None if self.issuer is None else self.issuer.settings(name)
        table = service_files.client(
            relays=[relay], model=MODEL, state=f"{name}-state", ca=None, tokens=tokens
        )
        return self._write_table(f"{name}.toml", table)

    def start_proxy(self) -> Program:
        """Start the local proxy in front of the service."""
        return self.programs.start(
            "proxy",
            "openpcc",
            ["proxy", "--json", "--listen", "127.0.0.1:0", "--config", str(self.client)],
        )

    def _start_log(self) -> Program:
        witnesses = [self._start_witness(number) for number in range(len(WITNESSES))]
        demo_keys.write_seed(self.folder / "log.key", self.keys.log)
        demo_keys.write_secret(self.folder / "log.token", self.keys.token.encode())
        table = service_files.log(
            self.trust, key="log.key", token="log.token", state=".",  # noqa: S106 -- paths
            urls=[witness.listening for witness in witnesses], where=HERE | {"batch_ms": 50},
        )  # fmt: skip
        config = self._write_table("log.toml", table)
        run("openpcc-log", ["init", "--config", str(config)])
        return self.programs.start("log", "openpcc-log", ["--config", str(config)])

    def _start_witness(self, number: int) -> Program:
        name = WITNESSES[number]
        demo_keys.write_seed(self.folder / f"{name}.key", self.keys.witnesses[number])
        table = service_files.witness(
            self.trust, number, key=f"{name}.key", database=f"{name}.db", where=HERE
        )
        config = self._write_table(f"{name}.toml", table)
        run("openpcc-witness", ["init", "--config", str(config)])
        return self.programs.start(name, "openpcc-witness", ["--config", str(config)])

    def _start_node(self, number: int) -> Program:
        name = f"node-{number + 1}"
        machine = self.vendor.machine(f"simulated machine {number + 1}".encode().ljust(32, b"."))
        machine.save(self.folder / name)
        self._write(f"{name}.release", self.release.hex() + "\n")
        engine = self.engine
        table = service_files.image(
            platform="simulated", machine=name, release=f"{name}.release", engine=engine.kind,
            engine_python=None if engine.python is None else str(engine.python),
            engine_arguments=list(engine.arguments),
            model={"name": MODEL, "path": str(engine.model)},
        )  # fmt: skip
        image = self._write_table(f"{name}-image.toml", table)
        host = self._write_table(f"{name}.toml", HERE | CONTROL)
        return self.programs.start(
            name, "openpcc-node", ["--config", str(host), "--image", str(image)]
        )

    def _start_publisher(self) -> Program:
        demo_keys.write_seed(self.folder / "service.key", self.keys.service)
        (self.folder / "ohttp").mkdir(mode=0o700)
        run("openpcc-gateway", ["keys", "--out", str(self.folder / "ohttp")])
        table = service_files.publisher(
            self.trust, log_url=self.log.listening, where=HERE,
            nodes={"nodes": [{"url": node.listening} for node in self.nodes]},
            log_token="log.token", service_key="service.key", ohttp_keys="ohttp/ohttp-keys",  # noqa: S106 -- paths
            state="publisher-state", archive="archive", endorsements="endorsements.json",
            candidates=NODES, poll=1.0, wait=self.engine.patience,
            tokens=None if self.issuer is None else self.issuer.terms(),
        )  # fmt: skip
        config = self._write_table("publisher.toml", table)
        run("openpcc-gateway", ["publisher-init", "--config", str(config)])
        return self.programs.start(
            "publisher", "openpcc-gateway", ["--role", "publisher", "--config", str(config)]
        )

    def _start_gateway(self) -> Program:
        config = self._write("gateway.toml", self.gateway_settings("127.0.0.1:0"))
        return self.programs.start("gateway", "openpcc-gateway", ["--config", str(config)])

    def gateway_settings(self, listen: str) -> str:
        """Write what a gateway is configured with."""
        table = service_files.gateway(
            self.trust, publisher_url=self.publisher.listening, log_url=self.log.listening,
            where={"listen": listen}, ohttp_keys=["ohttp/ohttp-keys.json"], **self._admission(),
        )  # fmt: skip
        return toml.write(table)

    def _admission(self) -> dict[str, str]:
        if self.payment is None:
            return {}
        return {"admission": "tokens", "spent": self.payment.spent}

    def _start_relay(self) -> Program:
        config = self._write_table("relay.toml", HERE | {"gateway": self.gateway.listening})
        return self.programs.start("relay", "openpcc-relay", ["--config", str(config)])

    @property
    def trust(self) -> Trust:
        """Give what everybody is told."""
        return self.keys.trust({"simulated": self.vendor.root_spki_sha256.hex()})

    def _policy(self) -> str:
        return toml.write(service_files.policy(self.trust))

    def _staple(self, index: int, entry: bytes) -> None:
        """Write the release's proof as the endorsement that the publisher gives to every node."""
        policy = ClientPolicy.load(self._write("policy.toml", self._policy())).log
        with self._log() as connection:
            log = LogClient(policy, connection.fetch)
            proof = log.proof(log.checkpoint(), index, entry)
        stapled = {"type": "log-entry", "data": base64.b64encode(proof).decode()}
        self._write("endorsements.json", json.dumps({"endorsements": [stapled]}))

    def _log(self) -> LogConnection:
        return LogConnection(self.log.listening, token=self.keys.token)

    def _submit(self, entry: bytes) -> tuple[int, bytes]:
        """Send an entry to the log; it answers once the entry is under a witnessed checkpoint."""
        try:
            with self._log() as connection:
                return connection.submit(entry)
        except LogError as error:
            raise ConfigurationError(f"the log did not take an entry: {error}") from error

    def _wait_ready(self) -> None:
        """Wait for every program, the engines last; say now and then what is waited for."""
        began = told = time.monotonic()
        for program in self.programs.running:
            while program.control and not _is_ready(program.control):
                now = time.monotonic()
                if not program.alive():
                    raise ConfigurationError(f"{program.name} ended; see {program.log}")
                if now - began > self.engine.patience:
                    raise ConfigurationError(f"{program.name} is not ready in time")
                if now - told >= PROGRESS:
                    told = now
                    self._say(f"waiting for {program.name} ({now - began:.0f} s)")
                time.sleep(0.1)

    def _write_table(self, name: str, table: service_files.Table) -> Path:
        return self._write(name, toml.write(table))

    def _write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text)
        return path


def _is_ready(control: str) -> bool:
    try:
        return httpx.get(f"{control}/readyz", timeout=5, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False
