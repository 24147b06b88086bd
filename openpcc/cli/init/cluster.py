"""Values of the Helm chart, for each who installs it: operator, relay, witnesses. Pure.

The chart runs one role for others as well as many for the operator. Secrets are made before, out of
the folders: none stands in values. deploy/helm/openpcc/README.md has the whole order.
"""

import base64
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from openpcc.cli import yaml
from openpcc.cli.init.answers import Answers
from openpcc.cli.init.deployment import Deployment
from openpcc.cli.init.folder import File

BEGIN = 86400
"""Seconds in which empty volumes may be begun; after that an empty one is a loss."""

Values = dict[str, object]


def files(found: Deployment, made: Mapping[str, bytes]) -> Iterator[File]:
    """Give a file of values for each installation; `made` has the files so far."""
    texts = {path: data.decode() for path, data in made.items() if path.endswith(".toml")}
    yield _file("operator", _operator(found, texts, made["operator/publisher/ohttp-keys"]))
    yield _file("relay", {"relay": _role(texts["relay/relay.toml"])})
    for number in range(1, found.answers.witnesses + 1):
        config = texts[f"witness-{number}/witness.toml"]
        role = _role(config, secret=f"witness-{number}")
        yield _file(f"witness-{number}", {**_begin(found), "witness": role})


def secrets(answers: Answers) -> list[str]:
    """Give the commands that make the namespace, and the operator's Secrets in it."""
    name = answers.name
    sources = {
        f"{name}-log": "operator/log/secrets",
        f"{name}-publisher": "operator/publisher/secrets",
        f"{name}-gateway": "operator/gateway/secrets",
    }
    if answers.tokens and answers.database is not None:
        sources[f"{name}-issuer"] = "operator/issuer/secrets/postgres.dsn"
        sources[f"{name}-issuer-keys"] = "operator/issuer/secrets/keys"
    if answers.platforms == ("simulated",):
        for number in range(1, answers.nodes + 1):
            sources[f"{name}-machine-{number}"] = f"operator/nodes/machine-{number}"
    made = [_secret(answers, one, path) for one, path in sources.items()]
    return [f"kubectl create namespace {answers.namespace}", *made]


def status_secret(answers: Answers) -> str:
    """Give the command for the status key, after its first status: what it signed goes along."""
    return _secret(answers, f"{answers.name}-status", "status-signer-1")


def _secret(answers: Answers, name: str, path: str) -> str:
    return f"kubectl -n {answers.namespace} create secret generic {name} --from-file={path}"


def _operator(found: Deployment, texts: Mapping[str, str], ohttp_keys: bytes) -> Values:
    answers, name, policy = found.answers, found.answers.name, texts["public/policy.toml"]
    roles: Values = {
        role: _role(texts[f"operator/{role}/{role}.toml"], secret=f"{name}-{role}")
        for role in ("gateway", "publisher", "log")
    }
    publisher = _role(texts["operator/publisher/publisher.toml"], secret=f"{name}-publisher")
    publisher["files"] = {"ohttp-keys": base64.b64encode(ohttp_keys).decode()}
    status = {
        "enabled": True, "policy": policy, "existingSecret": f"{name}-status",
        "log": found.places.for_users("log"),
    }  # fmt: skip
    values: Values = {
        "fullnameOverride": name,
        "service": answers.service,
        **_begin(found),
        **roles,
        "publisher": publisher,
        "status": status,
        "nodes": _nodes(answers, texts),
        "tests": {"enabled": True, "config": texts["operator/proxy/client.toml"], "policy": policy},
    }
    return values | _issuer(answers, texts)


def _issuer(answers: Answers, texts: Mapping[str, str]) -> Values:
    if not answers.tokens:
        return {}
    name, own = answers.name, _role(texts["operator/issuer/issuer.toml"])
    if answers.database is not None:
        own |= {
            "existingSecret": f"{name}-issuer", "keysSecret": f"{name}-issuer-keys",
            "persistence": {"enabled": False},
        }  # fmt: skip
    return {"issuer": own, "tls": {"issuer": f"{name}-issuer-tls", "ca": f"{name}-ca"}}


def _nodes(answers: Answers, texts: Mapping[str, str]) -> Values:
    """Say where nodes are: addresses of machines come from Terraform, or are filled in."""
    nodes: Values = {"release": "", "external": []}
    if answers.platforms == ("simulated",):
        nodes["simulated"] = {
            "enabled": True,
            "config": texts["operator/nodes/host.toml"],
            "machines": [f"{answers.name}-machine-{n + 1}" for n in range(answers.nodes)],
        }
    return nodes


def _role(config: str, *, secret: str = "") -> Values:
    role: Values = {"enabled": True, "config": config}
    return role | ({"existingSecret": secret} if secret else {})


def _begin(found: Deployment) -> Values:
    end = datetime.fromtimestamp(found.now + BEGIN, UTC)
    return {"begin": {"before": end.strftime("%Y-%m-%dT%H:%M:%SZ")}}


def _file(folder: str, values: Values) -> File:
    comment = "Values of the Helm chart (deploy/helm/openpcc). No secret stands here."
    return File(path=f"{folder}/values.yaml", data=yaml.write(values, comment=comment))
