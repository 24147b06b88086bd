"""Whom a policy file believes about entries: its tables `[log]` and `[signers.…]`.

The same file that clients have (docs/formats.md, 6). Its other tables are not this program's;
whether they are right is for `openpcc policy check` to say.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from transparency_log.entry import EntryKind, EntrySigners, check_separate
from transparency_log.errors import ConfigurationError, PolicyError
from transparency_log.rotation import VKEY_TYPES, Role, RoleKeys, public_keys
from transparency_log.server.toml_table import Table, read_table
from transparency_log.strict_json import StrictJSONError, b64encode
from transparency_log.witness_policy import LogPolicy, Witness

KINDS = {
    Role.RELEASE: EntryKind.RELEASE,
    Role.STATUS: EntryKind.STATUS,
    Role.SERVICE: EntryKind.SERVICE,
}
"""Roles that sign a kind of entry."""


@dataclass(frozen=True, kw_only=True)
class EntryPolicy:
    """The part of a policy that log entries are judged by."""

    service: str
    log: LogPolicy
    signers: Mapping[EntryKind, EntrySigners]

    def role_keys(self, role: Role, name: str) -> RoleKeys:
        """Give the keys of a role as the policy writes them; `name` is that of a witness.

        Raises:
            PolicyError: the policy has no such witness, or two keys while a rotation lasts.
        """
        if role in VKEY_TYPES:
            found = tuple(one.vkey for one in self.log.witnesses if one.name == name)
            if role is Role.LOG:
                found = (self.log.log_vkey, *self.log.overlap_vkeys)
            if len(found) != 1:
                raise PolicyError(
                    f"the policy has {len(found)} keys of the {role.value} {name}, expected one; "
                    "name another, or finish the rotation that lasts"
                )
            return RoleKeys(keys=found, threshold=1)
        signers = self.signers[KINDS[role]]
        keys = tuple(b64encode(key) for key in signers.keys)
        return RoleKeys(keys=keys, threshold=signers.threshold)

    def role_name(self, role: Role, witness: str | None) -> str:
        """Give the name that stands in a rotation of a role.

        Raises:
            PolicyError: a witness's name is missing, or stands where none belongs.
        """
        if (role is Role.WITNESS) != (witness is not None):
            raise PolicyError("name the witness with --name, and nobody else")
        if witness is not None:
            return witness
        return self.service if role is Role.SERVICE else self.log.origin


def load_policy(path: Path) -> EntryPolicy:
    """Read a policy file.

    Raises:
        ConfigurationError: missing, not TOML, or without usable log or signers.
    """
    table = read_table(path)
    signers = table.table("signers")
    try:
        policy = EntryPolicy(
            service=table.text("service"),
            log=_log(table.table("log")),
            signers={
                kind: _signers(signers.table(role.value), role) for role, kind in KINDS.items()
            },
        )
        check_separate(policy.signers.values())
    except (PolicyError, StrictJSONError) as error:
        table.problems.require_none()  # what could not be read is the reason
        raise ConfigurationError(f"{path}: {error}; correct it there") from error
    table.problems.require_none()  # the other tables of a policy are not ours to read
    return policy


def _log(table: Table) -> LogPolicy:
    return LogPolicy(
        origin=table.text("origin"),
        log_vkey=table.text("key"),
        overlap_vkeys=tuple(table.optional_texts("overlap_keys") or ()),
        witnesses=tuple(
            Witness(name=one.text("name"), operator=one.text("operator"), vkey=one.text("key"))
            for one in table.tables("witnesses")
        ),
        quorum=table.integer("quorum", None, 1, 64),
    )


def _signers(table: Table, role: Role) -> EntrySigners:
    return EntrySigners(
        keys=public_keys(role, table.optional_texts("keys") or ()),
        threshold=table.integer("threshold", None, 1, 64),
    )
