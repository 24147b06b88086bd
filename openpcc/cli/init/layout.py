"""Which file goes into whose folder. Pure: keys and answers in, files out.

public/              users                 operator/log, publisher, gateway, issuer
relay/               who runs the relay    operator/nodes    hosts of the nodes
release-signer-N/    one person each       operator/proxy    a client's proxy inside
status-signer-N/     one person each       tls/              certificates of a trial
witness-N/           one operator each
"""

import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from openpcc import __version__
from openpcc.cli import service_files, toml
from openpcc.cli.init.answers import Answers, Kind
from openpcc.cli.init.folder import File
from openpcc.cli.init.keys import Keys, seed
from openpcc.cli.init.places import Places
from openpcc.cli.local_ca import LocalCA
from openpcc.cli.service_files import Table, Trust

RELEASE_DAYS = 30
"""Days that the prepared release counts; simulated machines last 7."""

DAY = 86400

DEMO_BUDGET = 1024
"""Most output tokens of a reply whose request says none: the demonstration's model has room for
2048 of prompt and reply."""


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """Everything that files are made of."""

    answers: Answers
    places: Places
    keys: Keys
    trust: Trust
    ca: LocalCA | None
    """None: certificates are brought."""
    model_folder: str
    """Where nodes have the model's files."""
    now: int


def files(found: Deployment) -> Iterator[File]:
    """Give all files that are not made by other programs."""
    policy = toml.write(service_files.policy(found.trust), comment=POLICY.format(found.trust))
    yield from _people(found, policy)
    yield from _users(found, policy)
    yield from _witnesses(found)
    yield _relay(found)
    yield from _log(found)
    yield from _publisher(found)
    yield from _gateway(found)
    if found.answers.tokens:
        yield from _issuer(found)
    yield from _nodes(found)
    yield from _tls(found)


POLICY = "Whom clients of {0.service} believe. The ground of all trust: docs/formats.md, 6."


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
    ca = None if found.ca is None else "ca.pem"
    issuer = places.for_users("issuer")
    yield from _client(found, "public", relays, issuer, state="state", ca=ca)
    yield File(path="public/policy.toml", data=policy)
    if found.ca is not None:
        yield File(path="public/ca.pem", data=found.ca.root)
    if answers.kind in (Kind.COMPOSE, Kind.KUBERNETES):
        relay, issuer = places.of("relay").url, places.of("issuer").url
        state = f"{places.of('relay').state}/client"
        yield from _client(found, "operator/proxy", (relay,), issuer, state=state, ca=ca)
        yield File(path="operator/proxy/policy.toml", data=policy)
        if found.ca is not None:
            yield File(path="operator/proxy/ca.pem", data=found.ca.root)


def _client(
    found: Deployment, folder: str, relays: tuple[str, ...], issuer: str, *,
    state: str, ca: str | None,
) -> Iterator[File]:  # fmt: skip
    tokens: Table | None = None
    if found.answers.tokens:
        trial = found.answers.kind.trial
        tokens = {
            "issuer": issuer,
            "credential": "credential",
            "ca": ca,
            # Where there is no keystore a wallet must be told that a file may protect it.
            "protection": "file" if trial or folder != "public" else None,
            "budget": DEMO_BUDGET if found.answers.model == "demo" else None,
        }
    table = service_files.client(
        relays=relays, model=found.answers.model, state=state, ca=ca, tokens=tokens
    )
    comment = "For clients, beside policy.toml: openpcc chat --config client.toml"
    yield File(path=f"{folder}/client.toml", data=toml.write(table, comment=comment))


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


def _log(found: Deployment) -> Iterator[File]:
    place = found.places.of("log")
    urls = [found.places.of("witness", n + 1).url for n in range(found.answers.witnesses)]
    table = service_files.log(
        found.trust, key="secrets/log.key", token="secrets/log.token", state=place.state,  # noqa: S106 -- a path
        urls=urls, where=place.settings(secure=False),
    )  # fmt: skip
    yield File(path="operator/log/log.toml", data=toml.write(table, comment="openpcc-log"))
    yield File(path="operator/log/secrets/log.key", data=seed(found.keys.log), secret=True)
    yield _token(found, "operator/log")


def _token(found: Deployment, folder: str) -> File:
    return File(path=f"{folder}/secrets/log.token", data=found.keys.token + "\n", secret=True)


def _publisher(found: Deployment) -> Iterator[File]:
    answers, place = found.answers, found.places.of("publisher")
    tokens = {"issuer": found.places.of("issuer").url, "name": f"issuer.{answers.service}"}
    table = service_files.publisher(
        found.trust, log_url=found.places.of("log").url, nodes=_addresses(found),
        where=place.settings(), log_token="secrets/log.token", service_key="secrets/service.key",  # noqa: S106 -- paths
        ohttp_keys="ohttp-keys", proofs=["release.proof"], state=f"{place.state}/publisher.json",
        archive=f"{place.state}/archive", candidates=answers.candidates,
        tokens=tokens if answers.tokens else None,
    )  # fmt: skip
    comment = "openpcc-gateway --role publisher. release.proof is what publishing the release gives"
    folder = "operator/publisher"
    yield File(path=f"{folder}/publisher.toml", data=toml.write(table, comment=comment))
    yield File(path=f"{folder}/secrets/service.key", data=seed(found.keys.service), secret=True)
    yield _token(found, folder)


