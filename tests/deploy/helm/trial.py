"""A whole trial of the chart: the folders of `openpcc init`, its values, and its Secrets."""

import base64
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from openpcc import __version__
from openpcc.cli import local_ca
from tests.deploy import containers
from tests.deploy.helm.charting import Object, render
from tests.deploy.helm.kubelet import podman
from tests.deploy.helm.values import ISSUER, Values, together

SERVICE, NAMESPACE = "chat.example", "openpcc"
WITNESSES = ("w1", "w2")
"""Releases of others, in the same namespace."""

LOG = "log.chat.example"
"""Name of the log towards others, where an Ingress ends TLS."""

KEY = "sk-" + "a" * 40
IMAGE = "localhost/openpcc-server-chart:test"
OFF: Values = {"enabled": False}
BEGIN: Values = {"begin": {"before": "2999-01-01T00:00:00Z"}}
IMAGES: Values = {
    "image": {"repository": "localhost/openpcc-server-chart", "tag": "test"},
    "nodes": {
        "simulated": {
            "image": {"repository": containers.NODE.rpartition(":")[0], "tag": "test"},
        },
    },
}
TLS = 'tls_certificate = "tls/tls.crt"\ntls_key = "tls/tls.key"\n'


def command(name: str, *words: str | Path) -> str:
    """Run one of our programs; gives what it printed."""
    path = Path(sys.executable).with_name(name)
    done = subprocess.run([path, *words], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@dataclass(frozen=True, kw_only=True)
class Trial:
    """The folder of `openpcc init`, and a CA for what speaks TLS."""

    folder: Path
    ca: local_ca.LocalCA

    @classmethod
    def make(cls, folder: Path) -> "Trial":
        """Make a new service, and an image in which its CA is a public one."""
        words = [
            "--kind", "kubernetes", "--service", SERVICE, "--platform", "simulated",
            "--namespace", NAMESPACE, "--release-signers", "1", "--witnesses", "2",
            "--relay-url", "https://openpcc-relay:8000",
        ]  # fmt: skip
        for name in WITNESSES:
            words += ["--witness-url", f"http://{name}-witness:8091"]
        command("openpcc", "init", folder, *words)
        names = {"relay": ["openpcc-relay"], "proxy": ["openpcc-proxy"], "ingress": [LOG],
                 "issuer": ["bank-issuer"]}  # fmt: skip
        found = cls(folder=folder, ca=local_ca.make(names, now=int(time.time())))
        found.make_image()
        return found

    def make_image(self) -> None:
        """Add the root to those that the image knows. The log's commands know no others."""
        recipe = self.folder / "Containerfile"
        recipe.write_text(
            f"FROM {containers.SERVER}\nUSER 0\nCOPY ca.pem /tmp/ca.pem\n"
            "RUN cat /tmp/ca.pem >> $(python -m certifi)\nUSER 65532:65532\n"
        )
        (self.folder / "ca.pem").write_bytes(self.ca.root)
        podman("build", "-q", "-t", IMAGE, "-f", recipe, self.folder)

    def text(self, name: str) -> str:
        """Read a file of the folder."""
        return (self.folder / name).read_text()

    def role(self, config: str, secret: str = "") -> Values:
        """Give the values of a role."""
        return {"enabled": True, "config": self.text(config), "existingSecret": secret}

    def log_alone(self) -> Values:
        """Give what the README sets in the first step: a log, nothing that needs a release."""
        without = {"gateway": OFF, "publisher": OFF, "status": OFF, "nodes": {"simulated": OFF}}
        return together(IMAGES, without, {"tests": OFF, "tls": {"ca": "openpcc-ca"}})

    def whole(self) -> Values:
        """Give what it sets in the second step, and the roles of others beside it."""
        policy = self.text("public/policy.toml")
        relay = self.role("relay/relay.toml")
        proxy = self.role("operator/proxy/client.toml", "openpcc-proxy")
        client = self.client(proxy["config"])
        return together(
            IMAGES,
            self.released(),
            {
                "relay": relay | {"config": TLS + relay["config"]},
                "proxy": proxy | {"policy": policy, "config": client},
                "tls": {
                    "relay": "openpcc-relay-tls", "proxy": "openpcc-proxy-tls", "ca": "openpcc-ca",
                },
                "status": {"log": f"https://{LOG}:8443"},
                "tests": {"config": client},
            },
        )  # fmt: skip

    def released(self) -> Values:
        """Give what comes of logging the release, once it is."""
        proof = self.folder / "operator/publisher/release.proof"
        if not proof.exists():
            return {}
        encoded = base64.b64encode(proof.read_bytes()).decode()
        release = self.text("operator/nodes/release").strip()
        return {"publisher": {"files": {"release.proof": encoded}}, "nodes": {"release": release}}

    def client(self, text: str) -> str:
        """Give a client's configuration, for a relay with a certificate of the trial's CA."""
        return text.replace("http://openpcc", "https://openpcc") + 'ca = "tls/ca.crt"\n'

    def objects(self, values: Values) -> list[Object]:
        """Render the operator's release, those of others, and the Ingress's controller."""
        file = str(self.folder / "operator/values.yaml")
        found = render(values, file=file, namespace=NAMESPACE) + ingress()
        for number, name in enumerate(WITNESSES, 1):
            role = self.role(f"witness-{number}/witness.toml", f"witness-{number}")
            values = together(IMAGES, BEGIN, {"witness": role})
            found += render(values, name=name, namespace=NAMESPACE)
        issuer = {"issuer": {"enabled": True, "config": TLS + ISSUER}}
        issuer["tls"] = {"issuer": "openpcc-issuer-tls"}
        return found + render(together(IMAGES, BEGIN, issuer), name="bank", namespace=NAMESPACE)

    def secrets(self) -> dict[str, dict[str, bytes]]:
        """Give what `kubectl create secret --from-file` makes of the folders."""
        found = {
            f"openpcc-{role}": self.files(f"operator/{role}/secrets")
            for role in ("log", "publisher", "gateway")
        }
        for number in (1, 2):
            found[f"openpcc-machine-{number}"] = self.files(f"operator/nodes/machine-{number}")
            found[f"witness-{number}"] = self.files(f"witness-{number}")
        found["openpcc-status"] = self.files("status-signer-1")
        found["openpcc-proxy"] = {"api.key": KEY.encode()}
        for role, one in self.ca.servers.items():
            found[f"openpcc-{role}-tls"] = {"tls.crt": one.certificate, "tls.key": one.key}
        return found

    def files(self, folder: str) -> dict[str, bytes]:
        """Read the files of a folder."""
        return {p.name: p.read_bytes() for p in sorted((self.folder / folder).iterdir())}

    def publish(self, log: str) -> None:
        """Measure the node's image, sign a release of it, log it, list it, as the README says."""
        measured = podman(
            "run", "--rm", containers.NODE, "python", "-m", "node_image.measure", "simulated",
            "--manifest", f"embedded={__version__}", "--model", "demo=/usr/share/openpcc/model",
        )  # fmt: skip
        manifest = self.folder / "operator/release.toml"
        (self.folder / "operator/simulated.toml").write_text(measured)
        manifest.write_text(manifest.read_text() + measured)
        signer, status = self.folder / "release-signer-1", self.folder / "status-signer-1"
        proof = self.folder / "operator/publisher/release.proof"
        send = ("--to", log, "--token-file", status / "log.token", "--yes")
        command(
            "openpcc-log", "publish", manifest, "--policy", signer / "policy.toml",
            "--key", signer / "release.key", "--out", self.folder / "release.json", *send,
            "--proof", proof, "--leaf", self.folder / "operator/nodes/release",
        )  # fmt: skip
        command(
            "openpcc-log", "status", "--first", "--accept", proof,
            "--policy", status / "policy.toml", "--key", status / "status.key",
            "--out", self.folder / "status.json", *send,
        )  # fmt: skip


def ingress() -> list[Object]:
    """Give what stands in front of the log: the part of a cluster that ends TLS."""
    labels = {"app": "ingress"}
    source = "/etc/ingress"
    container = {
        "name": "ingress",
        "image": IMAGE,
        "command": [
            "python", f"{source}/script/forward.py", "0.0.0.0", "8443", "openpcc-log", "8090",
            f"{source}/tls/tls.crt", f"{source}/tls/tls.key",
        ],
        "ports": [{"name": "main", "containerPort": 8443}],
        "volumeMounts": [
            {"name": "tls", "mountPath": f"{source}/tls"},
            {"name": "script", "mountPath": f"{source}/script"},
        ],
    }  # fmt: skip
    spec = {
        "initContainers": [],
        "containers": [container],
        "terminationGracePeriodSeconds": 1,
        "volumes": [
            {"name": "tls", "secret": {"secretName": "openpcc-ingress-tls"}},
            {"name": "script", "configMap": {"name": "ingress-script"}},
        ],
    }
    service = {"kind": "Service", "metadata": {"name": LOG}, "spec": {"selector": labels}}
    pod = {"kind": "Pod", "metadata": {"name": "ingress", "labels": labels}, "spec": spec}
    return [pod, service]
