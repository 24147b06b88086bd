"""Log entries: who signed what, checked before anybody acts on what they say.

docs/formats.md, 4. An entry is a DSSE envelope around an in-toto Statement with one subject. The
argument of `verify_entry`:

1. parse         envelope and statement have their one spelling; the predicate type says the kind
2. authenticate  the threshold of keys that the policy lists for this kind has signed; of a
                 rotation, the keys of its role so far, and every new key as well
3. read          the predicate, and that the subject is the one this predicate names

No key serves two kinds, so step 2 alone decides whose word it is; `keyid` decides nothing. That the
entry is in a log is for `proof` and `client` to show.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from typing import TypeVar, assert_never

from transparency_log.dsse import Ed25519Key, Envelope, EnvelopeSigner, parse_strict_envelope
from transparency_log.dsse import sign as sign_envelope
from transparency_log.dsse import verify as verify_envelope
from transparency_log.errors import MalformedEntryError, NotSignedError, PolicyError
from transparency_log.merkle import leaf_hash
from transparency_log.payload import (
    EntryKind,
    EntryStatement,
    encode_payload,
    kind_of,
    read_payload,
)
from transparency_log.release import ReleaseStatement
from transparency_log.rotation import RotationStatement, public_keys
from transparency_log.service import ServiceStatement
from transparency_log.statement import PAYLOAD_TYPE, parse_statement
from transparency_log.status import StatusStatement
from transparency_log.tile import MAX_ENTRY

__all__ = [
    "EntryKind",
    "EntrySigners",
    "EntryStatement",
    "Release",
    "Rotation",
    "Service",
    "Signer",
    "Status",
    "UnverifiedEntry",
    "VerifiedEntry",
    "check_separate",
    "parse_entry",
    "sign_entry",
    "verify_entry",
    "verify_parsed",
    "verify_release",
    "verify_rotation",
    "verify_service",
    "verify_status",
]

ED25519_KEY_SIZE = 32
"""Bytes of an entry signer's public key."""

MAX_KEYS = 16
"""Keys that may sign one kind of entry."""

Signer = EnvelopeSigner
"""Signs entries; holds an Ed25519 private key."""


Kind = TypeVar("Kind", bound="VerifiedEntry")


@dataclass(frozen=True, kw_only=True)
class EntrySigners:
    """The keys that may sign one kind of entry, and how many of them must.

    Raises:
        PolicyError: no key, a key twice, a key of another size, or a threshold that cannot be met.
    """

    keys: tuple[bytes, ...]
    threshold: int

    def __post_init__(self) -> None:
        if any(len(key) != ED25519_KEY_SIZE for key in self.keys):
            raise PolicyError(f"an entry signer's key has not {ED25519_KEY_SIZE} bytes")
        if len(set(self.keys)) != len(self.keys) or len(self.keys) > MAX_KEYS:
            raise PolicyError("entry signers: a key is listed twice, or too many are")
        if not 1 <= self.threshold <= len(self.keys):
            raise PolicyError(f"threshold {self.threshold} of {len(self.keys)} keys: not usable")


@dataclass(frozen=True, kw_only=True)
class UnverifiedEntry:
    """An entry that parses. `kind` is what it claims to be; nobody has vouched for it."""

    kind: EntryKind
    envelope: Envelope
    leaf_hash: bytes


@dataclass(frozen=True, kw_only=True)
class VerifiedEntry:
    """What every verified entry has.

    Attributes:
        leaf_hash: how the log and other entries name it.
        payload_digest: SHA-256 of what was signed; two envelopes around one payload say the same.
    """

    leaf_hash: bytes
    payload_digest: bytes = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Release(VerifiedEntry, ReleaseStatement):
    """A release signed by its signers; made by `verify_release` alone."""


@dataclass(frozen=True, kw_only=True)
class Status(VerifiedEntry, StatusStatement):
    """A status signed by its signers; made by `verify_status` alone."""


@dataclass(frozen=True, kw_only=True)
class Service(VerifiedEntry, ServiceStatement):
    """A service entry signed by its signers; made by `verify_service` alone."""


@dataclass(frozen=True, kw_only=True)
class Rotation(VerifiedEntry, RotationStatement):
    """A rotation signed by old and new keys; made by `verify_rotation` alone."""


Verified = Release | Status | Service | Rotation
"""What `verify_entry` gives."""


def sign_entry(statement: EntryStatement, signers: Sequence[Signer]) -> bytes:
    """Write an entry, signed by each signer.

    Raises:
        PolicyError: no signer, or a signer twice.
        MalformedEntryError: the entry would not be read back, for instance because it is too long.
    """
    if not signers or len({signer.public_key for signer in signers}) != len(signers):
        raise PolicyError("an entry needs signers, each once")
    payload = encode_payload(statement)
    entry = sign_envelope(payload, PAYLOAD_TYPE, signers).encode()
    parse_entry(entry)
    return entry


