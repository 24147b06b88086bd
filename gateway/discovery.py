"""The nodes at the known places: what they are given, and what evidence they show.

What is well formed, recent and not about to run out is listed. A node that answers otherwise than
documented is left out, not trusted. One that says it has no evidence to be listed with (it drains,
or its devices changed) is left out at once; one that says nothing, a minute later.

Every node is visited once at a time, and nobody waits for a slow one: a round ends after
`ROUND_TIME`, and a visit that takes longer counts when it is done.
"""

import asyncio
from collections.abc import Callable
from hashlib import sha256

from gateway.errors import UpstreamError
from gateway.evidence import Evidence, read_evidence
from gateway.mirror import MAX_EVIDENCE
from gateway.outbound import Outbound
from gateway.places import Place, Places
from gateway.telemetry import log
from openpcc.protocol import messages

KEY_MARGIN = 120
"""Seconds before the end of an epoch at which clients stop using its keys."""

FRESH = 60.0
"""Seconds after its last answer that a node is still listed: one lost round must not unlist it."""

PARALLEL = 32
"""Nodes asked at one time. Those that did not answer last time, or never, have as many slots of
their own: a thousand false addresses keep no node off."""

NODE_TIME = 20.0
"""Seconds a node has for one answer."""

ROUND_TIME = 10.0
"""Seconds that a round waits for visits."""


class Discovery:
    """The nodes, and the newest evidence of each."""

    def __init__(self, places: Places, outbound: Outbound, clock: Callable[[], float]) -> None:
        """Know no evidence yet; `clock` gives monotonic seconds."""
        self._places = places
        self._outbound = outbound
        self._clock = clock
        self._nodes: dict[str, _Node] = {}
        self._numbered = 0
        self._visits: dict[str, asyncio.Task[None]] = {}
        self._slots = asyncio.Semaphore(PARALLEL)
        self._slots_of_others = asyncio.Semaphore(PARALLEL)

    async def round(self, *, beacon: bytes, endorsements: bytes | None) -> None:
        """Find the nodes, give each what it has not got, and take its evidence."""
        await self._places.refresh()
        self._follow_places()
        for name in self._nodes.keys() - self._visits.keys():
            visit = self._visit(self._nodes[name], beacon, endorsements)
            self._visits[name] = asyncio.create_task(visit)
        if self._visits:
            await asyncio.wait(self._visits.values(), timeout=ROUND_TIME)
        for name, task in list(self._visits.items()):
            if task.done():
                del self._visits[name]
                task.result()  # what nobody foresaw ends the program

    def listed(self, now: float) -> list[Evidence]:
        """Give the evidence of nodes that answered lately and whose keys last on."""
        oldest = self._clock() - FRESH
        return [
            node.evidence
            for name in self._places.named
            if (node := self._nodes.get(name)) is not None
            and node.evidence is not None
            and node.seen >= oldest
            and node.evidence.not_after - KEY_MARGIN > now
        ]

    def held(self) -> set[str]:
        """Name the places that nobody else can have become: named ones, and those that answer."""
        oldest = self._clock() - FRESH
        answering = {name for name, node in self._nodes.items() if node.answered >= oldest}
        return answering | self._places.named.keys()

    def complete(self, now: float) -> bool:
        """Say whether every source has answered, and every node that was named is listed."""
        return self._places.answered and len(self.listed(now)) == len(self._places.named)

    def _follow_places(self) -> None:
        """Begin with new places, go where known ones are now, forget the others."""
        known = {**self._places.leaving, **self._places.named}
        for name, place in known.items():
            node = self._nodes.get(name)
            if node is None:
                self._nodes[name] = _Node(self._numbered, place)
                self._numbered += 1
            elif node.place != place:
                node.place = place
                node.given.clear()
        for name in self._nodes.keys() - known.keys():
            del self._nodes[name]

    async def _visit(self, node: "_Node", beacon: bytes, endorsements: bytes | None) -> None:
        async with self._slots if node.well else self._slots_of_others:
            place = node.place
            try:
                await self._put(node, place, "/beacon", beacon, messages.TEXT)
                if endorsements is not None:
                    await self._put(node, place, "/endorsements", endorsements, messages.JSON)
                node.evidence = await self._evidence(node, place)
                node.seen, node.failing = self._clock(), False
            except UpstreamError as error:
                node.given.clear()  # it may have restarted: everything is put again
                if not node.failing:
                    log("node-without-evidence", node=node.number, code=type(error).__name__)
                node.failing = True

    async def _put(self, node: "_Node", place: Place, path: str, body: bytes, kind: str) -> None:
        """Put a document, unless this node has it."""
        digest = sha256(body).digest()
        if node.given.get(path) == digest:
            return
        answer = await self._outbound.fetch(
            "PUT",
            f"{place.url}{path}",
            limit=messages.MAX_ERROR,
            within=NODE_TIME,
            headers={"content-type": kind},
            body=body,
            server_name=place.server_name,
        )
        if answer.status != 204:
            raise UpstreamError("the node did not take a document")
        node.given[path] = digest

    async def _evidence(self, node: "_Node", place: Place) -> Evidence:
        answer = await self._outbound.fetch(
            "GET",
            f"{place.url}/evidence",
            limit=MAX_EVIDENCE,
            within=NODE_TIME,
            server_name=place.server_name,
        )
        node.answered = self._clock()
        if answer.status == 503:
            node.seen = float("-inf")
        if answer.status != 200:
            raise UpstreamError("the node has no evidence to be listed with")
        known = node.evidence
        if known is not None and (known.bundle, known.place) == (answer.body, place):
            return known
        return read_evidence(place, answer.body, answer.headers.get(messages.MACHINE, ""))


class _Node:
    """What is known of one node; `number` stands for it in log lines."""

    def __init__(self, number: int, place: Place) -> None:
        self.number = number
        self.place = place
        self.evidence: Evidence | None = None
        self.seen = float("-inf")
        self.answered = float("-inf")
        self.failing = False
        self.given: dict[str, bytes] = {}

    @property
    def well(self) -> bool:
        """Say whether it gave its evidence when it was asked last."""
        return self.evidence is not None and not self.failing
