"""Configuration of the log and of the witness: one TOML file, one frozen dataclass each.

Paths are relative to the file that names them. Unknown and missing keys are errors. Private keys
and tokens come by path, from files that nobody else can read.
"""

import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Never

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from transparency_log.cosignature import parse_verifier
from transparency_log.errors import ConfigurationError, MalformedKeyError, PolicyError
from transparency_log.note import NoteSigner, Verifier
from transparency_log.strict_json import StrictJSONError, b64decode
from transparency_log.witness_policy import LOG_TYPES, LogPolicy, Witness

MAX_CONFIG = 65536
"""Bytes of a configuration file."""

SEED_SIZE = 32
"""Bytes of an Ed25519 seed."""


@dataclass(frozen=True, kw_only=True)
class WitnessAddress:
    """One `[[witnesses]]` of the log's file."""

    # Key name of the witness, as in its verifier key.
    name: str
    # Who runs it; for people.
    operator: str
    # Its verifier key (type 0x04 or 0x06).
    vkey: str
    # Prefix below which it answers `add-checkpoint`.
    url: str


@dataclass(frozen=True, kw_only=True)
class LogConfig:
    """The file of `openpcc-log`."""

    # Name of the log: first line of its checkpoints and name of its key.
    origin: str
    # File with the log's Ed25519 seed in base64, mode 0600.
    key: Path
    # Folder with the tiles and the sequencing database, made by `openpcc-log init`.
    directory: Path
    # File with the bearer token that `POST /add` asks for: spam control, never trust. Mode 0600.
    add_token: Path
    # Witnesses to ask, and how many must cosign before a checkpoint is published.
    witnesses: tuple[WitnessAddress, ...]
    quorum: int
    # Public address; port 0 takes a free one.
    listen: str = "127.0.0.1:8090"
    # Address of /healthz and /readyz; left out: not served.
    control: str | None = None
    # Milliseconds that entries are collected before the tree grows.
    batch_ms: int = 500
    # Seconds after which an unchanged tree is cosigned again, so that checkpoints stay fresh.
    cosign_interval: int = 60
    # Milliseconds a witness has to answer.
    witness_timeout_ms: int = 5000
    # Seconds that `POST /add` waits for the quorum before it answers 503; repeating it is safe.
    add_timeout: int = 30

    @property
    def policy(self) -> LogPolicy:
        """What this log asks of its own checkpoints before it publishes them."""
        return LogPolicy(
            origin=self.origin,
            log_vkey=str(self.signer().key),
            witnesses=tuple(
                Witness(name=one.name, operator=one.operator, vkey=one.vkey)
                for one in self.witnesses
            ),
            quorum=self.quorum,
        )

    def signer(self) -> NoteSigner:
        """Read the log's key."""
        return NoteSigner(name=self.origin, private_key=read_seed(self.key))


@dataclass(frozen=True, kw_only=True)
class WitnessConfig:
    """The file of `openpcc-witness`."""

    # Key name of this witness.
    name: str
    # File with the witness's Ed25519 seed in base64, mode 0600.
    key: Path
    # SQLite file with the newest cosigned checkpoint of each log, made by `openpcc-witness init`.
    database: Path
    # Logs to cosign: origin to verifier key, from `[[logs]]` with `origin` and `vkey`.
    logs: Mapping[str, Verifier] = field(default_factory=dict)
    # Address; port 0 takes a free one.
    listen: str = "127.0.0.1:8091"
    # Address of /healthz and /readyz; left out: not served.
    control: str | None = None


def load_log_config(path: Path) -> LogConfig:
    """Read the log's configuration and check all that can be checked without starting.

    Raises:
        ConfigurationError: the text names the key and the remedy.
    """
    table = _Table(_read_toml(path), path)
    config = LogConfig(
        origin=table.text("origin"),
        key=table.path("key"),
        directory=table.path("directory"),
        add_token=table.path("add_token"),
        witnesses=tuple(_witness(one) for one in table.tables("witnesses")),
        quorum=table.integer("quorum", None, 1, 32),
        listen=table.text("listen", LogConfig.listen),
        control=table.optional_text("control"),
        batch_ms=table.integer("batch_ms", LogConfig.batch_ms, 1, 60_000),
        cosign_interval=table.integer("cosign_interval", LogConfig.cosign_interval, 1, 3600),
        witness_timeout_ms=table.integer(
            "witness_timeout_ms", LogConfig.witness_timeout_ms, 1, 60_000
        ),
        add_timeout=table.integer("add_timeout", LogConfig.add_timeout, 1, 600),
    )
    table.end()
    read_token(config.add_token)
    try:
        _ = config.policy
    except ConfigurationError:
        raise
    except PolicyError as error:
        raise ConfigurationError(f"{path}: {error}; mend witnesses, quorum or key") from error
    return config


