"""`[release.provenance]` of a policy file: whose word about a build is asked for. formats.md, 6.

[release.provenance]
identity = "https://example.org/openpcc/.github/workflows/release.yml@refs/heads/main"
issuer = "https://token.example.org"
trusted_root = "trusted_root.json"
builder = "https://example.org/runner/hosted"
build_type = "https://example.org/workflow/v1"
source = "https://example.org/openpcc"

[release.provenance.parameters.workflow]
ref = "refs/heads/main"
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, cast

from openpcc.errors import ConfigurationError
from transparency_log.errors import LogError
from transparency_log.provenance import Parameters, ProvenancePolicy
from transparency_log.provenance.root import MAX_ROOT, TrustRoot
from transparency_log.provenance.signed import Signer, require_package

if TYPE_CHECKING:
    from openpcc.config import Table

MAX_DEPTH = 8
"""Tables inside tables of parameters; a statement itself goes no deeper than 16."""


def read_provenance(table: "Table", home: Path) -> ProvenancePolicy:
    """Read the table; the trusted root is a file, its path relative to `home`.

    Raises:
        ConfigurationError: something is missing or wrong, or the package `sigstore` not installed.
    """
    try:
        require_package()
        policy = ProvenancePolicy(
            signer=Signer(
                root=TrustRoot.parse(_root(table, home / table.text("trusted_root"))),
                identity=table.text("identity"),
                issuer=table.text("issuer"),
            ),
            builder=table.text("builder"),
            build_type=table.text("build_type"),
            source=table.text("source"),
            parameters=_parameters(table),
        )
    except LogError as error:
        raise ConfigurationError(f"{table.name}: {error}") from error
    table.end()
    return policy


def _root(table: "Table", path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_ROOT + 1)  # one more than is read says that it is too long
    except OSError as error:
        reason = error.strerror or "unreadable"
        raise ConfigurationError(
            f"{table.name}: 'trusted_root': cannot read {path} ({reason}); "
            "name the file of a Sigstore trusted root"
        ) from error


def _parameters(table: "Table") -> Parameters | None:
    if "parameters" not in table:
        return None
    parameters = table.table("parameters")
    return _checked(parameters.rest(), parameters.name, MAX_DEPTH)


def _checked(values: Mapping[str, object], name: str, depth: int) -> Parameters:
    for key, value in values.items():
        match value:
            case bool() | int() | str():
                continue
            case list() if all(isinstance(one, str) for one in value):
                continue
            case dict() if depth:
                _checked(cast("dict[str, object]", value), f"{name}.{key}", depth - 1)
            case _:
                raise ConfigurationError(
                    f"{name}: {key!r} must be a text, an integer, true, false, a list of texts or "
                    "a table; correct it there"
                )
    return values
