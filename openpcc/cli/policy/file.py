"""A policy file as this client understands it, and which of its settings the file makes itself."""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

from attestation.policy import AppraisalPolicy
from openpcc.config import (
    ClientConfig,
    ClientPolicy,
    load_appraisal_policy,
    read_toml,
)
from openpcc.errors import ConfigurationError

REMEDY = "name another policy file"


@dataclass(frozen=True, kw_only=True)
class PolicyFile:
    """A policy that was read.

    Attributes:
        path: where.
        client: the whole policy; None: the file has the attestation table alone.
        attestation: which evidence it accepts.
        given: the file's own keys, for telling what is set from what is default.
    """

    path: Path
    client: ClientPolicy | None
    attestation: AppraisalPolicy
    given: Mapping[str, object] = field(repr=False)

    @classmethod
    def load(cls, args: argparse.Namespace) -> "PolicyFile":
        """Read the file that is named, else the one that the configuration names.

        Raises:
            ConfigurationError: unreadable, or not a policy of the kind asked for.
        """
        path = args.path
        if path is None:
            path = cast("Path", ClientConfig.load(args.config).policy_file)  # load always has one
        given = read_toml(path, "policy", remedy=REMEDY)
        if not args.attestation:
            _refuse_part(path, given)
            client = ClientPolicy.load(path, remedy=REMEDY)
            return cls(path=path, client=client, attestation=client.attestation, given=given)
        attestation = load_appraisal_policy(path, remedy=REMEDY)
        return cls(path=path, client=None, attestation=attestation, given=given)

    @property
    def asked(self) -> AppraisalPolicy:
        """Give which checks are asked for: `[release.provenance]` asks for one of its own."""
        if self.client is None or self.client.provenance is None:
            return self.attestation
        required = self.attestation.required | {"7.provenance"}
        return replace(self.attestation, required=required)

    def sets(self, key: str) -> bool:
        """Say whether the file has this key, written with dots, itself."""
        found: object = self.given
        for name in key.split("."):
            if not isinstance(found, Mapping) or name not in found:
                return False
            found = found[name]
        return True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments that say which policy is meant."""
    parser.add_argument(
        "path", nargs="?", type=Path, metavar="PATH", help="policy file (default: configuration's)"
    )
    parser.add_argument(
        "--attestation",
        action="store_true",
        help="look at [attestation] alone, as `verify evidence --kind` does",
    )
    parser.add_argument(
        "--list", action="store_true", help="list every check, and what is asked of it"
    )


def _refuse_part(path: Path, given: Mapping[str, object]) -> None:
    """A policy that lost its other tables must not be taken for a whole one."""
    if given.keys() <= {"version", "attestation"} and "attestation" in given:
        raise ConfigurationError(
            f"{path}: expected a client policy, found [attestation] alone; add the other tables "
            "of docs/formats.md, 6, or use --attestation if it is for raw evidence"
        )
