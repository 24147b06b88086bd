"""What a client accepted before is kept, merged and never goes back."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attestation.policy import Mark
from attestation.strict_json import StrictJSONError
from openpcc import state
from openpcc.errors import ConfigurationError
from openpcc.state import ClientState, Draw, Position, StateFile

KNOWN = ClientState(
    checkpoint=b"note",
    witnessed=1800000000,
    service=Position(index=6, sequence=2),
    status=Position(index=4, sequence=4),
    draw=Draw(seed=bytes(range(32)), drawn=1800000000, sizes={"aa": 200}),
    marks={bytes(32): Mark(number=7, time=5)},
)


def test_what_is_written_is_read_back(tmp_path: Path):
    file = StateFile(tmp_path / "state")
    file.update(lambda old: state.newest(old, KNOWN))
    assert StateFile(tmp_path / "state").load() == KNOWN


def test_the_file_and_its_folder_are_private(tmp_path: Path):
    StateFile(tmp_path / "state").update(lambda _: KNOWN)
    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "state" / "state.json").stat().st_mode & 0o777 == 0o600


def test_no_number_goes_back():
    older = ClientState(
        checkpoint=b"old",
        witnessed=1799999999,
        service=Position(index=5, sequence=1),
        status=Position(index=1, sequence=3),
        marks={bytes(32): Mark(number=6, time=8), b"\x01" * 32: Mark(number=1)},
    )
    merged = state.newest(KNOWN, older)
    assert merged.checkpoint == b"note"
    assert merged.witnessed == 1800000000
    assert merged.service == KNOWN.service
    assert merged.status == KNOWN.status
    assert merged.marks == {bytes(32): Mark(number=7, time=8), b"\x01" * 32: Mark(number=1)}


def test_a_damaged_file_is_refused_not_forgotten(tmp_path: Path):
    file = StateFile(tmp_path)
    file.update(lambda _: KNOWN)
    (tmp_path / "state.json").write_bytes(b"{}")
    with pytest.raises(ConfigurationError, match="damaged"):
        file.load()


def test_a_proof_of_equivocation_is_kept_whole(tmp_path: Path):
    folder = StateFile(tmp_path).save_proof(b"one", b"two")
    assert (folder / "first.note").read_bytes() == b"one"
    assert (folder / "second.note").read_bytes() == b"two"
    folder = StateFile(tmp_path).save_proof(b"{}", b"{ }")
    assert sorted(one.name for one in folder.iterdir()) == ["first.json", "second.json"]


def test_a_smaller_tree_does_not_replace_a_larger_one_however_late_it_was_cosigned():
    larger = ClientState(checkpoint=b"log\n100\nroot", witnessed=10)
    smaller = ClientState(checkpoint=b"log\n90\nroot", witnessed=12)
    merged = state.newest(larger, smaller)
    assert merged.checkpoint == larger.checkpoint
    assert merged.witnessed == 12
    assert state.newest(smaller, larger).checkpoint == larger.checkpoint


def test_what_others_remember_meanwhile_leaves_the_draw_alone():
    assert state.newest(KNOWN, ClientState(witnessed=1)).draw == KNOWN.draw


@pytest.mark.parametrize("seed", [b"", bytes(31), bytes(33)])
def test_a_seed_of_another_length_is_refused(seed: bytes):
    draw = Draw(seed=seed, drawn=0)
    with pytest.raises(StrictJSONError, match="seed"):
        state.decode(state.encode(ClientState(draw=draw)))


def test_a_state_that_could_not_be_read_again_is_not_written(tmp_path: Path):
    file = StateFile(tmp_path)
    file.update(lambda _: KNOWN)
    huge = Draw(seed=bytes(32), drawn=0, sizes={f"{n:064x}": 10**9 for n in range(16000)})
    with pytest.raises(ConfigurationError, match="exceed"):
        file.update(lambda old: replace(old, draw=huge))
    assert file.load() == KNOWN


def test_a_folder_that_cannot_be_used_is_a_configuration_error(tmp_path: Path):
    file = StateFile(tmp_path)
    (tmp_path / "state.json").mkdir()
    with pytest.raises(ConfigurationError, match="state folder"):
        file.load()
    with pytest.raises(ConfigurationError, match="state folder"):
        file.update(lambda old: old)
    assert not list(tmp_path.glob(".state-*"))


def test_a_kept_proof_is_found_again(tmp_path: Path):
    file = StateFile(tmp_path)
    assert file.proof() is None
    assert file.save_proof(b"one", b"two") == StateFile(tmp_path).proof()


@given(st.binary(max_size=200))
def test_any_bytes_are_a_state_or_refused(data: bytes):
    try:
        state.decode(data)
    except StrictJSONError:
        pass
