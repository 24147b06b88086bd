"""Keys of a stack: read where they are, and said where they are not."""

import base64
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from attestation.simulated.vendor import SimulatedVendor
from openpcc.audit.attack.attempt import NotTriedError
from openpcc.audit.attack.stack_keys import StackKeys
from openpcc.cli.demo.keys import write_seed
from tests.fakes.world import NOW


def test_a_seed_is_read_as_the_servers_read_it(tmp_path: Path):
    key = Ed25519PrivateKey.generate()
    write_seed(tmp_path / "log.key", key)
    assert StackKeys(tmp_path).seed("log").private_bytes_raw() == key.private_bytes_raw()


def test_without_a_folder_nothing_is_at_hand():
    with pytest.raises(NotTriedError, match="--stack"):
        StackKeys(None).seed("log")
    with pytest.raises(NotTriedError, match="--stack"):
        StackKeys(None).machine(bytes(32))


@pytest.mark.parametrize(
    "content", [b"", b"not base64!", base64.b64encode(bytes(31)), b"A" * 10000, None]
)
def test_a_seed_that_is_none_is_not_at_hand(content: bytes | None, tmp_path: Path):
    if content is not None:
        (tmp_path / "log.key").write_bytes(content)
    with pytest.raises(NotTriedError, match=r"log\.key of the stack cannot be read"):
        StackKeys(tmp_path).seed("log")


@pytest.mark.parametrize("name", ["../log", "a/b", "a\0b", ""])
def test_a_name_is_no_path(name: str, tmp_path: Path):
    (tmp_path / "stack").mkdir()
    write_seed(tmp_path / "log.key", Ed25519PrivateKey.generate())
    with pytest.raises(NotTriedError):
        StackKeys(tmp_path / "stack").seed(name)


def test_a_machine_is_found_by_its_id(tmp_path: Path):
    vendor = SimulatedVendor.create(NOW)
    for number in (1, 2):
        vendor.machine(bytes([number]) * 32).save(tmp_path / f"node-{number}")
    found = StackKeys(tmp_path).machine(b"\x02" * 32)
    assert found.identity.machine_id == b"\x02" * 32
    with pytest.raises(NotTriedError):
        StackKeys(tmp_path).machine(b"\x03" * 32)
    with pytest.raises(NotTriedError):
        StackKeys(tmp_path).machine(None)


def test_a_damaged_machine_is_said(tmp_path: Path):
    SimulatedVendor.create(NOW).machine().save(tmp_path / "node-1")
    (tmp_path / "node-1" / "chain.pem").write_bytes(b"none")
    with pytest.raises(NotTriedError):
        StackKeys(tmp_path).machine(bytes(32))
