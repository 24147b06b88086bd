"""Which candidate gets a sealed request, and when the next one may.

The client drew the candidates; the gateway tries those it knows, the least loaded first (`loads`),
and can add none. Pure: the shell (`forwarding`) reports what happened, this file says what follows.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType

from gateway.errors import NODE_CODES
from gateway.publication import Publication


class Outcome(Enum):
    """What came of giving a request to a node, as far as it matters for the next step."""

    NO_CONNECTION = "no-connection"
    LOST = "lost"
    BUSY = "busy"
    UNKNOWN_KEY = "unknown-key"
    REFUSED = "refused"
    TAKEN = "taken"
    SILENT = "silent"
    BROKEN = "broken"
    STRANGE = "strange"


TRY_NEXT = frozenset({Outcome.NO_CONNECTION, Outcome.LOST, Outcome.BUSY, Outcome.UNKNOWN_KEY})
"""After these alone the same bytes may go to another candidate (sealing sheet, Carriage). `LOST` is
a connection that went before the first byte of the reply, its status line included: a node that has
begun to answer has taken the request."""

FAILURES = frozenset(
    {Outcome.NO_CONNECTION, Outcome.LOST, Outcome.SILENT, Outcome.BROKEN, Outcome.STRANGE}
)
"""What speaks against the node itself. `SILENT` is a connection without a reply in all its time,
`BROKEN` one that went within the reply, `STRANGE` an answer that no node gives: after these three
the request may have run, so no other node gets it."""


def judge(status: int, code: str | None) -> Outcome:
    """Say what a node's answer means; `code` is that of its error document, if it is one."""
    match status, code:
        case 200, _:
            return Outcome.TAKEN
        case 503, "busy":
            return Outcome.BUSY
        case 422, "unknown-key":
            return Outcome.UNKNOWN_KEY
        case _ if code in NODE_CODES:
            return Outcome.REFUSED
        case _:
            return Outcome.STRANGE


def passed_code(outcome: Outcome, code: str | None) -> str:
    """Give the code that the client sees when no further candidate is tried."""
    if outcome in FAILURES or code not in NODE_CODES:
        return "upstream"
    return code


@dataclass(frozen=True, kw_only=True)
class RoutedNode:
    """What is said of a node beside its URL.

    Attributes:
        number: its place in the publication, for log lines, in which no address stands.
        server_name: what its certificate has to name; empty: the URL's host.
    """

    number: int
    server_name: str = ""


@dataclass(frozen=True, kw_only=True)
class Routes:
    """Node URLs by key id, from one publication, and the nodes by URL."""

    by_key: Mapping[bytes, str]
    nodes: Mapping[str, RoutedNode] = field(default_factory=dict)

    @classmethod
    def of(cls, publication: Publication) -> "Routes":
        """Index a publication."""
        by_key = {key: node.url for node in publication.nodes for key in node.keys}
        nodes = {
            node.url: RoutedNode(number=number, server_name=node.server_name)
            for number, node in enumerate(publication.nodes)
        }
        return cls(by_key=MappingProxyType(by_key), nodes=MappingProxyType(nodes))

    def candidates(self, key_ids: Iterable[bytes]) -> dict[str, RoutedNode]:
        """Give the known nodes among the listed keys, each once, in the header's random order."""
        urls = (self.by_key[key] for key in key_ids if key in self.by_key)
        return {url: self.nodes[url] for url in urls}
