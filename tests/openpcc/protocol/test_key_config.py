"""OHTTP key configurations: one spelling, refused whole."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openpcc.protocol.errors import MalformedError, ProtocolError, UnsupportedError
from openpcc.protocol.hpke import KEM_X25519, KEM_XWING, generate_key_pair
from openpcc.protocol.key_config import KeyConfig, encode_configs, parse_configs

PUBLIC = generate_key_pair(KEM_X25519).public
CONFIG = KeyConfig(
    key_id=7, kem_id=KEM_X25519, public_key=PUBLIC, algorithms=((1, 1), (1, 2), (0x7777, 3))
)
ENCODED = CONFIG.encode()


def collection(*entries):
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)


def test_reads_what_it_wrote():
    assert ENCODED.hex() == f"070020{PUBLIC.hex()}000c000100010001000277770003"
    assert KeyConfig.parse(ENCODED) == CONFIG


def test_a_collection_keeps_its_order():
    pair = generate_key_pair(KEM_XWING)
    hybrid = KeyConfig(key_id=8, kem_id=KEM_XWING, public_key=pair.public, algorithms=((1, 2),))
    assert parse_configs(encode_configs([hybrid, CONFIG])) == (hybrid, CONFIG)


def test_leaves_out_an_unknown_kem():
    unknown = b"\x01\x77\x77" + bytes(40)
    assert parse_configs(collection(unknown, ENCODED)) == (CONFIG,)


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        ENCODED[:2],
        ENCODED[:-1],
        ENCODED + b"\0",
        ENCODED[:35] + b"\x00\x00",
        ENCODED[:35] + b"\x00\x02\x00\x01",
        ENCODED[:20],
    ],
)
def test_refuses_a_config_that_does_not_fill_its_bytes(broken):
    with pytest.raises(MalformedError):
        KeyConfig.parse(broken)


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"\x00",
        b"\x00\x00",
        collection(ENCODED) + b"\x00",
        collection(ENCODED)[:-1],
        collection(ENCODED, ENCODED[:-1]),
        bytes(1 << 17),
    ],
)
def test_discards_a_collection_with_any_error(broken):
    with pytest.raises(MalformedError):
        parse_configs(broken)


def test_says_that_a_kem_is_unknown():
    with pytest.raises(UnsupportedError):
        KeyConfig.parse(b"\x01\x77\x77" + ENCODED[3:])


@given(st.binary(max_size=80))
def test_any_bytes_are_a_config_or_this_packages_error(data):
    for parse in (KeyConfig.parse, parse_configs):
        try:
            parse(data)
        except ProtocolError:
            continue


@given(st.binary(max_size=60), st.integers(0, len(ENCODED)))
def test_an_accepted_config_has_one_spelling(tail, cut):
    data = ENCODED[:cut] + tail
    try:
        config = KeyConfig.parse(data)
    except ProtocolError:
        return
    assert config.encode() == data
