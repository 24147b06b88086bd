"""Names that client and servers share: media types, fields, routes, the error document.

docs/formats.md sections 1, 2 and 9 are the specification; nothing here decides anything.
"""

import hashlib
import json
import re
from dataclasses import dataclass

from openpcc.protocol.errors import MalformedError

SEALED_REQUEST = "application/vnd.openpcc.sealed-req"
SEALED_RESPONSE = "application/vnd.openpcc.sealed-res"
EVIDENCE = "application/vnd.openpcc.evidence+json"
ERROR = "application/vnd.openpcc.error+json"
OHTTP_KEYS = "application/ohttp-keys"
OHTTP_REQUEST = "message/ohttp-chunked-req"
OHTTP_RESPONSE = "message/ohttp-chunked-res"
JSON = "application/json"
OCTETS = "application/octet-stream"
TEXT = "text/plain; charset=utf-8"

INCREMENTAL = ("incremental", "?1")
"""Asks every hop not to buffer (draft-ietf-httpbis-incremental)."""

PACE = "openpcc-pace"
RECEIPT = "openpcc-receipt"
MACHINE = "openpcc-machine"

OUTER_PADDING = 4096
"""The request inside OHTTP is padded to a multiple of this: one token or two (620 bytes each)
seldom show to the relay, eight and more do, by a step or more."""

SHARD = 16
"""Leaves of the directory that a client fetches and verifies together."""

WINDOW = 600
"""Seconds of the publisher's fixed grid; a service entry is valid for two windows."""

ENTRIES_A_WINDOW = 4
"""Service entries of one window at most, all with the same keys (docs/decisions/0022). One is
enough; a publisher that is restarted logs another."""

MAX_ERROR = 4096
"""Bytes of an error document; more is not read."""

NONCE_SIZE = 32
"""Bytes of an auditor's nonce."""

CHALLENGE_SIZE = NONCE_SIZE + 32
"""Bytes of a challenge: the nonce, and the id of the node key that it is about."""

ALLOWED_PATHS = frozenset(
    {
        ("POST", "/v1/chat/completions"),
        ("POST", "/v1/completions"),
        ("POST", "/v1/responses"),
        ("POST", "/v1/embeddings"),
        ("GET", "/v1/models"),
    }
)
"""What may be asked of an engine; the many other routes an engine has stay closed."""


def machine_digest(machine: bytes | None) -> bytes:
    """Digest a machine id for the directory; 32 zero bytes where the platform names no machine."""
    if machine is None:
        return bytes(32)
    return hashlib.sha256(b"openpcc machine id v1\x00" + machine).digest()


EMPTY_LEAF = b"openpcc leaf v1\x00"
"""A directory slot whose machine is not listed at present."""


@dataclass(frozen=True, kw_only=True)
class DirectoryLeaf:
    """One listed node: which quote, bound to what, with which keys, on which machine."""

    quote_digest: bytes
    binding: bytes
    node_key_ids: tuple[bytes, ...]
    machine: bytes

    def encode(self) -> bytes:
        """Write the leaf (docs/formats.md section 1)."""
        ids = b"".join(self.node_key_ids)
        return EMPTY_LEAF + self.quote_digest + self.binding + ids + self.machine

    @classmethod
    def parse(cls, data: bytes) -> "DirectoryLeaf | None":
        """Read a leaf; None is an empty slot.

        Raises:
            ValueError: neither the one nor the other.
        """
        if data == EMPTY_LEAF:
            return None
        keys, rest = divmod(len(data) - len(EMPTY_LEAF) - 128, 32)
        if not data.startswith(EMPTY_LEAF) or rest or not 1 <= keys <= 8:
            raise ValueError("not a directory leaf")
        body = data[len(EMPTY_LEAF) :]
        ids = tuple(body[96 + 32 * i : 128 + 32 * i] for i in range(keys))
        return cls(
            quote_digest=body[:32], binding=body[32:96], node_key_ids=ids, machine=body[-32:]
        )

    def leaf_hash(self) -> bytes:
        """Hash the leaf as the directory's Merkle tree does (RFC 6962)."""
        return hashlib.sha256(b"\x00" + self.encode()).digest()


@dataclass(frozen=True, kw_only=True)
class Challenge:
    """What an auditor asks of a node: its evidence over this nonce, for the epoch of this key."""

    nonce: bytes
    key_id: bytes

    def encode(self) -> bytes:
        """Write the challenge: nonce(32), key id(32)."""
        return self.nonce + self.key_id

    @classmethod
    def parse(cls, data: bytes) -> "Challenge":
        """Read a challenge.

        Raises:
            MalformedError: it has another length.
        """
        if len(data) != CHALLENGE_SIZE:
            raise MalformedError(f"a challenge has {CHALLENGE_SIZE} bytes")
        return cls(nonce=data[:NONCE_SIZE], key_id=data[NONCE_SIZE:])


def encode_error(code: str, message: str) -> bytes:
    """Write an error document."""
    return json.dumps({"error": {"code": code, "message": message}}, separators=(",", ":")).encode()


def decode_error(data: bytes) -> str | None:
    """Read the code of an error document; None if it is none. The message is not for programs."""
    if len(data) > MAX_ERROR:
        return None
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return None
    error = document.get("error") if isinstance(document, dict) else None
    code = error.get("code") if isinstance(error, dict) else None
    if not isinstance(code, str) or not re.fullmatch(r"[a-z][a-z-]{0,31}", code):
        return None
    return code
