"""What the images install is what the tests ran with."""

import re
from pathlib import Path

import pytest

NAMES = ("server", "node", "build")


def pins(path: Path) -> dict[str, set[tuple[str, frozenset[str]]]]:
    """Give each name's versions, with the hashes of their files."""
    found: dict[str, set[tuple[str, frozenset[str]]]] = {}
    for block in re.split(r"\n(?=\S)", path.read_text()):
        if match := re.match(r"([\w.-]+)==([^\s;]+)", block):
            hashes = frozenset(re.findall(r"sha256:[0-9a-f]{64}", block))
            found.setdefault(match[1], set()).add((match[2], hashes))
    return found


@pytest.mark.parametrize("name", NAMES)
def test_every_pin_is_one_of_ours_with_the_same_hashes(root: Path, name: str):
    ours = pins(root / "requirements" / "dev.txt")
    lock = pins(root / "deploy" / "images" / f"{name}.lock")
    assert len(lock) > 4
    assert {one: found for one, found in lock.items() if not found <= ours.get(one, set())} == {}


@pytest.mark.parametrize("name", NAMES)
def test_every_pin_has_hashes_and_no_address(root: Path, name: str):
    path = root / "deploy" / "images" / f"{name}.lock"
    assert all(hashes for found in pins(path).values() for _, hashes in found)
    assert "://" not in path.read_text()
