"""One look at the service: keys, log, directory, evidence; each verified before the next is used.

The steps of DESIGN 4.3, numbered here and in `Lookup.look`:

1. keys        the gateway's OHTTP key configs, worth nothing until step 5 names their digest
2. hint        where in the log to look; trusted for nothing
3. checkpoint  witnessed, recent, and an extension of the newest this client has seen
4. entries     everything from the hint to the checkpoint's end, read and proved here
5. service     the newest entry of this service and the newest status; current, never going back
6. shard       this client's sixteen leaves, proved to be of the logged directory (`shard_judging`)
7. nodes       each leaf's evidence, compared with its leaf and judged by `openpcc.trust`

Blocking. It moves bytes and remembers; each decision is a pure function of another file.
"""

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from openpcc import directory, release_checks
from openpcc.carrier import Carrier
from openpcc.config import ClientConfig
from openpcc.directory import MalformedDirectoryError
from openpcc.errors import DirectoryError
from openpcc.gateway_files import GatewayFiles
from openpcc.judging import Judge, Judgement, contradicted
from openpcc.protocol import hpke
from openpcc.protocol.errors import ProtocolError
from openpcc.protocol.ohttp import KeyConfig, parse_configs
from openpcc.record import CHECKPOINT_AGE, Record, RecordReader
from openpcc.shard_judging import BehindError, ShardJudge, Sources
from openpcc.state import StateFile
from openpcc.trust import LogView
from transparency_log.client import LogClient
from transparency_log.entry import Service, Status
from transparency_log.errors import EquivocationError, LogError
from transparency_log.witness_policy import WitnessedCheckpoint

SUPPORTED = (hpke.KEM_XWING, hpke.KEM_X25519)
"""KEMs of the outer layer this client can use; the operator's order decides."""

LOOK = 180
"""Seconds a look may take, however slowly each answer is fed."""

BEHIND = 2
"""Seconds until a gateway has taken over a new window: it looks at the publisher every second."""


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """What one look established. `expires` is the earliest of everything but the nodes' own."""

    keys: KeyConfig
    service: Service
    status: Status
    newest: WitnessedCheckpoint
    expires: int
    view: LogView
    judged: Mapping[str, tuple[Judgement, ...]]
    """By model name, one judgement per listed leaf of this client's shard."""
    places: Mapping[str, int] = field(default_factory=dict)
    """By model name, of how many places three quarters must be good; left out: those listed."""
    refused: Mapping[str, DirectoryError] = field(default_factory=dict)
    """By model name, why none of its shards can be used; such a model has no judgements."""


class Lookup:
    """Looks at one service, keeping what need not be verified twice."""

    def __init__(
        self,
        config: ClientConfig,
        carrier: Carrier,
        states: StateFile,
        *,
        wait: Callable[[float], object] = time.sleep,
        files: Callable[[Carrier, KeyConfig, str], GatewayFiles] = GatewayFiles,
    ) -> None:
        """Look at nothing yet.

        Args:
            config: where the service is, and whom to believe.
            carrier: fetches.
            states: what was accepted before.
            wait: until a gateway that was a moment behind has caught up.
            files: reads what the gateway serves; `openpcc audit attack` puts a hostile one there.
        """
        self._policy = config.policy
        self._carrier = carrier
        self._states = states
        self._wait = wait
        self._files = files
        self._record = RecordReader(config.policy, states)
        self._shards = ShardJudge(Judge(config.policy, states), states)

    def look(self, now: int) -> Snapshot:
        """Look once; a second time if the gateway was a moment behind the log's newest entry.

        Raises:
            DirectoryError: the record is missing, old, or contradicts itself.
            GatewayError, TransportError, TruncatedReplyError: something could not be fetched.
            ConfigurationError: the state cannot be kept.
        """
        with self._carrier.limited(LOOK):
            try:
                found = self._look(now)
            except BehindError:
                found = None
            if found is None or any(isinstance(e, BehindError) for e in found.refused.values()):
                self._wait(BEHIND)
                found = self._look(now + BEHIND)
        return found

    def entry(self, now: int) -> Service:
        """Read the newest service entry alone, steps 1 to 5: of no shard, so no shard is shown.

        Raises:
            DirectoryError, GatewayError, TransportError, TruncatedReplyError, ConfigurationError:
                as `look`.
        """
        with self._carrier.limited(LOOK):
            return self._begin(now)[3].service.entry

    def _begin(self, now: int) -> tuple[KeyConfig, GatewayFiles, LogClient, Record]:
        """Steps 1 to 5."""
        self._refuse_proven()
        raw_keys = self._carrier.keys()  # 1
        keys = first_key(raw_keys)
        files = self._files(self._carrier, keys, self._policy.service)
        log = LogClient(self._policy.log, files.log)
        return keys, files, log, self._read(files, log, raw_keys, now)

    def _look(self, now: int) -> Snapshot:
        keys, files, log, record = self._begin(now)  # 1 to 5
        view = LogView(newest=record.newest, status=record.status.entry, witnessed=record.witnessed)
        service = record.service.entry
        sources = Sources(files=files, log=log, view=view, now=now)
        shown, refused = self._shards.judge(service.models, sources)  # 6, 7
        return Snapshot(
            keys=keys,
            service=service,
            status=view.status,
            newest=view.newest,
            view=view,
            expires=min(
                service.not_after,
                view.newest.time + CHECKPOINT_AGE,
                view.status.issued + release_checks.STATUS_AGE,
            ),
            judged={name: one.judged for name, one in shown.items()},
            places={name: one.places for name, one in shown.items()},
            refused=refused,
        )

    def _read(self, files: GatewayFiles, log: LogClient, raw_keys: bytes, now: int) -> Record:
        """Steps 2 to 5."""
        try:
            hint = directory.parse_hint(files.get("/service", directory.MAX_HINT))
            if hint.service != self._policy.service:
                raise MalformedDirectoryError("service hint: of another service")
            record = self._record.read(log, hint, now=now)
        except MalformedDirectoryError as error:
            raise DirectoryError("unavailable", str(error)) from error
        except EquivocationError as error:
            raise contradicted(self._states, error) from error
        except LogError as error:
            raise DirectoryError("unavailable", f"log: {error}") from error
        if hashlib.sha256(raw_keys).digest() != record.service.entry.ohttp_keys:
            raise DirectoryError("unavailable", "the OHTTP keys are not those of the service entry")
        return record

    def _refuse_proven(self) -> None:
        """Refuse a service that is known to contradict itself: a later look may be shown less."""
        proof = self._states.proof()
        if proof is not None:
            raise DirectoryError(
                "equivocation",
                f"the service has contradicted itself; the proof is in {proof}, and only removing "
                "it makes this client look again",
            )


def first_key(raw: bytes) -> KeyConfig:
    """Take the first config this client can use: the operator's newest.

    Raises:
        DirectoryError: there is none.
    """
    try:
        configs = parse_configs(raw)
    except ProtocolError as error:
        raise DirectoryError("unavailable", f"OHTTP keys: {error}") from error
    for config in configs:
        if config.kem_id in SUPPORTED:
            return config
    raise DirectoryError("unavailable", "the gateway offers no OHTTP key of a known suite")
