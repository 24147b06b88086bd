"""Configuration of the witness: one TOML file, one frozen dataclass.

Paths are relative to the file that names them. Unknown and missing keys are errors. Private keys
come by path, from files that nobody else can read.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from transparency_log.cosignature import (
    CosignatureSigner,
    Cosigner,
    MLDSACosignatureSigner,
    parse_log_verifier,
)
from transparency_log.errors import ConfigurationError
from transparency_log.note import Verifier
from transparency_log.server.problems import wrong
from transparency_log.server.secret_files import read_ml_dsa_seed, read_seed
from transparency_log.server.toml_table import Table, read_table
from transparency_log.vkey import check_name

Logs = Mapping[str, tuple[Verifier, ...]]
"""Keys of the known logs, by origin."""


@dataclass(frozen=True, kw_only=True)
class WitnessConfig:
    """The file of `openpcc-witness`."""

    # Key name of this witness, which both its keys have.
    name: str
    # SQLite file with the newest cosigned checkpoint of each log, made by `openpcc-witness init`.
    database: Path
    # Logs to cosign, from `[[logs]]` with `origin`, `vkey` and, while a log changes its key,
    # `overlap_vkeys`.
    logs: Logs
    # File with the Ed25519 seed in base64, mode 0600; left out: no such cosignature is given.
    key: Path | None = None
    # The same of the ML-DSA-44 seed. One of the two at least; with both, each answer has two lines.
    ml_dsa_44_key: Path | None = None
    # Address; port 0 takes a free one.
    listen: str = "127.0.0.1:8091"
    # Address of /healthz, /readyz and /metrics; left out: not served.
    control: str | None = None

    def signers(self) -> tuple[Cosigner, ...]:
        """Read the keys.

        Raises:
            ConfigurationError: one is missing, readable by others, or not a seed.
        """
        found: list[Cosigner] = []
        if self.key is not None:
            found.append(CosignatureSigner(name=self.name, private_key=read_seed(self.key)))
        if self.ml_dsa_44_key is not None:
            private_key = read_ml_dsa_seed(self.ml_dsa_44_key)
            found.append(MLDSACosignatureSigner(name=self.name, private_key=private_key))
        return tuple(found)


def load_witness_config(path: Path, *, begun: bool = True) -> WitnessConfig:
    """Read the witness's configuration, and the keys that it names.

    Args:
        path: the file.
        begun: whether there has to be state already.

    Raises:
        ConfigurationError: a line for each problem.
    """
    table = read_table(path)
    logs = [_log(one) for one in table.tables("logs")]
    table.check(lambda: _check_logs([origin for origin, _ in logs]), "logs")
    config = WitnessConfig(
        name=table.text("name"),
        database=table.path("database"),
        logs=dict(logs),
        key=table.optional_path("key", read_seed),
        ml_dsa_44_key=table.optional_path("ml_dsa_44_key", read_ml_dsa_seed),
        listen=table.address("listen", WitnessConfig.listen),
        control=table.optional_address("control"),
    )
    table.check(lambda: check_name(config.name), "name")
    table.check(lambda: _check_keys(config), "key", "ml_dsa_44_key")
    if begun:
        table.check(lambda: _check_state(config.database), "database")
    table.end()
    return config


def _check_keys(config: WitnessConfig) -> None:
    paths = [path for path in (config.key, config.ml_dsa_44_key) if path is not None]
    if not paths:
        raise ConfigurationError(
            wrong(expected="key, ml_dsa_44_key or both", found="neither", remedy="name one")
        )
    if len(paths) == 2 and _seed_text(paths[0]) == _seed_text(paths[1]):
        raise ConfigurationError(
            wrong(expected="two keys", found="two keys with one seed",
                  remedy="make each with `keygen`")
        )  # fmt: skip


def _check_state(database: Path) -> None:
    if not database.is_file():
        raise ConfigurationError(f"{database}: missing; make it with `openpcc-witness init`")


def _check_logs(origins: list[str]) -> None:
    if not origins or len(set(origins)) != len(origins):
        raise ConfigurationError(
            wrong(expected="tables [[logs]], each origin once",
                  found="one twice" if origins else "none")
        )  # fmt: skip


def _seed_text(path: Path) -> str:
    return path.read_text().strip()


def _log(table: Table) -> tuple[str, tuple[Verifier, ...]]:
    origin, vkey = table.text("origin"), table.text("vkey")
    overlap = table.optional_texts("overlap_vkeys") or []
    verifiers: list[Verifier] = []
    table.check(lambda: verifiers.append(parse_log_verifier(vkey)), "vkey")
    table.check(lambda: verifiers.extend(map(parse_log_verifier, overlap)), "overlap_vkeys")
    table.end()
    return origin, tuple(verifiers)
