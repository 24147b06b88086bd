"""Entry points of `openpcc-log` and `openpcc-witness`: arguments and the clock come in here.

openpcc-log keygen --name ORIGIN --out FILE      new key, prints its verifier key
openpcc-log init --config FILE                   makes the log's store and table
openpcc-log --config FILE [--check-config]       runs
openpcc-witness keygen --type ed25519|ml-dsa-44 --name NAME --out FILE
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from transparency_log.cli import COMMANDS
from transparency_log.cosignature import CosignatureSigner, MLDSACosignatureSigner
from transparency_log.note import NoteSigner
from transparency_log.server.app import LogApp
from transparency_log.server.config import load_log_config
from transparency_log.server.program import Opened, Program, run
from transparency_log.server.secret_files import read_ml_dsa_seed, read_seed
from transparency_log.server.storage_config import create_storage, open_storage
from transparency_log.server.witness import WitnessApp
from transparency_log.server.witness_config import load_witness_config
from transparency_log.server.witness_store import WitnessStore


def unix_now() -> int:
    """Read the clock, in Unix seconds."""
    return int(time.time())


def main() -> None:
    """Run `openpcc-log`."""
    sys.exit(run(LOG, sys.argv[1:]))


def witness_main() -> None:
    """Run `openpcc-witness`."""
    sys.exit(run(WITNESS, sys.argv[1:]))


@contextmanager
def _open_log(path: Path, failed: Callable[[], None]) -> Iterator[Opened]:
    config = load_log_config(path)
    with open_storage(config.store, config.sequence) as storage:
        app = LogApp(config, storage, clock=unix_now, failed=failed)
        yield config.listen, config.control, app


@contextmanager
def _open_witness(path: Path, failed: Callable[[], None]) -> Iterator[Opened]:
    config = load_witness_config(path)
    with closing(WitnessStore.open(config.database)) as store:
        yield (
            config.listen,
            config.control,
            WitnessApp(config, store, clock=unix_now, failed=failed),
        )


def _init_log(path: Path) -> None:
    config = load_log_config(path, begun=False)
    create_storage(config.store, config.sequence)


def _log_vkey(name: str, path: Path) -> str:
    return str(NoteSigner(name=name, private_key=read_seed(path)).key)


def _witness_vkey(name: str, path: Path) -> str:
    return str(CosignatureSigner(name=name, private_key=read_seed(path)).key)


def _witness_ml_dsa_vkey(name: str, path: Path) -> str:
    return str(MLDSACosignatureSigner(name=name, private_key=read_ml_dsa_seed(path)).key)


LOG = Program(
    name="openpcc-log",
    check=load_log_config,
    init=_init_log,
    open=_open_log,
    vkeys={"ed25519": _log_vkey},
    epilog="Of entries: openpcc-log COMMAND --help, one of " + ", ".join(sorted(COMMANDS)) + ".",
)
"""The log."""

WITNESS = Program(
    name="openpcc-witness",
    check=load_witness_config,
    init=lambda path: WitnessStore.create(load_witness_config(path, begun=False).database),
    open=_open_witness,
    vkeys={"ed25519": _witness_vkey, "ml-dsa-44": _witness_ml_dsa_vkey},
)
"""The witness."""

if __name__ == "__main__":
    main()
