"""Where things are (`ClientConfig`) and who is trusted for what (`ClientPolicy`).

docs/formats.md section 6. Each is one TOML file read into one frozen value; an unknown key, a wrong
type or a missing file is a `ConfigurationError` that names the thing and the remedy.
"""

import base64
import binascii
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Never, cast
from urllib.parse import urlsplit

from attestation.errors import AttestationError
from attestation.policy import AppraisalPolicy
from openpcc.errors import ConfigurationError
from openpcc.protocol import hpke
from openpcc.relays import MAX_RELAYS
from transparency_log.entry import EntrySigners, check_separate
from transparency_log.errors import LogError
from transparency_log.witness_policy import LogPolicy, Witness

if TYPE_CHECKING:
    from openpcc.token_settings import TokenSettings
    from transparency_log.provenance import ProvenancePolicy

MAX_FILE = 2**20
"""Bytes of a configuration or policy file; more is not read."""

NAME_ANOTHER = "name one with --config or OPENPCC_CONFIG; `openpcc demo --keep` prints one"
"""What to do where there is no configuration."""

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
"""Hosts to which plain HTTP may go: it does not leave the machine."""

CORRECT_POLICY = "correct 'policy' in the configuration"
"""What to do where a configuration names no policy."""

SUITES = {"x-wing": hpke.KEM_XWING, "x25519": hpke.KEM_X25519}
"""Names a policy may list, in its order of preference."""


@dataclass(frozen=True, kw_only=True)
class ClientPolicy:
    """Whom this client believes, for what. Never fetched from a gateway."""

    service: str
    kems: tuple[int, ...]
    """Sealing suites allowed, by KEM id; X-Wing alone unless the file names another."""
    attestation: AppraisalPolicy
    log: LogPolicy
    release_signers: EntrySigners
    status_signers: EntrySigners
    service_signers: EntrySigners
    provenance: "ProvenancePolicy | None" = None
    """Build provenance that a release must have; None: none is asked for."""
    rotated: int | None = None
    """Index in the log of the key rotation that was applied last; None: none was (docs/keys.md)."""
    rotated_issued: int | None = None
    """When that one was issued, Unix seconds: an older one may be logged anew, behind it."""

    @classmethod
    def load(cls, path: Path, *, remedy: str = CORRECT_POLICY) -> "ClientPolicy":
        """Read a policy file; `remedy` says what to do if there is none.

        Raises:
            ConfigurationError: unreadable, or not a policy.
        """
        table = Table(read_toml(path, "policy", remedy=remedy), str(path))
        table.version()
        signers = table.table("signers")
        policy = cls(
            service=table.text("service"),
            kems=_suites(table),
            attestation=_attestation(table.table("attestation")),
            log=_log(table.table("log")),
            release_signers=_signers(signers.table("release")),
            status_signers=_signers(signers.table("status")),
            service_signers=_signers(signers.table("service")),
            provenance=_provenance(table, path.resolve().parent),
            rotated=_rotated(table, "rotated"),
            rotated_issued=_rotated(table, "rotated_issued"),
        )
        signers.end()
        table.end()
        _refuse_shared_keys(policy, str(path))
        _refuse_unasked_provenance(policy, str(path))
        return policy


@dataclass(frozen=True, kw_only=True)
class ClientConfig:
    """Where this client finds its relay, its policy and its state."""

    relays: tuple[str, ...]
    """URLs of the relays: https, or http on a loopback address. A process uses one (`relays`)."""
    policy: ClientPolicy
    state: Path
    """Folder of what was accepted before; made 0700 if missing."""
    model: str | None = None
    """Model of `openpcc chat` when none is named; None: the service's first."""
    ca: Path | None = None
    """Extra root certificates for the relay's TLS; None: the system's alone."""
    tokens: "TokenSettings | None" = None
    """Where tokens come from, for a service that asks for them; None: nowhere."""
    policy_file: Path | None = None
    """Where the policy was read; None: no file, a program made it."""

    @classmethod
    def load(cls, path: str | os.PathLike[str] | None = None) -> "ClientConfig":
        """Read a configuration file; None means `OPENPCC_CONFIG`, else the user's own.

        Raises:
            ConfigurationError: unreadable, or not a configuration.
        """
        found = Path(path) if path is not None else default_path()
        table = Table(read_toml(found, "configuration", remedy=NAME_ANOTHER), str(found))
        table.version()
        home = found.resolve().parent
        policy_file = home / table.text("policy")
        config = cls(
            relays=_relays(table),
            policy=ClientPolicy.load(policy_file),
            policy_file=policy_file,
            state=home / table.text("state"),
            model=table.optional_text("model"),
            ca=_optional_path(home, table.optional_text("ca")),
            tokens=_tokens(table, home),
        )
        table.end()
        return config


