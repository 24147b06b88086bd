"""openpcc/cli/init/folder.py: whole or not at all, and never over anything."""

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from openpcc.cli.init.folder import File, new_folder
from openpcc.errors import ConfigurationError


def modes(folder: Path) -> dict[str, int]:
    return {
        path.relative_to(folder).as_posix(): stat.S_IMODE(path.stat().st_mode)
        for path in [folder, *folder.rglob("*")]
    }


def test_modes_do_not_depend_on_the_umask(tmp_path):
    for mask in (0o000, 0o027, 0o077):
        before = os.umask(mask)
        try:
            with new_folder(tmp_path / f"{mask}") as draft:
                draft.write(File(path="a/secret", data="x", secret=True))
                draft.write(File(path="a/public", data=b"y"))
                draft.make("b/c")
        finally:
            os.umask(before)
        assert modes(tmp_path / f"{mask}") == {
            ".": 0o700, "a": 0o700, "b": 0o700, "b/c": 0o700, "a/secret": 0o600, "a/public": 0o644
        }  # fmt: skip


def test_an_empty_folder_is_taken(tmp_path):
    (tmp_path / "new").mkdir()
    with new_folder(tmp_path / "new") as draft:
        draft.write(File(path="a", data="x"))
    assert (tmp_path / "new" / "a").read_text() == "x"


@pytest.mark.parametrize("thing", ["file", "full", "link", "nowhere/new"])
def test_nothing_is_overwritten(tmp_path, thing):
    (tmp_path / "file").write_text("kept")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "key").write_text("kept")
    (tmp_path / "link").symlink_to("elsewhere")
    with pytest.raises(ConfigurationError, match="name"), new_folder(tmp_path / thing):
        raise AssertionError("began")
    assert (tmp_path / "full" / "key").read_text() == "kept"
    assert not any(path.name.startswith(".") for path in tmp_path.iterdir())


def write_while_another_does(target: Path) -> None:
    with new_folder(target) as draft:
        draft.write(File(path="a", data="second"))
        target.mkdir()
        (target / "a").write_text("first")


def test_whoever_is_first_wins(tmp_path):
    target = tmp_path / "new"
    with pytest.raises(ConfigurationError, match="name a new folder"):
        write_while_another_does(target)
    assert (target / "a").read_text() == "first"
    assert [path.name for path in tmp_path.iterdir()] == ["new"]


def write_and_fail(target: Path) -> None:
    with new_folder(target) as draft:
        draft.write(File(path="a", data="x"))
        raise ConfigurationError("x")


def test_a_failure_leaves_nothing(tmp_path):
    with pytest.raises(ConfigurationError, match="x"):
        write_and_fail(tmp_path / "new")
    assert list(tmp_path.iterdir()) == []


def test_killed_at_any_time_it_is_there_whole_or_not_at_all(tmp_path):
    words = [sys.executable, "-m", "openpcc.cli.main", "init", "--service", "a.example"]
    whole: set[str] | None = None
    for number, wait in enumerate((30.0, 0.3, 0.45, 0.6, 0.75, 0.9, 1.2)):
        target = tmp_path / str(number)
        process = subprocess.Popen([*words, str(target)], stdout=subprocess.DEVNULL)
        try:
            process.wait(wait)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
        names = {path.relative_to(target).as_posix() for path in target.rglob("*")}
        whole = whole or names
        assert names in (set(), whole)
    assert whole
    assert "README.md" in whole
