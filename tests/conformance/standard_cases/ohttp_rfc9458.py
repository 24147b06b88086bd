"""ohttp-rfc9458: the published exchange, byte for byte, and requests from unknown clients."""

import functools

from openpcc.protocol import bhttp, ohttp
from openpcc.protocol.errors import UnsealableError
from openpcc.protocol.hpke import registry
from openpcc.protocol.key_config import KeyConfig
from tests.conformance.standard_cases import ohttp_rows
from tests.conformance.standard_cases.contract import (
    CaseFile,
    MismatchError,
    RowData,
    flipped,
    listed,
    require_equal,
    require_expect,
    require_keys,
    require_refusal,
    unhex,
)

REQUEST_KEYS = ("gateway_ikm", "gateway_public_key", "encapsulated_request", "request_bhttp")


def case_file(name: str) -> CaseFile | None:
    """Read `vectors.json`."""
    return listed(_check) if name == "vectors.json" else None


def _check(row: RowData) -> None:
    require_expect(row, "pass")
    if "gateway_secret_key" in row:
        _check_exchange(row)
    elif "gateway_ikm" in row:
        _check_request(row)
    else:
        raise MismatchError("unknown row shape")


def _check_exchange(row: RowData) -> None:
    require_keys(row, *ohttp_rows.KEYS)
    ohttp_rows.check_texts(row, ohttp.PLAIN, ohttp.REQUEST_MEDIA_TYPE, ohttp.RESPONSE_MEDIA_TYPE)
    exchange = ohttp_rows.exchange(row, ohttp.PLAIN)
    request, response = unhex(row["request_bhttp"]), unhex(row["response_bhttp"])
    bhttp.decode_request(request)
    bhttp.decode_response(response)

    body, client = ohttp.encapsulate_request_with(exchange.header, exchange.made, request)
    require_equal("encapsulated_request", unhex(row["encapsulated_request"]), body)
    opened, gateway = ohttp.open_request(exchange.gateway, body)
    require_equal("opened request", request, opened)
    ohttp_rows.check_response_keys(row, exchange, client.secret, gateway.secret)

    reply = gateway.seal_response_with(unhex(row["response_nonce"]), response)
    require_equal("encapsulated_response", unhex(row["encapsulated_response"]), reply)
    require_equal("opened response", response, client.open_response(reply))
    for changed in (flipped(body, 7), flipped(body, len(body) - 1)):
        opening = functools.partial(ohttp.open_request, exchange.gateway, changed)
        require_refusal(UnsealableError, "changed request", opening)
    for changed in (flipped(reply), flipped(reply, len(reply) - 1)):
        opening_reply = functools.partial(client.open_response, changed)
        require_refusal(UnsealableError, "changed response", opening_reply)


def _check_request(row: RowData) -> None:
    """Only the gateway's key is known: derive it, open the request, compare the message."""
    require_keys(row, *REQUEST_KEYS)
    body = unhex(row["encapsulated_request"])
    header = ohttp.RequestHeader.parse(body)
    ohttp_rows.check_ids(row, header)
    pair = registry.by_id(header.kem_id).derive_key_pair(unhex(row["gateway_ikm"]))
    require_equal("gateway_public_key", unhex(row["gateway_public_key"]), pair.public)
    config = KeyConfig(
        key_id=header.key_id,
        kem_id=header.kem_id,
        public_key=pair.public,
        algorithms=((header.kdf_id, header.aead_id),),
    )
    gateway = ohttp.GatewayKey.load(config, pair.private)
    message, _ = ohttp.open_request(gateway, body)
    require_equal("request_bhttp", unhex(row["request_bhttp"]), message)
    bhttp.decode_request(message)
    require_refusal(
        UnsealableError,
        "changed request",
        lambda: ohttp.open_request(gateway, flipped(body, len(body) - 1)),
    )
