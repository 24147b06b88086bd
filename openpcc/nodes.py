"""The nodes this client trusts at present, and the choice among them.

`NodeBook` keeps the newest `Snapshot`, looks again in the background before it expires, and draws
the candidates of a request: uniformly, with a CSPRNG, on different machines where machines are
named, in random order. A request waits for a look only when there is nothing valid to choose from.

What a failed look means depends on what it found. Nothing (the gateway did not answer): what is
known stays valid until it expires. A refusal (a revoked release, a record that contradicts itself):
what was known before is dropped at once, for it is known to be wrong now.

Whatever `now` a caller brings, the decision counts from the newest witnessed time as well, and adds
what has passed since by a clock that nobody can set: DESIGN 5, `now`.
"""

import secrets
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from attestation.result import Report
from openpcc import clock, relays
from openpcc.carrier import Carrier
from openpcc.config import ClientConfig
from openpcc.errors import (
    DirectoryError,
    GatewayError,
    OpenPCCError,
    RefusedError,
    UnknownModelError,
)
from openpcc.judging import Judgement
from openpcc.log_checks import CLOCK_TOLERANCE
from openpcc.lookup import Lookup, Snapshot
from openpcc.protocol.ohttp import KeyConfig
from openpcc.shards import too_few
from openpcc.state import StateFile
from openpcc.trust import TrustedNode
from transparency_log.entry import Service

STALE_CODES = frozenset(
    {"unknown-key", "expired", "ohttp-key", "token-count", "token-key", "token-origin"}
)
"""Gateway codes that say: what this client knows may be out of date. It looks again before the next
request; the refused one is not repeated, because the code is nobody's proof."""

AHEAD = 240
"""Seconds before a snapshot or node expires at which the background looks again."""

SPREAD = 120
"""Seconds over which those looks are spread: from the exact second of a look, a gateway could tell
which earlier look came from the same client."""

LEAST = 30
"""Seconds between looks that succeed, at the least."""

PAUSES = (5, 15, 60)
"""Seconds between looks that fail; the last one repeats."""


@dataclass(frozen=True, kw_only=True)
class Selection:
    """The candidates of one request, in the order they stand in the header."""

    nodes: tuple[TrustedNode, ...]
    keys: KeyConfig
    paces: tuple[str, ...]
    """Paces of replies that the service's entry lists."""
    now: int
    """When it was drawn, as the decision counts; to seal at."""
    service: Service
    """The entry that it was drawn from; what it says of tokens counts for this request."""


@dataclass(frozen=True, kw_only=True)
class NodeView:
    """One listed node, for people."""

    leaf: bytes
    machine: bytes | None
    platform: str
    expires: int | None
    accepted: bool
    models: tuple[str, ...]
    report: Report | None
    problem: str


@dataclass(frozen=True, kw_only=True)
class BookView:
    """What the book holds, for people; no network is touched to make it."""

    service: str
    simulated: bool
    sequence: int | None
    valid_until: int | None
    status_age_from: int | None
    checkpoint_size: int | None
    witnessed: int | None
    nodes: tuple[NodeView, ...]


