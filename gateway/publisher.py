"""The publisher: one signed service entry per window, and the files that it commits to.

Every round it looks at the log and the nodes; once per window of the fixed grid it lists them:

1. slots     every node keeps its place in the directory of each model it serves
2. archive   the evidence bundle of every leaf
3. entry     service entry after the head of the chain: signed, kept, submitted (`chain`)
4. publish   publication, directories and bundles of the new entry, all at once

Until 4 the old window is served. Where nodes are is no part of an entry: a node that moved is
routed to where it is now, within the window. Nobody's request reaches this program, which gateways
read.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from hashlib import sha256

from gateway import chain
from gateway.archive import Archive
from gateway.chain import ChainState, Head, keys_digest
from gateway.config import PublisherConfig
from gateway.discovery import Discovery
from gateway.errors import ChainError, UpstreamError
from gateway.evidence import Evidence
from gateway.keyholders import listed, located, moves, sole_holders
from gateway.log_reader import LogReader
from gateway.publication import (
    MAX_TOKEN_KEYS,
    Publication,
    PublishedModel,
    PublishedNode,
    PublishedTokens,
)
from gateway.slots import moved
from gateway.telemetry import Telemetry, log
from gateway.token_keys import IssuerReader, after_listing, offered_keys, paying_keys
from gateway.window import VALIDITY, Listing, Window, grid
from transparency_log.entry import (
    EntrySigners,
    Service,
    Signer,
    sign_entry,
    verify_service,
    verify_status,
)
from transparency_log.errors import LogError, MalformedError, UntrustedError
from transparency_log.service import (
    Parameters,
    ServiceStatement,
    TokenTerms,
)

EXPIRY_INTERVAL = 86400.0
"""Seconds between looks for bundles to remove: there may be millions, and a window waits for it."""

BUNDLES_A_ROUND = 64
"""Entry bundles read in one round at most; a long log is caught up with over several."""


class Publisher:
    """Watches log and nodes, and publishes."""

    def __init__(
        self,
        *,
        config: PublisherConfig,
        state: ChainState,
        signer: Signer,
        ohttp_keys: bytes,
        endorsements: bytes | None,
        reader: LogReader,
        discovery: Discovery,
        archive: Archive,
        telemetry: Telemetry,
        clock: Callable[[], float],
        monotonic: Callable[[], float],
        status_signers: EntrySigners,
        issuer: IssuerReader | None = None,
    ) -> None:
        """Continue the chain of `state`; `clock` gives Unix seconds.

        `issuer` is there exactly where the configuration says tokens.
        """
        self._issuer = issuer
        self._config = config
        self._state = state
        self._signer = signer
        self._own = EntrySigners(keys=(signer.public_key,), threshold=1)
        self._status_signers = status_signers
        self.ohttp_keys = ohttp_keys
        self._endorsements = endorsements
        self._reader = reader
        self._discovery = discovery
        self.archive = archive
        self._telemetry = telemetry
        self._clock = clock
        self._monotonic = monotonic
        self._started = monotonic()
        self._expire_at = self._started
        self._submitting: Listing | None = None
        self.window: Window | None = None

    def resume(self, state: ChainState) -> None:
        """Begin with the state as it is now, before anything is signed."""
        self._state = state

    def ready(self) -> bool:
        """Say whether a window is published that has not run out."""
        window = self.window
        return window is not None and window.publication.not_after > self._clock()

    @asynccontextmanager
    async def publishing(self) -> AsyncIterator[None]:
        """Work in the background; what nobody foresaw ends the program with it.

        A chain that must not be continued ends the work only: what is published stays served.
        """
        async with asyncio.TaskGroup() as group:
            task = group.create_task(self._run())
            yield
            task.cancel()

    async def _run(self) -> None:
        reachable = True
        while True:
            try:
                await self.round()
                reachable = True
            except UpstreamError:
                if reachable:
                    log("log-unreachable")
                reachable = False
            except ChainError as error:
                log("publishing-stopped", code=type(error).__name__)
                return
            await asyncio.sleep(self._config.poll)

    async def round(self) -> None:
        """Look at log and nodes once, and publish if a window is due.

        Raises:
            UpstreamError: the log did not answer.
            ChainError: state and log do not fit; nothing more may be signed.
        """
        beacon, checkpoint = await self._reader.checkpoint()
        caught_up = await self._scan(checkpoint.size)
        await self._discovery.round(beacon=beacon, endorsements=self._endorsements)
        await self._follow_moves()
        await self._look_at_issuer()
        if not caught_up:
            return
        if self._state.pending is not None:
            # Of this window, or left by a crash: its place must be known first.
            await self._submit()
        if self._due():
            await self._publish()

    async def _scan(self, size: int) -> bool:
        """Read new entries of the log; say whether all of them are read.

        Raises:
            UpstreamError: the log did not give them, or is smaller than it was.
            ChainError: there is an entry of ours that the state does not know.
        """
        head = self._state.head
        if size < self._state.scanned or (head is not None and size <= head.index):
            raise UpstreamError("the log is smaller than it was")  # or this view of it is old
        pending = self._pending()
        for _ in range(BUNDLES_A_ROUND):
            start = self._state.scanned
            if start >= size:
                break
            entries = await self._reader.entries(start, size)
            state = self._state
            for index, entry in enumerate(entries, start=start):
                state = self._seen(state, index, entry, pending)
            await self._store(replace(state, scanned=start + len(entries)))
        return self._state.scanned >= size

    def _seen(
        self, state: ChainState, index: int, entry: bytes, pending: Service | None
    ) -> ChainState:
        """Take note of one entry; whose it is its signatures say."""
        try:
            status = verify_status(entry, self._status_signers)
            return state.with_status(index, status.sequence)
        except (MalformedError, UntrustedError):
            pass  # not a status entry of ours to note
        try:
            service = verify_service(entry, self._own)
        except (MalformedError, UntrustedError):
            return state  # anybody's
        if service.service == state.service:
            state.check_seen(service, pending)
        return state

    def _due(self) -> bool:
        head, now = self._state.head, self._clock()
        # Not `>=`: a clock that was ahead once must not stop the service until it is that late.
        if self.window is not None and head is not None and head.not_before == grid(now):
            return False
        if self._state.status is None or not self._listed(now):
            return False
        if self._issuer is not None and not offered_keys(self._state.issuer_keys):
            return False  # the issuer was never read: nobody could pay
        keys = keys_digest(sha256(self.ohttp_keys).digest(), self._issuer_keys())
        if not self._state.takes(grid(now), keys):
            return False  # after a restart: gateways go on with what they have until the next one
        waited = self._monotonic() - self._started >= self._config.wait
        return waited or self._discovery.complete(now)

    def _listed(self, now: float) -> list[Evidence]:
        evidence, held = self._discovery.listed(now), self._discovery.held()
        return sole_holders(evidence, self._state.holders, held)

    async def _follow_moves(self) -> None:
        """Route to nodes where they are now, and let their positions follow them."""
        state, evidence = self._state, self._listed(self._clock())
        elsewhere = moves(evidence, state.holders)
        slots = {model: moved(one, elsewhere) for model, one in state.slots.items()}
        await self._store(replace(state, holders=located(state.holders, evidence), slots=slots))
        if self.window is not None and self._state.holders != state.holders:
            publication = replace(self.window.publication, nodes=self._nodes())
            self.window = replace(self.window, publication=publication)
            log("nodes-moved", sequence=publication.sequence)

    async def _look_at_issuer(self) -> None:
        if self._issuer is not None:
            keys = await self._issuer.look(self._state.issuer_keys, now=self._clock())
            await self._store(replace(self._state, issuer_keys=keys))

    async def _publish(self) -> None:
        now = self._clock()
        listing = Listing.of(self._listed(now), self._state.slots, not_before=grid(now))
        await asyncio.to_thread(self._keep, listing, int(now))  # 2
        entry = self._sign(listing)  # 3
        self._submitting = listing
        until = listing.not_before + VALIDITY
        holders = listed(self._state.holders, listing.evidence, until=until, now=now)
        keys = after_listing(self._state.issuer_keys, until=until, now=now)
        await self._store(
            replace(
                self._state,
                pending=entry,
                slots=listing.slots,
                holders=holders,
                issuer_keys=keys,
            )
        )
        await self._submit()

    def _keep(self, listing: Listing, now: int) -> None:
        for one in listing.evidence:
            self.archive.put(one.leaf.leaf_hash(), one.bundle, now=now)
        if self._monotonic() >= self._expire_at:
            self.archive.expire(now=now)
            self._expire_at = self._monotonic() + EXPIRY_INTERVAL

    def _sign(self, listing: Listing) -> bytes:
        try:
            return sign_entry(self._statement(listing), [self._signer])
        except LogError as error:
            raise ChainError(f"the service entry cannot be written: {error}") from error

    def _statement(self, listing: Listing) -> ServiceStatement:
        return ServiceStatement(
            service=self._config.service,
            sequence=self._state.next_sequence,
            previous=self._state.previous,
            not_before=listing.not_before,
            not_after=listing.not_before + VALIDITY,
            models=listing.served_models(),
            ohttp_keys=sha256(self.ohttp_keys).digest(),
            issuer_keys=self._issuer_keys(),
            parameters=Parameters(
                candidates=self._config.candidates, pace=self._config.pace, tokens=self._terms()
            ),
        )

    async def _submit(self) -> None:
        """Put the pending entry into the log, advance, and serve what it commits to."""
        pending = self._pending()
        if pending is None or self._state.pending is None:
            return
        index, leaf = await self._reader.add(self._state.pending)
        if leaf != pending.leaf_hash:
            raise ChainError("the log took another entry than the one submitted")
        await self._store(self._state.advanced(pending, index))
        listing, self._submitting = self._submitting, None
        if listing is not None:
            self._serve(listing, pending.not_after)

    def _serve(self, listing: Listing, not_after: int) -> None:
        head, status = self._state.head, self._state.status
        if head is None or status is None:
            raise ChainError("a window cannot be served before its entry and a status entry")
        publication = self._publication(listing, head, status.index, not_after)
        directories = {one.model_id.hex(): one for one in listing.directories.values()}
        self.window = Window(publication=publication, directories=directories)
        self._telemetry.nodes.set(len(listing.evidence))
        self._telemetry.sequence.set(head.sequence)
        log("published", sequence=head.sequence, index=head.index, count=len(listing.evidence))

    def _publication(
        self, listing: Listing, head: Head, status: int, not_after: int
    ) -> Publication:
        return Publication(
            service=self._config.service,
            index=head.index,
            status=status,
            sequence=head.sequence,
            not_after=not_after,
            models=tuple(
                PublishedModel(name=name, size=one.size)
                for name, one in listing.directories.items()
            ),
            nodes=self._nodes(),
            tokens=self._tokens(),
        )

    def _terms(self) -> TokenTerms | None:
        settings = self._config.tokens
        if settings is None:
            return None
        return TokenTerms(issuer=settings.name, output=settings.output)

    def _issuer_keys(self) -> tuple[bytes, ...]:
        if self._config.tokens is None:
            return ()
        return tuple(key.id for key in offered_keys(self._state.issuer_keys))

    def _tokens(self) -> PublishedTokens | None:
        """Give the terms with all keys that clients may hold by an entry that has not run out."""
        terms = self._terms()
        if terms is None:
            return None
        keys = paying_keys(self._state.issuer_keys, now=self._clock(), most=MAX_TOKEN_KEYS)
        return PublishedTokens(
            issuer=terms.issuer, output=terms.output, keys=tuple(key.spki for key in keys)
        )

    def _nodes(self) -> tuple[PublishedNode, ...]:
        """Give the nodes with live keys, those that were listed last at first."""
        holders = self._state.holders.values()
        return tuple(
            PublishedNode(
                url=one.url, server_name=one.server_name, keys=tuple(one.keys), leaf=one.leaf
            )
            for one in sorted(holders, key=lambda one: -max(one.keys.values()))
        )

    def _pending(self) -> Service | None:
        entry = self._state.pending
        try:
            return None if entry is None else verify_service(entry, self._own)
        except (MalformedError, UntrustedError) as error:
            raise ChainError(
                "the pending entry is not signed by the configured service key; "
                "put it into the log with the key that signed it"
            ) from error

    async def _store(self, state: ChainState) -> None:
        if state != self._state:
            await asyncio.to_thread(chain.store, self._config.state, state)
            self._state = state
