"""What both runners do with their command line: find the indexes of their own, run, print."""

import argparse
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.conformance.report import Case, report
from tests.conformance.set_folder import describe, failed

KEYS = frozenset({"standard", "kind"})
"""The keys of an index that say whose it is: of the standards' runner, of the evidence's."""

RunSet = Callable[[Path, dict[str, Any]], Iterator[Case]]


def run_sets(directory: Path, key: str, run_set: RunSet) -> Iterator[Case]:
    """Run every set with this key at or below `directory`, in sorted order of the indexes.

    An index that is nobody's fails in both runners.
    """
    for path in sorted(directory.rglob("INDEX.json")):
        folder = path.resolve().parent
        try:
            index = json.loads(path.read_bytes())
        except (OSError, ValueError, RecursionError) as error:
            yield failed(folder, "INDEX.json", describe(error))
            continue
        if not isinstance(index, dict) or not KEYS & set(index):
            yield failed(folder, "INDEX.json", "neither a kind nor a standard")
        elif key in index:
            yield from run_set(folder, index)


def main(description: str, run: Callable[[Path], Iterator[Case]]) -> int:
    """Read the command line, run, print; give the exit code."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("directory", type=Path, metavar="DIR")
    parser.add_argument("--json", action="store_true", dest="as_json")
    arguments = parser.parse_args()
    return report(list(run(arguments.directory)), as_json=arguments.as_json)
