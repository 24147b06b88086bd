"""Steps 6 and 7 of a look: this client's shard of each model, proved, and its nodes judged.

6. shard       this client's sixteen leaves, proved to be of the logged directory
7. nodes       each leaf's evidence, compared with its leaf and judged by `openpcc.trust`

Blocking, like the rest of a look (`openpcc.lookup`). Which shard, and how many of its nodes may be
missing, `openpcc.shards` decides; which node is trusted, `openpcc.trust`. Judgements are kept, so
that no evidence is verified twice.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from openpcc import directory, shards
from openpcc.directory import MalformedDirectoryError, VerifiedShard
from openpcc.errors import DirectoryError, GatewayError
from openpcc.gateway_files import GatewayFiles
from openpcc.judging import Judge, Judgement
from openpcc.protocol.messages import DirectoryLeaf
from openpcc.state import ClientState, Draw, StateFile
from openpcc.trust import LogView
from transparency_log.client import LogClient
from transparency_log.service import ServedModel

MAX_BUNDLE = 4 * 2**20
"""Bytes of an evidence bundle."""

MAX_KEPT = 64 * 2**20
"""Bytes of bundles kept to be judged again; beyond that they are fetched again."""


class BehindError(DirectoryError):
    """The gateway serves another directory than the log's newest entry names.

    For a second or two after an entry is logged that is so; after that it is a refusal.
    """


class RefusedShardError(DirectoryError):
    """More than a quarter of a shard's places are empty, missing or failing."""


@dataclass(frozen=True, kw_only=True)
class Sources:
    """Where evidence comes from in one look, and what is known of the log by then."""

    files: GatewayFiles
    log: LogClient
    view: LogView
    now: int
    """Unix seconds, the local clock."""

    @property
    def at(self) -> int:
        """Give the moment for which is decided: DESIGN 5, `now`."""
        return max(self.now, self.view.witnessed)


@dataclass(frozen=True, kw_only=True)
class JudgedShard:
    """The judgements of a shard that was not refused; `places` as of `shards.places`."""

    judged: tuple[Judgement, ...]
    places: int


NOBODY = JudgedShard(judged=(), places=0)
"""Of a model whose directory is empty, or none of whose shards can be used."""

Verdicts = tuple[dict[str, JudgedShard], dict[str, DirectoryError]]
"""By model name: what was judged, and why nothing of a model can be used."""


class ShardJudge:
    """Judges the shards this client keeps, and keeps judgements of what is listed."""

    def __init__(self, judging: Judge, states: StateFile) -> None:
        """Know nothing yet.

        Args:
            judging: judges one bundle.
            states: remembers which shards are this client's.
        """
        self._judging = judging
        self._states = states
        self._kept: dict[bytes, Judgement] = {}
        self._listed: set[bytes] = set()

    def judge(self, models: Sequence[ServedModel], sources: Sources) -> Verdicts:
        """Judge each model by itself: one whose nodes fail takes no other with it.

        Raises:
            DirectoryError: no model can be used, or the log contradicts itself.
            GatewayError, TransportError, TruncatedReplyError: something could not be fetched.
            ConfigurationError: the state cannot be kept.
        """
        judged: dict[str, JudgedShard] = {}
        refused: dict[str, DirectoryError] = {}
        self._listed = set()
        try:
            for model in models:
                try:
                    judged[model.name] = self._model(model, sources)
                except DirectoryError as error:
                    if error.code == "equivocation":  # of the log: no model rests on it
                        raise
                    judged[model.name], refused[model.name] = NOBODY, error
        finally:  # also after an error: what is not listed any more is not kept
            self._kept = {leaf: row for leaf, row in self._kept.items() if leaf in self._listed}
        if refused and not any(one.judged for one in judged.values()):
            raise next(iter(refused.values()))
        return judged, refused

    def _model(self, model: ServedModel, sources: Sources) -> JudgedShard:
        """Judge the shard this client keeps; if that is of no use, the one spare of this day."""
        size, name = model.directory.size, directory.model_id(model.name)
        if size == 0:
            return NOBODY
        drawn = self._drawn(name, size, sources.at)
        refused = RefusedShardError("unavailable", "no shard can be used")
        for number in shards.numbers(drawn, name, size=size):
            try:
                return self._nodes(model, number, sources)
            except RefusedShardError as error:
                refused = error
        raise refused

    def _drawn(self, name: str, size: int, now: int) -> Draw:
        """Give the draw of this day with this model in it, kept before any shard is asked for."""

        def change(old: ClientState) -> ClientState:
            draw = shards.current(old.draw, now=now)
            return replace(old, draw=shards.with_model(draw, name, size=size))

        return shards.current(self._states.update(change).draw, now=now)

    def _nodes(self, model: ServedModel, number: int, sources: Sources) -> JudgedShard:
        """Steps 6 and 7 for one shard."""
        shard = _proved(model, number, sources.files)
        listed = [leaf for leaf in shard.leaves if leaf is not None]
        places = shards.places(shard.leaves, size=model.directory.size)
        if shards.too_few(len(listed), places):
            why = f"{places - len(listed)} of {places} places of the shard are empty"
            raise RefusedShardError("unavailable", why)
        judged = tuple(self.node(leaf, sources) for leaf in listed)
        failing = [one for one in judged if not one.serves(model.name)]
        if shards.too_few(len(listed) - len(failing), places):
            raise _refused_shard(failing, len(listed), places)
        return JudgedShard(judged=judged, places=places)

    def node(self, leaf: DirectoryLeaf, sources: Sources) -> Judgement:
        """Judge one leaf, step 7. A judgement stands until it expires or a newer status comes.

        What does not stand is judged again from the bytes at hand, and once more from the
        gateway's: endorsements may have been renewed, and are not part of the leaf.
        """
        found = leaf.leaf_hash()
        self._listed.add(found)
        kept = self._kept.get(found)
        same = kept is not None and kept.status == sources.view.status.payload_digest
        if kept is not None and same and kept.stands(sources.at):
            return kept
        again = self._bundle(kept.bundle, leaf, sources) if kept and kept.bundle else None
        if again is None or again.node is None:
            try:
                data = sources.files.get(f"/bundle/{found.hex()}", MAX_BUNDLE)
            except (GatewayError, DirectoryError) as error:
                return again or Judgement(leaf=leaf, problem=f"evidence not to be had: {error}")
            again = self._bundle(data, leaf, sources)
        self.keep(again)
        return again

    def keep(self, judgement: Judgement) -> None:
        """Keep a judgement, and its bundle while there is room."""
        held = sum(len(one.bundle) for one in self._kept.values())
        if held + len(judgement.bundle) > MAX_KEPT:
            judgement = replace(judgement, bundle=b"")
        self._kept[judgement.leaf_hash] = judgement

    def _bundle(self, data: bytes, leaf: DirectoryLeaf, sources: Sources) -> Judgement:
        return self._judging.judge(data, leaf, sources.log, sources.view, sources.now)


def _proved(model: ServedModel, number: int, files: GatewayFiles) -> VerifiedShard:
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
