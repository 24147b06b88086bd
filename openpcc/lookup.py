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
from collections.abc import Mapping
from dataclasses import dataclass, field

from attestation.errors import AttestationError
from attestation.result import Report
from openpcc import directory, state, trust
from openpcc.carrier import Carrier
from openpcc.config import ClientConfig
from openpcc.directory import MalformedDirectoryError, VerifiedShard
from openpcc.errors import DirectoryError, GatewayError, RefusedError
from openpcc.gateway_files import GatewayFiles
from openpcc.protocol import hpke, messages
from openpcc.protocol.errors import ProtocolError
from openpcc.protocol.ohttp import KeyConfig, parse_configs
from openpcc.state import ClientState, Position, Shard, StateFile
from openpcc.trust import LogView, TrustedNode
from transparency_log import scan
from transparency_log.client import LogClient
from transparency_log.entry import Service, Status
from transparency_log.errors import EquivocationError, LogError
from transparency_log.log_range import LogRange
from transparency_log.witness_policy import WitnessedCheckpoint, verify_checkpoint

SUPPORTED = (hpke.KEM_XWING, hpke.KEM_X25519)
"""KEMs of the outer layer this client can use; the operator's order decides."""

MAX_SCAN = 8192
"""Entries read in one look; a current hint leaves a few dozen. More is a gateway's obstruction."""

MAX_BUNDLE = 4 * 2**20
"""Bytes of an evidence bundle."""

CHECKPOINT_AGE = 2 * messages.WINDOW
"""Seconds a checkpoint counts as the log's present."""

BEHIND = 2.0
"""Seconds until a gateway has taken over a new window: it looks at the publisher every second."""

MISSING_QUARTER = 4
"""A shard of which more than one in this many leaves is missing or failing is refused whole."""


