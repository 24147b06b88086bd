"""Rotation entries: a party of the log hands over to new keys, for everybody to see.

docs/formats.md, 4.4. Signed by the threshold of the old keys *and* by every new key: the old ones
say who comes after them, the new ones that somebody holds them. It changes nobody's policy by
itself; `rotation_policy` says what it allows a reader to change.

Keys are written as a policy writes them: verifier keys of logs and witnesses, 32 bytes of base64 of
entry signers. All are Ed25519, and sign the entry like any other. That a log's or witness's key
signs here cannot be taken for a checkpoint: a DSSE envelope signs bytes that begin with `DSSEv1 `
and hold no line end, a checkpoint ends with one, a cosignature begins with `cosignature/v1`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from transparency_log.errors import MalformedKeyError
from transparency_log.strict_json import Members, StrictJSONError, b64decode
from transparency_log.vkey import MAX_VKEY, SignatureType, parse_vkey

ROTATION_TYPE = "tag:openpcc.org,2026:rotation/v1"
"""Predicate type."""

MAX_ROLE_KEYS = 16
"""Keys of one role: as many as may sign one kind of entry."""

KEY_SIZE = 32
"""Bytes of an Ed25519 public key."""


class Role(StrEnum):
    """Whose keys are changed."""

    LOG = "log"
    WITNESS = "witness"
    RELEASE = "release"
    STATUS = "status"
    SERVICE = "service"


VKEY_TYPES = {Role.LOG: SignatureType.ED25519, Role.WITNESS: SignatureType.COSIGNATURE}
"""Roles whose keys are verifier keys, one each, and the type these have."""


@dataclass(frozen=True, kw_only=True)
class RoleKeys:
    """Keys of a role as a policy writes them, and how many of them must sign."""

    keys: tuple[str, ...]
    threshold: int


@dataclass(frozen=True, kw_only=True)
class RotationStatement:
    """What a rotation entry says. `entry.Rotation` is one whose signatures were checked.

    Attributes:
        log: origin of the log whose readers it is for.
        role: whose keys are changed.
        name: of the witness or of the service; of other roles the log's origin.
        old: the keys so far, all of them.
        new: the keys from `not_before` on, all of them.
        not_before: when the new keys take over, Unix seconds.
        issued: Unix seconds.
    """

    log: str
    role: Role
    name: str
    old: RoleKeys
    new: RoleKeys
    not_before: int
    issued: int

    def predicate(self) -> dict[str, object]:
        """Write the predicate's members, in the order of docs/formats.md."""
        return {
            "role": self.role.value,
            "name": self.name,
            "old": {"threshold": self.old.threshold, "keys": list(self.old.keys)},
            "new": {"threshold": self.new.threshold, "keys": list(self.new.keys)},
            "not_before": self.not_before,
            "issued": self.issued,
        }


def parse_rotation(predicate: Members, *, log: str) -> RotationStatement:
    """Read a rotation predicate about the log `log`, the statement's subject.

    Raises:
        StrictJSONError: another spelling, keys that are not of the role, or nothing changes.
    """
    role = Role(predicate.choice("role", frozenset(Role)))
    rotation = RotationStatement(
        log=log,
        role=role,
        name=predicate.text("name", limit=255),
        old=_role_keys(predicate.child("old"), role),
        new=_role_keys(predicate.child("new"), role),
        not_before=predicate.integer("not_before"),
        issued=predicate.integer("issued"),
    )
    predicate.end()
    _refuse_contradiction(rotation, predicate.name)
    return rotation


def public_keys(role: Role, keys: Sequence[str]) -> tuple[bytes, ...]:
    """Give the Ed25519 keys that sign entries in a role.

    Raises:
        StrictJSONError: a text that is no key of this role.
    """
    return tuple(_public_key(role, key) for key in keys)


def _role_keys(members: Members, role: Role) -> RoleKeys:
    keys = members.texts("keys", limit=MAX_ROLE_KEYS, length=MAX_VKEY)
    found = RoleKeys(keys=tuple(keys), threshold=members.integer("threshold", low=1))
    members.end()
    distinct = set(public_keys(role, keys))
    if len(distinct) != len(keys) or found.threshold > len(keys):
        raise StrictJSONError(f"{members.name}: a key twice, or a threshold nobody can reach")
    if role in VKEY_TYPES and len(keys) != 1:
        raise StrictJSONError(f"{members.name}: a {role.value} has one key")
    return found


def _public_key(role: Role, text: str) -> bytes:
    if role not in VKEY_TYPES:
        key = b64decode(text)
        if len(key) != KEY_SIZE:
            raise StrictJSONError(f"key of the {role.value} signers: expected {KEY_SIZE} bytes")
        return key
    try:
        vkey = parse_vkey(text)
    except MalformedKeyError as error:
        raise StrictJSONError(f"key of the {role.value}: {error}") from error
    if vkey.type is not VKEY_TYPES[role]:
        raise StrictJSONError(f"key of the {role.value}: type {vkey.type:#04x} is not rotated here")
    return vkey.public_key


def _refuse_contradiction(rotation: RotationStatement, name: str) -> None:
    old, new = rotation.old, rotation.new
    if (set(old.keys), old.threshold) == (set(new.keys), new.threshold):
        raise StrictJSONError(f"{name}: old and new keys are the same")
    if rotation.not_before < rotation.issued:
        raise StrictJSONError(f"{name}: not_before lies before issued")
    names = {rotation.log} if rotation.role not in (Role.WITNESS, Role.SERVICE) else {rotation.name}
    if rotation.role in VKEY_TYPES:
        names |= {parse_vkey(key).name for key in (*old.keys, *new.keys)}
    if names != {rotation.name}:
        raise StrictJSONError(f"{name}.name: not the name of the role's log or keys")
