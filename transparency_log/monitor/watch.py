"""Whose entries a monitor looks for: the log's policy, and the signers of each kind."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import assert_never

from transparency_log.entry import EntryKind, EntrySigners
from transparency_log.rotation import Role, RoleKeys, RotationStatement
from transparency_log.strict_json import b64encode, dumps
from transparency_log.witness_policy import LogPolicy


class Stage(Enum):
    """Where a policy stands with respect to an announcement of new keys."""

    AHEAD = "ahead"
    """It lists the old keys: the new ones are still to be taken in."""
    OVERLAP = "overlap"
    """It lists both."""
    DONE = "done"
    """It lists the new ones."""


@dataclass(frozen=True, kw_only=True)
class Watch:
    """Whom a monitor believes, for what.

    Attributes:
        log: the log and its witnesses.
        release: signers of releases.
        status: signers of statuses.
        service: signers of service entries.
        name: the service they sign for.
    """

    log: LogPolicy
    release: EntrySigners
    status: EntrySigners
    service: EntrySigners
    name: str

    @property
    def signers(self) -> Mapping[EntryKind, EntrySigners]:
        """Give the signers of each kind; a rotation is signed by keys it names itself."""
        return {
            EntryKind.RELEASE: self.release,
            EntryKind.STATUS: self.status,
            EntryKind.SERVICE: self.service,
        }

    @property
    def digest(self) -> bytes:
        """Name whose entries were found: under others, all entries have to be judged again."""
        signers = [
            [kind.name, one.threshold, sorted(key.hex() for key in one.keys)]
            for kind, one in self.signers.items()
        ]
        witnesses = sorted([one.name, one.operator, one.vkey] for one in self.log.witnesses)
        keys = sorted([self.log.log_vkey, *self.log.overlap_vkeys])
        text = [self.log.origin, keys, witnesses, self.log.quorum, self.name, signers]
        return hashlib.sha256(dumps(text)).digest()

    def stage(self, rotation: RotationStatement) -> Stage | None:
        """Say how an announcement concerns this policy; None: it is about other keys."""
        listed = self._listed(rotation.role, rotation.name)
        old, new = set(rotation.old.keys), set(rotation.new.keys)
        if rotation.log != self.log.origin:
            return None
        if listed == new:
            return Stage.DONE
        if listed == old:
            return Stage.AHEAD
        return Stage.OVERLAP if listed == old | new else None

    def _listed(self, role: Role, name: str) -> set[str]:
        """Give the keys of a role as a policy writes them."""
        match role:
            case Role.LOG:
                return {self.log.log_vkey, *self.log.overlap_vkeys}
            case Role.WITNESS:
                return {one.vkey for one in self.log.witnesses if one.name == name}
            case Role.RELEASE:
                signers = self.release
            case Role.STATUS:
                signers = self.status
            case Role.SERVICE:
                signers = self.service
            case _:
                assert_never(role)
        ours = self.name if role is Role.SERVICE else self.log.origin
        return {b64encode(key) for key in signers.keys} if name == ours else set()


def role_signers(keys: RoleKeys, public: tuple[bytes, ...]) -> EntrySigners:
    """Make signers of what an announcement names."""
    return EntrySigners(keys=public, threshold=keys.threshold)
