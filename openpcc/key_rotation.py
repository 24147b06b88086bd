"""What an announcement of new keys lets the holder of a policy change (DESIGN 4.6).

docs/formats.md, 4.4. The policy stays the only ground of trust: an announcement changes nothing by
itself, and a policy is changed only by what its own keys have said. The argument of
`verify_announcement`:

1. parse         a proof file that carries the entry; nothing is trusted yet
2. bind          it is of this policy's log, and begins with the very keys this policy lists
3. authenticate  the threshold of the old keys has signed, and every new key
4. include       it is in the log, under a checkpoint that this policy's witnesses have signed
5. order         it stands behind the one this policy applied last and was not issued before that,
                 so that nothing is undone: whoever may submit to the log can log an old one again,
                 in an envelope that is spelled differently and so is another leaf
6. time          the new keys are in force; before that, they may only stand beside the old ones

Pure: bytes and `now` come in, a policy comes out. `openpcc policy rotate` writes it into the file.
"""

from dataclasses import dataclass, replace
from typing import assert_never

from openpcc.config import ClientPolicy
from openpcc.errors import RotationError
from transparency_log.draft import parse_draft
from transparency_log.entry import EntrySigners, Rotation, check_separate, verify_rotation
from transparency_log.errors import LogError
from transparency_log.merkle import leaf_hash
from transparency_log.proof import parse_proof, verify_proof
from transparency_log.rotation import Role, RoleKeys, RotationStatement, public_keys
from transparency_log.strict_json import b64encode
from transparency_log.witness_policy import LogPolicy, Witness


@dataclass(frozen=True, kw_only=True)
class Announcement:
    """A rotation that a policy's own keys announced; made by `verify_announcement` alone."""

    rotation: Rotation
    index: int


def verify_announcement(
    proof: bytes, policy: ClientPolicy, *, now: int, overlap: bool
) -> Announcement:
    """Check an announcement against a policy; the numbers are those of the module text.

    Args:
        proof: a proof file with the entry in its extra line.
        policy: to be changed.
        now: Unix seconds.
        overlap: whether the new keys are to stand beside the old ones.

    Raises:
        RotationError: it lets nobody change this policy; the text says why.
    """
    try:
        parsed = parse_proof(proof)  # 1
        if parsed.extra is None:
            raise RotationError("the proof does not carry the announcement")
        statement = parse_draft(parsed.extra).statement
        if not isinstance(statement, RotationStatement):
            raise RotationError("the entry is no announcement of new keys")
        _require_ours(statement, policy)  # 2
        old = _signers(statement.role, statement.old)
        rotation = verify_rotation(parsed.extra, old)  # 3
        logged = verify_proof(proof, leaf_hash(parsed.extra), policy.log)  # 4
    except LogError as error:
        raise RotationError(f"the announcement is not proved: {error}") from error
    _require_later(logged.index, rotation, policy)  # 5
    if now < rotation.not_before and not overlap:  # 6
        raise RotationError(
            f"the new keys take over at {rotation.not_before}, and it is {now}; until then they "
            "may stand beside the old ones: --overlap"
        )
    return Announcement(rotation=rotation, index=logged.index)


def apply(policy: ClientPolicy, announcement: Announcement, *, overlap: bool) -> ClientPolicy:
    """Give the policy with the new keys: beside the old ones in an overlap, else in their place.

    Raises:
        RotationError: the policy would not be usable.
    """
    rotation = announcement.rotation
    try:
        changed = _changed(policy, rotation, overlap=overlap)
        check_separate([changed.release_signers, changed.status_signers, changed.service_signers])
    except LogError as error:
        raise RotationError(f"with the new keys the policy cannot be used: {error}") from error
    if overlap:
        return changed
    return replace(changed, rotated=announcement.index, rotated_issued=rotation.issued)


