"""What the publisher must not forget: the chain of its entries, directory slots, key holders.

One JSON file, replaced atomically and synced. The order of writes is the argument against forking
the chain by accident (two entries with one sequence number are proof of equivocation, DESIGN 4.3):

1. sign     the next entry, after the head
2. keep     its bytes as `pending`, on disk, before anybody sees them
3. submit   these bytes to the log, and again after a failure or a crash; a repeated entry says
            nothing new, and the log gives it its old place
4. advance  the head to it, once the log has answered

Nothing else is ever signed while an entry is pending. A state that is older than the log (from a
backup) is noticed by reading the log: `check_seen`. One process at a time has the file: `held`.
"""

import fcntl
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path

from gateway.config_file import read_bounded
from gateway.errors import ChainError, ConfigurationError
from gateway.keyholders import Keyholder, Keyholders
from gateway.keys import write_new
from gateway.publication import MAX_NODE_KEYS
from gateway.slots import Slots, Tenant
from gateway.token_keys import ListedKey, ListedKeys
from openpcc.protocol.errors import ProtocolError
from openpcc.protocol.messages import ENTRIES_A_WINDOW
from openpcc.protocol.privacypass import IssuerKey
from transparency_log.entry import Service
from transparency_log.strict_json import (
    Members,
    StrictJSONError,
    b64encode,
    dumps,
    parse_object,
)
from transparency_log.tile import MAX_ENTRY

MAX_STATE = 256 << 20
"""Bytes of a state file: 10^6 slots and more."""

MAX_SLOTS = 1 << 20
"""Slots of one directory."""


@dataclass(frozen=True, kw_only=True)
class Head:
    """The newest entry that is in the log.

    Attributes:
        keys: see `keys_digest`.
        entries: how many of its window are logged, itself included.
    """

    sequence: int
    leaf_hash: bytes
    index: int
    not_before: int
    keys: bytes
    entries: int


@dataclass(frozen=True, kw_only=True)
class NewestStatus:
    """Where the newest status entry stands, and its number."""

    index: int
    sequence: int


@dataclass(frozen=True, kw_only=True)
class ChainState:
    """The content of the state file.

    Attributes:
        service: whose chain it is.
        scanned: entries of the log that have been read.
        head: None before the first entry.
        pending: a signed entry whose place in the log is not known yet.
        status: None before the first one was read.
        slots: directory slots by model name.
        holders: nodes with keys that clients may still use.
        issuer_keys: token issuer keys, offered or still listed.
    """

    service: str
    scanned: int = 0
    head: Head | None = None
    pending: bytes | None = field(default=None, repr=False)
    status: NewestStatus | None = None
    slots: Mapping[str, Slots] = field(default_factory=dict)
    holders: Keyholders = field(default_factory=dict)
    issuer_keys: ListedKeys = ()

    @property
    def next_sequence(self) -> int:
        """Number of the next entry."""
        return 0 if self.head is None else self.head.sequence + 1

    @property
    def previous(self) -> bytes | None:
        """Leaf hash that the next entry names; None for the first."""
        return None if self.head is None else self.head.leaf_hash

    def with_status(self, index: int, sequence: int) -> "ChainState":
        """Note a status entry that was read; one with a lower number changes nothing."""
        if self.status is not None and sequence <= self.status.sequence:
            return self
        return replace(self, status=NewestStatus(index=index, sequence=sequence))

    def advanced(self, entry: Service, index: int) -> "ChainState":
        """Make the pending entry the head: it stands at `index`."""
        head = Head(
            sequence=entry.sequence,
            leaf_hash=entry.leaf_hash,
            index=index,
            not_before=entry.not_before,
            keys=keys_digest(entry.ohttp_keys, entry.issuer_keys),
            entries=1 + self._entries(entry.not_before),
        )
        return replace(self, head=head, pending=None)

    def takes(self, not_before: int, keys: bytes) -> bool:
        """Say whether clients take one more entry of a window, with these keys (decision 0022)."""
        head = self.head
        if head is None or head.not_before != not_before:
            return True
        return head.keys == keys and head.entries < ENTRIES_A_WINDOW

    def _entries(self, not_before: int) -> int:
        head = self.head
        return head.entries if head is not None and head.not_before == not_before else 0

    def check_seen(self, entry: Service, pending: Service | None) -> None:
        """Check that an entry of ours, found in the log, is one this state knows.

        Raises:
            ChainError: it is newer than the state, or another one in the head's place.
        """
        if pending is not None and entry.leaf_hash == pending.leaf_hash:
            return
        if entry.sequence >= self.next_sequence:
            raise ChainError(
                f"the log has service entry {entry.sequence}, the state file ends before it; "
                "restore the newest state file"
            )
        head = self.head
        if head and entry.sequence == head.sequence and entry.leaf_hash != head.leaf_hash:
            raise ChainError(
                f"the log has another service entry {entry.sequence}; the chain forked"
            )


def keys_digest(ohttp_keys: bytes, issuer_keys: Sequence[bytes]) -> bytes:
    """Name the keys of an entry: the digest of its OHTTP keys, and the ids of its issuer keys."""
    return sha256(ohttp_keys + b"".join(issuer_keys)).digest()


