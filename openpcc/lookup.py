"""One look at the service: keys, log, directory, evidence; each verified before the next is used.

The steps of DESIGN 4.3, numbered here and in `Lookup.look`:

1. keys        the gateway's OHTTP key configs, worth nothing until step 5 names their digest
2. hint        where in the log to look; trusted for nothing
3. checkpoint  witnessed, recent, and an extension of the newest this client has seen
4. entries     everything from the hint to the checkpoint's end, read and proved here
5. service     the newest entry of this service and the newest status; current, never going back
6. shard       this client's sixteen leaves, proved to be of the logged directory
7. nodes       each leaf's evidence, compared with its leaf and judged by `openpcc.trust`

Blocking. It moves bytes and remembers; each decision is a pure function of another file.
"""

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from openpcc import directory, release_checks, shards
from openpcc.carrier import Carrier
from openpcc.config import ClientConfig
from openpcc.directory import MalformedDirectoryError, VerifiedShard
from openpcc.errors import DirectoryError, GatewayError
from openpcc.gateway_files import GatewayFiles
from openpcc.judging import Judge, Judgement, contradicted
from openpcc.protocol import hpke, messages
from openpcc.protocol.errors import ProtocolError
from openpcc.protocol.ohttp import KeyConfig, parse_configs
from openpcc.record import CHECKPOINT_AGE, Record, RecordReader
from openpcc.state import StateFile
from openpcc.trust import LogView
from transparency_log.client import LogClient
from transparency_log.entry import Service, Status
from transparency_log.errors import EquivocationError, LogError
from transparency_log.service import ServedModel
from transparency_log.witness_policy import WitnessedCheckpoint

SUPPORTED = (hpke.KEM_XWING, hpke.KEM_X25519)
"""KEMs of the outer layer this client can use; the operator's order decides."""

MAX_BUNDLE = 4 * 2**20
"""Bytes of an evidence bundle."""

MAX_KEPT = 64 * 2**20
"""Bytes of bundles kept to be judged again; beyond that they are fetched again."""

LOOK = 180
"""Seconds a look may take, however slowly each answer is fed."""

BEHIND = 2
"""Seconds until a gateway has taken over a new window: it looks at the publisher every second."""


class BehindError(DirectoryError):
    """The gateway serves another directory than the log's newest entry names.

    For a second or two after an entry is logged that is so; after that it is a refusal.
    """


class RefusedShardError(DirectoryError):
    """More than a quarter of a shard's places are empty, missing or failing."""


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


@dataclass(frozen=True, kw_only=True)
class JudgedShard:
    """The judgements of a shard that was not refused; `places` as of `shards.places`."""

    judged: tuple[Judgement, ...]
    places: int