def load_appraisal_policy(path: Path, *, remedy: str) -> AppraisalPolicy:
    """Read which evidence is accepted, for judging evidence without a service.

    A file that has `version` and `[attestation]` and no other key is read as that alone. With any
    other key it is a client policy, and must be a whole one.

    Raises:
        ConfigurationError: unreadable, or neither.
    """
    values = read_toml(path, "policy", remedy=remedy)
    if not values.keys() <= {"version", "attestation"}:
        return ClientPolicy.load(path, remedy=remedy).attestation
    table = Table(values, str(path))
    table.version()
    policy = _attestation(table.table("attestation"))
    table.end()
    return policy


def default_path() -> Path:
    """Say which configuration file is used when none is named."""
    named = os.environ.get("OPENPCC_CONFIG")
    if named:
        return Path(named)
    base = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(base) / "openpcc" / "client.toml"


class Table:
    """One TOML table, taken key by key; `end()` refuses keys nobody asked for."""

    def __init__(self, values: Mapping[str, object], name: str) -> None:
        self._values = dict(values)
        self._given = frozenset(values)
        self.name = name

    def version(self) -> None:
        """Take `version`, which must be 1."""
        value = self._values.pop("version", None)
        if type(value) is not int or value != 1:  # True and 1.0 equal 1 as well
            self._wrong("version", "1, the only version that this openpcc reads", value)

    def text(self, key: str) -> str:
        """Take a string that is not empty."""
        value = self._values.pop(key, None)
        if not isinstance(value, str) or not value:
            self._wrong(key, "a text", value)
        return value

    def optional_text(self, key: str) -> str | None:
        """Take a string, or None if the key is left out."""
        return self.text(key) if key in self._values else None

    def integer(self, key: str, *, low: int, high: int) -> int:
        """Take an integer of low..high."""
        value = self._values.pop(key, None)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            self._wrong(key, f"an integer of {low}..{high}", value)
        return value

    def texts(self, key: str) -> list[str]:
        """Take a list of strings."""
        value = self._values.pop(key, None)
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            self._wrong(key, "a list of texts", value)
        return cast("list[str]", value)

    def table(self, key: str) -> "Table":
        """Take a table."""
        value = self._values.pop(key, None)
        if not isinstance(value, dict):
            self._wrong(key, "a table", value)
        return Table(value, f"{self.name}: [{key}]")

    def tables(self, key: str) -> "list[Table]":
        """Take an array of tables; left out is empty."""
        value = self._values.pop(key, [])
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            self._wrong(key, "an array of tables", value)
        return [Table(item, f"{self.name}: [[{key}]]") for item in value]

    def rest(self) -> dict[str, object]:
        """Take everything left, for a reader of its own."""
        rest, self._values = self._values, {}
        return rest

    def __contains__(self, key: str) -> bool:
        """Say whether a key is there and not yet taken."""
        return key in self._values

    def end(self) -> None:
        """Refuse every key that was not taken."""
        if self._values:
            unknown = sorted(self._values)[0]
            raise ConfigurationError(f"{self.name}: unknown key {unknown!r}; remove or correct it")

    def _wrong(self, key: str, expected: str, value: object) -> Never:
        if key not in self._given:
            raise ConfigurationError(f"{self.name}: {key!r} is missing; it must be {expected}")
        raise ConfigurationError(
            f"{self.name}: {key!r} must be {expected}, found {_kind(value)}; correct it there"
        )


def _kind(value: object) -> str:
    """Say what a value is; texts may be secrets or long, and are not repeated."""
    match value:
        case bool() | int() | float():
            return str(value).lower()[:64]
        case "":
            return "an empty text"
        case str():
            return "a text"
        case list():
            return "a list"
        case dict():
            return "a table"
        case _:
            return "a time"


