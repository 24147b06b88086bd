"""The chunk codec of chunked OHTTP, which sealed messages use in both directions.

    chunk       = varint(length of the sealed chunk, at least 1) ‖ sealed chunk, AAD empty
    final chunk = varint(0) ‖ sealed chunk to the end of the body, AAD `final`

(draft-ietf-ohai-chunked-ohttp, section 3.) Chunk i goes under nonce XOR i, so chunks cannot be
swapped, dropped or repeated, and only a chunk sealed as final ends a message. The length itself is
not authenticated: it is bounded before anything is kept, and any of its spellings is accepted.
"""

from collections.abc import Iterable

from openpcc.protocol import varint
from openpcc.protocol.byte_queue import ByteQueue
from openpcc.protocol.errors import (
    MalformedError,
    MisuseError,
    ProtocolError,
    TruncatedError,
    UnsealableError,
)
from openpcc.protocol.hpke.aead import TAG_SIZE, Opener, Sealer

MAX_CHUNK = 16384
"""Plaintext bytes of a chunk: what every receiver must take and no sender should exceed."""

MAX_SEALED = MAX_CHUNK + TAG_SIZE

MAX_CHUNKS = 1 << 24
"""Chunks under one key, so that its use stays far below the limits of AES-GCM."""

FINAL = b"final"


class ChunkSealer:
    """Seals the chunks of one message."""

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer
        self._ended = False

    def seal(self, plaintext: bytes, *, final: bool = False) -> bytes:
        """Seal and frame the next chunk; after a final one there is no other.

        Raises:
            MisuseError: the message has ended, a chunk is empty but not final, or too large.
        """
        if self._ended or self._sealer.sequence >= MAX_CHUNKS:
            raise MisuseError("this message has had its last chunk")
        if len(plaintext) > MAX_CHUNK or not (plaintext or final):
            raise MisuseError(
                f"a chunk has 1 to {MAX_CHUNK} bytes; only the final one may be empty"
            )
        self._ended = final
        if final:
            return b"\x00" + self._sealer.seal(FINAL, plaintext)
        sealed = self._sealer.seal(b"", plaintext)
        return varint.encode(len(sealed)) + sealed

    def wipe(self) -> None:
        """Drop the key."""
        self._sealer.wipe()


class ChunkOpener:
    """Opens the chunks of one message as their bytes arrive.

    `complete` turns true in `finish` only, after the final chunk opened. After an error the opener
    stays unusable, so that a caller cannot read on behind a chunk that failed.
    """

    def __init__(self, opener: Opener) -> None:
        self._opener = opener
        self._queue = ByteQueue()
        self._length: int | None = None  # of the chunk now arriving; 0 marks the final one
        self._error: ProtocolError | None = None
        self.complete = False

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes and give the plaintexts of all chunks that are whole.

        Raises:
            MalformedError: a length over the limit or too short for a tag.
            UnsealableError: a chunk does not open.
        """
        self._check_open()
        self._queue.append(data)
        try:
            return list(self._whole_chunks())
        except ProtocolError as error:
            self._fail(error)
            raise

    def finish(self) -> list[bytes]:
        """Take the end of the body and give the final chunk's plaintext, if it has any.

        Raises:
            TruncatedError: the body ended before its final chunk.
            UnsealableError: what stands at the end is not the final chunk.
        """
        self._check_open()
        try:
            final = self._final_chunk()
        except ProtocolError as error:
            self._fail(error)
            raise
        self.complete = True
        self.wipe()
        return [final] if final else []

    def wipe(self) -> None:
        """Drop the key and what is buffered."""
        self._opener.wipe()
        self._queue.clear()

    def _whole_chunks(self) -> Iterable[bytes]:
        while self._read_length():
            if self._length == 0:
                if len(self._queue) > MAX_SEALED:
                    raise MalformedError("chunk: the final one is over the limit")
                return
            if len(self._queue) < (self._length or 0):
                return
            yield self._open_chunk(self._queue.take(self._length or 0))
            self._length = None

    def _read_length(self) -> bool:
        """Read the length before a chunk, unless that is done; false if bytes are missing."""
        if self._length is not None:
            return True
        if not len(self._queue) or len(self._queue) < varint.size_of(self._queue.peek()):
            return False
        length, _ = varint.decode(self._queue.take(varint.size_of(self._queue.peek())))
        if length and not TAG_SIZE <= length <= MAX_SEALED:
            raise MalformedError(f"chunk: a sealed chunk has {TAG_SIZE} to {MAX_SEALED} bytes")
        self._length = length
        return True

    def _open_chunk(self, sealed: bytes) -> bytes:
        if self._opener.sequence >= MAX_CHUNKS:
            raise MalformedError("chunk: more of them than a message may have")
        if len(sealed) == TAG_SIZE:
            raise UnsealableError  # the draft: an empty chunk that is not final has not opened
        return self._opener.open(b"", sealed)

    def _final_chunk(self) -> bytes:
        if self._length != 0 or len(self._queue) < TAG_SIZE:
            raise TruncatedError("the message ends before its final chunk")
        return self._opener.open(FINAL, self._queue.take(len(self._queue)))

    def _check_open(self) -> None:
        if self._error is not None:
            raise self._error
        if self.complete:
            raise MalformedError("chunk: bytes after the end of the message")

    def _fail(self, error: ProtocolError) -> None:
        self._error = error
        self.wipe()


def split(message: bytes) -> list[bytes]:
    """Cut a message into chunks of the largest size; the last one may be empty."""
    cuts = range(0, max(len(message), 1), MAX_CHUNK)
    return [message[start : start + MAX_CHUNK] for start in cuts]
