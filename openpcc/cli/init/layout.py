"""Which file goes into whose folder. Pure: keys and answers in, files out.

public/              users                 operator/log, publisher, gateway, issuer
relay/               who runs the relay    operator/nodes    hosts of the nodes
release-signer-N/    one person each       operator/proxy    a client's proxy inside
status-signer-N/     one person each       tls/              certificates of a trial
witness-N/           one operator each
"""

from collections.abc import Iterator

from openpcc.cli import service_files, toml
from openpcc.cli.init import servers
from openpcc.cli.init.deployment import Deployment
from openpcc.cli.init.folder import File
from openpcc.cli.init.keys import seed
from openpcc.cli.init.questions import Kind
from openpcc.cli.service_files import Table

DEMO_BUDGET = 1024
"""Most output tokens of a reply whose request says none: the demonstration's model has room for
2048 of prompt and reply."""

POLICY = "Whom clients of {0.service} believe. The ground of all trust: docs/formats.md, 6."


def files(found: Deployment) -> list[File]:
    """Give all files that are not made by other programs."""
    policy = toml.write(service_files.policy(found.trust), comment=POLICY.format(found.trust))
    made = [
        *_people(found, policy),
        *_users(found, policy),
        *_witnesses(found),
        _relay(found),
        *servers.files(found),
        *_tls(found),
    ]
    if found.answers.kind is Kind.COMPOSE:
        password = found.keys.passwords["dashboard"] + "\n"
        made.append(File(path="operator/grafana/password", data=password, secret=True))
    return made


def _people(found: Deployment, policy: str) -> Iterator[File]:
    for number, key in enumerate(found.keys.release, 1):
        folder = f"release-signer-{number}"
        yield File(path=f"{folder}/release.key", data=seed(key), secret=True)
        yield File(path=f"{folder}/policy.toml", data=policy)
    for number, key in enumerate(found.keys.status, 1):
        folder = f"status-signer-{number}"
        yield File(path=f"{folder}/status.key", data=seed(key), secret=True)
        yield File(path=f"{folder}/log.token", data=found.keys.token + "\n", secret=True)
        yield File(path=f"{folder}/policy.toml", data=policy)


def _users(found: Deployment, policy: str) -> Iterator[File]:
    """Write what users get, and the same for a proxy inside the network."""
    answers, places = found.answers, found.places
    relays = answers.relay_urls or (places.for_users("relay"),)
    yield from _client(found, policy, "public", relays, places.for_users("issuer"))
    if answers.kind is Kind.COMPOSE:
        relays = (places.of("relay").url,)
    if answers.kind in (Kind.COMPOSE, Kind.KUBERNETES):
        yield from _client(found, policy, "operator/proxy", relays, places.of("issuer").url)


def _client(
    found: Deployment, policy: str, folder: str, relays: tuple[str, ...], issuer: str
) -> Iterator[File]:
    public = folder == "public"
    ca = None if found.ca is None else "ca.pem"
    state = "state" if public else f"{found.places.of('relay').state}/client"
    tokens: Table | None = None
    if found.answers.tokens:
        trial = found.answers.kind.trial
        tokens = {
            "issuer": issuer,
            "credential": "credential",
            "ca": ca if found.ca is not None or public else "tls/ca.crt",
            # Where there is no keystore a wallet must be told that a file may protect it.
            "protection": "file" if trial or not public else None,
            "budget": DEMO_BUDGET if found.answers.model == "demo" else None,
        }
    table = service_files.client(
        relays=relays, model=found.answers.model, state=state, ca=ca, tokens=tokens
    )
    comment = "For clients, beside policy.toml: openpcc chat --config client.toml"
    yield File(path=f"{folder}/client.toml", data=toml.write(table, comment=comment))
    yield File(path=f"{folder}/policy.toml", data=policy)
    if found.ca is not None:
        yield File(path=f"{folder}/ca.pem", data=found.ca.root)


def _witnesses(found: Deployment) -> Iterator[File]:
    for number, key in enumerate(found.keys.witnesses, 1):
        place, folder = found.places.of("witness", number), f"witness-{number}"
        table = service_files.witness(
            found.trust, number - 1, key="witness.key", database=f"{place.state}/witness.db",
            where=place.settings(secure=False),
        )  # fmt: skip
        comment = "openpcc-witness: worth something only if another operator runs it."
        yield File(path=f"{folder}/witness.toml", data=toml.write(table, comment=comment))
        yield File(path=f"{folder}/witness.key", data=seed(key), secret=True)


def _relay(found: Deployment) -> File:
    table = {"gateway": found.places.of("gateway").url, **found.places.of("relay").settings()}
    comment = (
        "openpcc-relay: sees client addresses, so another operator than the gateway's runs it."
    )
    return File(path="relay/relay.toml", data=toml.write(table, comment=comment))


def _tls(found: Deployment) -> Iterator[File]:
    if found.ca is None:
        return
    yield File(path="tls/ca.pem", data=found.ca.root)
    for role, one in found.ca.servers.items():
        yield File(path=f"tls/{role}.pem", data=one.certificate)
        yield File(path=f"tls/{role}.key", data=one.key, secret=True)
