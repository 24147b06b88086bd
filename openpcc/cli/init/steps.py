"""The commands that bring a new deployment up, in order, for its README. Pure."""

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import assert_never

from openpcc import __version__
from openpcc.cli.init import cluster
from openpcc.cli.init.answers import Answers
from openpcc.cli.init.places import Places
from openpcc.cli.init.questions import Kind


@dataclass(frozen=True, kw_only=True)
class Step:
    """Some commands with one purpose.

    Attributes:
        servers: they run until they are stopped, each in a terminal or unit of its own.
    """

    title: str
    commands: Sequence[str]
    text: str = ""
    servers: bool = False


FIRST_WITHOUT = ("gateway", "publisher", "nodes.simulated", "status", "tests")
"""Roles of the chart that wait for a release."""

INSTALLED = "/etc/openpcc"
"""Where a machine has the folder of its role."""

POLICY = "status-signer-1/policy.toml"
PROOF = "operator/publisher/release.proof"
TOKEN = "operator/log/secrets/log.token"  # noqa: S105 -- a path


def steps(answers: Answers, places: Places, model_folder: str) -> list[Step]:
    """Give all of them."""
    match answers.kind:
        case Kind.LOCAL:
            return list(_by_hand(answers, places, model_folder))
        case Kind.COMPOSE:
            return list(_compose(answers))
        case Kind.KUBERNETES:
            return list(_kubernetes(answers, places, model_folder))
        case Kind.MACHINES:
            return list(_by_hand(answers, places, model_folder))
        case _:
            assert_never(answers.kind)


def _by_hand(answers: Answers, places: Places, model_folder: str) -> Iterator[Step]:
    yield from _log(answers)
    yield _release(answers, places, model_folder)
    yield _status(answers, places)
    yield _nodes(answers)
    if answers.tokens:
        yield from _issuer(answers)
    yield from _service(answers)
    port = places.of("gateway").control.rpartition(":")[2]
    yield _chat(answers, ready=f"`http://127.0.0.1:{port}/readyz` of the gateway says when.")


def _config(answers: Answers, folder: str, name: str) -> str:
    """Name a configuration: in this folder, or where its own machine has it."""
    place = folder if answers.kind is Kind.LOCAL else INSTALLED
    return f"--config {place}/{name}.toml"


def _log(answers: Answers) -> Iterator[Step]:
    numbers = range(1, answers.witnesses + 1)
    witnesses = dict.fromkeys(_config(answers, f"witness-{n}", "witness") for n in numbers)
    log = _config(answers, "operator/log", "log")
    yield Step(
        title="Begin witnesses and log",
        text=f"Once. A log or witness that lost its state must not begin anew.{_where(answers)}",
        commands=[
            *(f"openpcc-witness init {one}" for one in witnesses),
            f"openpcc-log init {log}",
        ],
    )
    yield Step(
        title="Run them",
        commands=[*(f"openpcc-witness {one}" for one in witnesses), f"openpcc-log {log}"],
        servers=True,
    )


def _where(answers: Answers) -> str:
    if answers.kind is Kind.LOCAL:
        return ""
    return f" On each one's machine, where its folder is {INSTALLED}; so below as well."


def _release(answers: Answers, places: Places, model_folder: str) -> Step:
    log = places.for_users("log")
    needed = answers.release_signers // 2 + 1
    publish = (
        "openpcc-log publish operator/release.{form} --policy {who}/policy.toml "
        "--key {who}/release.key"
    )
    send = f" --to {log} --token-file {TOKEN} --proof {PROOF} --leaf operator/nodes/release"
    commands = []
    if answers.simulated:
        model = shlex.quote(f"{answers.model}={model_folder}")
        engine = f"embedded={__version__}"
        measure = f"python -m node_image.measure simulated --manifest {engine} --model {model}"
        commands = [
            f"{measure} > operator/simulated.toml",
            "cat operator/simulated.toml >> operator/release.toml",
        ]
    for number in range(1, needed + 1):
        first, last = number == 1, number == needed
        line = publish.format(form="toml" if first else "json", who=f"release-signer-{number}")
        line += " --out operator/release.json" if first else ""
        commands.append(line + (send if last else "   # exit 1"))
    text = _source(answers) + (
        "Each signer reads what it says and types yes. The last one sends it; what comes back is "
        "the proof that the publisher staples, and the hash that every node is started with."
    )
    return Step(title="Sign the release", text=text, commands=commands)


def _source(answers: Answers) -> str:
    """Say where the manifest comes from."""
    if not answers.simulated:
        return "Put the image's release.toml there, with what it names: docs/node-image.md. "
    return "" if answers.kind is Kind.LOCAL else "Run the first line in the nodes' image. "


def _status(answers: Answers, places: Places) -> Step:
    keys = _status_keys(answers)
    log = places.for_users("log")
    return Step(
        title="List it",
        text="A release counts while the newest status lists it, and a status for two hours.",
        commands=[
            f"openpcc-log status --first --accept {PROOF} --policy {POLICY} {keys}"
            f" --out status.json --to {log} --token-file {TOKEN}"
        ],
    )


