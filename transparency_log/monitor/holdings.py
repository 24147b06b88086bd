"""What a log holds besides the numbers of its chains, in the file a monitor remembers in."""

import sqlite3
from dataclasses import dataclass

from transparency_log.entry import EntryKind
from transparency_log.monitor.judge import Link, SeenRelease, SeenRotation
from transparency_log.monitor.watch import Stage
from transparency_log.rotation import Role


@dataclass(frozen=True, kw_only=True)
class KnownRelease:
    """A release that its signers signed; `entry` are its bytes."""

    index: int
    leaf: bytes
    expires: int
    entry: bytes


@dataclass(frozen=True, kw_only=True)
class KnownDirectory:
    """A directory of a model, from the entry with `sequence` on until the next one listed."""

    model: str
    sequence: int
    index: int
    time: int
    root: bytes
    size: int


class Holdings:
    """Releases, revocations, announcements and directories. Made by `book.Book`.

    Attributes:
        listed: releases of the newest status.
    """

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self.listed: tuple[bytes, ...] = ()

    def release(self, leaf: bytes) -> KnownRelease | None:
        """Give a release by its leaf hash; None: no signed one is in the log."""
        row = self._database.execute(
            "SELECT idx, leaf, expires, entry FROM release WHERE leaf = ?", (leaf,)
        ).fetchone()
        return None if row is None else _release(row)

    def releases(self, limit: int) -> list[KnownRelease]:
        """Give the newest releases in the log's order; of one in many envelopes, the first."""
        rows = self._database.execute(
            "SELECT min(idx), leaf, expires, entry FROM release GROUP BY digest"
            " ORDER BY min(idx) DESC LIMIT ?",
            (limit,),
        )
        return [_release(row) for row in rows][::-1]

    def take_release(self, release: SeenRelease, entry: bytes) -> bool:
        """Remember a release; say whether its payload is new."""
        new = self._database.execute(
            "SELECT 1 FROM release WHERE digest = ? LIMIT 1", (release.digest,)
        ).fetchone()
        self._database.execute(
            "INSERT OR IGNORE INTO release VALUES (?, ?, ?, ?, ?)",
            (release.leaf, release.digest, release.index, release.expires, entry),
        )
        return new is None

    def take_listing(self, link: Link) -> None:
        """Remember what the newest status lists, and which releases it revokes."""
        if link.releases == self.listed:
            return
        still = {self._identity(leaf) for leaf in link.releases}
        for leaf in self.listed:
            known, identity = self.release(leaf), self._identity(leaf)
            if identity in still or (known is not None and known.expires <= link.time):
                continue  # it is still listed, or was cleared away once it had expired
            self._database.execute(
                "INSERT OR IGNORE INTO revoked VALUES (?, ?)", (identity, link.sequence)
            )
        self.listed = link.releases

    def revoked(self, leaf: bytes) -> int | None:
        """Give the number of the first status that listed a release no more; None: none did."""
        row = self._database.execute(
            "SELECT sequence FROM revoked WHERE release = ?", (self._identity(leaf),)
        ).fetchone()
        return None if row is None else int(row[0])

    def _identity(self, leaf: bytes) -> bytes:
        """Name a release by its payload: another envelope must not bring back what was revoked."""
        row = self._database.execute(
            "SELECT digest FROM release WHERE leaf = ?", (leaf,)
        ).fetchone()
        return leaf if row is None else bytes(row[0])

    def take_rotation(self, one: SeenRotation) -> None:
        """Remember an announcement."""
        self._database.execute(
            "INSERT OR IGNORE INTO rotation VALUES (?, ?, ?, ?, ?)",
            (one.index, one.role.value, one.name, one.stage.value, one.not_before),
        )

    def rotations(self, limit: int) -> list[SeenRotation]:
        """Give the newest announcements, in the log's order."""
        rows = self._database.execute(
            "SELECT idx, role, name, stage, not_before FROM rotation ORDER BY idx DESC LIMIT ?",
            (limit,),
        )
        found = [
            SeenRotation(index=i, role=Role(role), name=name, stage=Stage(stage), not_before=time)
            for i, role, name, stage, time in rows
        ]
        return found[::-1]

    def handed(self, kind: EntryKind) -> bool:
        """Say whether an announcement gave a kind's chains to the policy's signers."""
        row = self._database.execute(
            "SELECT 1 FROM rotation WHERE role = ? AND stage != ? LIMIT 1",
            (Role[kind.name].value, Stage.AHEAD.value),
        ).fetchone()
        return row is not None

    def directories(self, service: str, limit: int) -> list[KnownDirectory]:
        """Give the newest directories of a service over time, oldest first.

        What an auditor of gateways compares its directory with: a service's nodes have been listed
        under these roots and no others.
        """
        rows = self._database.execute(
            "SELECT model, directory.sequence, directory.idx, directory.time, root, size"
            " FROM directory JOIN chain ON chain.id = directory.chain"
            " WHERE chain.kind = ? AND chain.name = ? ORDER BY directory.sequence DESC LIMIT ?",
            (EntryKind.SERVICE.name, service, limit),
        )
        found = [
            KnownDirectory(model=m, sequence=s, index=i, time=t, root=root, size=size)
            for m, s, i, t, root, size in rows
        ]
        return found[::-1]


def _release(row: tuple[int, bytes, int, bytes]) -> KnownRelease:
    index, leaf, expires, entry = row
    return KnownRelease(index=index, leaf=leaf, expires=expires, entry=entry)
