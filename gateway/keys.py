"""The gateway's OHTTP keys: one private file per pair, and the public file made of it.

    {"version": 1, "created": 1800000000,
     "keys": [{"key_id": 20, "kem": "x-wing", "private": "…"},
              {"key_id": 21, "kem": "x25519", "private": "…"}]}

X-Wing comes first, so that clients that know it take it. Every pair that a gateway's configuration
names is accepted. The one it publishes is the one whose public file the publisher has, because the
service entry names that one's digest (`replica`); until the publisher was asked, the first. To
rotate, make another pair in another folder, name it in every gateway's configuration beside the old
one, then give the publisher its public file. Take the old one out after two windows, when no valid
service entry names it.
"""

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from gateway.errors import ConfigurationError
from openpcc.protocol.errors import ProtocolError
from openpcc.protocol.hpke import KEM_X25519, KEM_XWING, PrivateKey, generate_key_pair
from openpcc.protocol.ohttp import GatewayKey, KeyConfig, encode_configs
from transparency_log.errors import PolicyError
from transparency_log.private_files import read_private
from transparency_log.strict_json import (
    Members,
    StrictJSONError,
    b64encode,
    dumps,
    parse_object,
)

PRIVATE_NAME = "ohttp-keys.json"
PUBLIC_NAME = "ohttp-keys"

MAX_FILE = 1 << 16
"""Bytes of a key file."""

KEMS = {"x-wing": KEM_XWING, "x25519": KEM_X25519}
"""KEMs of a pair, in the order of preference."""

ALGORITHMS = ((0x0001, 0x0002), (0x0001, 0x0001))
"""HKDF-SHA256 with AES-256-GCM, which fits X-Wing's strength, and with AES-128-GCM."""


@dataclass(frozen=True, kw_only=True)
class KeyRing:
    """Every accepted key by its id, and the public file of each pair."""

    accepted: dict[int, GatewayKey]
    public: tuple[bytes, ...]


def generate(folder: Path, *, now: int) -> None:
    """Make a pair of keys in a folder: the private file with mode 0600, and the public one.

    Raises:
        ConfigurationError: the folder is missing, or already has keys: they are never overwritten.
    """
    first = 2 * secrets.randbelow(128)
    members, configs = [], []
    for offset, (kem, kem_id) in enumerate(KEMS.items()):
        pair = generate_key_pair(kem_id)
        configs.append(_config(first + offset, kem_id, pair.public))
        members.append({"key_id": first + offset, "kem": kem, "private": b64encode(pair.private)})
    private = dumps({"version": 1, "created": now, "keys": members})
    write_new(folder / PRIVATE_NAME, private, mode=0o600)
    write_new(folder / PUBLIC_NAME, encode_configs(configs), mode=0o644)


def load(paths: tuple[Path, ...]) -> KeyRing:
    """Read key files; all are accepted.

    Raises:
        ConfigurationError: a file is missing or not a key file, or two keys share an id.
    """
    pairs = [_read(path) for path in paths]
    keys = [key for pair in pairs for key in pair]
    accepted = {key.config.key_id: key for key in keys}
    if len(accepted) != len(keys):
        raise ConfigurationError("ohttp_keys: two keys have one id; make the newer pair again")
    public = tuple(encode_configs(key.config for key in pair) for pair in pairs)
    return KeyRing(accepted=accepted, public=public)


def write_new(path: Path, data: bytes, *, mode: int) -> None:
    """Write a file that does not exist yet.

    Raises:
        ConfigurationError: it exists, or the folder is missing.
    """
    try:
        number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with open(number, "wb") as file:
            file.write(data)
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}; choose an empty folder") from error


def _read(path: Path) -> list[GatewayKey]:
    try:
        members = parse_object(read_private(path, MAX_FILE), limit=MAX_FILE, name="key file")
        members.integer("version", low=1, high=1)
        members.integer("created")
        keys = [_key(one) for one in members.children("keys", limit=8)]
        members.end()
    except PolicyError as error:
        raise ConfigurationError(str(error)) from error
    except (StrictJSONError, ProtocolError) as error:
        raise ConfigurationError(f"{path}: {error}; make it with `openpcc-gateway keys`") from error
    if not keys:
        raise ConfigurationError(f"{path}: no key in it; make it with `openpcc-gateway keys`")
    return keys


def _key(members: Members) -> GatewayKey:
    kem_id = KEMS[members.choice("kem", frozenset(KEMS))]
    key_id = members.integer("key_id", high=255)
    private = PrivateKey.load(kem_id, members.data("private", size=32))
    members.end()
    config = _config(key_id, kem_id, private.public.raw)
    return GatewayKey(config=config, private=private)


def _config(key_id: int, kem_id: int, public: bytes) -> KeyConfig:
    return KeyConfig(key_id=key_id, kem_id=kem_id, public_key=public, algorithms=ALGORITHMS)
