"""Node keys: one config, one pair, one id."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openpcc.protocol.errors import MalformedError, ProtocolError, UnknownKeyError, UnsupportedError
from openpcc.protocol.hpke import KEM_X25519, KEM_XWING, generate_key_pair, kem
from openpcc.protocol.key_config import KeyConfig
from openpcc.protocol.sealing import NodeKey, NodePrivateKey, model_id

PAIR = generate_key_pair(KEM_X25519)
CONFIG = b"\x05\x00\x20" + PAIR.public + bytes.fromhex("000400010002")


def test_the_id_is_a_labelled_digest_of_the_config():
    key = NodeKey.parse(CONFIG)
    assert key.id == hashlib.sha256(b"openpcc node key v1\0" + CONFIG).digest()
    assert key.public_key == PAIR.public
    assert (key.kem_id, key.config) == (KEM_X25519, CONFIG)


@pytest.mark.parametrize("kem_id", [KEM_X25519, KEM_XWING])
def test_a_generated_key_reads_back(kem_id):
    key = NodePrivateKey.generate(kem_id=kem_id, key_id=3)
    assert NodeKey.parse(key.node_key.config) == key.node_key
    assert key.node_key.config[0] == 3
    assert key.private.public.raw == key.node_key.public_key


@pytest.mark.parametrize(
    "pairs", ["000400010001", "000400020002", "00080001000200010001", "00080001000200010002"]
)
def test_refuses_other_algorithms_and_more_than_one_pair(pairs):
    with pytest.raises(UnsupportedError):
        NodeKey.parse(CONFIG[:35] + bytes.fromhex(pairs))


def test_refuses_another_kem():
    pair = generate_key_pair(kem.P256)
    config = KeyConfig(key_id=0, kem_id=kem.P256, public_key=pair.public, algorithms=((1, 2),))
    with pytest.raises(UnsupportedError):
        NodeKey.parse(config.encode())
    with pytest.raises(UnsupportedError):
        NodePrivateKey.generate(kem_id=kem.P256)


def test_refuses_a_private_key_of_another_public_key():
    other = generate_key_pair(KEM_X25519)
    with pytest.raises(MalformedError):
        NodePrivateKey(NodeKey.parse(CONFIG), other.private)


def test_an_erased_key_is_gone():
    key = NodePrivateKey(NodeKey.parse(CONFIG), PAIR.private)
    key.erase()
    with pytest.raises(UnknownKeyError):
        _ = key.private
    assert PAIR.private.hex() not in repr(key)


def test_a_model_is_named_by_its_digest():
    assert model_id("dêmo") == hashlib.sha256("dêmo".encode()).digest()


@given(st.binary(max_size=60), st.integers(0, len(CONFIG)))
def test_any_bytes_are_a_key_or_this_packages_error(tail, cut):
    data = CONFIG[:cut] + tail
    try:
        key = NodeKey.parse(data)
    except ProtocolError:
        return
    assert key.config == data
