"""Published vectors as inputs to start from; nothing where they are absent."""

import functools
import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

VECTORS = Path(__file__).resolve().parents[3] / "shared" / "vectors"

Files = dict[str, list[bytes]]


@functools.cache
def cases(kind: str) -> tuple[tuple[dict[str, Any], Files], ...]:
    """Give every case of a kind with its files by name."""
    found: list[tuple[dict[str, Any], Files]] = []
    for index in sorted(VECTORS.glob("**/INDEX.json")):
        listed = json.loads(index.read_bytes())
        if listed.get("kind") == kind:
            found += [(case, _files(index.parent, case)) for case in listed["cases"]]
    return tuple(found)


def published(kind: str, name: str) -> list[bytes]:
    """Give each file of this name once, in the order of the cases."""
    return list(dict.fromkeys(data for _, files in cases(kind) for data in files.get(name, ())))


def standing_beside(kind: str, key: str) -> list[bytes]:
    """Give files that stand in an index beside its cases, as `ocsp`."""
    found = []
    for index in sorted(VECTORS.glob("**/INDEX.json")):
        listed = json.loads(index.read_bytes())
        if listed.get("kind") == kind:
            found += [(index.parent / one["file"]).read_bytes() for one in listed.get(key) or ()]
    return found


def standards(pattern: str) -> list[bytes]:
    """Give files of the standards' sets."""
    return [path.read_bytes() for path in sorted((VECTORS / "standards").glob(pattern))]


def judged_at(case: Mapping[str, Any]) -> int:
    """Give the time a case is judged at, Unix seconds."""
    return int(datetime.fromisoformat(case["at"]).timestamp())


def _files(folder: Path, case: Mapping[str, Any]) -> Files:
    listed = {name: [one] if isinstance(one, str) else one for name, one in case["files"].items()}
    return {name: [(folder / one).read_bytes() for one in some] for name, some in listed.items()}