def parse_entry(data: bytes) -> UnverifiedEntry:
    """Read an entry; nothing is trusted yet.

    Raises:
        MalformedEntryError: not an entry of a known kind, or another spelling of one.
    """
    envelope = parse_strict_envelope(data, limit=MAX_ENTRY)
    if envelope.payload_type != PAYLOAD_TYPE:
        raise MalformedEntryError(f"envelope.payloadType: expected {PAYLOAD_TYPE}")
    statement = parse_statement(envelope.unverified_payload, limit=MAX_ENTRY)
    kind = kind_of(statement)
    return UnverifiedEntry(kind=kind, envelope=envelope, leaf_hash=leaf_hash(data))


def verify_entry(data: bytes, kind: EntryKind, keys: EntrySigners) -> Verified:
    """Check an entry's signatures and read it; the numbers are those of the module text.

    Raises:
        MalformedEntryError: not an entry, or its predicate is not as specified.
        NotSignedError: an entry of another kind, or too few of `keys` have signed.
    """
    unverified = parse_entry(data)  # 1
    if unverified.kind is not kind:
        raise NotSignedError(f"entry kind: expected {kind.name}, found {unverified.kind.name}")
    return verify_parsed(unverified, keys)


def verify_parsed(unverified: UnverifiedEntry, keys: EntrySigners) -> Verified:
    """Steps 2 and 3 of `verify_entry`, for who takes entries of every kind as they come.

    Args:
        unverified: made by `parse_entry`.
        keys: of the signers of its kind.

    Raises:
        MalformedEntryError, NotSignedError: see `verify_entry`.
    """
    trusted = [Ed25519Key(key) for key in keys.keys]
    payload = verify_envelope(unverified.envelope, trusted, threshold=keys.threshold)  # 2
    statement = read_payload(payload)  # 3
    if isinstance(statement, RotationStatement):
        _require_new_keys(unverified.envelope, statement)
    digest = hashlib.sha256(payload).digest()
    return _verified(statement, unverified.leaf_hash, digest)


def verify_release(data: bytes, keys: EntrySigners) -> Release:
    """See `verify_entry`."""
    entry = verify_entry(data, EntryKind.RELEASE, keys)
    return _typed(entry, Release)


def verify_status(data: bytes, keys: EntrySigners) -> Status:
    """See `verify_entry`."""
    return _typed(verify_entry(data, EntryKind.STATUS, keys), Status)


def verify_service(data: bytes, keys: EntrySigners) -> Service:
    """See `verify_entry`."""
    return _typed(verify_entry(data, EntryKind.SERVICE, keys), Service)


def verify_rotation(data: bytes, keys: EntrySigners) -> Rotation:
    """See `verify_entry`; `keys` are those of the role so far, and every new key has signed too."""
    return _typed(verify_entry(data, EntryKind.ROTATION, keys), Rotation)


def check_separate(signers: Iterable[EntrySigners]) -> None:
    """Check that no key serves two kinds of entries.

    Raises:
        PolicyError: one does.
    """
    keys = [key for one in signers for key in one.keys]
    if len(set(keys)) != len(keys):
        raise PolicyError("one key signs two kinds of entries")


def _require_new_keys(envelope: Envelope, rotation: RotationStatement) -> None:
    """Check that whoever is to take over holds the keys: else a typing error could lock all out."""
    new = public_keys(rotation.role, rotation.new.keys)
    verify_envelope(envelope, [Ed25519Key(key) for key in new], threshold=len(new))


def _typed(entry: VerifiedEntry, kind: type[Kind]) -> Kind:
    if not isinstance(entry, kind):
        raise NotSignedError(f"entry kind: expected {kind.__name__}")
    return entry


def _verified(statement: EntryStatement, leaf: bytes, payload_digest: bytes) -> Verified:
    members = {one.name: getattr(statement, one.name) for one in fields(statement)}
    match statement:
        case ReleaseStatement():
            return Release(leaf_hash=leaf, payload_digest=payload_digest, **members)
        case StatusStatement():
            return Status(leaf_hash=leaf, payload_digest=payload_digest, **members)
        case ServiceStatement():
            return Service(leaf_hash=leaf, payload_digest=payload_digest, **members)
        case RotationStatement():
            return Rotation(leaf_hash=leaf, payload_digest=payload_digest, **members)
        case _:
            assert_never(statement)
