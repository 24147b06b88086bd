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
from transparency_log.errors import ConfigurationError, MalformedKeyError
from transparency_log.note import Verifier
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


def load_witness_config(path: Path) -> WitnessConfig:
    """Read the witness's configuration and check all that can be checked without starting.

    Raises:
        ConfigurationError: the text names the key and the remedy.
    """
    table = read_table(path)
    logs = [_log(one) for one in table.tables("logs")]
    config = WitnessConfig(
        name=table.text("name"),
        database=table.path("database"),
        logs=dict(logs),
        key=table.optional_path("key"),
        ml_dsa_44_key=table.optional_path("ml_dsa_44_key"),
        listen=table.text("listen", WitnessConfig.listen),
        control=table.optional_text("control"),
    )
    table.end()
    if len(config.logs) != len(logs) or not logs:
        raise ConfigurationError(f"{path}: name each log's origin once, in [[logs]]")
    _check_keys(config, path)
    return config


def _check_keys(config: WitnessConfig, path: Path) -> None:
    try:
        check_name(config.name)
    except MalformedKeyError as error:
        raise ConfigurationError(f"{path}: name: {error}; correct it") from error
    signers = config.signers()
    if not signers:
        raise ConfigurationError(f"{path}: key is missing; name key, ml_dsa_44_key or both")
    if len(signers) == 2 and _seed_text(config.key) == _seed_text(config.ml_dsa_44_key):
        raise ConfigurationError(f"{path}: the two keys have one seed; make each with `keygen`")


def _seed_text(path: Path | None) -> str:
    return "" if path is None else path.read_text().strip()


def _log(table: Table) -> tuple[str, tuple[Verifier, ...]]:
    origin, vkeys = table.text("origin"), [table.text("vkey")]
    vkeys += table.optional_texts("overlap_vkeys") or ()
    table.end()
    try:
        return origin, tuple(parse_log_verifier(vkey) for vkey in vkeys)
    except MalformedKeyError as error:
        raise ConfigurationError(f"log {origin}: vkey: {error}; copy it anew") from error
