"""Takes the wheels of the lock out of a folder, each by its hash, and nothing else.

python3 wheels.py LOCK FROM TO
"""

import hashlib
import re
import shutil
import sys
from pathlib import Path


def main() -> None:
    """Run the command line."""
    lock, kept, chosen = map(Path, sys.argv[1:])
    wanted = locked(lock.read_text())
    found = {name: path for path in kept.glob("*.whl") for name in matching(path, wanted)}
    missing = sorted(wanted.keys() - found.keys())
    if missing:
        sys.exit(f"wheels.py: no wheel of {missing[0]} with a hash of {lock}; build with a network")
    for path in found.values():
        shutil.copyfile(path, chosen / path.name)


def locked(text: str) -> dict[str, frozenset[str]]:
    """Give the hashes of each package of a lock."""
    entries = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)
    return {
        entry.split()[0]: frozenset(re.findall(r"--hash=sha256:([0-9a-f]{64})", entry))
        for entry in entries
        if entry.strip() and not entry.startswith("#")
    }


def matching(path: Path, wanted: dict[str, frozenset[str]]) -> list[str]:
    """Name what a wheel is, by its hash alone."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return [name for name, hashes in wanted.items() if digest in hashes]


if __name__ == "__main__":
    main()
