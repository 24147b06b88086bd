"""Hash trees: veritysetup's, a second writing, and superblocks that are none."""

import re
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attestation.errors import ArtifactError
from attestation.measure.artifact import Artifact
from attestation.measure.verity import HashTree, RootHash, Superblock, block_hashes
from tests.fakes import disk
from tests.tools import requires

VERITYSETUP = "/usr/sbin/veritysetup"


def superblock(data: bytes) -> Superblock:
    return Superblock.parse(Artifact(name="tree", data=data))


def over(data: bytes, block: int, salt: bytes) -> HashTree:
    return HashTree.over(block_hashes([data], size=block, salt=salt), block=block, salt=salt)


@pytest.mark.parametrize(
    ("block", "blocks", "salt"),
    [(4096, 1, "-"), (4096, 2, "ab" * 32), (4096, 129, "cd" * 32), (512, 300, "-"),
     (512, 17, "ef" * 16), (1024, 1025, "01")],
)  # fmt: skip
def test_agrees_with_veritysetup(block: int, blocks: int, salt: str, tmp_path: Path) -> None:
    requires(VERITYSETUP)
    data, tree = tmp_path / "data", tmp_path / "tree"
    data.write_bytes(bytes(range(256)) * (block // 256) * (blocks - 1) + b"x" * block)
    command = [VERITYSETUP, "format", str(data), str(tree), f"--salt={salt}",
               f"--data-block-size={block}", f"--hash-block-size={block}"]  # fmt: skip
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    stored = tree.read_bytes()
    found = superblock(stored)
    assert (found.data_block, found.hash_block, found.blocks) == (block, block, blocks)
    ours = over(data.read_bytes(), block, found.salt)
    assert re.findall(r"Root hash:\s+(\w+)", told) == [ours.root.hex()]
    assert stored[max(block, 512) :] == ours.blocks


@pytest.mark.parametrize(("block", "hash_block"), [(4096, 512), (512, 4096), (4096, 1024)])
def test_blocks_of_data_and_of_hashes_are_those_of_the_superblock(
    block: int, hash_block: int, tmp_path: Path
) -> None:
    requires(VERITYSETUP)
    data, tree = tmp_path / "data", tmp_path / "tree"
    data.write_bytes(bytes(range(256)) * (block // 256) * 150)
    command = [VERITYSETUP, "format", str(data), str(tree), "--salt=ab",
               f"--data-block-size={block}", f"--hash-block-size={hash_block}"]  # fmt: skip
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    stored = tree.read_bytes()
    found = superblock(stored)
    hashes = block_hashes([data.read_bytes()], size=found.data_block, salt=found.salt)
    ours = HashTree.over(hashes, block=found.hash_block, salt=found.salt)
    assert (found.data_block, found.hash_block) == (block, hash_block)
    assert re.findall(r"Root hash:\s+(\w+)", told) == [ours.root.hex()]
    assert stored[hash_block:] == ours.blocks


@given(st.integers(1, 60), st.binary(max_size=40))
def test_agrees_with_a_second_writing(blocks: int, salt: bytes) -> None:
    data = bytes(range(256)) * 2 * blocks
    root, stored = disk.verity(data, salt=salt)
    found = superblock(stored)
    assert (found.blocks, found.salt) == (blocks, salt)
    assert over(data, 512, salt).root == root
    assert stored[512:] == over(data, 512, salt).blocks


@given(st.lists(st.binary(min_size=1, max_size=900), min_size=1, max_size=8))
def test_pieces_do_not_matter_and_the_last_block_is_filled_up(pieces: list[bytes]) -> None:
    whole = b"".join(pieces)
    filled = whole.ljust(-(-len(whole) // 512) * 512, b"\0")
    found = list(block_hashes(pieces, size=512, salt=b"s"))
    assert found == list(block_hashes([filled], size=512, salt=b"s"))


@given(st.integers(0, 700), st.sampled_from([64, 512]), st.binary(max_size=4))
def test_a_root_hash_that_is_built_step_by_step_is_the_same(
    count: int, block: int, salt: bytes
) -> None:
    hashes = [number.to_bytes(32, "big") for number in range(count)]
    built = RootHash(block=block, salt=salt)
    for one in hashes:
        built.add(one)
    expected = HashTree.over(hashes, block=block, salt=salt).root if hashes else None
    assert built.finish() == expected


STORED = disk.verity(bytes(1024))[1]


@pytest.mark.parametrize(
    ("place", "new", "said"),
    [
        (0, b"x", "no verity superblock"),
        (8, b"\2", "no verity superblock"),
        (12, b"\0", "no verity superblock"),
        (32, b"sha1\0\0\0", "sha1"),
        (64, struct.pack("<I", 256), "blocks of 256"),
        (68, struct.pack("<I", 8192), "and 8192"),
        (72, bytes(8), "0 of them"),
        (80, struct.pack("<H", 257), "a salt of 257"),
        (84, b"\1", "there should be zeros"),
        (500, b"\1", "there should be zeros"),
    ],
)
def test_refuses_other_superblocks(place: int, new: bytes, said: str) -> None:
    with pytest.raises(ArtifactError, match=said):
        superblock(STORED[:place] + new + STORED[place + len(new) :])


@given(st.binary(max_size=600))
def test_any_bytes_give_a_superblock_or_this_error(data: bytes) -> None:
    with pytest.raises(ArtifactError):
        superblock(data)
