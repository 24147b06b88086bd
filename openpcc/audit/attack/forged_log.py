"""The log itself as the attacker: other trees, signed with the log's and its witnesses' own keys.

A stack of one's own has these keys in its folder. The trees begin with the entries of the genuine
log, so that everything else a client needs is in them; what is forged stands behind.
"""

from collections.abc import Sequence

from openpcc import clock
from openpcc.audit.attack.attempt import NotTriedError
from openpcc.audit.attack.hostile import Fetch, Tamper
from openpcc.audit.attack.target import Target
from transparency_log import tile
from transparency_log.checkpoint import Checkpoint
from transparency_log.cosignature import CosignatureSigner
from transparency_log.errors import MalformedTileError
from transparency_log.merkle import leaf_hash, tree_root
from transparency_log.note import NoteSigner, format_note
from transparency_log.prover import memory_reader

MAX_ENTRIES = 4096
"""Entries of a log whose trees are forged: they are hashed again for each."""

PREFIX = "/log/"


class ForgedLog:
    """A tree of one's own, as a gateway would serve it."""

    def __init__(self, target: Target, more: Sequence[bytes]) -> None:
        """Make the tree of the genuine entries and some more.

        Raises:
            NotTriedError: the keys are not at hand, or the log is long.
        """
        self._entries = [*genuine_entries(target), *more]
        self._hashes = [leaf_hash(entry) for entry in self._entries]
        self._read = memory_reader(self._hashes)
        self.checkpoint = _signed(target, self._hashes)

    @property
    def tamper(self) -> Tamper:
        """Serve this tree in place of the genuine one, and everything else as it is."""

        def tampered(path: str, limit: int, fetch: Fetch) -> bytes:
            if path == f"{PREFIX}checkpoint":
                return self.checkpoint
            if path.startswith(f"{PREFIX}tile/"):
                return self._tile(path.removeprefix(PREFIX))
            return fetch(path, limit)

        return tampered

    def _tile(self, name: str) -> bytes:
        try:
            path = tile.parse_path(name)
        except MalformedTileError as error:
            raise NotTriedError(f"the client asked for {name}, which is no tile") from error
        places = range(path.index * tile.TILE_WIDTH, path.index * tile.TILE_WIDTH + path.width)
        if path.level is None:
            return tile.encode_bundle([self._entries[at] for at in places])
        level = path.level * tile.TILE_HEIGHT
        return b"".join(self._read(level, at) for at in places)


def genuine_entries(target: Target) -> tuple[bytes, ...]:
    """Read the whole log.

    Raises:
        NotTriedError: it is long.
        LogError: it cannot be read.
    """
    newest = target.snapshot.newest
    if newest.checkpoint.size > MAX_ENTRIES:
        raise NotTriedError(f"the log has more than {MAX_ENTRIES} entries; take a fresh stack")
    return target.log.entries(newest, 0).entries


def _signed(target: Target, hashes: Sequence[bytes]) -> bytes:
    """Sign a tree with the log's key, and cosign it with those of its witnesses."""
    policy = target.config.policy.log
    checkpoint = Checkpoint(origin=policy.origin, size=len(hashes), root=tree_root(hashes))
    text = checkpoint.encode()
    log = NoteSigner(name=policy.origin, private_key=target.stack.seed("log"))
    lines = [log.sign(text)]
    for witness in policy.witnesses:
        signer = CosignatureSigner(name=witness.name, private_key=target.stack.seed(witness.name))
        lines.append(signer.cosign(text, clock.now()))
    return format_note(text, lines)
