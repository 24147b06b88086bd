"""attestation/measure/recipe.py: lists in a recipe, and bytes that are none."""

import hashlib
import io
import tarfile
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attestation.errors import ArtifactError
from attestation.measure.artifact import Artifact
from attestation.measure.recipe import recipe_files

LISTS = ("lock.json", "sbom.json")


def tar(files: Sequence[tuple[str, bytes]]) -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        folder = tarfile.TarInfo("build")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        for name, data in files:
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return written.getvalue()


def found(data: bytes) -> dict[str, bytes]:
    return recipe_files(Artifact(name="recipe", data=data), LISTS)


@given(st.binary(max_size=2000), st.binary(max_size=600))
def test_lists_are_found_among_other_files(lock: bytes, other: bytes) -> None:
    deep = "build/" + "a" * 90 + "/lock.json"
    data = tar([("build/lock.json", other), ("lock.json", lock), (deep, other)])
    assert found(data) == {"lock.json": hashlib.sha256(lock).digest()}


def test_a_list_that_stands_twice_is_refused() -> None:
    with pytest.raises(ArtifactError, match=r"recipe: has lock.json twice"):
        found(tar([("lock.json", b"a"), ("lock.json", b"b")]))


@pytest.mark.parametrize("data", [b"", b"lock", bytes(511), b"\x1f\x8b" * 600, b"x" * 512])
def test_what_is_no_tar_file_is_refused(data: bytes) -> None:
    with pytest.raises(ArtifactError, match="recipe: "):
        found(data)


@given(st.integers(0, 3000), st.integers(1, 255))
def test_any_changed_byte_gives_a_value_or_this_error(place: int, change: int) -> None:
    data = bytearray(tar([("lock.json", b"a list"), ("sbom.json", b"another" * 100)]))
    data[place] ^= change
    try:
        assert set(found(bytes(data))) <= set(LISTS)
    except ArtifactError:
        return


@given(st.integers(0, 3071))
def test_a_recipe_that_is_cut_is_refused(size: int) -> None:
    whole = tar([("lock.json", b"a list"), ("sbom.json", b"another" * 100)])
    assert len(whole) > 3072
    with pytest.raises(ArtifactError, match="recipe: "):
        found(whole[:size])


@pytest.mark.parametrize("kind", [tarfile.AREGTYPE, tarfile.SYMTYPE, tarfile.XHDTYPE, b"L", b"7"])
def test_an_entry_that_programs_read_differently_is_refused(kind: bytes) -> None:
    data = bytearray(tar([("other", b"b"), ("lock.json", b"a")]))
    data[512 + 156 : 512 + 157] = kind
    with pytest.raises(ArtifactError, match="has an entry of type"):
        found(bytes(data))
