"""Entries that are still being signed: the threshold is met on several machines, one key each.

A draft travels as a file: the envelope of the entry with the signatures so far, none at first. Each
signer reads what it says, adds a signature, and hands it on. Two rules keep that honest:

- Only keys that the policy lists for this kind sign, each once. A signature by anybody else refuses
  the file: it would count for nothing, and the leaf hash of the entry covers it.
- What a signer is shown is read from the very bytes it signs.

Pure. Whether this signer may sign this at all (a second status of one number) is for the holder of
the key to say; see `transparency_log.cli.guard`.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from transparency_log.dsse import (
    MAX_SIGNATURES,
    Ed25519Key,
    Envelope,
    EnvelopeSigner,
    Signature,
    key_hint,
    pae,
    parse_strict_envelope,
)
from transparency_log.dsse import sign as sign_envelope
from transparency_log.entry import EntrySigners
from transparency_log.errors import MalformedEntryError, NotSignedError
from transparency_log.merkle import leaf_hash
from transparency_log.payload import (
    EntryKind,
    EntryStatement,
    encode_payload,
    kind_of,
    read_payload,
)
from transparency_log.rotation import RotationStatement, public_keys
from transparency_log.statement import PAYLOAD_TYPE, parse_statement
from transparency_log.tile import MAX_ENTRY

Groups = Mapping[str, EntrySigners]
"""Who must sign, by name; every group has to reach its threshold."""


@dataclass(frozen=True, kw_only=True)
class Draft:
    """An entry that is being signed. It was read, and nobody has vouched for it."""

    kind: EntryKind
    statement: EntryStatement
    payload: bytes = field(repr=False)
    signatures: tuple[Signature, ...] = field(default=(), repr=False)

    @property
    def digest(self) -> bytes:
        """SHA-256 of what is signed: the same on every machine that is shown this statement."""
        return hashlib.sha256(self.payload).digest()

    @property
    def leaf_hash(self) -> bytes:
        """How the log will name the entry if it is submitted with the signatures it has now."""
        return leaf_hash(self.encode())

    def encode(self) -> bytes:
        """Write the file, which is the entry as soon as all who must have signed."""
        return Envelope(
            unverified_payload=self.payload,
            payload_type=PAYLOAD_TYPE,
            signatures=self.signatures,
        ).encode()


def new_draft(statement: EntryStatement) -> Draft:
    """Begin an entry.

    Raises:
        MalformedEntryError: it would not be read back, for instance because it is too long.
    """
    return parse_draft(
        Envelope(
            unverified_payload=encode_payload(statement), payload_type=PAYLOAD_TYPE, signatures=()
        ).encode()
    )


def parse_draft(data: bytes) -> Draft:
    """Read a draft; nobody has vouched for it.

    Raises:
        MalformedEntryError: not an entry of a known kind, or another spelling of one.
    """
    envelope = parse_strict_envelope(data, limit=MAX_ENTRY, least=0)
    if envelope.payload_type != PAYLOAD_TYPE:
        raise MalformedEntryError(f"envelope.payloadType: expected {PAYLOAD_TYPE}")
    payload = envelope.unverified_payload
    return Draft(
        kind=kind_of(parse_statement(payload, limit=MAX_ENTRY)),
        statement=read_payload(payload),
        payload=payload,
        signatures=envelope.signatures,
    )


def groups_of(draft: Draft, signers: EntrySigners) -> Groups:
    """Say who must sign: the signers of its kind; for a rotation, its new keys as well."""
    statement = draft.statement
    if not isinstance(statement, RotationStatement):
        return {f"{draft.kind.name.lower()} signers": signers}
    new = public_keys(statement.role, statement.new.keys)
    return {"old keys": signers, "new keys": EntrySigners(keys=new, threshold=len(new))}


def signed_by(draft: Draft, groups: Groups) -> frozenset[bytes]:
    """Give the public keys that have signed.

    Raises:
        NotSignedError: a signature is by none of the groups' keys, or a second one by the same.
    """
    message = pae(PAYLOAD_TYPE, draft.payload)
    listed = _listed(groups.values())
    found: set[bytes] = set()
    for number, one in enumerate(draft.signatures, start=1):
        by = [key for key in listed - found if Ed25519Key(key).accepts(message, one.signature)]
        if not by:
            raise NotSignedError(f"signature {number} is by no key that may sign this, or a repeat")
        found.update(by)
    return frozenset(found)


def progress(signed: Iterable[bytes], groups: Groups) -> Mapping[str, tuple[int, int]]:
    """Give, for each group, how many have signed and how many must."""
    keys = frozenset(signed)
    return {name: (len(keys & set(one.keys)), one.threshold) for name, one in groups.items()}


def missing(signed: Iterable[bytes], groups: Groups) -> tuple[str, ...]:
    """Say which groups have not signed enough: `release signers: 1 of 2 signatures`."""
    return tuple(
        f"{name}: {have} of {need} signatures"
        for name, (have, need) in progress(signed, groups).items()
        if have < need
    )


def require_may_sign(draft: Draft, keys: Iterable[bytes], groups: Groups) -> None:
    """Check that keys may sign this, and have not yet.

    Raises:
        NotSignedError: one may not, or has; or see `signed_by`.
    """
    signed = set(signed_by(draft, groups))
    for key in keys:
        if key not in _listed(groups.values()):
            raise NotSignedError(f"key {key_hint(key)}: the policy does not list it to sign this")
        if key in signed:
            raise NotSignedError(f"key {key_hint(key)}: has signed already, or is named twice")
        signed.add(key)


def countersign(draft: Draft, signers: Sequence[EnvelopeSigner], groups: Groups) -> Draft:
    """Add signatures.

    Raises:
        NotSignedError: see `require_may_sign`.
        MalformedEntryError: with them the entry would be too long for a log.
    """
    require_may_sign(draft, [one.public_key for one in signers], groups)
    added = sign_envelope(draft.payload, PAYLOAD_TYPE, signers).signatures
    result = replace(draft, signatures=(*draft.signatures, *added))
    if len(result.signatures) > MAX_SIGNATURES or len(result.encode()) > MAX_ENTRY:
        raise MalformedEntryError("with these signatures the entry is too long for the log")
    return result


def _listed(groups: Iterable[EntrySigners]) -> set[bytes]:
    return {key for one in groups for key in one.keys}