class NodeBook:
    """Trusted nodes by model. Safe to share between threads; `close` ends its background thread."""

    def __init__(
        self,
        config: ClientConfig,
        *,
        carrier: Carrier | None = None,
        now: Callable[[], int] = clock.now,
    ) -> None:
        """Make a book; nothing is fetched yet.

        Args:
            config: where the service is, and whom to believe.
            carrier: fetches for this book alone, and is closed with it; None makes one.
            now: the local clock, for looks in the background.
        """
        self._config = config
        self._now = now
        self._closed = threading.Event()
        self._carrier = carrier or Carrier(relays.of_process(config.relays), config.ca)
        states = StateFile(config.state)
        self._lookup = Lookup(config, self._carrier, states, wait=self._closed.wait)
        self._looking = threading.Lock()
        self._snapshot: Snapshot | None = None
        self._looked = 0.0
        """`clock.ticks()` before the snapshot's look."""
        self._stale = False
        self._keeper: threading.Thread | None = None

    def candidates(self, model: str, now: int) -> Selection:
        """Draw the candidates for one request, looking at the service first if need be.

        Raises:
            UnknownModelError: the service offers no such model.
            RefusedError: the only node listed was refused.
            DirectoryError: no choice is possible.
            GatewayError, TransportError: the service could not be looked at.
        """
        selection = self.ready(model, now)
        self._require_offered(model, now)
        if selection is not None:
            return selection
        began = clock.ticks()
        with self._looking:
            now += int(clock.ticks() - began)
            selection = self.ready(model, now)  # another thread may have looked meanwhile
            if selection is None:
                began = clock.ticks()
                self._look(now)
                now += int(clock.ticks() - began)  # a look can take minutes
                selection = self.ready(model, now)
        self._require_offered(model, now)
        if selection is None:
            raise self._nothing(model)
        return selection

    def ready(self, model: str, now: int) -> Selection | None:
        """Draw from what is known, without blocking; None if that is not valid any more.

        The quarter of `lookup` holds here too: nodes expire one by one, and whoever kept this
        client from looking meanwhile would choose by their epochs which of them are left.
        """
        snapshot, at = self._valid(now)
        if snapshot is None:
            return None
        judged = snapshot.judged.get(model, ())
        trusted = _trusted(judged, model, at)
        parameters = snapshot.service.parameters
        if not trusted or too_few(len(trusted), snapshot.places.get(model, len(judged))):
            return None
        nodes = draw(trusted, parameters.candidates)
        return Selection(
            nodes=nodes,
            keys=snapshot.keys,
            paces=parameters.pace,
            now=at,
            service=snapshot.service,
        )

    def models(self, now: int) -> list[str]:
        """Name the models of the logged service entry. Raises as `candidates`."""
        snapshot, _ = self._valid(now)
        if snapshot is None:
            self.refresh(now)
            snapshot = self._snapshot
        return [] if snapshot is None else list(snapshot.judged)

    def refresh(self, now: int) -> None:
        """Look at the service now. Raises as `candidates`."""
        with self._looking:
            self._look(now)

    @property
    def snapshot(self) -> Snapshot | None:
        """What the newest look established; None before the first."""
        return self._snapshot

    def valid(self, now: int) -> Snapshot | None:
        """What the newest look established, without blocking; None if it is not valid any more."""
        return self._valid(now)[0]

    def view(self) -> BookView:
        """Show what is known."""
        found = self._snapshot
        rows = {} if found is None else found.judged
        nodes = _views(rows)
        return BookView(
            service=self._config.policy.service,
            simulated=self._config.policy.attestation.simulated,
            sequence=None if found is None else found.service.sequence,
            valid_until=None if found is None else found.expires,
            status_age_from=None if found is None else found.status.issued,
            checkpoint_size=None if found is None else found.newest.checkpoint.size,
            witnessed=None if found is None else found.newest.time,
            nodes=nodes,
        )

    @contextmanager
    def learning(self) -> Iterator[None]:
        """Watch one request: a refusal that hints at old knowledge makes the next one look."""
        try:
            yield
        except GatewayError as error:
            if error.code in STALE_CODES:
                self._stale = True
            raise

    def close(self) -> None:
        """End the background thread and the connections."""
        self._closed.set()
        self._carrier.close()  # which ends a look that is under way
        if self._keeper is not None and self._keeper is not threading.current_thread():
            self._keeper.join(timeout=5)

    def _look(self, now: int) -> None:
        """Look once; the caller holds `_looking`."""
        began = clock.ticks()
        try:
            found = self._lookup.look(now)
        except DirectoryError as error:
            if error.code == "equivocation" or error.reports:
                self._snapshot = None
            raise
        self._looked, self._snapshot, self._stale = began, found, False
        self._start_keeper()

    def _valid(self, now: int) -> tuple[Snapshot | None, int]:
        """Give the snapshot, if it may be used, and `now` as the decision counts it."""
        snapshot = self._snapshot
        if snapshot is None:
            return None, now
        at = max(now, snapshot.view.witnessed + int(clock.ticks() - self._looked))
        behind = now < at - CLOCK_TOLERANCE  # 5.clock; a look says so by name
        if self._stale or behind or at >= snapshot.expires:
            return None, at
        return snapshot, at

    def _start_keeper(self) -> None:
        alive = self._keeper is not None and self._keeper.is_alive()
        if not alive and not self._closed.is_set():
            self._keeper = threading.Thread(target=self._keep, name="openpcc-nodes", daemon=True)
            self._keeper.start()

    def _keep(self) -> None:
        """Look again before anything expires, for as long as the book is open."""
        failures = 0
        while not self._closed.wait(self._pause(failures)):
            try:
                self.refresh(self._now())
            except OpenPCCError:
                failures += 1  # what is known stays valid until it expires; then requests say why
            else:
                failures = 0

    def _pause(self, failures: int) -> float:
        if failures:
            return PAUSES[min(failures, len(PAUSES)) - 1]
        snapshot = self._snapshot
        if snapshot is None:
            return PAUSES[0]
        ends = [node.expires for rows in snapshot.judged.values() for node in _nodes(rows)]
        _, at = self._valid(self._now())
        spread = secrets.randbelow(SPREAD)
        return max(min([snapshot.expires, *ends]) - AHEAD - spread - at, LEAST)

    def _require_offered(self, model: str, now: int) -> None:
        """Refuse a model that a valid entry does not name; looking again would not change it."""
        snapshot, _ = self._valid(now)
        if snapshot is not None and model not in snapshot.judged:
            raise UnknownModelError(model, tuple(snapshot.judged))

    def _nothing(self, model: str) -> OpenPCCError:
        """Say why no node can be chosen for a model the service offers."""
        snapshot = self._snapshot
        if snapshot is not None and model in snapshot.refused:
            return snapshot.refused[model]
        judged = snapshot.judged.get(model, ()) if snapshot else ()
        reports = [one.report for one in judged if one.report is not None and one.node is None]
        if len(judged) == 1 and reports:
            return RefusedError(reports[0])
        return DirectoryError("unavailable", "no listed node is trusted", reports=tuple(reports))