class BehindError(DirectoryError):
    """The gateway serves another directory than the log's newest entry names.

    For a second or two after an entry is logged that is so; after that it is a refusal.
    """


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What became of one listed leaf: a trusted node, a refusal with its report, or a problem."""

    leaf: messages.DirectoryLeaf
    node: TrustedNode | None = None
    report: Report | None = None
    problem: str = ""
    """Why there is no report, where there is none."""
    bundle: bytes = field(default=b"", repr=False)
    status: bytes = b""
    """Payload digest of the status entry it was judged under."""

    @property
    def leaf_hash(self) -> bytes:
        """The address of its evidence."""
        return self.leaf.leaf_hash()

    def stands(self, now: int) -> bool:
        """Say whether a trusted node may still be used without judging again."""
        return self.node is not None and now < self.node.expires


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


class Lookup:
    """Looks at one service, keeping what need not be verified twice."""

    def __init__(self, config: ClientConfig, carrier: Carrier, states: StateFile) -> None:
        self._policy = config.policy
        self._carrier = carrier
        self._states = states
        self._kept: dict[bytes, Judgement] = {}

    def look(self, now: int) -> Snapshot:
        """Look once; a second time if the gateway was a moment behind the log's newest entry.

        Raises:
            DirectoryError: the record is missing, old, or contradicts itself.
            GatewayError, TransportError, TruncatedReplyError: something could not be fetched.
        """
        try:
            return self._look(now)
        except BehindError:
            time.sleep(BEHIND)
            return self._look(now)

    def _look(self, now: int) -> Snapshot:
        known = self._states.load()
        raw_keys = self._carrier.keys()  # 1
        keys = _first_key(raw_keys)
        files = GatewayFiles(self._carrier, keys, self._policy.service)
        log = LogClient(self._policy.log, files.log)
        try:
            hint = directory.parse_hint(files.get("/service", directory.MAX_HINT))  # 2
            if hint.service != self._policy.service:
                raise MalformedDirectoryError("service hint: of another service")
            newest = self._checkpoint(log, known, now)  # 3
            entries = _entries(log, newest, min(hint.index, hint.status))  # 4
            service, status = self._record(entries, known, now, raw_keys)  # 5
        except MalformedDirectoryError as error:
            raise DirectoryError("unavailable", str(error)) from error
        except EquivocationError as error:
            raise DirectoryError("equivocation", self._keep_proof(error)) from error
        except LogError as error:
            raise DirectoryError("unavailable", f"log: {error}") from error
        view = LogView(
            newest=newest, status=status.entry, witnessed=max(known.witnessed, newest.time)
        )
        self._remember(newest, service, status)
        judged = {
            model.name: self._nodes(files, log, service.entry, model.name, view, now)
            for model in service.entry.models
            if model.directory.size
        }
        listed = {row.leaf_hash: row for rows in judged.values() for row in rows}
        self._kept = {leaf: row for leaf, row in listed.items() if row.bundle}
        return Snapshot(
            keys=keys,
            service=service.entry,
            status=status.entry,
            newest=newest,
            view=view,
            expires=min(
                service.entry.not_after,
                newest.time + CHECKPOINT_AGE,
                status.entry.issued + trust.STATUS_AGE,
            ),
            judged=judged,
        )

    def _checkpoint(self, log: LogClient, known: ClientState, now: int) -> WitnessedCheckpoint:
        """Step 3."""
        newest = log.checkpoint()
        if newest.time < max(now, known.witnessed) - CHECKPOINT_AGE:
            raise DirectoryError("stale", "the log's checkpoint is older than two windows")
        if known.checkpoint:
            log.consistency(verify_checkpoint(known.checkpoint, self._policy.log), newest)
        return newest

    def _record(
        self, entries: LogRange, known: ClientState, now: int, raw_keys: bytes
    ) -> tuple[scan.Found[Service], scan.Found[Status]]:
        """Step 5."""
        policy = self._policy
        service = scan.newest_service(entries, policy.service, policy.service_signers)
        status = scan.newest_status(entries, policy.status_signers)
        if service is None or status is None:
            raise DirectoryError("unavailable", "the log has no entry of this service or no status")
        _never_back("service", known.service, service.index, service.entry.sequence)
        _never_back("status", known.status, status.index, status.entry.sequence)
        judged = max(now, entries.witnessed.time)
        if not service.entry.not_before - trust.CLOCK_TOLERANCE <= judged < service.entry.not_after:
            raise DirectoryError("stale", "the newest service entry is not valid now")
        if hashlib.sha256(raw_keys).digest() != service.entry.ohttp_keys:
            raise DirectoryError("unavailable", "the OHTTP keys are not those of the service entry")
        return service, status

    def _remember(
        self,
        newest: WitnessedCheckpoint,
        service: scan.Found[Service],
        status: scan.Found[Status],
    ) -> None:
        seen = ClientState(
            checkpoint=newest.note,
            witnessed=newest.time,
            service=Position(index=service.index, sequence=service.entry.sequence),
            status=Position(index=status.index, sequence=status.entry.sequence),
        )
        self._states.update(lambda old: state.newest(old, seen))

    def _nodes(
        self,
        files: GatewayFiles,
        log: LogClient,
        service: Service,
        model: str,
        view: LogView,
        now: int,
    ) -> tuple[Judgement, ...]:
        """Steps 6 and 7 for one model."""
        shard = self._shard(files, service, model, now)
        listed = [leaf for leaf in shard.leaves if leaf is not None]
        judgements = [self._judge(files, log, leaf, view, now) for leaf in listed]
        failing = sum(judgement.node is None for judgement in judgements)
        if failing * MISSING_QUARTER > len(listed):
            reports = tuple(one.report for one in judgements if one.node is None and one.report)
            checks = sorted({report.failed[0].id for report in reports})
            why = f"check {', '.join(checks)}" if checks else "their evidence is not to be had"
            raise DirectoryError(
                "unavailable",
                f"{failing} of {len(listed)} nodes of the shard fail: {why}",
                reports=reports,
            )
        return tuple(judgements)

    def _shard(self, files: GatewayFiles, service: Service, model: str, now: int) -> VerifiedShard:
        """Step 6: the shard this client keeps for a day, or a newly drawn one."""
        found = next(one.directory for one in service.models if one.name == model)
        name = directory.model_id(model)
        kept = self._states.load().shards.get(name)
        if (
            kept is None
            or now - kept.drawn >= directory.KEEP_SHARD
            or kept.shard >= directory.shard_count(found.size)
        ):
            kept = Shard(shard=directory.draw_shard(found.size), drawn=now)
            drawn = ClientState(shards={name: kept})
            self._states.update(lambda old: state.newest(old, drawn))
        path = f"/directory/{name}/{kept.shard}"
        data = files.get(path, directory.MAX_SHARD_BYTES)
        try:
            return directory.verify_shard(
                data, model=model, number=kept.shard, size=found.size, root=found.root
            )
        except MalformedDirectoryError as error:
            raise BehindError("unavailable", str(error)) from error

    def _judge(
        self,
        files: GatewayFiles,
        log: LogClient,
        leaf: messages.DirectoryLeaf,
        view: LogView,
        now: int,
    ) -> Judgement:
        """Step 7 for one leaf. A judgement stands until it expires or a newer status comes."""
        found = leaf.leaf_hash()
        kept = self._kept.get(found)
        if kept and kept.status == view.status.payload_digest and kept.stands(now):
            return kept
        try:
            data = kept.bundle if kept else files.get(f"/bundle/{found.hex()}", MAX_BUNDLE)
            judgement = self._appraise(data, leaf, log, view, now)
        except (GatewayError, DirectoryError) as error:
            return Judgement(leaf=leaf, problem=f"evidence not to be had: {error}")
        self._kept[found] = judgement
        return judgement

    def _appraise(
        self, data: bytes, leaf: messages.DirectoryLeaf, log: LogClient, view: LogView, now: int
    ) -> Judgement:
        status = view.status.payload_digest
        try:
            node, floors = trust.establish(
                data,
                leaf=leaf,
                now=now,
                policy=self._policy,
                view=view,
                consistency=self._consistency(data, log, view),
                newest_crl=self._states.load().floors,
            )
        except RefusedError as error:
            return Judgement(leaf=leaf, report=error.report, bundle=data, status=status)
        self._states.update(lambda old: state.newest(old, ClientState(floors=floors)))
        return Judgement(leaf=leaf, node=node, report=node.report, bundle=data, status=status)

    def _consistency(self, data: bytes, log: LogClient, view: LogView) -> tuple[bytes, ...] | None:
        """Fetch the proof that the beacon's tree and ours are one history; None: not to be had.

        A beacon that does not even verify gets none: `trust` refuses it by name.
        """
        try:
            beacon = verify_checkpoint(trust.beacon_of(data), self._policy.log)
            return log.consistency(beacon, view.newest)
        except (LogError, AttestationError):
            return None

    def _keep_proof(self, error: EquivocationError) -> str:
        """Save both entries: together they prove that the operator shows different records."""
        where = self._states.save_proof(error.first, error.second)
        return f"{error}; both entries are kept in {where}; report them to the log's witnesses"


def _first_key(raw: bytes) -> KeyConfig:
    """Take the first config this client can use: the operator's newest."""
    try:
        configs = parse_configs(raw)
    except ProtocolError as error:
        raise DirectoryError("unavailable", f"OHTTP keys: {error}") from error
    for config in configs:
        if config.kem_id in SUPPORTED:
            return config
    raise DirectoryError("unavailable", "the gateway offers no OHTTP key of a known suite")


def _entries(log: LogClient, newest: WitnessedCheckpoint, start: int) -> LogRange:
    """Step 4."""
    if not 0 <= newest.checkpoint.size - start <= MAX_SCAN:
        raise DirectoryError("unavailable", f"the hint at {start} leaves too much of the log")
    return log.entries(newest, start)


def _never_back(chain: str, known: Position | None, index: int, sequence: int) -> None:
    """Refuse a record older than one accepted before, or another one of the same number."""
    if known is None or sequence > known.sequence:
        return
    if sequence < known.sequence:
        raise DirectoryError("stale", f"{chain} entry {sequence} is older than {known.sequence}")
    if index != known.index:
        raise DirectoryError("equivocation", f"{chain} entry {sequence} stands twice in the log")