def create(path: Path, *, service: str) -> None:
    """Begin a chain.

    Raises:
        ConfigurationError: there is a state file already, or no folder for it.
    """
    write_new(path, _encode(ChainState(service=service)), mode=0o600)


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Keep other publishers off a state file: two that sign from one state fork the chain.

    Raises:
        ConfigurationError: another process has it.
    """
    number = os.open(
        path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
    )
    try:
        _lock(number, path)
        yield
    finally:
        os.close(number)


def _lock(number: int, path: Path) -> None:
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise ConfigurationError(f"{path}: in use; stop the other publisher first") from error


def load(path: Path, *, service: str) -> ChainState:
    """Read a state file.

    Raises:
        ConfigurationError: missing, damaged, or of another service.
    """
    if not path.exists():
        raise ConfigurationError(f"{path}: missing; make it with `openpcc-gateway publisher-init`")
    try:
        state = _parse(read_bounded(path, MAX_STATE))
    except StrictJSONError as error:
        raise ConfigurationError(f"{path}: {error}; restore the newest backup") from error
    if state.service != service:
        raise ConfigurationError(f"{path}: of service {state.service}; give this service's file")
    return state


def store(path: Path, state: ChainState) -> None:
    """Replace the state file; afterwards it survives a crash.

    Raises:
        ChainError: it cannot be written, so nothing may be signed.
    """
    fresh = path.with_name(path.name + ".new")
    try:
        number = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(number, "wb") as file:
            file.write(_encode(state))
            file.flush()
            os.fsync(number)
        fresh.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise ChainError(f"{path}: {error.strerror}; nothing is published without it") from error


def _encode(state: ChainState) -> bytes:
    head, status = state.head, state.status
    return dumps(
        {
            "version": 2,
            "service": state.service,
            "scanned": state.scanned,
            "head": None
            if head is None
            else {
                "sequence": head.sequence,
                "leaf_hash": head.leaf_hash.hex(),
                "index": head.index,
                "not_before": head.not_before,
                "keys": head.keys.hex(),
                "entries": head.entries,
            },
            "pending": None if state.pending is None else b64encode(state.pending),
            "status": None
            if status is None
            else {"index": status.index, "sequence": status.sequence},
            "slots": [
                {
                    "model": model,
                    "nodes": ["" if one is None else _tenant_text(one) for one in slots],
                }
                for model, slots in state.slots.items()
            ],
            "holders": [
                {
                    "place": place,
                    "url": one.url,
                    "server_name": one.server_name,
                    "leaf": one.leaf.hex(),
                    "keys": [{"key": key.hex(), "until": end} for key, end in one.keys.items()],
                }
                for place, one in state.holders.items()
            ],
            "issuer_keys": [
                {"key": b64encode(one.key.spki), "offered": one.offered, "until": one.until}
                for one in state.issuer_keys
            ],
        }
    )


def _parse(data: bytes) -> ChainState:
    members = parse_object(data, limit=MAX_STATE, name="state")
    members.integer("version", low=2, high=2)
    state = ChainState(
        service=members.text("service", limit=255),
        scanned=members.integer("scanned"),
        head=_head(members.child_or_null("head")),
        pending=_pending(members),
        status=_status(members.child_or_null("status")),
        slots=dict(map(_slots, members.children("slots", limit=1024))),
        holders=dict(map(_holder, members.children("holders", limit=MAX_SLOTS))),
        issuer_keys=tuple(map(_issuer_key, members.children("issuer_keys", limit=64))),
    )
    members.end()
    return state


def _head(members: Members | None) -> Head | None:
    if members is None:
        return None
    head = Head(
        sequence=members.integer("sequence"),
        leaf_hash=members.hex("leaf_hash", size=32),
        index=members.integer("index"),
        not_before=members.integer("not_before"),
        keys=members.hex("keys", size=32),
        entries=members.integer("entries", low=1),
    )
    members.end()
    return head


def _pending(members: Members) -> bytes | None:
    text = members.text_or_null("pending", limit=2 * MAX_ENTRY)
    if text is None:
        return None
    return Members({"pending": text}, members.name).data("pending", limit=MAX_ENTRY)


def _status(members: Members | None) -> NewestStatus | None:
    if members is None:
        return None
    status = NewestStatus(index=members.integer("index"), sequence=members.integer("sequence"))
    members.end()
    return status


def _slots(members: Members) -> tuple[str, Slots]:
    model = members.text("model", limit=256)
    nodes = members.texts("nodes", limit=MAX_SLOTS, length=2048)
    members.end()
    return model, tuple(_tenant(node, members.name) if node else None for node in nodes)


def _tenant_text(one: Tenant) -> str:
    return f"{one.machine.hex()} {one.place}"


def _tenant(text: str, name: str) -> Tenant:
    machine, _, place = text.partition(" ")
    return Tenant(machine=Members({"machine": machine}, name).hex("machine", size=32), place=place)


def _holder(members: Members) -> tuple[str, Keyholder]:
    place = members.text("place")
    holder = Keyholder(
        url=members.text("url"),
        server_name=members.text("server_name"),
        leaf=members.hex("leaf", size=32),
        keys=dict(map(_key, members.children("keys", limit=MAX_NODE_KEYS))),
    )
    members.end()
    return place, holder


def _key(members: Members) -> tuple[bytes, int]:
    key = members.hex("key", size=32), members.integer("until")
    members.end()
    return key


def _issuer_key(members: Members) -> ListedKey:
    spki = members.data("key", limit=512)
    try:
        key = IssuerKey.parse(spki)
    except ProtocolError as error:
        raise StrictJSONError(f"{members.name}.key: {error}") from error
    listed = ListedKey(key=key, offered=members.boolean("offered"), until=members.integer("until"))
    members.end()
    return listed