NOBODY = JudgedShard(judged=(), places=0)
"""Of a model whose directory is empty, or none of whose shards can be used."""


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
        self._judging = Judge(config.policy, states)
        self._kept: dict[bytes, Judgement] = {}
        self._listed: set[bytes] = set()

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
        shown, refused = self._models(files, log, service, view, now)  # 6, 7
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

    def _models(
        self, files: GatewayFiles, log: LogClient, service: Service, view: LogView, now: int
    ) -> tuple[dict[str, JudgedShard], dict[str, DirectoryError]]:
        """Steps 6 and 7: each model by itself; one whose nodes fail takes no other with it."""
        judged: dict[str, JudgedShard] = {}
        refused: dict[str, DirectoryError] = {}
        self._listed = set()
        try:
            for model in service.models:
                try:
                    judged[model.name] = self._model(files, log, model, view, now)
                except DirectoryError as error:
                    if error.code == "equivocation":  # of the log: no model rests on it
                        raise
                    judged[model.name], refused[model.name] = NOBODY, error
        finally:  # also after an error: what is not listed any more is not kept
            self._kept = {leaf: row for leaf, row in self._kept.items() if leaf in self._listed}
        if refused and not any(one.judged for one in judged.values()):
            raise next(iter(refused.values()))
        return judged, refused

    def _model(
        self, files: GatewayFiles, log: LogClient, model: ServedModel, view: LogView, now: int
    ) -> JudgedShard:
        """Judge the shard this client keeps; if that is of no use, the one spare of this window."""
        size = model.directory.size
        if size == 0:
            return NOBODY
        name, at = directory.model_id(model.name), max(now, view.witnessed)
        kept = self._states.update(
            lambda old: replace(old, shards=shards.with_kept(old.shards, name, size=size, now=at))
        ).shards[name]
        if kept.leaf < size:
            try:
                return self._nodes(files, log, model, shards.number_of(kept.leaf), view, now)
            except RefusedShardError:
                if directory.shard_count(size) == 1:
                    raise
        spare = (
            self._states.update(
                lambda old: replace(
                    old, shards=shards.with_spare(old.shards, name, size=size, now=at)
                )
            )
            .shards[name]
            .spare
        )
        return self._nodes(files, log, model, shards.number_of(spare or 0), view, now)

    def _nodes(
        self,
        files: GatewayFiles,
        log: LogClient,
        model: ServedModel,
        number: int,
        view: LogView,
        now: int,
    ) -> JudgedShard:
        """Steps 6 and 7 for one shard."""
        shard = self._shard(files, model, number)
        listed = [leaf for leaf in shard.leaves if leaf is not None]
        places = shards.places(shard.leaves, size=model.directory.size)
        if shards.too_few(len(listed), places):
            why = f"{places - len(listed)} of {places} places of the shard are empty"
            raise RefusedShardError("unavailable", why)
        judged = tuple(self._judge(files, log, leaf, view, now) for leaf in listed)
        failing = [one for one in judged if not one.serves(model.name)]
        if shards.too_few(len(listed) - len(failing), places):
            raise _refused_shard(failing, len(listed), places)
        return JudgedShard(judged=judged, places=places)

    def _shard(self, files: GatewayFiles, model: ServedModel, number: int) -> VerifiedShard:
        """Step 6."""
        path = f"/directory/{directory.model_id(model.name)}/{number}"
        try:
            return directory.verify_shard(
                files.get(path, directory.MAX_SHARD_BYTES),
                model=model.name,
                number=number,
                size=model.directory.size,
                root=model.directory.root,
            )
        except MalformedDirectoryError as error:
            raise BehindError("unavailable", str(error)) from error
        except GatewayError as error:
            if error.status != 404:
                raise
            raise BehindError("unavailable", f"{path} is not served") from error

    def _judge(
        self,
        files: GatewayFiles,
        log: LogClient,
        leaf: messages.DirectoryLeaf,
        view: LogView,
        now: int,
    ) -> Judgement:
        """Step 7 for one leaf. A judgement stands until it expires or a newer status comes.

        What does not stand is judged again from the bytes at hand, and once more from the
        gateway's: endorsements may have been renewed, and are not part of the leaf.
        """
        found = leaf.leaf_hash()
        self._listed.add(found)
        kept = self._kept.get(found)
        at = max(now, view.witnessed)
        if kept and kept.status == view.status.payload_digest and kept.stands(at):
            return kept
        again = (
            self._judging.judge(kept.bundle, leaf, log, view, now) if kept and kept.bundle else None
        )
        if again is None or again.node is None:
            try:
                data = files.get(f"/bundle/{found.hex()}", MAX_BUNDLE)
            except (GatewayError, DirectoryError) as error:
                return again or Judgement(leaf=leaf, problem=f"evidence not to be had: {error}")
            again = self._judging.judge(data, leaf, log, view, now)
        self._keep(again)
        return again

    def _keep(self, judgement: Judgement) -> None:
        held = sum(len(one.bundle) for one in self._kept.values())
        if held + len(judgement.bundle) > MAX_KEPT:
            judgement = replace(judgement, bundle=b"")
        self._kept[judgement.leaf_hash] = judgement

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


def _refused_shard(failing: Sequence[Judgement], listed: int, places: int) -> RefusedShardError:
    reports = tuple(one.report for one in failing if one.report is not None and one.node is None)
    checks = {report.failed[0].id: report.failed[0] for report in reports}
    why = "; ".join(checks[name].refusal for name in sorted(checks))
    if not checks:
        why = "their evidence is not to be had"
    if not reports and any(one.node is not None for one in failing):
        why = "by their evidence they serve other models"
    empty = f", beside {places - listed} empty places" if places > listed else ""
    return RefusedShardError(
        "unavailable",
        f"{len(failing)} of {listed} nodes of the shard fail{empty}: {why}",
        reports=reports,
    )
