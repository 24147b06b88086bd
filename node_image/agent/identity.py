"""Who this node is: the epochs of its keys, and the evidence that quotes them.

A beacon comes in, keys are made, the attester quotes them, the bundle is served. The next epoch is
made early enough that every client knows it before the old one ends. Several epochs are live at a
time, each until `not_after` + 300 s on the monotonic clock; erasure waits for nothing and nobody.

A device that is reset or replaced ends every live epoch at once: what they say of it is no longer
true. The next one asks the devices anew, and GPUs take no work before they have answered it.

The node opens no connection: beacon and endorsements are brought to it. Neither is believed here;
clients judge both. They are only parsed, so that garbage does not cost an epoch.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from node_image.agent.clock import Clock
from node_image.agent.config import RENEWAL_MARGIN
from node_image.agent.epoch import ERASURE_MARGIN, Epoch, EpochKeys
from node_image.agent.errors import EvidenceError, NotReadyError
from node_image.agent.evidence import (
    Bundle,
    EpochTerms,
    Evidence,
    Stapled,
    check_beacon,
    parse_endorsements,
)
from node_image.agent.receipts import Service
from node_image.agent.replay import ReplaySet
from node_image.agent.telemetry import Telemetry, log
from openpcc.protocol.errors import BusyError, UnknownKeyError
from openpcc.protocol.messages import Challenge
from openpcc.protocol.sealing import NodePrivateKey

BEACON_AGE = 540
"""Seconds after its arrival that a beacon is used: clients want its time within 10 min of
`not_before`."""

MAX_LIVE = 4
"""Epochs live at a time: a host that keeps turning the wall clock cannot make more."""

CHALLENGE_PAUSE = 2.0
"""Seconds between the end of a challenge and the next: a quote occupies the secure processor, and
the devices' reports the devices."""

CLOCK_SLACK = 300
"""Seconds the wall clock may leave an epoch's course before another epoch replaces it."""

DEVICES_INTERVAL = 5.0
"""Seconds between two looks at the devices: one that begins anew must not catch up meanwhile."""

ROUND = 1.0
"""Seconds between two looks at the clock."""


@dataclass(frozen=True, kw_only=True)
class ServiceFacts:
    """What receipts say alike in every epoch."""

    release: bytes
    model: str
    model_digest: bytes
    engine: str
    parameters: bytes


@dataclass(frozen=True, kw_only=True)
class _Beacon:
    checkpoint: bytes
    arrived: float


@dataclass(frozen=True, kw_only=True)
class _Quoted:
    """An epoch and the bundle that offers it."""

    epoch: Epoch
    terms: EpochTerms
    bundle: Bundle
    made: float


