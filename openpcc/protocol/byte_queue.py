"""Bytes that arrive in pieces and leave in others: the buffer under both streaming decoders.

A piece that arrives while nothing is left over is kept as it is; only a remainder is copied, into a
bytearray whose front is cut off cheaply. So a stream fed byte by byte costs linear time.
"""


class ByteQueue:
    """First in, first out; `take` never gives more than was asked for."""

    def __init__(self) -> None:
        self._data: bytes | bytearray = b""
        self._start = 0

    def __len__(self) -> int:
        """Count the bytes not yet taken."""
        return len(self._data) - self._start

    def append(self, data: bytes) -> None:
        """Add what arrived."""
        if not len(self):
            self._data, self._start = data, 0
            return
        if isinstance(self._data, bytes):
            self._data = bytearray(memoryview(self._data)[self._start :])
        else:
            del self._data[: self._start]
        self._start = 0
        self._data += data

    def peek(self) -> int:
        """Give the next byte and leave it; the queue must not be empty."""
        return self._data[self._start]

    def take(self, size: int) -> bytes:
        """Remove and give `size` bytes; so many must be there."""
        end = self._start + size
        piece = self._data[self._start : end]
        self._start = end
        return bytes(piece)

    def clear(self) -> None:
        """Forget everything."""
        self._data, self._start = b"", 0
