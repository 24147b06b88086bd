"""One-shot Oblivious HTTP, client against gateway."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openpcc.protocol import ohttp
from openpcc.protocol.errors import (
    MalformedError,
    ProtocolError,
    TruncatedError,
    UnknownKeyError,
    UnsealableError,
    UnsupportedError,
)
from openpcc.protocol.hpke import KEM_X25519, KEM_XWING, generate_key_pair
from openpcc.protocol.key_config import KeyConfig

PAIRS = ((1, 1), (1, 2), (1, 3), (2, 2), (3, 2))
GATEWAY = ohttp.GatewayKey.generate(kem_id=KEM_X25519, key_id=1, algorithms=PAIRS)
BODY, CLIENT = ohttp.encapsulate_request(GATEWAY.config, b"request")


@pytest.mark.parametrize(("kdf_id", "aead_id"), PAIRS)
@pytest.mark.parametrize("kem_id", [KEM_X25519, KEM_XWING])
def test_both_ends_agree(kem_id, kdf_id, aead_id):
    gateway = ohttp.GatewayKey.generate(kem_id=kem_id, key_id=9, algorithms=PAIRS)
    body, client = ohttp.encapsulate_request(
        gateway.config, b"request", kdf_id=kdf_id, aead_id=aead_id
    )
    assert (body[0], body[5:7]) == (9, aead_id.to_bytes(2, "big"))
    message, context = ohttp.open_request(gateway, body)
    assert message == b"request"
    assert context.enc == body[7 : 7 + len(context.enc)]
    assert client.open_response(context.seal_response(b"response")) == b"response"


@pytest.mark.parametrize(("aead_id", "size"), [(1, 16), (2, 32), (3, 32)])
def test_the_response_nonce_has_the_larger_of_key_and_nonce(aead_id, size):
    body, _ = ohttp.encapsulate_request(GATEWAY.config, b"", aead_id=aead_id)
    _, context = ohttp.open_request(GATEWAY, body)
    assert len(context.seal_response(b"")) == size + 16


def test_takes_the_first_pair_that_works_here():
    config = KeyConfig(
        key_id=1,
        kem_id=KEM_X25519,
        public_key=GATEWAY.config.public_key,
        algorithms=((0x10, 1), (1, 0xFFFF), (0x7777, 1), (1, 2), (1, 1)),
    )
    body, _ = ohttp.encapsulate_request(config, b"")
    assert body[3:7] == bytes.fromhex("00010002")
    with pytest.raises(UnsupportedError):
        ohttp.encapsulate_request(config, b"", aead_id=3)


@pytest.mark.parametrize("at", [7, len(BODY) - 1])
def test_a_changed_request_does_not_open(at):
    changed = BODY[:at] + bytes([BODY[at] ^ 1]) + BODY[at + 1 :]
    with pytest.raises(UnsealableError):
        ohttp.open_request(GATEWAY, changed)


def test_the_header_is_bound():
    changed = BODY[:6] + b"\x03" + BODY[7:]
    with pytest.raises(UnsealableError):
        ohttp.open_request(GATEWAY, changed)


@pytest.mark.parametrize(
    ("head", "error"),
    [
        ("02002000010001", UnknownKeyError),
        ("01001000010001", UnsupportedError),
        ("01002000020001", UnsupportedError),
        ("0100200001ffff", UnsupportedError),
    ],
)
def test_refuses_a_header_that_the_config_does_not_list(head, error):
    with pytest.raises(error):
        ohttp.open_request(GATEWAY, bytes.fromhex(head) + BODY[7:])


@pytest.mark.parametrize("end", [0, 6, 7, 38, 39, 54])
def test_a_cut_request_is_truncated(end):
    with pytest.raises(TruncatedError):
        ohttp.open_request(GATEWAY, BODY[:end])


def test_a_cut_or_changed_response_does_not_open():
    _, context = ohttp.open_request(GATEWAY, BODY)
    response = context.seal_response(b"response")
    with pytest.raises(TruncatedError):
        CLIENT.open_response(response[:31])
    for changed in (bytes([response[0] ^ 1]) + response[1:], response[:-1]):
        with pytest.raises(UnsealableError):
            CLIENT.open_response(changed)


def test_a_gateway_key_needs_its_own_private_half():
    with pytest.raises(MalformedError):
        ohttp.GatewayKey.load(GATEWAY.config, generate_key_pair(KEM_X25519).private)


@given(st.binary(max_size=120), st.integers(0, len(BODY)))
def test_any_bytes_are_refused_with_this_packages_error(tail, cut):
    data = BODY[:cut] + tail
    if data == BODY:
        return
    with pytest.raises(ProtocolError):
        ohttp.open_request(GATEWAY, data)
