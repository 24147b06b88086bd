"""Everybody a release passes: a log, its witnesses and the signers' commands, each a process.

And a machine that runs the release, asked in this process as its agent asks it.
"""

import hashlib
import json
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from attestation import attester
from attestation.binding import evidence_binding
from attestation.evidence import Endorsement, EvidenceBundle, KeysSection, SoftwareSection
from attestation.simulated import collect
from attestation.simulated.vendor import SimulatedVendor
from openpcc import trust
from openpcc.config import ClientPolicy
from openpcc.protocol import hpke
from openpcc.protocol.messages import DirectoryLeaf, machine_digest
from openpcc.protocol.sealing import NodePrivateKey
from openpcc.trust import LogView, TrustedNode
from tests.transparency_log.server.processes import ORIGIN, TOKEN, World
from transparency_log.cli.manifest import model_digest
from transparency_log.scan import newest_status
from transparency_log.witness_policy import verify_checkpoint

OPENPCC_LOG = str(Path(sys.executable).with_name("openpcc-log"))
ARGUMENTS = ("--max-model-len", "1024")
MACHINE = b"machine of the journey".ljust(32, b".")


def openpcc_log(*words: object) -> subprocess.CompletedProcess[str]:
    """Run `openpcc-log` as a person does."""
    return subprocess.run(
        [OPENPCC_LOG, *map(str, words)], capture_output=True, text=True, timeout=90, check=False
    )


@dataclass
class Desk:
    """The folder of the release, and whom its policy names."""

    log: World
    folder: Path
    vendor: SimulatedVendor = field(default_factory=lambda: SimulatedVendor.create(now()))

    def set_up(self) -> None:
        """Make keys, a policy of 2 of 3 release signers, a model, and a machine."""
        keys = {
            kind: [self.new_key(f"{kind}-{number}") for number in range(count)]
            for kind, count in (("release", 3), ("status", 1), ("service", 1))
        }
        self.policy.write_text(self._policy(keys))
        (self.folder / "model").mkdir()
        (self.folder / "model" / "weights").write_bytes(b"weights")
        (self.folder / "node.raw").write_bytes(b"image")
        self.vendor.machine(MACHINE).save(self.folder / "machine")

    @property
    def policy(self) -> Path:
        return self.folder / "policy.toml"

    @property
    def sending(self) -> tuple[object, ...]:
        token = self.folder / "token"
        if not token.exists():
            token.touch(mode=0o600)
            token.write_text(TOKEN)
        return ("--to", self.log.log_url, "--token-file", token, "--policy", self.policy)

    def new_key(self, name: str) -> str:
        """Make a signer's key; gives its public key."""
        (self.folder / name).mkdir(mode=0o700)
        made = openpcc_log("signer", "--out", self.folder / name / "key", "--json")
        return str(json.loads(made.stdout)["public_key"])

    def key(self, name: str) -> tuple[object, ...]:
        return ("--key", self.folder / name / "key", "--yes")

    def manifest(self, version: str) -> Path:
        """Write the manifest of what the machine measures to."""
        measurement, registers = collect.expected_values(self.models, ARGUMENTS)
        numbers = ", ".join(f'{key} = "{value.hex()}"' for key, value in registers.items())
        path = self.folder / f"release-{version}.toml"
        path.write_text(
            f'name = "openpcc-node"\nversion = "{version}"\nimage = {{ file = "node.raw" }}\n'
            f'mode = "attested"\nexpires = {now() + 86400}\n\n'
            f'[platforms.simulated]\nmeasurement = "{measurement.hex()}"\n'
            f"registers = {{ {numbers} }}\n"
            'devices = { count = 1, kinds = ["simulated-gpu"] }\n\n'
            '[[models]]\nname = "demo"\nfolder = "model"\n\n'
            f'[engine]\nname = "embedded"\nversion = "1"\narguments = {json.dumps(ARGUMENTS)}\n\n'
            f'[source]\nuri = "https://example.org/source"\ncommit = "{"0" * 40}"\n\n'
            f'[recipe]\nuri = "node_image/build"\nsha256 = "{"03" * 32}"\n'
        )
        return path

    @property
    def models(self) -> tuple[tuple[str, bytes], ...]:
        return (("demo", model_digest(self.folder / "model")),)

    def _policy(self, keys: dict[str, list[str]]) -> str:
        text = (
            'version = 1\nservice = "demo.example"\n\n[attestation]\nplatforms = ["simulated"]\n\n'
            f'[attestation.roots]\nsimulated = "{self.vendor.root_spki_sha256.hex()}"\n\n'
            f'[log]\norigin = "{ORIGIN}"\nkey = "{self.log.log_vkey}"\nquorum = 2\n'
        )
        for one in self.log.policy.witnesses:
            text += f'\n[[log.witnesses]]\nname = "{one.name}"\noperator = "{one.operator}"\n'
            text += f'key = "{one.vkey}"\n'
        for kind, listed in keys.items():
            threshold = 2 if len(listed) == 3 else 1
            text += f"\n[signers.{kind}]\nthreshold = {threshold}\nkeys = {json.dumps(listed)}\n"
        return text

    # The machine that runs the release, and a client that looks at it.

    def bundle(self, release: bytes, proof: bytes) -> tuple[EvidenceBundle, DirectoryLeaf]:
        """Ask the machine for evidence now, and staple the release."""
        machine = attester.open("simulated", self.folder / "machine")
        node = NodePrivateKey.generate(kem_id=hpke.KEM_XWING, key_id=1)
        keys = KeysSection(
            hpke=(node.node_key.config,),
            receipt=Ed25519PrivateKey.generate().public_key().public_bytes_raw(),
            not_before=now() - 60,
            not_after=now() + 3540,
        )
        software = SoftwareSection(
            release=release,
            event_log=machine.event_log(self.models, ARGUMENTS),
            models=self.models,
            settings=b"",
        )
        bare = machine.collect(keys, self.log.client().checkpoint().note, software)
        stapled = Endorsement(type="log-entry", data=proof)
        found = bare.with_endorsements((*bare.endorsements, stapled))
        leaf = DirectoryLeaf(
            quote_digest=hashlib.sha256(found.quote).digest(),
            binding=evidence_binding(found.keys, found.freshness, found.devices, found.software),
            node_key_ids=(node.node_key.id,),
            machine=machine_digest(MACHINE),
        )
        return found, leaf

    def view(self) -> LogView:
        """Look at the log as clients do: the newest status under a witnessed checkpoint."""
        log, policy = self.log.client(), ClientPolicy.load(self.policy)
        newest = log.checkpoint()
        found = newest_status(log.entries(newest, 0), policy.status_signers)
        assert found is not None
        return LogView(newest=newest, status=found.entry, witnessed=newest.time)

    def establish(
        self, bundle: EvidenceBundle, leaf: DirectoryLeaf, view: LogView, *, at: int
    ) -> TrustedNode:
        """Decide as a client whose clock says `at`."""
        log, policy = self.log.client(), ClientPolicy.load(self.policy)
        beacon = trust.beacon_of(bundle.encode())
        proof = log.consistency(verify_checkpoint(beacon, policy.log), view.newest)
        node, _ = trust.establish(
            bundle.encode(),
            leaf=leaf,
            now=at,
            policy=policy,
            view=view,
            consistency=proof,
            newest={},
        )
        return node


def now() -> int:
    return int(time.time())
