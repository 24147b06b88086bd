"""transparency_log/private_files.py: whose secrets are read, and whose are not."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from transparency_log.errors import ConfigurationError
from transparency_log.private_files import Reader, read_private, require_private

POD = Reader(uid=65532, groups=frozenset({65532, 2000}))
ROOT = Reader(uid=0, groups=frozenset({0}))


def status(mode: int, uid: int, gid: int) -> os.stat_result:
    return os.stat_result((0o100000 | mode, 1, 1, 1, uid, gid, 10, 0, 0, 0))


@pytest.mark.parametrize(
    ("mode", "uid", "gid", "reader"),
    [
        (0o600, 65532, 65532, POD),
        (0o400, 0, 0, POD),  # it could not be opened; whoever opened it for us may hand it on
        (0o600, 1000, 1000, ROOT),
        (0o440, 0, 65532, POD),  # as a Secret's volume with an fsGroup
        (0o640, 0, 2000, POD),
    ],
)
def test_a_private_file_is_read(mode: int, uid: int, gid: int, reader: Reader) -> None:
    require_private(Path("key"), status(mode, uid, gid), reader)


@pytest.mark.parametrize(
    ("mode", "uid", "gid", "reader"),
    [
        (0o644, 65532, 65532, POD),
        (0o604, 65532, 65532, POD),
        (0o444, 0, 65532, POD),  # a Secret's volume without a mode
        (0o640, 65532, 65532, POD),  # ours: we could as well close it
        (0o640, 1000, 65532, POD),  # another user let our group in, and who else is in it?
        (0o640, 0, 100, POD),  # not our group: it is open by some other way
        (0o660, 0, 65532, POD),  # whoever can write it chooses the key
        (0o620, 0, 65532, POD),
        (0o650, 0, 65532, POD),
        (0o640, 0, 0, ROOT),  # root needs no group
    ],
)
def test_a_file_that_others_read_is_refused(mode: int, uid: int, gid: int, reader: Reader) -> None:
    with pytest.raises(ConfigurationError, match="chmod 600"):
        require_private(Path("key"), status(mode, uid, gid), reader)


def test_of_all_modes_few_are_private() -> None:
    private = []
    for mode in range(0o1000):
        try:
            require_private(Path("key"), status(mode, 0, 65532), POD)
        except ConfigurationError:
            continue
        private.append(mode)
    assert [mode for mode in private if mode & 0o037] == []
    assert len(private) == 2 * 8  # the owner's three bits, and whether the group reads


def test_a_longer_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.touch(mode=0o600)
    path.write_bytes(bytes(11))
    assert read_private(path, 11) == bytes(11)
    with pytest.raises(ConfigurationError, match="longer than 10"):
        read_private(path, 10)
    with pytest.raises(ConfigurationError, match="name a file"):
        read_private(tmp_path / "none", 10)


READ = """
import os, sys
from pathlib import Path
from transparency_log.private_files import read_private
os.setgroups([2000]); os.setgid(3000); os.setuid(3000)
sys.stdout.write(read_private(Path(sys.argv[1]), 99).decode())
"""


def test_a_process_of_the_group_reads_what_root_gave_it() -> None:
    with tempfile.TemporaryDirectory() as folder:  # other users get to the end of its path
        Path(folder).chmod(0o755)
        path = Path(folder) / "key"
        path.write_text("secret")
        path.chmod(0o440)
        if os.geteuid() != 0:  # nobody can be given it; and our own is not private like this
            with pytest.raises(ConfigurationError, match="chmod 600"):
                read_private(path, 99)
            return
        words = [sys.executable, "-c", READ, str(path)]
        for owner, said in ((0, "secret"), (1000, "chmod 600")):
            os.chown(path, owner, 2000)
            done = subprocess.run(words, capture_output=True, text=True, check=False)
            assert said in done.stdout + done.stderr