class Identity:
    """The live epochs, newest last.

    Attributes:
        admitted: set once the devices may take work: with the first epoch, or at once where there
            are none that need to be let. An engine started before would not find them.
    """

    def __init__(
        self,
        *,
        evidence: Evidence,
        facts: ServiceFacts,
        length: int,
        replay: ReplaySet,
        clock: Clock,
        telemetry: Telemetry,
    ) -> None:
        self._evidence = evidence
        self._facts = facts
        self._length = length
        self._replay = replay
        self._clock = clock
        self._telemetry = telemetry
        self._live: list[_Quoted] = []
        self._made = 0
        self._beacon: _Beacon | None = None
        self._stapled: Stapled = ()
        self._challenged = float("-inf")
        self._watched = float("-inf")
        self._making = asyncio.Lock()
        self.admitted = asyncio.Event()
        if not evidence.watches:
            self.admitted.set()

    @property
    def machine(self) -> bytes:
        """Machine id digest, for the publisher's slots."""
        return self._evidence.machine

    def waiting(self) -> str | None:
        """Say what is missing before requests can be sealed to this node."""
        return None if self._live else "a beacon"

    def find(self, ids: Sequence[bytes]) -> tuple[NodePrivateKey, Epoch] | None:
        """Give the first live key that is named, newest epochs first."""
        self.erase_due()
        for quoted in reversed(self._live):
            key = quoted.epoch.find(ids)
            if key is not None:
                return key, quoted.epoch
        return None

    def evidence(self) -> bytes:
        """Give the newest bundle, with what is stapled to it by now.

        Raises:
            NotReadyError: no epoch is live.
        """
        return self._newest().bundle.encode(self._stapled)

    async def challenge(self, challenge: Challenge) -> bytes:
        """Quote the keys of a live epoch once more, over an auditor's nonce.

        Raises:
            NotReadyError: no epoch is live.
            UnknownKeyError: none that is live has the key.
            BusyError: another is under way, or ended less than `CHALLENGE_PAUSE` ago.
            EvidenceError: the platform gave no quote.
        """
        terms = self._terms(challenge.key_id)
        if self._clock.monotonic() - self._challenged < CHALLENGE_PAUSE:
            raise BusyError("one challenge at a time, and a pause of two seconds behind it")
        self._challenged = float("inf")
        try:
            bundle = await asyncio.to_thread(self._evidence.collect, terms, challenge.nonce)
        finally:
            self._challenged = self._clock.monotonic()
        return bundle.encode(self._stapled)

    async def put_beacon(self, checkpoint: bytes) -> None:
        """Keep a checkpoint for the next epoch; make the first epoch if there is none.

        Raises:
            MalformedError: not a signed note.
        """
        check_beacon(checkpoint)
        self._beacon = _Beacon(checkpoint=checkpoint, arrived=self._clock.monotonic())
        await self.look()

    def put_endorsements(self, document: bytes) -> None:
        """Staple these from now on, in place of those put before.

        Raises:
            MalformedError: not a list of endorsements.
        """
        self._stapled = parse_endorsements(document)

    async def run(self) -> None:
        """Look at the clock for ever."""
        while True:
            await self.look()
            await asyncio.sleep(ROUND)

    async def look(self) -> None:
        """Erase what is due, or no longer true; make an epoch if one is due."""
        self.erase_due()
        async with self._making:
            await self._watch()
            if self._due():
                await self._make()

    def erase_due(self) -> None:
        """Erase every epoch whose time has come, and all of them when the replay set is full."""
        now = self._clock.monotonic()
        for quoted in list(self._live):
            if now >= quoted.epoch.erase_at or self._replay.full:
                self._erase(quoted)

    def erase(self) -> None:
        """Erase everything: the node stops, or is no longer what it said."""
        for quoted in list(self._live):
            self._erase(quoted)

    def _erase(self, quoted: _Quoted) -> None:
        quoted.epoch.erase()
        self._live.remove(quoted)
        self._replay.end(quoted.epoch.number)
        self._telemetry.live_epochs.dec()
        log("epoch erased", epoch=quoted.epoch.number)

    async def _watch(self) -> None:
        """Erase everything if a device is no longer what all live evidence says of it."""
        now = self._clock.monotonic()
        if not self._evidence.watches or now - self._watched < DEVICES_INTERVAL:
            return
        self._watched = now
        changes = await asyncio.to_thread(self._evidence.changes)
        for change in changes:
            log("devices changed", reason=change)
            self.erase()
        if changes:
            await self._stop_devices()

    async def _stop_devices(self) -> None:
        """Let changed devices take no work before the next epoch has asked them anew."""
        try:
            await asyncio.to_thread(self._evidence.stop_devices)
        except EvidenceError as error:
            log("devices not stopped", reason=str(error))

    def _terms(self, key_id: bytes) -> EpochTerms:
        """Give the terms of the live epoch that has a key."""
        self._newest()
        for quoted in self._live:
            if quoted.epoch.find([key_id]) is not None:
                return quoted.terms
        raise UnknownKeyError("no live epoch has this key")

    def _newest(self) -> _Quoted:
        self.erase_due()
        if not self._live:
            raise NotReadyError("no beacon has come, or no quote has been made")
        return self._live[-1]

    def _due(self) -> bool:
        now = self._clock.monotonic()
        if self._beacon is None or now - self._beacon.arrived > BEACON_AGE:
            return False
        if not self._live:
            return True
        newest = self._live[-1]
        if now >= newest.epoch.renew_at:
            return True
        drift = (self._clock.wall() - newest.epoch.not_before) - (now - newest.made)
        return abs(drift) > CLOCK_SLACK and len(self._live) < MAX_LIVE

    async def _make(self) -> None:
        beacon = self._beacon
        if beacon is None:
            return
        # Taken before the keys exist: erasure may come early, never late.
        made, not_before = self._clock.monotonic(), self._clock.wall()
        keys = EpochKeys.generate()
        terms = EpochTerms(
            hpke=tuple(key.node_key.config for key in keys.sealing),
            receipt=keys.receipt_public(),
            not_before=not_before,
            not_after=not_before + self._length,
            checkpoint=beacon.checkpoint,
        )
        try:
            bundle = await asyncio.to_thread(self._evidence.collect, terms, None)
            await asyncio.to_thread(self._evidence.admit, bundle)
        except EvidenceError as error:
            log("no evidence", reason=str(error))
            return
        self.admitted.set()
        self._adopt(keys, terms, bundle, made)

    def _adopt(self, keys: EpochKeys, terms: EpochTerms, bundle: Bundle, made: float) -> None:
        number, self._made = self._made, self._made + 1
        epoch = Epoch(
            number=number,
            keys=keys,
            service=Service(
                release=self._facts.release,
                model=self._facts.model,
                model_digest=self._facts.model_digest,
                not_before=terms.not_before,
                not_after=terms.not_after,
                binding=bundle.binding,
                engine=self._facts.engine,
                parameters=self._facts.parameters,
            ),
            renew_at=made + self._length - RENEWAL_MARGIN,
            erase_at=made + self._length + ERASURE_MARGIN,
        )
        self._replay.begin(number)
        self._live.append(_Quoted(epoch=epoch, terms=terms, bundle=bundle, made=made))
        self._telemetry.epochs.inc()
        self._telemetry.live_epochs.inc()
        log("epoch made", epoch=number)
