"""What exchanges of ohttp-rfc9458 and ohttp-chunked have in common: key config, header, secrets."""

from dataclasses import dataclass

from openpcc.protocol import ohttp
from openpcc.protocol.hpke import Encapsulation
from openpcc.protocol.hpke.dhkem import DHKEM
from openpcc.protocol.key_config import KeyConfig, encode_configs, parse_configs
from tests.conformance.standard_cases.contract import (
    MismatchError,
    RowData,
    require_equal,
    require_keys,
    unhex,
)

KEYS = (
    *("gateway_secret_key", "key_config", "request_bhttp", "client_ephemeral_secret_key"),
    *("client_ephemeral_public_key", "info", "encapsulated_request", "response_bhttp"),
    *("exported_secret", "salt", "prk", "aead_key", "aead_nonce", "encapsulated_response"),
    *("response_nonce",),
)


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """Both ends of a published exchange."""

    gateway: ohttp.GatewayKey
    header: ohttp.RequestHeader
    made: Encapsulation


def exchange(row: RowData, labels: ohttp.Labels) -> Exchange:
    """Rebuild key config, header and encapsulation, and compare each with the row."""
    config = _config(row)
    header = ohttp.RequestHeader.parse(unhex(row["encapsulated_request"]))
    check_ids(row, header)
    require_equal("info", unhex(row["info"]), header.info(labels))
    gateway = ohttp.GatewayKey.load(config, unhex(row["gateway_secret_key"]))
    made = _encapsulation(row, header, gateway)
    return Exchange(gateway=gateway, header=header, made=made)


def check_ids(row: RowData, header: ohttp.RequestHeader) -> None:
    """Compare the algorithm ids where the row lists them."""
    for name in ("key_id", "kem_id", "kdf_id", "aead_id"):
        if name in row:
            require_equal(name, row[name], getattr(header, name))


def check_texts(row: RowData, labels: ohttp.Labels, request: str, response: str) -> None:
    """Compare labels and media types where the row lists them."""
    expected = {
        "request_label": labels.request.decode(),
        "response_label": labels.response.decode(),
        "request_media_type": request,
        "response_media_type": response,
    }
    for name, value in expected.items():
        require_equal(name, row.get(name, value), value)


def check_response_keys(row: RowData, found: Exchange, *secrets: bytes) -> None:
    """Compare the exported secret of both ends, and what is derived from it."""
    for secret in secrets:
        require_equal("exported_secret", unhex(row["exported_secret"]), secret)
    nonce = unhex(row["response_nonce"])
    require_equal("salt", unhex(row["salt"]), found.made.enc + nonce)
    keys = ohttp.response_keys(
        found.header.suite, enc=found.made.enc, nonce=nonce, secret=secrets[0]
    )
    require_equal("prk", unhex(row["prk"]), keys.prk)
    require_equal("aead_key", unhex(row["aead_key"]), keys.key)
    require_equal("aead_nonce", unhex(row["aead_nonce"]), keys.nonce)


def _config(row: RowData) -> KeyConfig:
    encoded = unhex(row["key_config"])
    config = KeyConfig.parse(encoded)
    require_equal("key_config", encoded, config.encode())
    if "ohttp_keys_media_type" in row:
        collection = unhex(row["ohttp_keys_media_type"])
        require_equal("collection", (config,), parse_configs(collection))
        require_equal("ohttp_keys_media_type", collection, encode_configs([config]))
    if "key_config_symmetric_algorithms" in row:
        pairs = [list(pair) for pair in config.algorithms]
        require_equal("algorithms", row["key_config_symmetric_algorithms"], pairs)
    return config


def _encapsulation(
    row: RowData, header: ohttp.RequestHeader, gateway: ohttp.GatewayKey
) -> Encapsulation:
    kem = header.suite.kem
    if not isinstance(kem, DHKEM):
        raise MismatchError("a fixed ephemeral key needs a Diffie-Hellman KEM")
    require_keys(row, "client_ephemeral_secret_key", "client_ephemeral_public_key")
    ephemeral = kem.load_private(unhex(row["client_ephemeral_secret_key"]))
    public = unhex(row["client_ephemeral_public_key"])
    require_equal("client_ephemeral_public_key", public, ephemeral.public.raw)
    return kem.encapsulate_with(ephemeral, gateway.private.public)
