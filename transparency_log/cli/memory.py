"""What this machine has seen of a log, so that nothing less is shown to it later.

A JSON file beside the policy (or where `--state` says): the newest checkpoint, how far the log has
been read, the newest status and the releases found on the way. It holds nothing secret. Losing it
costs the memory: the next run reads the whole log, and cannot know that it once was longer.
"""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from transparency_log.cli import files
from transparency_log.cli.policy_file import EntryPolicy
from transparency_log.entry import Release
from transparency_log.errors import ConfigurationError, InconsistentError
from transparency_log.follow import Frontier
from transparency_log.note import MAX_NOTE
from transparency_log.payload import EntryKind
from transparency_log.strict_json import (
    Members,
    StrictJSONError,
    b64encode,
    dumps,
    parse_object,
)
from transparency_log.tile import MAX_ENTRY

MAX_MEMORY = 16 * 2**20
"""Bytes of the file: some ten thousand releases."""

MAX_KNOWN = 2**14
"""Releases that are kept, the newest: whoever may submit could log one release in many envelopes.
One that is not kept is named by its proof file."""


@dataclass(frozen=True, kw_only=True)
class KnownRelease:
    """A release found in the log, signed by the policy's release signers."""

    index: int
    name: str
    version: str
    expires: int


def known_release(index: int, release: Release) -> KnownRelease:
    """Keep of a verified release what a list of releases needs."""
    return KnownRelease(
        index=index, name=release.name, version=release.version, expires=release.expires
    )


@dataclass(frozen=True, kw_only=True)
class KnownStatus:
    """The newest status found: its place, and the entry."""

    index: int
    entry: bytes = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Memory:
    """What was seen of a log under a policy.

    Attributes:
        checkpoint: the newest witnessed one, a note; empty before the first.
        frontier: how far the log was read.
        status: None: none was found so far.
        releases: by leaf hash.
    """

    checkpoint: bytes = b""
    frontier: Frontier = field(default_factory=Frontier)
    status: KnownStatus | None = None
    releases: Mapping[bytes, KnownRelease] = field(default_factory=dict)


class MemoryFile:
    """The file of one log and policy."""

    def __init__(self, path: Path, policy: EntryPolicy) -> None:
        self._path = path
        self._origin = policy.log.origin
        self._signers = _signers_digest(policy)

    def load(self) -> Memory:
        """Read it; an absent file is a first run. After a change of signers all is read anew.

        Raises:
            ConfigurationError: damaged, or of another log. It is never ignored.
        """
        if not os.path.lexists(self._path):  # a link that leads nowhere is no first run
            return Memory()
        data = files.read(self._path, MAX_MEMORY)
        try:
            return self._read(parse_object(data, limit=MAX_MEMORY, name="state"))
        except (StrictJSONError, InconsistentError) as error:
            raise ConfigurationError(
                f"{self._path}: damaged ({error}); restore it, or remove it to begin anew"
            ) from error

    def save(self, memory: Memory) -> None:
        """Replace it, unless another process has read further meanwhile: that stays.

        Raises:
            ConfigurationError: it cannot be written, or was damaged meanwhile.
        """
        with files.locked(self._path.parent):
            if self.load().frontier.size <= memory.frontier.size:
                files.replace(self._path, self._encode(memory))

    def save_proof(self, first: bytes, second: bytes) -> Path:
        """Keep two signed things that contradict each other; give the folder they are in.

        Raises:
            ConfigurationError: it cannot be written.
        """
        digest = hashlib.sha256(first + second).hexdigest()[:16]
        folder = self._path.parent / f"equivocation-{digest}"
        files.replace(folder / "first", first)
        files.replace(folder / "second", second)
        return folder

    def _encode(self, memory: Memory) -> bytes:
        status = memory.status
        return dumps(
            {
                "version": 1,
                "log": self._origin,
                "signers": self._signers.hex(),
                "checkpoint": b64encode(memory.checkpoint),
                "read": {
                    "size": memory.frontier.size,
                    "peaks": [peak.hex() for peak in memory.frontier.peaks],
                },
                "status": None
                if status is None
                else {"index": status.index, "entry": b64encode(status.entry)},
                "releases": [
                    {
                        "leaf": leaf.hex(),
                        "index": one.index,
                        "name": one.name,
                        "version": one.version,
                        "expires": one.expires,
                    }
                    for leaf, one in [*memory.releases.items()][-MAX_KNOWN:]
                ],
            }
        )

    def _read(self, members: Members) -> Memory:
        members.integer("version", low=1, high=1)
        log, signers = members.text("log"), members.hex("signers", size=32)
        memory = Memory(
            checkpoint=members.data("checkpoint", limit=MAX_NOTE),
            frontier=_frontier(members.child("read")),
            status=_status(members.child_or_null("status")),
            releases=dict(_release(one) for one in members.children("releases", limit=MAX_KNOWN)),
        )
        members.end()
        if log != self._origin:
            raise ConfigurationError(
                f"{self._path}: of the log {log}, not of {self._origin}; name another with --state"
            )
        if signers != self._signers:
            return Memory(checkpoint=memory.checkpoint)
        return memory


def _signers_digest(policy: EntryPolicy) -> bytes:
    """Name the signers under whom statuses and releases were found."""
    signers = [policy.signers[kind] for kind in (EntryKind.RELEASE, EntryKind.STATUS)]
    text = [[one.threshold, sorted(key.hex() for key in one.keys)] for one in signers]
    return hashlib.sha256(dumps(text)).digest()


def _frontier(members: Members) -> Frontier:
    peaks = members.texts("peaks", limit=64, length=64)
    frontier = Frontier(
        size=members.integer("size"),
        peaks=tuple(Members({"peak": one}, members.name).hex("peak", size=32) for one in peaks),
    )
    members.end()
    return frontier


def _status(members: Members | None) -> KnownStatus | None:
    if members is None:
        return None
    status = KnownStatus(
        index=members.integer("index"), entry=members.data("entry", limit=MAX_ENTRY)
    )
    members.end()
    return status


def _release(members: Members) -> tuple[bytes, KnownRelease]:
    leaf = members.hex("leaf", size=32)
    release = KnownRelease(
        index=members.integer("index"),
        name=members.text("name", limit=256),
        version=members.text("version", limit=256),
        expires=members.integer("expires"),
    )
    members.end()
    return leaf, release
