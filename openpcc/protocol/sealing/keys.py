"""Keys of nodes, and the names a sealed message uses for keys and models (sealing sheet).

config      = key_id(1) ‖ kem_id(2) ‖ public_key ‖ 0004 ‖ 0001 ‖ 0002      (one OHTTP key config)
node_key_id = SHA-256("openpcc node key v1" ‖ 00 ‖ config)
model_id    = SHA-256(model name, UTF-8)
"""

import hashlib
from dataclasses import dataclass, field

from openpcc.protocol.errors import MalformedError, UnknownKeyError, UnsupportedError
from openpcc.protocol.hpke import (
    AEAD_AES_256_GCM,
    KDF_HKDF_SHA256,
    KEM_X25519,
    KEM_XWING,
    PrivateKey,
    PublicKey,
    Suite,
    generate_key_pair,
)
from openpcc.protocol.key_config import KeyConfig

ALGORITHMS = ((KDF_HKDF_SHA256, AEAD_AES_256_GCM),)
"""The one pair of algorithms of version 1."""

SUITES = {
    kem_id: Suite(kem_id, KDF_HKDF_SHA256, AEAD_AES_256_GCM) for kem_id in (KEM_XWING, KEM_X25519)
}
"""Every suite of version 1, by its KEM; X-Wing is the one a client offers unless told otherwise."""

NODE_KEY_LABEL = b"openpcc node key v1\x00"


@dataclass(frozen=True, kw_only=True)
class NodeKey:
    """A node's public sealing key, as its evidence names it."""

    config: bytes = field(repr=False)
    kem_id: int
    public: PublicKey = field(repr=False, compare=False)
    id: bytes

    @staticmethod
    def parse(config: bytes) -> "NodeKey":
        """Read a key config of the sealing sheet.

        Raises:
            MalformedError: not a key config.
            UnsupportedError: another KEM, or other than the one pair of algorithms.
        """
        parsed = KeyConfig.parse(config)
        if parsed.kem_id not in SUITES or parsed.algorithms != ALGORITHMS:
            raise UnsupportedError("node key: not of a suite of version 1")
        return NodeKey(
            config=config,
            kem_id=parsed.kem_id,
            public=PublicKey.load(parsed.kem_id, parsed.public_key),
            id=hashlib.sha256(NODE_KEY_LABEL + config).digest(),
        )

    @property
    def public_key(self) -> bytes:
        """Give the serialised public key."""
        return self.public.raw

    @property
    def suite(self) -> Suite:
        """Give the HPKE suite of this key."""
        return SUITES[self.kem_id]


class NodePrivateKey:
    """A node's private sealing key; lives in memory only.

    `erase` drops the only reference this process holds to the parsed key; the serialised form is
    never kept. OpenSSL clears its copy when it frees it. Python gives no promise about copies that
    the interpreter or the kernel made before, so a node runs in memory that no one else can read.
    """

    def __init__(self, node_key: NodeKey, private: PrivateKey | bytes) -> None:
        """Join both halves.

        Raises:
            MalformedError: the private key is none, or belongs to another public key.
        """
        if isinstance(private, bytes):
            private = PrivateKey.load(node_key.kem_id, private)
        if private.public.raw != node_key.public_key:
            raise MalformedError("the private key does not belong to this node key")
        self.node_key = node_key
        self._private: PrivateKey | None = private

    def __repr__(self) -> str:
        """Name the key by its public id."""
        return f"NodePrivateKey({self.node_key.id.hex()[:16]})"

    @staticmethod
    def generate(*, kem_id: int = KEM_XWING, key_id: int = 0) -> "NodePrivateKey":
        """Make a fresh key.

        Raises:
            UnsupportedError: the KEM belongs to no suite of version 1.
        """
        if kem_id not in SUITES:
            raise UnsupportedError("node key: not of a suite of version 1")
        pair = generate_key_pair(kem_id)
        config = KeyConfig(
            key_id=key_id, kem_id=kem_id, public_key=pair.public, algorithms=ALGORITHMS
        )
        return NodePrivateKey(NodeKey.parse(config.encode()), pair.private)

    @property
    def id(self) -> bytes:
        """Give the node key id."""
        return self.node_key.id

    @property
    def private(self) -> PrivateKey:
        """Give the parsed key.

        Raises:
            UnknownKeyError: it was erased.
        """
        if self._private is None:
            raise UnknownKeyError("the key was erased")
        return self._private

    def erase(self) -> None:
        """Drop the key; nothing opens under it from now on. See the class for what that means."""
        self._private = None


def model_id(name: str) -> bytes:
    """Give the name of a model inside a header."""
    return hashlib.sha256(name.encode()).digest()
