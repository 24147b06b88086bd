"""OHTTP key configurations (RFC 9458, section 3): `application/ohttp-keys`.

    config     = key_id(1) ‖ kem_id(2) ‖ public_key(Npk) ‖ sym_len(2) ‖ (kdf_id(2) ‖ aead_id(2))…
    collection = (length(2) ‖ config)…

A sealing key of a node is one config with one pair. A collection with any error is refused whole:
recovering parts would let a server tell clients apart. An entry of an unknown KEM is skipped.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from openpcc.protocol.errors import MalformedError, UnsupportedError
from openpcc.protocol.hpke import registry

MEDIA_TYPE = "application/ohttp-keys"

MAX_COLLECTION = 1 << 16
"""Bytes of a collection: some dozens of X-Wing keys, far more than a gateway has."""

MAX_SYMMETRIC = 65532
"""Bytes of the list of pairs, the largest multiple of four in its length field."""


@dataclass(frozen=True, kw_only=True)
class KeyConfig:
    """One public key and the (kdf_id, aead_id) pairs it may be used with."""

    key_id: int
    kem_id: int
    public_key: bytes
    algorithms: tuple[tuple[int, int], ...]

    def encode(self) -> bytes:
        """Write the config, without the length that precedes it in a collection."""
        pairs = b"".join(_id(kdf) + _id(aead) for kdf, aead in self.algorithms)
        head = bytes([self.key_id]) + _id(self.kem_id) + self.public_key
        return head + len(pairs).to_bytes(2, "big") + pairs

    @staticmethod
    def parse(data: bytes) -> "KeyConfig":
        """Read one config that fills `data`.

        Raises:
            MalformedError: wrong length, no pair, or a public key that is none.
            UnsupportedError: the KEM is not offered here.
        """
        if len(data) < 3:
            raise MalformedError("key config: shorter than its fixed fields")
        kem_id = int.from_bytes(data[1:3], "big")
        kem = registry.by_id(kem_id)
        end = 3 + kem.public_size
        public_key = data[3:end]
        pairs = _pairs(data[end:])
        kem.load_public(public_key)
        return KeyConfig(key_id=data[0], kem_id=kem_id, public_key=public_key, algorithms=pairs)


def encode_configs(configs: Iterable[KeyConfig]) -> bytes:
    """Write a collection, in the order of preference."""
    encoded = [config.encode() for config in configs]
    return b"".join(_id(len(config)) + config for config in encoded)


def parse_configs(data: bytes) -> tuple[KeyConfig, ...]:
    """Read a collection; entries of unknown KEMs are left out.

    Raises:
        MalformedError: anything in it is wrong, or it is empty.
    """
    if not 0 < len(data) <= MAX_COLLECTION:
        raise MalformedError(f"key configs: 1 to {MAX_COLLECTION} bytes are accepted")
    configs = []
    for entry in _entries(data):
        try:
            configs.append(KeyConfig.parse(entry))
        except UnsupportedError:
            continue  # RFC 9458, section 3: an unknown KEM is no error, its length is known
    return tuple(configs)


def _entries(data: bytes) -> Iterable[bytes]:
    offset = 0
    while offset < len(data):
        start = offset + 2
        offset = start + int.from_bytes(data[offset:start], "big")
        if offset > len(data) or offset == start:
            raise MalformedError("key configs: an entry is empty or cut")
        yield data[start:offset]


def _pairs(data: bytes) -> tuple[tuple[int, int], ...]:
    size = int.from_bytes(data[:2], "big")
    if len(data) != 2 + size or not 4 <= size <= MAX_SYMMETRIC or size % 4:
        raise MalformedError("key config: the algorithm list does not fit its length")
    ids = [int.from_bytes(data[at : at + 2], "big") for at in range(2, len(data), 2)]
    return tuple(zip(ids[::2], ids[1::2], strict=True))


def _id(number: int) -> bytes:
    return number.to_bytes(2, "big")