def _nodes(rows: Sequence[Judgement]) -> list[TrustedNode]:
    return [row.node for row in rows if row.node is not None]


def _trusted(rows: Sequence[Judgement], model: str, now: int) -> list[TrustedNode]:
    return [node for node in _nodes(rows) if now < node.expires and model in node.models]


def _views(judged: Mapping[str, Sequence[Judgement]]) -> tuple[NodeView, ...]:
    models: dict[bytes, list[str]] = {}
    rows: dict[bytes, Judgement] = {}
    for model, judgements in judged.items():
        for row in judgements:
            named = models.setdefault(row.leaf_hash, [])
            if row.node is None or row.serves(model):
                named.append(model)
            rows[row.leaf_hash] = row
    return tuple(_node_view(row, models[leaf]) for leaf, row in rows.items())


def _node_view(row: Judgement, models: Sequence[str]) -> NodeView:
    node = row.node
    return NodeView(
        leaf=row.leaf_hash,
        machine=None if node is None else node.machine,
        platform="" if row.report is None else row.report.platform,
        expires=None if node is None else node.expires,
        accepted=node is not None,
        models=tuple(models),
        report=row.report,
        problem=row.problem,
    )


def draw(nodes: Sequence[TrustedNode], count: int) -> tuple[TrustedNode, ...]:
    """Draw at most `count` nodes on different machines, uniformly, in random order.

    Of nodes on one machine one is drawn first, so that no machine gains by running many. Where the
    platform names no machine, nodes with one key are one.
    """
    by_machine: dict[bytes, list[TrustedNode]] = {}
    for node in nodes:
        by_machine.setdefault(node.machine or node.key_id, []).append(node)
    machines, drawn = list(by_machine.values()), list[TrustedNode]()
    while machines and len(drawn) < count:
        node = secrets.choice(machines.pop(secrets.randbelow(len(machines))))
        # One message has one suite: the first drawn decides, the others must offer it too.
        if not drawn or node.kem_id == drawn[0].kem_id:
            drawn.append(node)
    return tuple(drawn)
