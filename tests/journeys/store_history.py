"""What a spent store wrote of each token, from first to last, read from its append-only file.

Each write is held against what may happen to a token at all:

    free ──▶ admitted for a request ──▶ begun, for good
      ◀── given back ──┘ (again for the same request, any number of times)
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

NONCE = 32


@dataclass(frozen=True, kw_only=True)
class History:
    """How it ended: digests of the requests whose reply began, by nonce; and what still stands."""

    begun: dict[bytes, bytes]
    admitted: set[bytes]

    @classmethod
    def read(cls, folder: Path) -> "History":
        """Read all that was ever written; fails where a write must not have been."""
        begun: dict[bytes, bytes] = {}
        admitted: dict[bytes, bytes] = {}
        for name, nonce, value in _writes(folder):
            assert nonce not in begun, "a token that paid was touched again"
            if name == b"HDEL":
                del admitted[nonce]
                continue
            digest, state = value[:32], value[40]
            assert admitted.setdefault(nonce, digest) == digest, "two requests have one token"
            if state == 1:
                begun[nonce] = admitted.pop(nonce)
        return cls(begun=begun, admitted=set(admitted))


def _writes(folder: Path) -> Iterator[tuple[bytes, bytes, bytes]]:
    """Give what was written to sets of spent tokens: command, nonce, value."""
    for path in sorted((folder / "appendonlydir").glob("*.incr.aof")):
        for name, *words in _commands(path.read_bytes()):
            if not words or b":spent:" not in words[0]:
                continue
            assert name in (b"HSET", b"HDEL"), name
            assert len(words[1]) == NONCE
            yield name, words[1], words[2] if name == b"HSET" else b""


def _commands(data: bytes) -> Iterator[list[bytes]]:
    at = 0
    while at < len(data):
        count, at = _number(data, at, b"*")
        words = []
        for _ in range(count):
            size, at = _number(data, at, b"$")
            words.append(data[at : at + size])
            at += size + 2
        yield [words[0].upper(), *words[1:]]


def _number(data: bytes, at: int, kind: bytes) -> tuple[int, int]:
    end = data.index(b"\r\n", at)
    assert data[at : at + 1] == kind
    return int(data[at + 1 : end]), end + 2
