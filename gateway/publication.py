"""The publication: what a gateway needs to route (docs/formats.md, 7.3). Never given to clients."""

from dataclasses import dataclass

from gateway.errors import UpstreamError
from transparency_log.service import LEAST_OUTPUT, MAX_ISSUER_KEYS, MOST_OUTPUT
from transparency_log.strict_json import (
    Members,
    StrictJSONError,
    b64encode,
    dumps,
    parse_object,
)

MAX_PUBLICATION = 64 << 20
"""Bytes of a publication: 10^5 nodes fit."""

MAX_NODES = 1 << 17
"""Nodes of a service."""

MAX_MODELS = 1024
"""Models of a service."""

MAX_NODE_KEYS = 32
"""Key ids of one node: those of the epochs that are live in two windows."""


MAX_TOKEN_KEYS = 2 * MAX_ISSUER_KEYS
"""Issuer keys: two valid entries may list two each."""

MAX_TOKEN_KEY = 512
"""Characters of an issuer key in base64."""


@dataclass(frozen=True, kw_only=True)
class PublishedModel:
    """A model and the number of leaves of its directory."""

    name: str
    size: int


@dataclass(frozen=True, kw_only=True)
class PublishedNode:
    """Where a node is, what its certificate names (empty: the URL's host), live keys, last leaf.

    A node that is no longer listed stands here for as long as clients may hold its keys.
    """

    url: str
    server_name: str = ""
    keys: tuple[bytes, ...]
    leaf: bytes


@dataclass(frozen=True, kw_only=True)
class PublishedTokens:
    """What a request is paid with: the terms of the service entry, and the issuer's keys.

    `keys` are SubjectPublicKeyInfos: those whose ids a service entry lists that has not run out.
    """

    issuer: str
    output: int
    keys: tuple[bytes, ...]


@dataclass(frozen=True, kw_only=True)
class Publication:
    """One window of a service; `index` and `status` are places in the log.

    `tokens` is None where admission is open.
    """

    service: str
    index: int
    status: int
    sequence: int
    not_after: int
    models: tuple[PublishedModel, ...]
    nodes: tuple[PublishedNode, ...]
    tokens: PublishedTokens | None = None

    def encode(self) -> bytes:
        """Write the document."""
        return dumps(
            {
                "version": 1,
                "service": self.service,
                "index": self.index,
                "status": self.status,
                "sequence": self.sequence,
                "not_after": self.not_after,
                "tokens": _tokens_json(self.tokens),
                "models": [{"name": one.name, "size": one.size} for one in self.models],
                "nodes": [
                    {
                        "url": node.url,
                        "server_name": node.server_name,
                        "keys": [key.hex() for key in node.keys],
                        "leaf": node.leaf.hex(),
                    }
                    for node in self.nodes
                ],
            }
        )

    @classmethod
    def parse(cls, data: bytes) -> "Publication":
        """Read the document.

        Raises:
            UpstreamError: the publisher sent something else.
        """
        try:
            members = parse_object(data, limit=MAX_PUBLICATION, name="publication")
            members.integer("version", low=1, high=1)
            publication = cls(
                service=members.text("service", limit=255),
                index=members.integer("index"),
                status=members.integer("status"),
                sequence=members.integer("sequence"),
                not_after=members.integer("not_after"),
                tokens=_tokens(members.child_or_null("tokens")),
                models=tuple(map(_model, members.children("models", limit=MAX_MODELS))),
                nodes=tuple(map(_node, members.children("nodes", limit=MAX_NODES))),
            )
            members.end()
        except StrictJSONError as error:
            raise UpstreamError(f"the publisher sent no publication: {error}") from error
        return publication

    def service_hint(self) -> bytes:
        """Write the answer to `GET /service` (docs/formats.md, 7.1)."""
        return dumps(
            {
                "version": 1,
                "service": self.service,
                "index": self.index,
                "status": self.status,
            }
        )


def _tokens(members: Members | None) -> PublishedTokens | None:
    if members is None:
        return None
    texts = members.texts("keys", limit=MAX_TOKEN_KEYS, length=MAX_TOKEN_KEY)
    tokens = PublishedTokens(
        issuer=members.text("issuer", limit=255),
        output=members.integer("output", low=LEAST_OUTPUT, high=MOST_OUTPUT),
        keys=tuple(Members({"key": text}, members.name).data("key") for text in texts),
    )
    members.end()
    if tokens.output.bit_count() != 1 or not tokens.keys:
        raise StrictJSONError(f"{members.name}: output is a power of two, and there are keys")
    return tokens


def _tokens_json(tokens: PublishedTokens | None) -> dict[str, object] | None:
    if tokens is None:
        return None
    return {
        "issuer": tokens.issuer,
        "output": tokens.output,
        "keys": [b64encode(key) for key in tokens.keys],
    }


def _model(members: Members) -> PublishedModel:
    model = PublishedModel(name=members.text("name", limit=256), size=members.integer("size"))
    members.end()
    return model


def _node(members: Members) -> PublishedNode:
    keys = members.texts("keys", limit=MAX_NODE_KEYS, length=64)
    node = PublishedNode(
        url=members.text("url"),
        server_name=members.text("server_name", limit=253),
        keys=tuple(Members({"key": key}, members.name).hex("key", size=32) for key in keys),
        leaf=members.hex("leaf", size=32),
    )
    members.end()
    return node
