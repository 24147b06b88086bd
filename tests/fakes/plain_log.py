"""Somebody else's log and witness, written from C2SP's pages alone and with none of our code.

tlog-tiles, tlog-checkpoint, signed-note, tlog-cosignature and RFC 6962, each in its plainest form,
so that what we read and cosign is not only what we write.
"""

import base64
import hashlib
import struct
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


def sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def split(count: int) -> int:
    """Give the largest power of two below `count`."""
    k = 1
    while 2 * k < count:
        k *= 2
    return k


def tree_hash(hashes: list[bytes]) -> bytes:
    """MTH of RFC 6962, section 2.1, over leaf hashes."""
    if not hashes:
        return sha(b"")
    if len(hashes) == 1:
        return hashes[0]
    k = split(len(hashes))
    return sha(b"\x01" + tree_hash(hashes[:k]) + tree_hash(hashes[k:]))


def subproof(m: int, hashes: list[bytes], whole: bool) -> list[bytes]:  # noqa: FBT001 - as there
    """SUBPROOF of RFC 6962, section 2.1.2."""
    if m == len(hashes):
        return [] if whole else [tree_hash(hashes)]
    k = split(len(hashes))
    if m <= k:
        return [*subproof(m, hashes[:k], whole), tree_hash(hashes[k:])]
    return [*subproof(m - k, hashes[k:], False), tree_hash(hashes[:k])]


@dataclass
class Key:
    """A key of a signed note; its type is 1 for a log, 4 for a witness."""

    name: str
    kind: int
    secret: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)

    @property
    def public(self) -> bytes:
        return bytes([self.kind]) + self.secret.public_key().public_bytes_raw()

    @property
    def id(self) -> bytes:
        return sha(self.name.encode() + b"\n" + self.public)[:4]

    @property
    def vkey(self) -> str:
        return f"{self.name}+{self.id.hex()}+{b64(self.public)}"

    def sign(self, text: bytes) -> bytes:
        return self.line(self.secret.sign(text))

    def cosign(self, text: bytes, time: int) -> bytes:
        signature = self.secret.sign(f"cosignature/v1\ntime {time}\n".encode() + text)
        return self.line(struct.pack(">Q", time) + signature)

    def line(self, payload: bytes) -> bytes:
        return f"— {self.name} {b64(self.id + payload)}\n".encode()


@dataclass
class PlainLog:
    """A log of some entries; `files` is everything it serves, by path."""

    origin: str
    entries: list[bytes]
    key: Key
    extension: str = ""

    @property
    def hashes(self) -> list[bytes]:
        return [sha(b"\x00" + entry) for entry in self.entries]

    def text(self, size: int) -> bytes:
        root = b64(tree_hash(self.hashes[:size]))
        return f"{self.origin}\n{size}\n{root}\n{self.extension}".encode()

    def checkpoint(self, size: int, *cosignatures: bytes) -> bytes:
        text = self.text(size)
        return text + b"\n" + self.key.sign(text) + b"".join(cosignatures)

    def add_checkpoint(self, old: int, size: int) -> bytes:
        """Give the body of a request to a witness."""
        proof = subproof(old, self.hashes[:size], True) if 0 < old < size else []
        lines = "".join(f"{b64(one)}\n" for one in proof)
        return f"old {old}\n{lines}\n".encode() + self.checkpoint(size)

    def files(self) -> dict[str, bytes]:
        """Give every tile and bundle, partial ones where they are not full."""
        found: dict[str, bytes] = {}
        for number, rows in enumerate(chunks(self.entries)):
            bundle = b"".join(struct.pack(">H", len(row)) + row for row in rows)
            found[path("entries", number, len(rows))] = bundle
        level, hashes = 0, self.hashes
        while hashes:
            for number, row in enumerate(chunks(hashes)):
                found[path(str(level), number, len(row))] = b"".join(row)
            hashes = [tree_hash(row) for row in chunks(hashes) if len(row) == 256]
            level += 1
        return found


def chunks(rows: list[bytes]) -> list[list[bytes]]:
    return [rows[start : start + 256] for start in range(0, len(rows), 256)]


def path(level: str, number: int, width: int) -> str:
    """Write a tile's path: groups of three digits, all but the last after an x."""
    groups = [f"{number % 1000:03}"]
    while number >= 1000:
        number //= 1000
        groups.insert(0, f"x{number % 1000:03}")
    partial = f".p/{width}" if width < 256 else ""
    return f"tile/{level}/{'/'.join(groups)}{partial}"
