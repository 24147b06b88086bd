"""Every shard of a service's directories, along every way, proved to the roots in the log.

A client looks at one shard of sixteen leaves; an auditor reads them all, and holds what came along
one way against the others.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from openpcc import directory
from openpcc.audit.gateway_tests import GATEWAY
from openpcc.audit.report import Finding
from openpcc.audit.service_path import MissingError, PathError, ServicePath
from openpcc.directory import MalformedDirectoryError, VerifiedShard
from openpcc.lookup import BEHIND
from openpcc.protocol.messages import SHARD, DirectoryLeaf
from transparency_log.entry import Service
from transparency_log.service import ServedModel

MOST_LEAVES = 2**15
"""Leaves of all directories together that are read; of a larger service the rest is not judged."""


class WindowOverError(Exception):
    """The gateway says that its directories are of a later entry than the one that was read.

    So it is when a window ends meanwhile, and the audit begins again. One that still says so after
    that names an entry which the log does not have.
    """


@dataclass
class Listed:
    """A leaf, and where it stands: model and position."""

    leaf: DirectoryLeaf
    places: list[tuple[str, int]] = field(default_factory=list)

    @property
    def models(self) -> list[str]:
        """Name the models that it is listed for."""
        return list(dict.fromkeys(model for model, _ in self.places))


@dataclass
class Listing:
    """What the directories list, and what was wrong with their shards.

    Attributes:
        leaves: by leaf hash.
        positions: by model, the machine digest at each position; None: an empty slot.
        complete: whether every shard was read.
    """

    leaves: dict[bytes, Listed] = field(default_factory=dict)
    positions: dict[str, list[bytes | None]] = field(default_factory=dict)
    shards: int = 0
    wrong: list[str] = field(default_factory=list)
    stale: list[str] = field(default_factory=list)
    apart: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Say whether every leaf is known."""
        return not (self.wrong or self.stale or self.unread)

    def findings(self) -> list[Finding]:
        """Say what was tested of the shards."""
        shard = GATEWAY.judged("gateway.shard", self.wrong, actual=f"{self.shards} proved")
        unread = [GATEWAY.skipped("gateway.shard", one) for one in self.unread[:1]]
        return [
            shard,
            *unread,
            GATEWAY.judged("gateway.shard-stale", self.stale),
            GATEWAY.judged("gateway.shard-split", self.apart),
        ]


@dataclass
class ListingReader:
    """Reads all shards of one service entry; `wait` waits so many seconds."""

    paths: Sequence[ServicePath]
    service: Service
    wait: Callable[[float], object]
    _waited: bool = False

    def read(self) -> Listing:
        """Read them all.

        Raises:
            WindowOverError: see there.
            OutOfTimeError: the time for the audit is over.
        """
        listing, room = Listing(), MOST_LEAVES
        for model in self.service.models:
            size = model.directory.size
            if size > room:
                listing.unread.append(f"{model.name}: {size} leaves, more than this audit reads")
                continue
            room -= size
            listing.positions[model.name] = []
            for number in range(directory.shard_count(size)):
                self._shard(listing, model, number)
        return listing

    def _shard(self, listing: Listing, model: ServedModel, number: int) -> None:
        came: dict[str, bytes] = {}
        proved: VerifiedShard | None = None
        for path in self.paths:
            name = f"{path.name}: {model.name}, shard {number}"
            try:
                found = self._proved(path, model, number, came)
            except MalformedDirectoryError as error:
                listing.wrong.append(f"{name}: {error}")
            except _StaleError as error:
                listing.stale.append(f"{name}: {error}")
            except PathError as error:
                listing.unread.append(str(error))
            else:
                proved = proved or found
        if len(set(came.values())) > 1:
            listing.apart.append(f"{model.name}, shard {number}")
        listing.shards += proved is not None
        _place(listing, model, number, proved)

    def _proved(
        self, path: ServicePath, model: ServedModel, number: int, came: dict[str, bytes]
    ) -> VerifiedShard:
        """Fetch a shard and prove it; once in an audit, give a gateway time to take it over."""
        try:
            return self._verified(path, model, number, came)
        except (MalformedDirectoryError, _StaleError):
            if self._waited:
                raise
        self._waited = True
        self.wait(BEHIND)
        return self._verified(path, model, number, came)

    def _verified(
        self, path: ServicePath, model: ServedModel, number: int, came: dict[str, bytes]
    ) -> VerifiedShard:
        where = f"/directory/{directory.model_id(model.name)}/{number}"
        try:
            data = path.get(where, directory.MAX_SHARD_BYTES)
        except MissingError as error:
            raise MalformedDirectoryError(str(error)) from error
        came[path.name] = data
        self._same_window(directory.parse_shard(data).sequence)
        return directory.verify_shard(
            data,
            model=model.name,
            number=number,
            size=model.directory.size,
            root=model.directory.root,
        )

    def _same_window(self, sequence: int) -> None:
        """Compare the gateway's word for the window with the entry: it tells why a proof fails."""
        if sequence > self.service.sequence:
            raise WindowOverError(
                f"shards of entry {sequence}; the newest in the log is {self.service.sequence}"
            )
        if sequence < self.service.sequence:
            raise _StaleError(f"of entry {sequence}; the newest is {self.service.sequence}")


class _StaleError(Exception):
    """A shard says itself that it is of an earlier window."""


def _place(listing: Listing, model: ServedModel, number: int, shard: VerifiedShard | None) -> None:
    """Note who stands where; a shard that nobody proved leaves unknown places."""
    start = number * SHARD
    count = min(SHARD, model.directory.size - start)
    leaves = (None,) * count if shard is None else shard.leaves
    for position, leaf in enumerate(leaves, start=start):
        listing.positions[model.name].append(None if leaf is None else leaf.machine)
        if leaf is not None:
            listed = listing.leaves.setdefault(leaf.leaf_hash(), Listed(leaf=leaf))
            listed.places.append((model.name, position))


def machines(listing: Listing) -> Iterator[bytes]:
    """Give the machine of each listed node, where its platform names machines."""
    for one in listing.leaves.values():
        if any(one.leaf.machine):
            yield one.leaf.machine