def _addresses(found: Deployment) -> Table:
    """Say where nodes are: by a list, or in a cluster by its DNS."""
    answers, places = found.answers, found.places
    if answers.kind is Kind.KUBERNETES and not answers.node_urls:
        name = f"{answers.name}-nodes.{answers.namespace}.svc.cluster.local"
        return {"dns": [{"name": name, "kind": "address", "port": 8080}]}
    return {"nodes": [{"url": places.of("node", n + 1).url} for n in range(answers.nodes)]}


def _gateway(found: Deployment) -> Iterator[File]:
    answers, folder = found.answers, "operator/gateway"
    # Never both on one server: strangers fill the one set, and a full server lets nobody in.
    store = {"spent" if answers.tokens else "replay": answers.store or "memory"}
    password = None if answers.store is None else "secrets/store.password"
    table = service_files.gateway(
        found.trust, publisher_url=found.places.of("publisher").url,
        log_url=found.places.of("log").url, where=found.places.of("gateway").settings(),
        ohttp_keys=["secrets/ohttp-keys.json"], admission=answers.admission, **store,
        store_password=password,
    )  # fmt: skip
    yield File(path=f"{folder}/gateway.toml", data=toml.write(table, comment="openpcc-gateway"))
    if answers.store is not None:
        secret = secrets.token_urlsafe(24)
        yield File(path=f"{folder}/secrets/store.password", data=secret + "\n", secret=True)
        user = urlsplit(answers.store).username or "default"
        text = VALKEY.format(user=user, password=secret)
        yield File(path="operator/valkey/valkey.conf", data=text, secret=True)


VALKEY = """\
# What gateways remember must outlive this server: docs/admission.md.
dir /data
appendonly yes
appendfsync always
maxmemory-policy noeviction
save ""
user default off
user {user} on >{password} resetkeys ~openpcc:* resetchannels -@all +info +time +eval +evalsha \
+hget +hset +hdel +hkeys +unlink +set
"""


def _issuer(found: Deployment) -> Iterator[File]:
    answers, place, folder = found.answers, found.places.of("issuer"), "operator/issuer"
    database: Table = {"kind": "sqlite", "path": f"{place.state}/issuer.db"}
    if answers.database is not None:
        database = {"kind": "postgres", "dsn": "secrets/postgres.dsn"}
        password = secrets.token_urlsafe(24)
        dsn = re.sub(r"^(postgresql://[^@/]+)@", rf"\1:{password}@", answers.database)
        yield File(path=f"{folder}/secrets/postgres.dsn", data=dsn + "\n", secret=True)
        yield File(path="operator/postgres/password", data=password + "\n", secret=True)
    table = service_files.issuer(
        name=f"issuer.{answers.service}", keys="secrets/keys", database=database,
        where=place.settings(),
    )  # fmt: skip
    comment = "openpcc-issuer: accounts, and tokens that name nobody. docs/issuer.md"
    yield File(path=f"{folder}/issuer.toml", data=toml.write(table, comment=comment))


def _nodes(found: Deployment) -> Iterator[File]:
    answers, folder = found.answers, "operator/nodes"
    hosts = answers.nodes if answers.kind is Kind.LOCAL else 1
    for number in range(1, hosts + 1):
        place = found.places.of("node", number)
        table = {**place.settings(secure=False), "gateway": found.places.of("gateway").url}
        name = "host.toml" if number == 1 else f"host-{number}.toml"
        comment = "What the host of a node may choose; every byte of it is shown in the evidence."
        yield File(path=f"{folder}/{name}", data=toml.write(table, comment=comment))
    if answers.simulated:
        yield from _simulated(found, folder)


def _simulated(found: Deployment, folder: str) -> Iterator[File]:
    answers = found.answers
    if answers.kind is Kind.LOCAL:
        for number in range(1, answers.nodes + 1):
            table = service_files.image(
                platform="simulated", machine=f"machine-{number}", release="release",
                engine="embedded", model={"name": answers.model, "path": found.model_folder},
            )  # fmt: skip
            comment = "What an image would fix. SIMULATED: nothing keeps the host from changing it."
            yield File(
                path=f"{folder}/image-{number}.toml", data=toml.write(table, comment=comment)
            )
    yield File(path="operator/release.toml", data=_manifest(found))


def _manifest(found: Deployment) -> str:
    """Prepare a release of the installed files; what they measure to is put behind it."""
    table: Table = {
        "name": "openpcc-node",
        "version": __version__,
        "image": {"file": "simulated.toml"},
        "mode": "attested",
        "expires": found.now + RELEASE_DAYS * DAY,
        "source": {"uri": f"https://{found.answers.service}/source", "commit": "0" * 40},
        "recipe": {"uri": "none", "sha256": "0" * 64},
    }
    comment = (
        "A release of SIMULATED nodes. No image was built: the values of the installed files\n"
        "stand in its place, and have no recipe."
    )
    return toml.write(table, comment=comment)


def _tls(found: Deployment) -> Iterator[File]:
    if found.ca is None:
        return
    yield File(path="tls/ca.pem", data=found.ca.root)
    for role, one in found.ca.servers.items():
        yield File(path=f"tls/{role}.pem", data=one.certificate)
        yield File(path=f"tls/{role}.key", data=one.key, secret=True)
