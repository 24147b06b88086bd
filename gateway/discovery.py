"""The nodes of the publisher's list: what they are given, and what evidence they show.

The publisher does not judge evidence: clients do. It reads the few members that a directory leaf is
made of, and lists what is well formed, recent and not about to run out. Nodes are addressed by the
operator's own list; a node that answers otherwise than documented is left out, not trusted.
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from hashlib import sha256

from attestation.binding import evidence_binding
from attestation.errors import MalformedEvidenceError
from attestation.evidence import EvidenceBundle, KeysSection, SoftwareSection
from attestation.strict_json import Members, StrictJSONError
from gateway.errors import UpstreamError
from gateway.mirror import MAX_EVIDENCE
from gateway.outbound import Outbound
from gateway.telemetry import log
from openpcc.protocol import messages
from openpcc.protocol.errors import ProtocolError
from openpcc.protocol.messages import DirectoryLeaf
from openpcc.protocol.sealing import NodeKey

KEY_MARGIN = 120
"""Seconds before the end of an epoch at which clients stop using its keys."""

FRESH = 60.0
"""Seconds after its last answer that a node is still listed: one lost round must not unlist it."""

MAX_MODELS = 8
"""Models of one node: a service entry has room for a few hundred in all."""

PARALLEL = 32
"""Nodes asked at one time."""

NODE_TIME = 20.0
"""Seconds a node has for one answer."""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """A node's newest evidence, as far as it is listed.

    Attributes:
        url: where the node is.
        bundle: the evidence as it came.
        leaf: its directory leaf.
        models: names of the models it serves.
        not_after: end of its key epoch, Unix seconds.
    """

    url: str
    bundle: bytes = field(repr=False)
    leaf: DirectoryLeaf
    models: tuple[str, ...]
    not_after: int

    @property
    def identity(self) -> str:
        """Name the node across epochs: its machine, and its address, since machines may share."""
        return f"{self.leaf.machine.hex()} {self.url}"


def read_evidence(url: str, bundle: bytes, machine: str) -> Evidence:
    """Read what a directory leaf is made of; nothing is verified.

    Raises:
        UpstreamError: not an evidence bundle, or `machine` is not a digest.
    """
    try:
        parsed = EvidenceBundle.parse(bundle)
        keys = KeysSection.parse(parsed.keys)
        leaf = DirectoryLeaf(
            quote_digest=sha256(parsed.quote).digest(),
            binding=evidence_binding(
                parsed.keys, parsed.freshness, parsed.devices, parsed.software
            ),
            node_key_ids=tuple(NodeKey.parse(config).id for config in keys.hpke),
            machine=Members({"machine": machine}, "openpcc-machine").hex("machine", size=32),
        )
        names = (name for name, _ in SoftwareSection.parse(parsed.software).models)
    except (MalformedEvidenceError, StrictJSONError, ProtocolError) as error:
        raise UpstreamError(f"the node sent no evidence: {error}") from error
    models = tuple(dict.fromkeys(names))
    if len(models) > MAX_MODELS:
        raise UpstreamError("the node lists more models than one node may")
    return Evidence(url=url, bundle=bundle, leaf=leaf, models=models, not_after=keys.not_after)


class Discovery:
    """The nodes of the list, and the newest evidence of each."""

    def __init__(self, urls: Iterable[str], outbound: Outbound, clock: Callable[[], float]) -> None:
        """Know no evidence yet; `clock` gives monotonic seconds."""
        self._outbound = outbound
        self._clock = clock
        self._nodes = {url: _Node(number) for number, url in enumerate(urls)}
        self._slots = asyncio.Semaphore(PARALLEL)

    async def round(self, *, beacon: bytes, endorsements: bytes | None) -> None:
        """Give every node what it has not got, and take its evidence."""
        await asyncio.gather(
            *(self._visit(url, node, beacon, endorsements) for url, node in self._nodes.items())
        )

    def listed(self, now: float) -> list[Evidence]:
        """Give the evidence of nodes that answered lately and whose keys last on."""
        oldest = self._clock() - FRESH
        return [
            node.evidence
            for node in self._nodes.values()
            if node.evidence is not None
            and node.seen >= oldest
            and node.evidence.not_after - KEY_MARGIN > now
        ]

    def complete(self, now: float) -> bool:
        """Say whether every node of the list is listed."""
        return len(self.listed(now)) == len(self._nodes)

    async def _visit(
        self, url: str, node: "_Node", beacon: bytes, endorsements: bytes | None
    ) -> None:
        async with self._slots:
            try:
                await self._put(node, f"{url}/beacon", beacon, messages.TEXT)
                if endorsements is not None:
                    await self._put(node, f"{url}/endorsements", endorsements, messages.JSON)
                node.evidence = await self._evidence(url, node)
                node.seen, node.failing = self._clock(), False
            except UpstreamError as error:
                node.given.clear()  # it may have restarted: everything is put again
                if not node.failing:
                    log("node-without-evidence", node=node.number, code=type(error).__name__)
                node.failing = True

    async def _put(self, node: "_Node", url: str, body: bytes, kind: str) -> None:
        """Put a document, unless this node has it."""
        digest = sha256(body).digest()
        if node.given.get(url) == digest:
            return
        headers = {"content-type": kind}
        answer = await self._outbound.fetch(
            "PUT", url, limit=messages.MAX_ERROR, within=NODE_TIME, headers=headers, body=body
        )
        if answer.status != 204:
            raise UpstreamError("the node did not take a document")
        node.given[url] = digest

    async def _evidence(self, url: str, node: "_Node") -> Evidence:
        answer = await self._outbound.fetch(
            "GET", f"{url}/evidence", limit=MAX_EVIDENCE, within=NODE_TIME
        )
        if answer.status != 200:
            raise UpstreamError("the node has no evidence yet")
        if node.evidence is not None and node.evidence.bundle == answer.body:
            return node.evidence
        return read_evidence(url, answer.body, answer.headers.get(messages.MACHINE, ""))


class _Node:
    """What is known of one node."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.evidence: Evidence | None = None
        self.seen = float("-inf")
        self.failing = False
        self.given: dict[str, bytes] = {}