def renewal(answers: Answers, places: Places) -> list[str]:
    """Give what a timer does every hour; docs/keys.md, 4, says why the first line comes first."""
    log = places.for_users("log")
    send = f"--policy {POLICY} --to {log} --token-file status-signer-1/log.token"
    return [
        f"test ! -e status.json || openpcc-log status status.json {send}",
        "rm -f status.json",
        f"openpcc-log status --repeat --yes {_status_keys(answers)} --out status.json {send}",
    ]


def _status_keys(answers: Answers) -> str:
    needed = answers.status_signers // 2 + 1
    return " ".join(f"--key status-signer-{n}/status.key" for n in range(1, needed + 1))


def _nodes(answers: Answers) -> Step:
    if answers.kind is not Kind.LOCAL or not answers.simulated:
        return Step(
            title="Boot the nodes",
            text="From the image of the release, with operator/nodes/host.toml and the hash in "
            "operator/nodes/release: docs/node-image.md and deploy/terraform.",
            commands=[],
        )
    hosts = ["host.toml", *(f"host-{n}.toml" for n in range(2, answers.nodes + 1))]
    return Step(
        title="Run the nodes",
        commands=[
            f"openpcc-node --config operator/nodes/{host} --image operator/nodes/image-{n}.toml"
            for n, host in enumerate(hosts, 1)
        ],
        servers=True,
    )


def _issuer(answers: Answers) -> Iterator[Step]:
    config = _config(answers, "operator/issuer", "issuer")
    add = f"openpcc-issuer account add first-user {config}"
    local = answers.kind is Kind.LOCAL
    yield Step(
        title="Begin the issuer, and open an account",
        text="The API key is printed once: it is what `credential` of the client names.",
        commands=[
            f"openpcc-issuer init {config}",
            f"(umask 077; {add} > public/credential)" if local else add,
        ],
    )
    yield Step(title="Run it", commands=[f"openpcc-issuer {config}"], servers=True)


def _service(answers: Answers) -> Iterator[Step]:
    publisher = _config(answers, "operator/publisher", "publisher")
    yield Step(
        title="Begin the publisher's chain",
        text="Once. A publisher that lost its state must not begin anew.",
        commands=[f"openpcc-gateway publisher-init {publisher}"],
    )
    yield Step(
        title="Run publisher, gateway and relay",
        commands=[
            f"openpcc-gateway --role publisher {publisher}",
            f"openpcc-gateway {_config(answers, 'operator/gateway', 'gateway')}",
            f"openpcc-relay {_config(answers, 'relay', 'relay')}",
        ],
        servers=True,
    )


def _chat(answers: Answers, *, ready: str = "") -> Step:
    config = "--config public/client.toml"
    fill = [f"openpcc wallet fill {config}"] if answers.tokens else []
    return Step(
        title="Ask something",
        text=ready,
        commands=[
            f"openpcc nodes {config}",
            *fill,
            f'openpcc chat {config} "What is a list in Python?"',
        ],
    )


def _compose(answers: Answers) -> Iterator[Step]:
    compose = (
        "podman-compose --env-file operator/compose/.env -f $OPENPCC/deploy/compose/compose.yaml"
    )
    yield Step(
        title="Begin and start",
        text="`OPENPCC` is the source tree. deploy/compose/README.md says what each does.",
        commands=["$OPENPCC/deploy/compose/first-start.sh .", f"{compose} up -d"],
    )
    yield _chat(answers)


def _kubernetes(answers: Answers, places: Places, model_folder: str) -> Iterator[Step]:
    chart = f"{answers.name} $OPENPCC/deploy/helm/openpcc -n {answers.namespace}"
    values = '-f operator/values.yaml --set image.repository="$IMAGE" --set image.digest="$DIGEST"'
    later = " ".join(f"--set {one}.enabled=false" for one in FIRST_WITHOUT)
    yield Step(
        title="Make the Secrets",
        text="Of the operator's folders; witnesses and relay do the same with theirs."
        + _certificate(answers),
        commands=cluster.secrets(answers),
    )
    yield Step(
        title="Install the log",
        text="`OPENPCC` is the source tree, `IMAGE` and `DIGEST` the image of the servers as you "
        "pushed it (deploy/images); deploy/helm/openpcc/README.md is the chart's page. The "
        "witnesses run before.",
        commands=[f"helm install {chart} {values} {later}"],
    )
    yield _release(answers, places, model_folder)
    yield _status(answers, places)
    proof = "publisher.files.release\\.proof=$(base64 -w0 operator/publisher/release.proof)"
    yield Step(
        title="Install the rest",
        text="The status key takes along what it has signed, so that it never signs another of "
        "that number; from now on the cluster has the only copy that signs.",
        commands=[
            cluster.status_secret(answers),
            f'helm upgrade {chart} {values} --set "{proof}" '
            '--set nodes.release="$(cat operator/nodes/release)"',
            f"helm test {answers.name} -n {answers.namespace}",
        ],
    )
    yield _chat(answers)


def _certificate(answers: Answers) -> str:
    if not answers.tokens:
        return ""
    return (
        f" Beside them the issuer needs the Secret {answers.name}-issuer-tls, of type "
        f"kubernetes.io/tls, for {answers.name}-issuer, and every role the ConfigMap "
        f"{answers.name}-ca with its root as ca.crt: cert-manager makes both, or you."
    )
