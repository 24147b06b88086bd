"""node_image/agent/bundle.py"""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node_image.agent.bundle import Bundle, attached, read
from node_image.agent.errors import ConfigurationError

SAID = {
    "version": 1,
    "file": "bundle.raw",
    "size": 5029888,
    "sha256": "d5" * 32,
    "blocks": 1217,
    "root_hash": "53" * 32,
    "model": "demo",
    "digest": "1b" * 32,
}


def test_the_disk_is_opened_by_what_the_image_says_and_by_nothing_on_it():
    command = Bundle.parse(json.dumps(SAID).encode()).opening("/dev/openpcc-bundle")
    assert command[:5] == (
        "/usr/lib/systemd/systemd-veritysetup",
        "attach",
        "openpcc-bundle",
        "/dev/openpcc-bundle",
        "/dev/openpcc-bundle",
    )
    assert command[5] == "53" * 32
    assert set(command[6].split(",")) == {
        "superblock=no",
        "format=1",
        "hash=sha256",
        "salt=-",
        "data-block-size=4096",
        "hash-block-size=4096",
        "data-blocks=1217",
        "hash-offset=4984832",
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("version", 2),
        ("blocks", 0),
        ("blocks", 2**32 + 1),
        ("root_hash", "53" * 31),
        ("root_hash", "5G" * 32),
        ("digest", None),
        ("options", "ignore-corruption"),
    ],
)
def test_refuses_another_spelling(name: str, value: object):
    with pytest.raises(ConfigurationError):
        Bundle.parse(json.dumps(SAID | {name: value}).encode())


@given(st.binary(max_size=300))
def test_any_bytes_give_a_bundle_or_a_configuration_error(data: bytes):
    try:
        Bundle.parse(data)
    except ConfigurationError:
        return


def test_an_image_without_bundle_says_so(tmp_path: Path):
    with pytest.raises(ConfigurationError, match=r"bundle\.json: No such file"):
        read(tmp_path / "bundle.json")


def test_a_host_that_attaches_no_bundle_is_told_so(tmp_path: Path):
    (tmp_path / "openpcc-bundle").write_bytes(b"a file, and no disk")
    for path in (tmp_path / "openpcc-bundle", tmp_path / "none"):
        with pytest.raises(ConfigurationError, match="attach the bundle, named openpcc-bundle"):
            attached(str(path))


def test_what_opens_it_says_on_the_console_why_it_did_not(root: Path):
    units = root / "node_image/build/mkosi.profiles/gpu/mkosi.extra/etc/systemd/system"
    lines = (units / "openpcc-bundle.service").read_text().splitlines()
    assert {"Environment=SYSTEMD_LOG_TARGET=console", "StandardError=journal+console"} <= set(lines)
