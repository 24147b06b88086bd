"""The folder of signing keys: made, read, retired."""

import os
import shutil
import stat
from pathlib import Path

import pytest

from gateway.errors import ConfigurationError
from gateway.issuer import keys
from gateway.issuer.errors import IssuanceRefusedError
from gateway.issuer.keys import KeyRing, SigningKey
from openpcc.protocol.privacypass import IssuerDirectory

NOW = 1_800_000_000
HOUR = 3600


@pytest.fixture(scope="module")
def two_keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key of long ago, and one that is used an hour from NOW."""
    folder = tmp_path_factory.mktemp("keys")
    keys.create(folder, now=1000)
    keys.create(folder, now=NOW)
    return folder


@pytest.fixture
def folder(two_keys: Path, tmp_path: Path) -> Path:
    """A copy that may be changed."""
    shutil.copytree(two_keys, tmp_path / "keys")
    return tmp_path / "keys"


def older_and_newer(folder: Path) -> tuple[SigningKey, SigningKey]:
    older, newer = sorted(keys.load(folder).keys, key=lambda one: one.not_before)
    return older, newer


def test_the_first_key_is_used_at_once_and_a_further_one_an_hour_later(folder: Path) -> None:
    older, newer = older_and_newer(folder)
    assert (older.not_before, newer.not_before) == (1000, NOW + HOUR)
    for one in (older, newer):
        assert stat.S_IMODE(one.path.stat().st_mode) == 0o600
        assert one.public.id.hex() in one.path.name


def test_the_key_in_use_comes_first_and_changes_at_its_time(folder: Path) -> None:
    older, newer = older_and_newer(folder)
    ring = keys.load(folder)
    for now, order in ((NOW + HOUR - 1, (older, newer)), (NOW + HOUR, (newer, older))):
        directory = IssuerDirectory.parse(ring.directory(now))
        assert directory.pick(now=now).id == order[0].public.id
        assert [one.id for one in directory.issuer_keys()] == [one.public.id for one in order]
        assert [one.not_before for one in directory.keys] == [one.not_before for one in order]
        in_use = ring.in_use(now)
        assert in_use is not None
        assert in_use.public == order[0].public


def test_a_key_signs_only_from_its_time_on(folder: Path) -> None:
    older, newer = older_and_newer(folder)
    ring = keys.load(folder)
    with pytest.raises(IssuanceRefusedError, match="not-ready"):
        ring.live(newer.public.truncated_id, NOW + HOUR - 1)
    assert ring.live(newer.public.truncated_id, NOW + HOUR).public == newer.public
    assert ring.live(older.public.truncated_id, NOW + HOUR).public == older.public


def test_without_keys_no_key_is_called_unknown_and_no_directory_is_empty() -> None:
    for call in (lambda: KeyRing(keys=()).live(7, NOW), lambda: KeyRing(keys=()).directory(NOW)):
        with pytest.raises(IssuanceRefusedError, match="not-ready"):
            call()


def test_another_users_key_is_not_ours(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if os.geteuid() == 0:
        os.chown(older_and_newer(folder)[0].path, 1, -1)
    else:
        monkeypatch.setattr("os.geteuid", lambda: 1)
    with pytest.raises(ConfigurationError, match="another user"):
        keys.load(folder)


def test_retired_keys_are_told_by_when_they_were(folder: Path) -> None:
    older, _ = older_and_newer(folder)
    keys.retire(folder, older.public.id.hex(), now=NOW + HOUR)
    assert keys.retired(folder, before=NOW + HOUR) == frozenset()
    assert keys.retired(folder, before=NOW + HOUR + 1) == {older.public.id}


def test_a_third_key_is_not_made(folder: Path) -> None:
    with pytest.raises(ConfigurationError, match="2 keys are live"):
        keys.create(folder, now=NOW)
    assert len(keys.load(folder).keys) == 2


def test_a_further_key_waits_two_windows_and_the_way_there(one_key: Path, tmp_path: Path) -> None:
    shutil.copytree(one_key, tmp_path / "keys")
    with pytest.raises(ConfigurationError, match="at least 25 minutes"):
        keys.create(tmp_path / "keys", now=NOW, wait=keys.MIN_WAIT - 1)
    made = keys.create(tmp_path / "keys", now=NOW, wait=keys.MIN_WAIT)
    assert made.not_before == NOW + 1500


def test_the_last_bytes_of_ids_differ_also_from_retired_ones(tmp_path: Path) -> None:
    taken = set(range(256)) - {7, 8}
    for byte in sorted(taken)[:128]:
        (tmp_path / f"0-{'00' * 31}{byte:02x}.retired").touch()
    made = keys.create(tmp_path, now=NOW)
    assert made.public.truncated_id not in sorted(taken)[:128]


def test_many_retired_keys_do_not_make_a_live_ones_byte_free(one_key: Path, tmp_path: Path) -> None:
    shutil.copytree(one_key, tmp_path / "keys")
    live = keys.load(tmp_path / "keys").keys[0].public.truncated_id
    for byte in set(range(256)) - {live}:
        (tmp_path / "keys" / f"0-{'00' * 31}{byte:02x}.retired").touch()
    assert keys.create(tmp_path / "keys", now=NOW).public.truncated_id != live


def test_two_keys_whose_ids_end_alike_are_refused(folder: Path, monkeypatch) -> None:
    monkeypatch.setattr("gateway.issuer.keys.IssuerKey.truncated_id", 7)
    with pytest.raises(ConfigurationError, match="end alike"):
        keys.load(folder)


def test_the_only_key_in_use_is_not_retired(folder: Path) -> None:
    older, newer = older_and_newer(folder)
    with pytest.raises(ConfigurationError, match="no other key is in use"):
        keys.retire(folder, older.public.id.hex()[:8], now=NOW)
    assert older.path.exists()
    rest = keys.retire(folder, older.public.id.hex()[:8], now=NOW + HOUR)
    assert [one.public for one in rest.keys] == [newer.public]
    with pytest.raises(ConfigurationError, match="no other key is in use"):
        keys.retire(folder, newer.public.id.hex(), now=NOW + HOUR)


def test_a_stolen_key_is_retired_at_once(folder: Path) -> None:
    older, newer = older_and_newer(folder)
    rest = keys.retire(folder, older.public.id.hex(), now=NOW, stolen=True)
    assert [one.public for one in rest.keys] == [newer.public]
    assert rest.in_use(NOW) is None
    assert keys.retire(folder, newer.public.id.hex(), now=NOW, stolen=True) == KeyRing(keys=())
    assert keys.load(folder) == KeyRing(keys=())


def test_of_a_retired_key_its_name_stays_and_nothing_else(folder: Path) -> None:
    older, _ = older_and_newer(folder)
    secret = older.path.read_bytes()
    keys.retire(folder, older.public.id.hex(), now=NOW + HOUR)
    assert not older.path.exists()
    assert older.path.with_suffix(".retired").read_bytes() == b""
    assert all(path.read_bytes() != secret for path in folder.iterdir())


def test_a_key_that_cannot_be_deleted_stays_live(folder: Path, monkeypatch) -> None:
    older, _ = older_and_newer(folder)

    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("pathlib.Path.unlink", refuse)
    with pytest.raises(ConfigurationError, match="live still"):
        keys.retire(folder, older.public.id.hex(), now=NOW + HOUR)
    assert len(keys.load(folder).keys) == 2
    # Its batches are known for as long as it signs: else they are charged a second time.
    assert keys.retired(folder, before=NOW + 2 * HOUR) == frozenset()


@pytest.mark.parametrize("prefix", ["", "0000000", "00000000", "*", "zzzzzzzzzz"])
def test_a_key_is_retired_by_its_own_name_only(folder: Path, prefix: str) -> None:
    with pytest.raises(ConfigurationError, match="8 or more digits"):
        keys.retire(folder, prefix, now=NOW + HOUR, stolen=True)
    assert len(keys.load(folder).keys) == 2


def test_a_key_that_others_may_read_is_not_used(folder: Path) -> None:
    older_and_newer(folder)[0].path.chmod(0o640)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        keys.load(folder)


def test_a_key_under_another_keys_name_is_not_used(folder: Path) -> None:
    older, newer = older_and_newer(folder)
    newer.path.write_bytes(older.path.read_bytes())
    with pytest.raises(ConfigurationError, match="another key than its name"):
        keys.load(folder)


@pytest.mark.parametrize("name", ["old.pem", "1-00.pem", "01-" + "00" * 32 + ".pem", "a.retired"])
def test_a_file_of_another_name_is_not_passed_over(folder: Path, name: str) -> None:
    (folder / name).touch(mode=0o600)
    with pytest.raises(ConfigurationError, match="not a name"):
        keys.load(folder)


@pytest.mark.parametrize("text", [b"", b"-----BEGIN PRIVATE KEY-----\n", b"x" * 20_000])
def test_what_is_no_key_is_refused(folder: Path, text: bytes) -> None:
    older_and_newer(folder)[0].path.write_bytes(text)
    with pytest.raises(ConfigurationError, match="not a key of"):
        keys.load(folder)


def test_three_live_keys_are_refused(folder: Path) -> None:
    older, _ = older_and_newer(folder)
    (folder / f"5-{older.public.id.hex()}.pem").write_bytes(older.path.read_bytes())
    (folder / f"5-{older.public.id.hex()}.pem").chmod(0o600)
    with pytest.raises(ConfigurationError, match="more than 2"):
        keys.load(folder)


def test_a_missing_folder_is_not_made(tmp_path: Path) -> None:
    for call in (keys.load, keys.fingerprint, lambda path: keys.create(path, now=NOW)):
        with pytest.raises(ConfigurationError, match="make the folder"):
            call(tmp_path / "keys")


def test_a_crash_while_a_key_is_written_leaves_no_key(folder: Path, monkeypatch) -> None:
    older, _ = older_and_newer(folder)
    keys.retire(folder, older.public.id.hex(), now=NOW + HOUR)
    before = sorted(path.name for path in folder.iterdir())

    def crash(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", crash)
    with pytest.raises(ConfigurationError, match="No space left"):
        keys.create(folder, now=NOW)
    assert sorted(path.name for path in folder.iterdir()) == before


def test_the_fingerprint_tells_what_changed(folder: Path) -> None:
    first = keys.fingerprint(folder)
    assert keys.fingerprint(folder) == first
    older_and_newer(folder)[0].path.chmod(0o640)
    assert keys.fingerprint(folder) != first
