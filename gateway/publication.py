"""The publication: what a gateway needs to route (docs/formats.md, 7.3). Never given to clients."""

from dataclasses import dataclass

from gateway.errors import UpstreamError
from transparency_log.strict_json import Members, StrictJSONError, dumps, parse_object

MAX_PUBLICATION = 64 << 20
"""Bytes of a publication: 10^5 nodes fit."""

MAX_NODES = 1 << 17
"""Nodes of a service."""

MAX_MODELS = 1024
"""Models of a service."""

MAX_NODE_KEYS = 32
"""Key ids of one node: those of the epochs that are live in two windows."""


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
class Publication:
    """One window of a service; `index` and `status` are places in the log."""

    service: str
    index: int
    status: int
    sequence: int
    not_after: int
    models: tuple[PublishedModel, ...]
    nodes: tuple[PublishedNode, ...]

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