def read_toml(path: Path, what: str, *, remedy: str) -> dict[str, object]:
    """Read a TOML file of bounded size; `remedy` says what to do if there is none.

    Raises:
        ConfigurationError: missing, unreadable, too large, or not TOML.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE + 1)
    except OSError as error:
        reason = error.strerror or "unreadable"
        raise ConfigurationError(
            f"{path}: cannot read the {what} file ({reason}); {remedy}"
        ) from error
    if len(data) > MAX_FILE:
        raise ConfigurationError(
            f"{path}: larger than {MAX_FILE} bytes; not a {what} file; {remedy}"
        )
    try:
        return tomllib.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:  # TOML's own, numbers of any length, any depth
        raise ConfigurationError(
            f"{path}: not TOML: {error}; correct it there; docs/formats.md, 6, shows a {what} file"
        ) from error


def _relays(table: Table) -> tuple[str, ...]:
    if "relay" not in table and "relays" in table:
        found = [checked_url(url, f"{table.name}: 'relays'") for url in table.texts("relays")]
        if not 1 <= len(found) <= MAX_RELAYS or len(set(found)) != len(found):
            raise ConfigurationError(
                f"{table.name}: 'relays' must list 1 to {MAX_RELAYS} different addresses; "
                "correct it there"
            )
        return tuple(found)
    if "relays" in table:
        raise ConfigurationError(f"{table.name}: both 'relay' and 'relays'; remove one of them")
    return (checked_url(table.text("relay"), f"{table.name}: 'relay'"),)


def checked_url(text: str, name: str) -> str:
    """Check the address of a relay or gateway; give it without its last slash.

    Raises:
        ConfigurationError: not a bare https URL, or http elsewhere than on this machine.
    """
    url = text.rstrip("/")
    try:
        parts = urlsplit(url)
        bare = parts.port is None or parts.port > 0
    except ValueError:
        parts, bare = urlsplit(""), False
    loopback = parts.scheme == "http" and parts.hostname in LOOPBACK
    extra = parts.username or parts.password or parts.query or parts.fragment
    if not bare or extra or not parts.hostname or not (parts.scheme == "https" or loopback):
        raise ConfigurationError(f"{name} must be an https URL (http only on a loopback address)")
    return url


def _optional_path(home: Path, text: str | None) -> Path | None:
    return None if text is None else home / text


def _tokens(table: Table, home: Path) -> "TokenSettings | None":
    if "tokens" not in table:
        return None
    from openpcc.token_settings import read_tokens  # services with open admission need none

    return read_tokens(table.table("tokens"), home)


def _suites(table: Table) -> tuple[int, ...]:
    if "suites" not in table:
        return (hpke.KEM_XWING,)
    names = table.texts("suites")
    if not names or any(name not in SUITES for name in names):
        raise ConfigurationError(
            f"{table.name}: 'suites' must list some of {', '.join(SUITES)}, found "
            f"{', '.join(names)[:64] or 'none'}; correct the names, or leave the key out"
        )
    return tuple(SUITES[name] for name in names)


def _attestation(table: Table) -> AppraisalPolicy:
    try:
        return AppraisalPolicy.parse(table.rest())
    except AttestationError as error:
        raise ConfigurationError(f"{table.name}: {error}") from error


def _log(table: Table) -> LogPolicy:
    witnesses = []
    for row in table.tables("witnesses"):
        witnesses.append(
            Witness(name=row.text("name"), operator=row.text("operator"), vkey=row.text("key"))
        )
        row.end()
    quorum = table.integer("quorum", low=1, high=64)
    try:
        policy = LogPolicy(
            origin=table.text("origin"),
            log_vkey=table.text("key"),
            overlap_vkeys=tuple(table.texts("overlap_keys")) if "overlap_keys" in table else (),
            witnesses=tuple(witnesses),
            quorum=quorum,
        )
    except LogError as error:
        raise ConfigurationError(f"{table.name}: {error}; correct it there") from error
    table.end()
    return policy


def _rotated(table: Table, key: str) -> int | None:
    return table.integer(key, low=0, high=2**53 - 1) if key in table else None


def _provenance(table: Table, home: Path) -> "ProvenancePolicy | None":
    if "release" not in table:
        return None
    from openpcc.provenance_policy import read_provenance  # few policies ask; others need not wait

    release = table.table("release")
    policy = read_provenance(release.table("provenance"), home)
    release.end()
    return policy


def _signers(table: Table) -> EntrySigners:
    keys = tuple(_key(table, text) for text in table.texts("keys"))
    threshold = table.integer("threshold", low=1, high=64)
    table.end()
    try:
        return EntrySigners(keys=keys, threshold=threshold)
    except LogError as error:
        raise ConfigurationError(f"{table.name}: {error}; correct it there") from error


def _key(table: Table, text: str) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != 32:
        found = f"{len(key)} bytes" if key else "a text that is not base64"
        raise ConfigurationError(
            f"{table.name}: 'keys' must list Ed25519 keys, 32 bytes in base64, found {found}; "
            "copy the public key anew"
        )
    return key


def _refuse_shared_keys(policy: ClientPolicy, name: str) -> None:
    """No key may serve two entry types: the operator's key must not be able to sign a release."""
    try:
        check_separate([policy.release_signers, policy.status_signers, policy.service_signers])
    except LogError as error:
        raise ConfigurationError(f"{name}: {error}; give each its own") from error


def _refuse_unasked_provenance(policy: ClientPolicy, name: str) -> None:
    """A required check without anything to compare with would refuse every node."""
    if policy.provenance is None and "7.provenance" in policy.attestation.required:
        raise ConfigurationError(
            f"{name}: '7.provenance' is required and not described; add [release.provenance], or "
            "leave the check out"
        )