def load_witness_config(path: Path) -> WitnessConfig:
    """Read the witness's configuration and check all that can be checked without starting.

    Raises:
        ConfigurationError: the text names the key and the remedy.
    """
    table = _Table(_read_toml(path), path)
    logs = [_log(one) for one in table.tables("logs")]
    config = WitnessConfig(
        name=table.text("name"),
        key=table.path("key"),
        database=table.path("database"),
        logs=dict(logs),
        listen=table.text("listen", WitnessConfig.listen),
        control=table.optional_text("control"),
    )
    table.end()
    if len(config.logs) != len(logs) or not logs:
        raise ConfigurationError(f"{path}: name each log's origin once, in [[logs]]")
    read_seed(config.key)
    return config


def read_seed(path: Path) -> Ed25519PrivateKey:
    """Read a private key: a 32-byte seed in base64, in a file of mode 0600.

    Raises:
        ConfigurationError: missing, readable by others, or not a seed.
    """
    try:
        seed = b64decode(_read_secret(path))
    except StrictJSONError as error:
        raise ConfigurationError(f"{path}: not a base64 seed; make one with `keygen`") from error
    if len(seed) != SEED_SIZE:
        raise ConfigurationError(f"{path}: not a {SEED_SIZE}-byte seed; make one with `keygen`")
    return Ed25519PrivateKey.from_private_bytes(seed)


def read_token(path: Path) -> str:
    """Read a bearer token of 16 to 128 printable characters, from a file of mode 0600.

    Raises:
        ConfigurationError: missing, readable by others, or not such a token.
    """
    token = _read_secret(path)
    if not 16 <= len(token) <= 128 or not all("!" <= one <= "~" for one in token):
        raise ConfigurationError(f"{path}: expected a token of 16 to 128 printable characters")
    return token


def _read_secret(path: Path) -> str:
    try:
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise ConfigurationError(f"{path}: others can read this secret; run chmod 600 on it")
        with path.open("rb") as file:
            data = file.read(MAX_CONFIG)
        return data.decode("ascii").removesuffix("\n")
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}; name a file that exists") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path}: not a text file") from error


def _read_toml(path: Path) -> dict[str, object]:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_CONFIG + 1)
        if len(data) > MAX_CONFIG:
            raise ConfigurationError(f"{path}: more than {MAX_CONFIG} bytes; shorten it")
        return tomllib.loads(data.decode())
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}; name a file that exists") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(f"{path}: not TOML: {error}") from error


class _Table:
    """Keys of one TOML table, taken one by one; `end` refuses what is left."""

    def __init__(self, values: Mapping[str, object], path: Path) -> None:
        self._values = dict(values)
        self._path = path

    def text(self, key: str, default: str | None = None) -> str:
        value = self._take(key, default)
        if not isinstance(value, str) or not value:
            self._wrong(key, "a text")
        return value

    def optional_text(self, key: str) -> str | None:
        return self.text(key) if key in self._values else None

    def path(self, key: str) -> Path:
        return self._path.parent / self.text(key)

    def integer(self, key: str, default: int | None, low: int, high: int) -> int:
        value = self._take(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            self._wrong(key, f"an integer of {low} to {high}")
        return value

    def tables(self, key: str) -> "list[_Table]":
        value = self._take(key, None)
        if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
            self._wrong(key, f"tables [[{key}]]")
        return [_Table(one, self._path) for one in value]

    def end(self) -> None:
        if self._values:
            raise ConfigurationError(
                f"{self._path}: unknown key {sorted(self._values)[0]!r}; remove it"
            )

    def _take(self, key: str, default: object) -> object:
        value = self._values.pop(key, default)
        if value is None:
            raise ConfigurationError(f"{self._path}: {key} is missing; add it")
        return value

    def _wrong(self, key: str, expected: str) -> Never:
        raise ConfigurationError(f"{self._path}: {key} must be {expected}")


def _witness(table: _Table) -> WitnessAddress:
    witness = WitnessAddress(
        name=table.text("name"),
        operator=table.text("operator"),
        vkey=table.text("vkey"),
        url=table.text("url").rstrip("/"),
    )
    table.end()
    if not witness.url.startswith(("http://", "https://")):
        raise ConfigurationError(f"witness {witness.name}: url must begin with http:// or https://")
    return witness


def _log(table: _Table) -> tuple[str, Verifier]:
    origin, vkey = table.text("origin"), table.text("vkey")
    table.end()
    try:
        verifier = parse_verifier(vkey)
    except MalformedKeyError as error:
        raise ConfigurationError(f"log {origin}: vkey: {error}; copy it anew") from error
    if verifier.key.type not in LOG_TYPES:
        raise ConfigurationError(f"log {origin}: vkey is not a log's key (Ed25519)")
    return origin, verifier
