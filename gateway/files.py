"""What lies behind the paths of gateways and publishers: all that a start would stumble over.

Nobody but files is asked. The programs read the same files again when they start.
"""

from functools import partial
from pathlib import Path

from gateway import chain, keys, stapled, tls_files
from gateway.archive import Archive
from gateway.config import GatewayConfig, PublisherConfig
from gateway.config_file import read_bounded
from gateway.errors import ConfigurationError
from gateway.stores import read_password
from openpcc.protocol.errors import ProtocolError
from openpcc.protocol.ohttp import parse_configs
from transparency_log.entry import EntrySigners
from transparency_log.server.problems import Problems, wrong
from transparency_log.server.secret_files import read_seed, read_token
from transparency_log.strict_json import StrictJSONError, b64decode

MAX_KEYS = 1 << 16
"""Bytes of the public OHTTP file."""


def gateway(config: GatewayConfig, problems: Problems) -> None:
    """Look at what a gateway names."""
    tls_files.server(config, problems)
    for number, path in enumerate(config.ohttp_keys):
        problems.check(partial(keys.load, (path,)), f"ohttp_keys[{number}]")
    problems.check(lambda: keys.load(config.ohttp_keys), "ohttp_keys")
    problems.check(lambda: read_password(config), "store_password")


def publisher(config: PublisherConfig, problems: Problems) -> None:
    """Look at what a publisher names, and at its state."""
    tls_files.server(config, problems)
    check = problems.check
    check(lambda: read_seed(config.service_key), "service_key")
    token, endorsements = config.log_token, config.endorsements
    if token is not None:
        check(lambda: read_token(token), "log_token")
    check(lambda: read_status_keys(config.status_keys), "status_keys")
    check(lambda: read_public_keys(config.ohttp_keys), "ohttp_keys")
    for number, path in enumerate(config.proofs):
        check(partial(stapled.read_proof, path), f"proofs[{number}]")
    check(lambda: stapled.read(endorsements, ()), "endorsements")
    check(lambda: stapled.read(endorsements, config.proofs), "proofs", "endorsements")
    check(lambda: chain.load(config.state, service=config.service), "state", "service")
    check(lambda: Archive(config.archive), "archive")


def read_status_keys(texts: tuple[str, ...]) -> EntrySigners:
    """Read the public keys of those whose status entries count.

    Raises:
        ConfigurationError: one is no Ed25519 key in base64.
        PolicyError: they cannot be used together.
    """
    try:
        return EntrySigners(keys=tuple(b64decode(text) for text in texts), threshold=1)
    except StrictJSONError as error:
        raise ConfigurationError(
            wrong(expected="public keys in base64", found="something else",
                  remedy="copy them from the policy")
        ) from error  # fmt: skip


def read_public_keys(path: Path) -> bytes:
    """Read the public OHTTP file.

    Raises:
        ConfigurationError: it cannot be read, or is another file.
    """
    data = read_bounded(path, MAX_KEYS)
    try:
        parse_configs(data)
    except ProtocolError as error:
        raise ConfigurationError(
            f"{path}: {error}; give the public file of `openpcc-gateway keys`"
        ) from error
    return data
