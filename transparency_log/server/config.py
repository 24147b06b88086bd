"""Configuration of the log: one TOML file, one frozen dataclass.

    origin = "log.example/2026"        [[publishers]]               `publishers`
    key = "log.key"                    name = "release"
    quorum = 2                         token = "release.token"

    [store]        `storage_config`    [[witnesses]]                once for each key
    kind = "directory"                 name = "witness.example"
    path = "public"                    operator = "Example Ltd"
                                       vkey = "witness.example+…"
    [sequence]     `storage_config`    url = "https://witness.example"
    kind = "sqlite"
    path = "sequence.db"

Each submission holds its connection until it is acknowledged, and connections get a third of the
process's descriptors: 3,000 entries a second in batches of 500 ms need a limit of 10,000
(systemd: `LimitNOFILE=`).

Paths are relative to the file that names them. Unknown and missing keys are errors. Private keys
and tokens come by path, from files that nobody else can read.
"""

from dataclasses import dataclass
from pathlib import Path

from transparency_log.errors import ConfigurationError
from transparency_log.note import NoteSigner
from transparency_log.server.problems import found, wrong
from transparency_log.server.publishers import PublisherConfig, Publishers, read_publisher
from transparency_log.server.secret_files import read_seed
from transparency_log.server.storage_config import (
    SequenceConfig,
    StoreConfig,
    read_sequence,
    read_store,
    require_storage,
)
from transparency_log.server.toml_table import Table, read_table
from transparency_log.vkey import parse_vkey
from transparency_log.witness_policy import LogPolicy, Witness


@dataclass(frozen=True, kw_only=True)
class WitnessAddress:
    """One `[[witnesses]]` of the log's file: one key; a witness with two keys stands twice."""

    # Key name of the witness, as in its verifier key.
    name: str
    # Who runs it: keys of one operator count once towards the quorum.
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
    # Where the public files lie, from `[store]`.
    store: StoreConfig
    # Where entries get their place, from `[sequence]`.
    sequence: SequenceConfig
    # Who may submit entries, from `[[publishers]]`: spam control, never trust.
    publishers: tuple[PublisherConfig, ...]
    # Witnesses to ask, and of how many operators before a checkpoint is published.
    witnesses: tuple[WitnessAddress, ...]
    quorum: int
    # File with a second seed, which signs beside the first while a rotation lasts (docs/keys.md):
    # the next key, or the one before. Left out: one key signs.
    overlap_key: Path | None = None
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
        first, *more = self.signers()
        return LogPolicy(
            origin=self.origin,
            log_vkey=str(first.key),
            overlap_vkeys=tuple(str(one.key) for one in more),
            witnesses=tuple(
                Witness(name=one.name, operator=one.operator, vkey=one.vkey)
                for one in self.witnesses
            ),
            quorum=self.quorum,
        )

    def signers(self) -> tuple[NoteSigner, ...]:
        """Read the log's keys, the one to use first."""
        keys = [path for path in (self.key, self.overlap_key) if path is not None]
        return tuple(NoteSigner(name=self.origin, private_key=read_seed(path)) for path in keys)


def load_log_config(path: Path, *, begun: bool = True) -> LogConfig:
    """Read the log's configuration, and the keys and tokens that it names.

    Args:
        path: the file.
        begun: whether there has to be a log already.

    Raises:
        ConfigurationError: a line for each problem.
    """
    table = read_table(path)
    config = LogConfig(
        origin=table.text("origin"),
        key=table.path("key", read_seed),
        overlap_key=table.optional_path("overlap_key", read_seed),
        store=read_store(table.table("store")),
        sequence=read_sequence(table.table("sequence")),
        publishers=tuple(read_publisher(one) for one in table.tables("publishers")),
        witnesses=tuple(_witness(one) for one in table.tables("witnesses")),
        quorum=table.integer("quorum", None, 1, 32),
        listen=table.address("listen", LogConfig.listen),
        control=table.optional_address("control"),
        batch_ms=table.integer("batch_ms", LogConfig.batch_ms, 1, 60_000),
        cosign_interval=table.integer("cosign_interval", LogConfig.cosign_interval, 1, 3600),
        witness_timeout_ms=table.integer(
            "witness_timeout_ms", LogConfig.witness_timeout_ms, 1, 60_000
        ),
        add_timeout=table.integer("add_timeout", LogConfig.add_timeout, 1, 600),
    )
    table.check(lambda: Publishers(config.publishers), "publishers")
    table.check(lambda: _check_quorum(config), "quorum")
    table.check(lambda: config.policy, "witnesses", "key", "overlap_key", "origin", "quorum")
    if begun:
        table.check(lambda: require_storage(config.store, config.sequence), "store", "sequence")
    table.end()
    return config


def _check_quorum(config: LogConfig) -> None:
    operators = len({one.operator for one in config.witnesses})
    if config.witnesses and config.quorum > operators:
        raise ConfigurationError(
            wrong(expected=f"at most {operators}, the operators of [[witnesses]]",
                  found=str(config.quorum))
        )  # fmt: skip


def _witness(table: Table) -> WitnessAddress:
    witness = WitnessAddress(
        name=table.text("name"),
        operator=table.text("operator"),
        vkey=table.text("vkey"),
        url=table.text("url").rstrip("/"),
    )
    table.check(lambda: parse_vkey(witness.vkey), "vkey")
    table.check(lambda: _check_url(witness.url), "url")
    table.end()
    return witness


def _check_url(url: str) -> None:
    if not url.startswith(("http://", "https://")):
        raise ConfigurationError(wrong(expected="http://… or https://…", found=found(url)))
