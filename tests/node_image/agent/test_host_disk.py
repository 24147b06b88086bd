"""node_image/agent/host_disk.py"""

import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node_image.agent.errors import ConfigurationError
from node_image.agent.host_disk import MAX_SETTINGS, SIZE, HostDisk, main, read

SETTINGS = b'listen = "0.0.0.0:8080"\n'
RELEASE = bytes.fromhex("a4" * 32)
DISK = HostDisk(settings=SETTINGS, release=RELEASE, machine={"machine.key": b"key"})


def altered(before: bytes, after: bytes) -> bytes:
    assert before in DISK.encode()
    return DISK.encode().replace(before, after, 1)


def unpack(disk: bytes, folder: Path) -> None:
    HostDisk.parse(disk).unpack(folder)


def test_reads_what_it_writes():
    assert HostDisk.parse(DISK.encode()) == DISK
    assert len(DISK.encode()) == SIZE


def test_unpacks_readable_by_nobody_else(tmp_path):
    DISK.unpack(tmp_path)
    assert (tmp_path / "host.toml").read_bytes() == SETTINGS
    assert (tmp_path / "release").read_text() == "a4" * 32 + "\n"
    key = tmp_path / "machine" / "machine.key"
    assert key.read_bytes() == b"key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "machine").stat().st_mode) == 0o700


@pytest.mark.parametrize("name", ["../x", "a/b", "dev", "sys", "Key", ".x", "", "x" * 80])
def test_a_file_of_the_machine_stays_in_its_folder(tmp_path, name):
    disk = HostDisk(settings=b"", release=RELEASE, machine={name: b""}).encode()
    with pytest.raises(ConfigurationError):
        unpack(disk, tmp_path)
    assert not (tmp_path / "x").exists()


def test_refuses_other_bytes_behind_the_document():
    with pytest.raises(ConfigurationError, match="host disk"):
        HostDisk.parse(DISK.encode()[:-1] + b"x")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b'"version":1', b'"version":2'),
        (b'"version":1', b'"version":1,"shell":1'),
        (b'"release":"a4', b'"release":"A4'),
        (b'"release":"a4', b'"release":"'),
    ],
)
def test_refuses_another_spelling(before, after):
    with pytest.raises(ConfigurationError, match="host disk"):
        HostDisk.parse(altered(before, after))


def test_refuses_more_than_it_holds():
    with pytest.raises(ConfigurationError):
        HostDisk(settings=b"", release=RELEASE, machine={"a": bytes(SIZE)}).encode()
    large = HostDisk(settings=bytes(MAX_SETTINGS + 1), release=RELEASE).encode()
    with pytest.raises(ConfigurationError, match="settings"):
        HostDisk.parse(large)


def test_a_missing_disk_is_named(tmp_path):
    with pytest.raises(ConfigurationError, match=r"no-disk: .*attach the host's disk"):
        read(tmp_path / "no-disk")


def test_the_host_writes_what_the_guest_reads(tmp_path, capsys):
    (tmp_path / "host.toml").write_bytes(SETTINGS)
    machine, guest = tmp_path / "simulated", tmp_path / "run"
    machine.mkdir()
    guest.mkdir()
    (machine / "chain.pem").write_bytes(b"chain")
    disk = str(tmp_path / "disk")
    words = ["--settings", str(tmp_path / "host.toml"), "--release", "a4" * 32]
    assert main(["write", disk, *words, "--machine", str(machine)]) == 0
    assert main(["read", disk, str(guest)]) == 0
    assert (guest / "machine" / "chain.pem").read_bytes() == b"chain"
    assert main(["read", disk, str(guest)]) == 2
    assert capsys.readouterr().err.startswith("openpcc-node: ")


@given(st.binary(max_size=300))
def test_any_bytes_are_a_disk_or_refused(data):
    for disk in (data, DISK.encode()[:40] + data):
        try:
            parsed = HostDisk.parse(disk)
        except ConfigurationError:
            continue
        assert HostDisk.parse(parsed.encode()) == parsed
