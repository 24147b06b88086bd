"""Step 6: what a monitor remembers, in one SQLite file, so that it goes on where it stopped.

Everything a stretch of the log said is written in one transaction with how far the log was read: a
monitor that is killed has either judged a stretch or not. A file made for another policy keeps the
log's checkpoint, and nothing else: all entries have to be judged again.

The file is the monitor's own word; whoever can write it can make it forget.
"""

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from transparency_log.entry import EntryKind
from transparency_log.errors import ConfigurationError, InconsistentError
from transparency_log.follow import Frontier
from transparency_log.merkle import HASH_SIZE
from transparency_log.monitor.book_chain import Chain
from transparency_log.monitor.chain import Fault, FaultKind, Head
from transparency_log.monitor.holdings import Holdings
from transparency_log.monitor.tables import clear, connect
from transparency_log.monitor.watch import Watch
from transparency_log.witness_policy import WitnessedCheckpoint

MAX_FAULTS = 256
"""Faults of a kind that are kept with their words; more are counted."""

MAX_CHAINS = 256
"""Chains that are followed; service signers could name a service more in each entry."""


class Book:
    """What is remembered. Close it, or use it with `opened`.

    Attributes:
        frontier: how far the log was judged.
        note: the newest checkpoint that was verified; empty before the first.
        time: its witnessed time, Unix seconds.
        success: when an audit passed last, Unix seconds; 0: none did.
        restarted: whether the file was made for another policy, so that all is judged again.
        passed: entries that were passed over, by why.
        repeated: entries that repeat a payload.
        faults: how many were found, by kind.
        holdings: what the log holds besides the numbers of its chains.
    """

    def __init__(self, path: Path | None, watch: Watch) -> None:
        self._watch = watch
        self._database = connect(path)
        self.holdings = Holdings(self._database)
        self._chains: dict[tuple[EntryKind, str], Chain] = {}
        self.frontier = Frontier()
        self.note = b""
        self.time = 0
        self.success = 0
        self.passed: Counter[str] = Counter()
        self.repeated = 0
        self.faults: Counter[str] = Counter()
        self.restarted = self._load()

    def find(self, kind: EntryKind, name: str) -> Chain | None:
        """Give a chain; None: nothing of it was found."""
        return self._chains.get((kind, name))

    def begin(self, kind: EntryKind, name: str) -> Chain | None:
        """Begin a chain; None: there are too many, and it is not one that the policy names."""
        asked = kind is EntryKind.STATUS or name == self._watch.name
        if len(self._chains) >= MAX_CHAINS and not asked:
            return None
        row = self._database.execute(
            "INSERT INTO chain (kind, name) VALUES (?, ?) RETURNING id", (kind.name, name)
        ).fetchone()
        self._chains[kind, name] = Chain(self._database, row[0], kind, name)
        return self._chains[kind, name]

    @property
    def chains(self) -> Sequence[Chain]:
        """Give all chains."""
        return tuple(self._chains.values())

    def take_fault(self, fault: Fault) -> bool:
        """Remember a fault; say whether it is a new one that is kept with its words."""
        key = (fault.kind.value, fault.chain, fault.sequence, fault.digest)
        known = self._database.execute(
            "SELECT 1 FROM fault WHERE kind = ? AND chain = ? AND sequence = ? AND digest = ?", key
        ).fetchone()
        if known is not None:  # anybody may repeat the entry that showed it
            return False
        self.faults[fault.kind.value] += 1
        if self.faults[fault.kind.value] > MAX_FAULTS:
            return False
        self._database.execute(
            "INSERT INTO fault VALUES (?, ?, ?, ?, ?, ?, ?)",
            (*key, fault.index, fault.text, fault.other),
        )
        return True

    def kept_faults(self, kind: FaultKind) -> list[Fault]:
        """Give the faults of a kind that are kept, in the log's order."""
        rows = self._database.execute(
            "SELECT chain, sequence, digest, idx, text, other FROM fault WHERE kind = ?"
            " ORDER BY idx",
            (kind.value,),
        )
        return [
            Fault(kind=kind, chain=c, sequence=s, digest=d, index=i, text=text, other=other)
            for c, s, d, i, text, other in rows
        ]

    def commit(self, frontier: Frontier | None = None) -> None:
        """Write what was taken since the last time, and how far the log was judged with it."""
        if frontier is not None:
            self.frontier = frontier
        for one in self._chains.values():
            if one.changed and one.head is not None:
                self._database.execute(
                    "UPDATE chain SET sequence = ?, leaf = ?, idx = ?, entry = ?, length = ?"
                    " WHERE id = ?",
                    (one.head.sequence, one.head.leaf, one.index, one.entry, one.length, one.key),
                )
                one.changed = False
        self._write_meta()
        self._database.commit()

    def saw(self, checkpoint: WitnessedCheckpoint) -> None:
        """Remember a checkpoint that extends the one before; what was seen before is not lost."""
        self._database.execute(
            "INSERT OR IGNORE INTO seen VALUES (?, ?)",
            (checkpoint.checkpoint.size, checkpoint.time),
        )
        self.note, self.time = checkpoint.note, max(checkpoint.time, self.time)
        self.commit()

    def size_at(self, time: int) -> int:
        """Give the size that the log had at a time at least, by the checkpoints that were seen.

        What stands behind it came later, or nobody here knows. What entries say themselves of when
        they were made does not count: whoever is to be audited wrote it.
        """
        row = self._database.execute(
            "SELECT max(size) FROM seen WHERE time <= ?", (time,)
        ).fetchone()
        return row[0] or 0

    def close(self) -> None:
        """Forget what was not committed."""
        self._database.close()

    def _write_meta(self) -> None:
        counts = {"passed": self.passed, "repeated": self.repeated, "faults": self.faults}
        values = {
            "digest": self._watch.digest,
            "origin": self._watch.log.origin.encode(),
            "note": self.note,
            "time": self.time,
            "success": self.success,
            "size": self.frontier.size,
            "peaks": b"".join(self.frontier.peaks),
            "listed": b"".join(self.holdings.listed),
            "counts": json.dumps(counts),
        }
        self._database.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", values.items())

    def _load(self) -> bool:
        """Read the file, or make it; say whether it was made for another policy."""
        meta = dict(self._database.execute("SELECT name, value FROM meta"))
        if not meta:
            self.commit()
            return False
        if meta["origin"] != self._watch.log.origin.encode():
            raise ConfigurationError("the state is of another log; name another folder for it")
        self.note, self.time, self.success = meta["note"], meta["time"], meta["success"]
        if meta["digest"] != self._watch.digest:
            clear(self._database)  # committed with the first thing that is found anew
            return True
        self._read_meta(meta)
        self._read_chains()
        return False

    def _read_meta(self, meta: dict[str, bytes]) -> None:
        self.frontier = Frontier(size=int(meta["size"]), peaks=_hashes(meta["peaks"]))
        self.holdings.listed = _hashes(meta["listed"])
        counts = json.loads(meta["counts"])
        self.passed.update(counts["passed"])
        self.faults.update(counts["faults"])
        self.repeated = counts["repeated"]

    def _read_chains(self) -> None:
        rows = self._database.execute(
            "SELECT id, kind, name, sequence, leaf, idx, entry, length FROM chain"
        )
        for key, kind, name, sequence, leaf, index, entry, length in rows.fetchall():
            chain = Chain(self._database, key, EntryKind[kind], name)
            chain.head = Head(sequence=sequence, leaf=leaf)
            chain.index, chain.entry, chain.length = index, entry, length
            self._chains[EntryKind[kind], name] = chain


@contextmanager
def opened(path: Path | None, watch: Watch) -> Iterator[Book]:
    """Open a monitor's book; None: one that lives as long as the block.

    Raises:
        ConfigurationError: it is damaged, in use, of another log, or cannot be written.
    """
    try:
        book = Book(path, watch)
    except (sqlite3.Error, InconsistentError, KeyError, ValueError, TypeError) as error:
        raise _unusable(path, error) from error
    try:
        yield book
    except sqlite3.Error as error:
        raise _unusable(path, error) from error
    finally:
        book.close()


def _unusable(path: Path | None, error: BaseException) -> ConfigurationError:
    return ConfigurationError(
        f"{path}: cannot be used ({error}); end the monitor that uses it, restore it, or remove it "
        "to begin anew"
    )


def _hashes(data: bytes) -> tuple[bytes, ...]:
    return tuple(data[i : i + HASH_SIZE] for i in range(0, len(data), HASH_SIZE))
