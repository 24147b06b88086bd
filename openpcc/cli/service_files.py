"""What the programs of a service are configured with, as tables: for `openpcc init` and the demo.

One function for each file. What stands here is what the parts must agree on; where they listen and
keep their state is the caller's. docs/formats.md, 6, docs/keys.md and docs/issuer.md have the keys.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

Table = dict[str, object]


@dataclass(frozen=True, kw_only=True)
class WitnessFacts:
    """A witness as log and clients know it. Keys of one operator count once."""

    name: str
    operator: str
    vkey: str


@dataclass(frozen=True, kw_only=True)
class SignerFacts:
    """Public keys of one role, base64, and how many must sign."""

    keys: Sequence[str]
    threshold: int = 1


@dataclass(frozen=True, kw_only=True)
class Trust:
    """Whom everybody believes; public.

    Attributes:
        roots: platform to the root's digest, where it is not the vendor's.
    """

    service: str
    platforms: Sequence[str]
    origin: str
    log_vkey: str
    quorum: int
    witnesses: Sequence[WitnessFacts]
    release: SignerFacts
    status: SignerFacts
    signs_service: SignerFacts
    roots: Mapping[str, str] = field(default_factory=dict)


def policy(trust: Trust) -> Table:
    """Write a client policy."""
    signers = {"release": trust.release, "status": trust.status, "service": trust.signs_service}
    return {
        "version": 1,
        "service": trust.service,
        "suites": ["x-wing"],
        "attestation": {
            "platforms": list(trust.platforms),
            "roots": dict(trust.roots) or None,
        },
        "log": {
            "origin": trust.origin,
            "key": trust.log_vkey,
            "quorum": trust.quorum,
            "witnesses": [
                {"name": one.name, "operator": one.operator, "key": one.vkey}
                for one in trust.witnesses
            ],
        },
        "signers": {
            name: {"threshold": one.threshold, "keys": list(one.keys)}
            for name, one in signers.items()
        },
    }


def log(
    trust: Trust, *, key: str, token: str, state: str, urls: Sequence[str], where: Table
) -> Table:
    """Write `log.toml`: `urls` are those of the witnesses, `token` the file of its one token."""
    return {
        "origin": trust.origin,
        "key": key,
        "quorum": trust.quorum,
        **where,
        "store": {"kind": "directory", "path": f"{state}/log"},
        "sequence": {"kind": "sqlite", "path": f"{state}/sequence.db"},
        "publishers": [{"name": trust.service, "token": token}],
        "witnesses": [
            {"name": one.name, "operator": one.operator, "vkey": one.vkey, "url": url}
            for one, url in zip(trust.witnesses, urls, strict=True)
        ],
    }


def witness(trust: Trust, number: int, *, key: str, database: str, where: Table) -> Table:
    """Write `witness.toml` of the witness with this number, from 0."""
    return {
        "name": trust.witnesses[number].name,
        "key": key,
        "database": database,
        **where,
        "logs": [{"origin": trust.origin, "vkey": trust.log_vkey}],
    }


def publisher(trust: Trust, *, log_url: str, nodes: Table, where: Table, **more: object) -> Table:
    """Write `publisher.toml`; `nodes` has the tables `nodes` or `dns`, `more` the files."""
    return {
        "service": trust.service,
        **where,
        "log": log_url,
        "status_keys": list(trust.status.keys),
        **more,
        **nodes,
    }


def gateway(
    trust: Trust, *, publisher_url: str, log_url: str, where: Table, **more: object
) -> Table:
    """Write `gateway.toml`; `more` has the keys, and how requests are let in."""
    return {
        "service": trust.service,
        **where,
        "publisher": publisher_url,
        "log": log_url,
        **more,
    }


def issuer(*, name: str, keys: str, database: Table, where: Table) -> Table:
    """Write `issuer.toml`."""
    return {"name": name, **where, "keys": keys, "database": database}


def client(
    *, relays: Sequence[str], model: str, state: str, ca: str | None, tokens: Table | None
) -> Table:
    """Write `client.toml`, beside its `policy.toml`."""
    where: Table = {"relay": relays[0]} if len(relays) == 1 else {"relays": list(relays)}
    return {
        "version": 1,
        **where,
        "policy": "policy.toml",
        "state": state,
        "model": model,
        "ca": ca,
        "tokens": tokens,
    }


def image(*, platform: str, machine: str, release: str, model: Table, **engine: object) -> Table:
    """Write the file that says what a node's image fixes; real images bring their own."""
    return {"platform": platform, "machine": machine, "release": release, **engine, "model": model}
