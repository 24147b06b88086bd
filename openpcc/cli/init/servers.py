"""The operator's folders: log, publisher, gateway, issuer and nodes. Pure."""

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from openpcc import __version__
from openpcc.cli import service_files, toml
from openpcc.cli.init.deployment import Deployment
from openpcc.cli.init.folder import File
from openpcc.cli.init.keys import seed
from openpcc.cli.init.questions import Kind
from openpcc.cli.service_files import Table

RELEASE_DAYS = 30
"""Days that the prepared release counts; simulated machines last 7."""

DAY = 86400


def files(found: Deployment) -> Iterator[File]:
    """Give all of them."""
    yield from _log(found)
    yield from _publisher(found)
    yield from _gateway(found)
    if found.answers.tokens:
        yield from _issuer(found)
    yield from _nodes(found)


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
        secret = found.keys.passwords["store"]
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
        password = found.keys.passwords["database"]
        dsn = re.sub(r"^(postgresql://[^@/]+)@", rf"\1:{password}@", answers.database)
        if not answers.kind.trial:
            # libpq's default would give the password to whoever answers.
            dsn += "?sslmode=verify-full&sslrootcert=system"
        yield File(path=f"{folder}/secrets/postgres.dsn", data=dsn + "\n", secret=True)
        yield File(path="operator/postgres/password", data=password + "\n", secret=True)
    table = service_files.issuer(
        name=f"issuer.{answers.service}", keys=issuer_keys(found), database=database,
        where=place.settings(),
    )  # fmt: skip
    comment = "openpcc-issuer: accounts, and tokens that name nobody. docs/issuer.md"
    yield File(path=f"{folder}/issuer.toml", data=toml.write(table, comment=comment))


def issuer_keys(found: Deployment) -> str:
    """Name the issuer's key folder; in a pod's volume the chart makes it and the first key."""
    if found.answers.kind is Kind.KUBERNETES and found.answers.database is None:
        return f"{found.places.of('issuer').state}/keys"
    return "secrets/keys"


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