def keys_of(policy: ClientPolicy, role: Role, name: str) -> RoleKeys:
    """Give the keys of a role as the policy lists them; of an unknown witness or service none."""
    match role:
        case Role.LOG:
            keys = (policy.log.log_vkey, *policy.log.overlap_vkeys)
            return RoleKeys(keys=keys if name == policy.log.origin else (), threshold=1)
        case Role.WITNESS:
            found = tuple(one.vkey for one in policy.log.witnesses if one.name == name)
            return RoleKeys(keys=found, threshold=1)
        case Role.RELEASE:
            signers = policy.release_signers
        case Role.STATUS:
            signers = policy.status_signers
        case Role.SERVICE:
            signers = policy.service_signers
            if name != policy.service:
                return RoleKeys(keys=(), threshold=1)
        case _:
            assert_never(role)
    keys = tuple(b64encode(key) for key in signers.keys)
    return RoleKeys(keys=keys, threshold=signers.threshold)


def joined(rotation: RotationStatement) -> RoleKeys:
    """Give old and new keys together, the higher threshold over both."""
    new = tuple(key for key in rotation.new.keys if key not in rotation.old.keys)
    threshold = max(rotation.old.threshold, rotation.new.threshold)
    return RoleKeys(keys=(*rotation.old.keys, *new), threshold=threshold)


def _require_ours(rotation: RotationStatement, policy: ClientPolicy) -> None:
    if rotation.log != policy.log.origin:
        raise RotationError(f"the announcement is for the log {rotation.log}, not for the policy's")
    listed = keys_of(policy, rotation.role, rotation.name)
    if not any(_same(listed, one) for one in (rotation.old, joined(rotation))):
        raise RotationError(
            f"the policy does not list the keys of the {rotation.role.value} {rotation.name} that "
            "the announcement replaces: it was applied already, or is not for this policy"
        )


def _require_later(index: int, rotation: Rotation, policy: ClientPolicy) -> None:
    if policy.rotated is not None and index <= policy.rotated:
        raise RotationError(
            f"the announcement stands at index {index}, and this policy has applied that at "
            f"index {policy.rotated}: it is an older one"
        )
    if policy.rotated_issued is not None and rotation.issued < policy.rotated_issued:
        raise RotationError(
            f"the announcement was issued at {rotation.issued}, and the one that this policy has "
            f"applied at {policy.rotated_issued}: it is an older one, logged again or late; if its "
            "keys are still meant, announce them anew"
        )


def _same(one: RoleKeys, other: RoleKeys) -> bool:
    return (set(one.keys), one.threshold) == (set(other.keys), other.threshold)


def _signers(role: Role, keys: RoleKeys) -> EntrySigners:
    return EntrySigners(keys=public_keys(role, keys.keys), threshold=keys.threshold)


def _changed(policy: ClientPolicy, rotation: Rotation, *, overlap: bool) -> ClientPolicy:
    keys = joined(rotation) if overlap else rotation.new
    match rotation.role:
        case Role.LOG:
            first, *more = keys.keys
            log = replace(policy.log, log_vkey=first, overlap_vkeys=tuple(more))
            return replace(policy, log=log)
        case Role.WITNESS:
            return replace(policy, log=_with_witness(policy.log, rotation, keys))
        case Role.RELEASE:
            return replace(policy, release_signers=_signers(rotation.role, keys))
        case Role.STATUS:
            return replace(policy, status_signers=_signers(rotation.role, keys))
        case Role.SERVICE:
            return replace(policy, service_signers=_signers(rotation.role, keys))
        case _:
            assert_never(rotation.role)


def _with_witness(log: LogPolicy, rotation: Rotation, keys: RoleKeys) -> LogPolicy:
    """Put a witness's keys in the place of its first one; whoever runs it stays the operator."""
    witnesses: list[Witness] = []
    for one in log.witnesses:
        if one.name != rotation.name:
            witnesses.append(one)
        elif all(other.name != one.name for other in witnesses):
            witnesses += [replace(one, vkey=key) for key in keys.keys]
    return replace(log, witnesses=tuple(witnesses))
