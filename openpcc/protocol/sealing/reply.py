"""Sealed replies: from the one node that served, to the client alone (sealing sheet).

    body   = index(1) ‖ response_nonce(32) ‖ chunks
    secret = ctx_index.Export("openpcc sealed response v1" ‖ 00 ‖ request_digest, 32)
    prk, key, nonce = keys(salt = enc_index ‖ response_nonce, secret)

The secret comes from the serving node's own HPKE context: another candidate, which knows the
content secret, can neither read nor forge the reply. Every chunk holds one record.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from openpcc.protocol import message_keys
from openpcc.protocol.byte_queue import ByteQueue
from openpcc.protocol.chunks import ChunkOpener, ChunkSealer
from openpcc.protocol.errors import MalformedError, ProtocolError, TruncatedError
from openpcc.protocol.hpke import Suite
from openpcc.protocol.hpke import kdf as kdfs
from openpcc.protocol.message_keys import MessageKeys
from openpcc.protocol.sealing import records

MEDIA_TYPE = "application/vnd.openpcc.sealed-res"

EXPORT_LABEL = b"openpcc sealed response v1\x00"
NONCE_SIZE = 32
HEAD_SIZE = 1 + NONCE_SIZE
SECRET_SIZE = 32


@dataclass(frozen=True, kw_only=True)
class ReplySecret:
    """What one candidate's context gives to its reply, without the context itself."""

    suite: Suite
    enc: bytes
    secret: bytes = field(repr=False)

    def keys(self, nonce: bytes) -> MessageKeys:
        """Derive the keys of a reply under this nonce."""
        hkdf = kdfs.hkdf(self.suite.kdf_id)
        salt = self.enc + nonce
        return message_keys.derive(hkdf, self.suite.aead, salt=salt, secret=self.secret)


Step = Callable[[], list[bytes]]


def export_context(request_digest: bytes) -> bytes:
    """Give the exporter context of a request's reply."""
    return EXPORT_LABEL + request_digest


def receipt_salt(keys: MessageKeys) -> bytes:
    """Give the salt of the receipt's digests, which both ends know and nobody else."""
    return kdfs.SHA256.expand(keys.prk, b"receipt", 32)


class ReplySealer:
    """Seals one reply at the node: `head`, then records."""

    def __init__(self, secret: ReplySecret, *, index: int, nonce: bytes) -> None:
        """Use a given nonce; `Unwrapped.seal_reply` draws a fresh one."""
        keys = secret.keys(nonce)
        self._head = bytes([index]) + nonce
        self._chunks = ChunkSealer(keys.sealer())
        self.receipt_salt = receipt_salt(keys)

    def head(self) -> bytes:
        """Give the bytes before the first chunk."""
        return self._head

    def record(
        self, data: bytes, *, pad_to: int = records.LATENCY_STEP, final: bool = False
    ) -> bytes:
        """Seal one flush: as many records as it needs, each padded to a multiple of `pad_to`.

        Raises:
            MisuseError: the reply has ended.
            MalformedError: `pad_to` does not divide the largest record.
        """
        *first, last = records.padded_records(data, pad_to=pad_to)
        sealed = [self._chunks.seal(record) for record in first]
        return b"".join((*sealed, self._chunks.seal(last, final=final)))

    def paced_record(self, data: bytes, *, final: bool = False) -> bytes:
        """Seal the one record of a tick; no data makes it a dummy.

        Raises:
            MisuseError: the reply has ended.
            MalformedError: more than 2046 bytes.
        """
        return self._chunks.seal(records.paced_record(data), final=final)

    def wipe(self) -> None:
        """Drop the reply's key."""
        self._chunks.wipe()


class ReplyOpener:
    """Opens one reply at the client, as it arrives.

    After an error it stays unusable and `complete` stays false: what was given is partial.
    """

    def __init__(self, candidates: Sequence[ReplySecret]) -> None:
        self._candidates = tuple(candidates)
        self._head = ByteQueue()
        self._chunks: ChunkOpener | None = None
        self._error: ProtocolError | None = None
        self._index: int | None = None
        self._salt: bytes | None = None

    @property
    def complete(self) -> bool:
        """Say whether the final record has opened; until then what was given is partial."""
        return self._error is None and self._chunks is not None and self._chunks.complete

    @property
    def index(self) -> int | None:
        """Give the position of the serving node in the header; None before it arrived.

        It is proven only once a chunk has opened: each candidate has another key.
        """
        return self._index

    @property
    def receipt_salt(self) -> bytes | None:
        """Give the salt of the receipt's digests; None before the head arrived."""
        return self._salt

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes and give the data of all records that are whole; dummies are left out.

        Raises:
            MalformedError: index, chunk length or record is not of this form.
            UnsealableError: a chunk does not open.
        """
        return self._guarded(lambda: self._read_head(data))

    def finish(self) -> list[bytes]:
        """Take the end of the body and give the final record's data, if it has any.

        Raises:
            TruncatedError: the body ended before its final record.
            UnsealableError: what stands at the end is not the final record.
            MalformedError: the final record is not of this form.
        """
        return self._guarded(self._end)

    def wipe(self) -> None:
        """Drop all keys of this reply."""
        self._candidates = ()
        if self._chunks is not None:
            self._chunks.wipe()

    def _guarded(self, step: Step) -> list[bytes]:
        """Run one step; remember its error, so that nobody reads on behind it."""
        if self._error is not None:
            raise self._error
        try:
            opened = [records.decode_record(record) for record in step()]
        except ProtocolError as error:
            self._error = error
            self.wipe()
            raise
        return [data for data in opened if data]

    def _read_head(self, data: bytes) -> list[bytes]:
        if self._chunks is not None:
            return self._chunks.feed(data)
        self._head.append(data)
        if len(self._head) and self._head.peek() >= len(self._candidates):
            raise MalformedError("sealed reply: no candidate has this index")
        if len(self._head) < HEAD_SIZE:
            return []
        self._chunks = self._opener(self._head.take(HEAD_SIZE))
        return self._chunks.feed(self._head.take(len(self._head)))

    def _opener(self, head: bytes) -> ChunkOpener:
        self._index = head[0]
        keys = self._candidates[head[0]].keys(head[1:])
        self._salt = receipt_salt(keys)
        self._candidates = ()
        return ChunkOpener(keys.opener())

    def _end(self) -> list[bytes]:
        if self._chunks is None:
            raise TruncatedError("sealed reply: ends before its first record")
        final = self._chunks.finish()
        return final or [b""]
