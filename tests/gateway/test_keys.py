"""Key files: made once, private, several accepted, the newest published."""

import json
import stat
from pathlib import Path

import pytest

from gateway import keys
from gateway.decapsulation import Decapsulation
from gateway.errors import ConfigurationError, KeyRefusedError
from openpcc.protocol import chunked_ohttp
from openpcc.protocol.hpke import KEM_X25519, KEM_XWING
from openpcc.protocol.key_config import parse_configs


def made(folder: Path) -> Path:
    folder.mkdir()
    keys.generate(folder, now=1_800_000_000)
    return folder / keys.PRIVATE_NAME


def test_makes_a_private_file_and_the_public_one_with_x_wing_first(tmp_path: Path) -> None:
    path = made(tmp_path / "a")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    published = (tmp_path / "a" / keys.PUBLIC_NAME).read_bytes()
    assert keys.load((path,)).public == (published,)
    assert [one.kem_id for one in parse_configs(published)] == [KEM_XWING, KEM_X25519]


def test_never_overwrites_keys(tmp_path: Path) -> None:
    path = made(tmp_path / "a")
    before = path.read_bytes()
    with pytest.raises(ConfigurationError, match="empty folder"):
        keys.generate(tmp_path / "a", now=0)
    assert path.read_bytes() == before


def test_accepts_the_keys_of_every_file(tmp_path: Path) -> None:
    old = made(tmp_path / "old")
    ids = set(keys.load((old,)).accepted)
    new = made(tmp_path / "new")
    while ids & set(keys.load((new,)).accepted):  # ids are drawn at random
        new = made(tmp_path / f"new{len(list(tmp_path.iterdir()))}")
    ring = keys.load((new, old))
    assert ring.public == (*keys.load((new,)).public, *keys.load((old,)).public)
    for config in (config for file in ring.public for config in parse_configs(file)):
        body, _ = chunked_ohttp.encapsulate(config, b"message")
        decapsulation = Decapsulation(ring)
        for at in range(0, len(body), 100):
            decapsulation.feed(body[at : at + 100])
        assert decapsulation.finish().message == b"message"


def test_refuses_two_keys_with_one_id(tmp_path: Path) -> None:
    path = made(tmp_path / "a")
    with pytest.raises(ConfigurationError, match="one id"):
        keys.load((path, path))


def test_refuses_a_file_that_others_may_read(tmp_path: Path) -> None:
    path = made(tmp_path / "a")
    path.chmod(0o644)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        keys.load((path,))


@pytest.mark.parametrize("member", ["version", "created", "keys"])
def test_refuses_a_damaged_file(tmp_path: Path, member: str) -> None:
    path = made(tmp_path / "a")
    document = json.loads(path.read_bytes())
    del document[member]
    path.write_text(json.dumps(document))
    with pytest.raises(ConfigurationError, match=f"{keys.PRIVATE_NAME}.*{member}"):
        keys.load((path,))


def test_a_key_of_another_gateway_is_refused(tmp_path: Path) -> None:
    ring = keys.load((made(tmp_path / "a"),))
    other = parse_configs(keys.load((made(tmp_path / "b"),)).public[0])[1]
    body, _ = chunked_ohttp.encapsulate(other, b"message")
    with pytest.raises(KeyRefusedError):
        Decapsulation(ring).feed(body + bytes(20))
