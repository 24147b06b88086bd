"""Run the published vectors of every standard we implement against our code.

    python tests/conformance/standards.py DIR [--json]

DIR is a set folder (it holds an `INDEX.json`) or a parent of such folders; every index with a
`standard` below it is run, indexes with a `kind` belong to the evidence runner and are passed over.
No network, no clock, nothing is written. Prints one line per failing case and a last line
`N passed, M failed, K not applicable`; exits 1 if a case failed or none passed. With `--json`
stdout is one object and the last line goes to stderr.

Plug-in contract: `CHECKERS` maps a standard to a module of `standard_cases`, imported when a set
needs it. The module gives `case_file(name) -> CaseFile | None`; `standard_cases/contract.py` says
what that is and holds the words checkers share. A standard whose module does not exist yet fails.
"""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:  # run as a program, from any folder
    sys.path.insert(0, str(ROOT))

from tests.conformance.program import main, run_sets  # noqa: E402
from tests.conformance.report import Case  # noqa: E402
from tests.conformance.set_folder import describe, failed  # noqa: E402
from tests.conformance.standard_set import check_set, no_checker, unknown_standard  # noqa: E402

CHECKERS = {
    "bhttp-rfc9292": "bhttp_rfc9292",
    "c2sp-tlog": "c2sp_tlog",
    "dsse-in-toto": "dsse_in_toto",
    "hardware-evidence": "hardware_evidence",
    "hpke-pq": "hpke_pq",
    "hpke-rfc9180": "hpke_rfc9180",
    "jcs-rfc8785": "jcs_rfc8785",
    "merkle-rfc6962": "merkle_rfc6962",
    "ohttp-chunked": "ohttp_chunked",
    "ohttp-rfc9458": "ohttp_rfc9458",
    "openai-api": "openai_api",
    "pbrsa-draft": "pbrsa_draft",
    "privacypass-rfc9578": "privacypass_rfc9578",
    "rats": "rats",
    "rsabssa-rfc9474": "rsabssa_rfc9474",
    "sealing": "sealing",
    "sigstore-conformance": "sigstore_conformance",
    "wycheproof": "wycheproof",
    "xwing": "xwing",
}
"""Standard, as an index spells it, to the module of `standard_cases` that checks it."""


def run(directory: Path) -> Iterator[Case]:
    """Give the cases of every set of a standard at or below `directory`, in sorted order."""
    return run_sets(directory, "standard", _run_set)


def _run_set(folder: Path, index: dict[str, Any]) -> Iterator[Case]:
    standard = index["standard"]
    if not isinstance(standard, str) or standard not in CHECKERS:
        yield unknown_standard(folder, standard)
        return
    try:
        checker = load_checker(CHECKERS[standard])
    except ImportError as error:
        yield failed(folder, "INDEX.json", describe(error))
        return
    if checker is None:
        yield no_checker(folder, standard)
    else:
        yield from check_set(folder, index, checker)


def load_checker(module: str) -> ModuleType | None:
    """Import a checker; None if there is no such module (and only then)."""
    name = f"tests.conformance.standard_cases.{module}"
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        return None


if __name__ == "__main__":
    sys.exit(main("run the vectors of published standards", run))
