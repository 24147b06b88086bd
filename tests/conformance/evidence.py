"""Judge published and made-up evidence with the code that clients run, and compare.

    python tests/conformance/evidence.py DIR [--json]

DIR is a set folder (it holds an `INDEX.json`) or a parent of such folders; every index with a
`kind` below it is run, indexes with a `standard` belong to the other runner and are passed over.
No network, no clock, nothing is written. Prints one line per failing case and a last line
`N passed, M failed, K not applicable`; exits 1 if a case failed or none passed. With `--json`
stdout is one object and the last line goes to stderr.

Plug-in contract: `CHECKERS` maps a kind to a module of `evidence_cases`, imported when a set needs
it; `evidence_cases/contract.py` says what it gives. The cases of a kind whose module does not exist
yet fail.
"""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:  # run as a program, from any folder
    sys.path.insert(0, str(ROOT))

from tests.conformance.evidence_cases.contract import Checker  # noqa: E402
from tests.conformance.evidence_set import check_set, failed  # noqa: E402
from tests.conformance.program import main, run_sets  # noqa: E402
from tests.conformance.report import Case  # noqa: E402
from tests.conformance.set_folder import describe  # noqa: E402

CHECKERS = {
    "nvidia": "nvidia",
    "sev-snp": "sev_snp",
    "tdx": "tdx",
    "tpm": "tpm",
}
"""Kind, as an index spells it, to the module of `evidence_cases` that judges it."""


def run(directory: Path) -> Iterator[Case]:
    """Give the cases of every set of evidence at or below `directory`, in sorted order."""
    return run_sets(directory, "kind", _run_set)


def _run_set(folder: Path, index: dict[str, Any]) -> Iterator[Case]:
    kind = index["kind"]
    if not isinstance(kind, str) or kind not in CHECKERS:
        yield failed(folder, "INDEX.json", f"unknown kind {kind!r}")
        return
    try:
        checker = load_checker(CHECKERS[kind])
    except ImportError as error:
        yield failed(folder, "INDEX.json", describe(error))
        return
    yield from check_set(folder, index, checker)


def load_checker(module: str) -> Checker | None:
    """Import a checker; None if there is no such module (and only then)."""
    name = f"tests.conformance.evidence_cases.{module}"
    try:
        return cast(Checker, importlib.import_module(name))
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        return None


if __name__ == "__main__":
    sys.exit(main("judge evidence of hardware", run))
