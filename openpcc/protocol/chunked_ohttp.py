"""Chunked Oblivious HTTP (draft-ietf-ohai-chunked-ohttp-08): what client and gateway speak.

    request  = hdr ‖ enc ‖ chunks              response = response_nonce ‖ chunks

Request chunks are successive messages of the HPKE context, response chunks go under keys derived as
in RFC 9458. Both are framed by `chunks`. Everything here is incremental and free of I/O; a message
is whole only once `finish` returned.
"""

import secrets

from openpcc.protocol.byte_queue import ByteQueue
from openpcc.protocol.chunks import ChunkOpener, ChunkSealer, split
from openpcc.protocol.errors import MalformedError, MisuseError, TruncatedError
from openpcc.protocol.hpke import Encapsulation, Suite
from openpcc.protocol.key_config import KeyConfig
from openpcc.protocol.ohttp import (
    HEADER_SIZE,
    GatewayKey,
    Labels,
    RequestHeader,
    client_header,
    nonce_size,
    response_keys,
    response_secret,
)

REQUEST_MEDIA_TYPE = "message/ohttp-chunked-req"
RESPONSE_MEDIA_TYPE = "message/ohttp-chunked-res"

LABELS = Labels(
    request=b"message/bhttp chunked request", response=b"message/bhttp chunked response"
)


class ResponseOpener:
    """Opens a chunked response as it arrives."""

    def __init__(self, suite: Suite, enc: bytes, secret: bytes) -> None:
        self._suite = suite
        self._enc = enc
        self._secret = secret
        self._head = ByteQueue()
        self._chunks: ChunkOpener | None = None

    @property
    def complete(self) -> bool:
        """Say whether the final chunk has opened; until then what was given is partial."""
        return self._chunks is not None and self._chunks.complete

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes and give the plaintexts of all chunks that are whole.

        Raises:
            MalformedError: a chunk's length is not acceptable.
            UnsealableError: a chunk does not open.
        """
        if self._chunks is not None:
            return self._chunks.feed(data)
        self._head.append(data)
        size = nonce_size(self._suite)
        if len(self._head) < size:
            return []
        self._chunks = self._opener(self._head.take(size))
        return self._chunks.feed(self._head.take(len(self._head)))

    def finish(self) -> list[bytes]:
        """Take the end of the body and give the final chunk's plaintext, if it has any.

        Raises:
            TruncatedError: the body ended before its final chunk.
            UnsealableError: what stands at the end is not the final chunk.
        """
        if self._chunks is None:
            raise TruncatedError("OHTTP response: ends before its first chunk")
        return self._chunks.finish()

    def _opener(self, nonce: bytes) -> ChunkOpener:
        keys = response_keys(self._suite, enc=self._enc, nonce=nonce, secret=self._secret)
        self._secret = b""
        return ChunkOpener(keys.opener())


class ClientRequest:
    """One request of a client: `head`, then sealed chunks, then the response."""

    def __init__(self, header: RequestHeader, made: Encapsulation) -> None:
        """Use an encapsulation that exists already; `create` makes a fresh one."""
        self._suite = header.suite
        self._enc = made.enc
        self._context = self._suite.sender(made, header.info(LABELS))
        self._chunks = ChunkSealer(self._context.sealer)
        self._answered = False
        self.head = header.encode() + made.enc

    @staticmethod
    def create(
        config: KeyConfig, *, kdf: int | None = None, aead: int | None = None
    ) -> "ClientRequest":
        """Start a request under a gateway's key config.

        Args:
            config: the gateway's key.
            kdf: the KDF to use; None takes the config's first pair that works here.
            aead: the cipher to use; None likewise.

        Raises:
            UnsupportedError: the config offers no such pair.
        """
        header = client_header(config, kdf_id=kdf, aead_id=aead)
        return ClientRequest(header, header.suite.kem.load_public(config.public_key).encapsulate())

    def seal(self, chunk: bytes, *, final: bool = False) -> bytes:
        """Seal and frame the next 1 to 16384 bytes; only the final chunk may be empty."""
        return self._chunks.seal(chunk, final=final)

    def open_response(self) -> ResponseOpener:
        """Give what opens the response; request chunks may still follow.

        Raises:
            MisuseError: called twice; one request has one response.
        """
        if self._answered:
            raise MisuseError("one request has one response")
        self._answered = True
        secret = response_secret(self._suite, self._context, LABELS)
        return ResponseOpener(self._suite, self._enc, secret)


class ResponseSealer:
    """Seals a chunked response: `head`, then chunks."""

    def __init__(self, suite: Suite, enc: bytes, secret: bytes, nonce: bytes) -> None:
        """Use a given nonce; `GatewayRequest.seal_response` draws a fresh one."""
        self._nonce = nonce
        keys = response_keys(suite, enc=enc, nonce=nonce, secret=secret)
        self._chunks = ChunkSealer(keys.sealer())

    def head(self) -> bytes:
        """Give the bytes before the first chunk."""
        return self._nonce

    def seal(self, chunk: bytes, *, final: bool = False) -> bytes:
        """Seal and frame the next 1 to 16384 bytes; only the final chunk may be empty."""
        return self._chunks.seal(chunk, final=final)


class GatewayRequest:
    """One request at a gateway, opened as it arrives; check `enc` for replay before any chunk."""

    def __init__(self, suite: Suite, enc: bytes, key: GatewayKey, info: bytes) -> None:
        self.enc = enc
        self._suite = suite
        self._context = suite.setup_base_r(enc, key.private, info)
        self._chunks = ChunkOpener(self._context.opener)
        self._answered = False

    @staticmethod
    def head_size(key: GatewayKey) -> int:
        """Give how many bytes `open` needs: header and encapsulation."""
        return HEADER_SIZE + key.private.kem.enc_size

    @staticmethod
    def open(key: GatewayKey, head: bytes) -> "GatewayRequest":
        """Open the head, exactly `head_size` bytes; what follows it goes to `feed`.

        Raises:
            TruncatedError: shorter than header and encapsulation.
            UnknownKeyError: addressed to another key id.
            UnsupportedError: algorithms that the key does not list.
            MalformedError: longer, or the encapsulation is none of this KEM.
        """
        header = RequestHeader.parse(head)
        suite = key.accept(header)
        end = HEADER_SIZE + suite.kem.enc_size
        if len(head) < end:
            raise TruncatedError("OHTTP request: shorter than its encapsulation")
        if len(head) > end:
            raise MalformedError("OHTTP request: bytes behind the head")
        return GatewayRequest(suite, head[HEADER_SIZE:], key, header.info(LABELS))

    @property
    def complete(self) -> bool:
        """Say whether the final chunk has opened; until then what was given is partial."""
        return self._chunks.complete

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes and give the plaintexts of all chunks that are whole.

        Raises:
            MalformedError: a chunk's length is not acceptable.
            UnsealableError: a chunk does not open.
        """
        return self._chunks.feed(data)

    def finish(self) -> list[bytes]:
        """Take the end of the body and give the final chunk's plaintext, if it has any.

        Raises:
            TruncatedError: the body ended before its final chunk.
            UnsealableError: what stands at the end is not the final chunk.
        """
        return self._chunks.finish()

    def seal_response(self) -> ResponseSealer:
        """Give what seals the response, under a fresh nonce.

        Raises:
            MisuseError: called twice; one request has one response.
        """
        return self.seal_response_with(secrets.token_bytes(nonce_size(self._suite)))

    def seal_response_with(self, nonce: bytes) -> ResponseSealer:
        """Seal under a given nonce: for published vectors only, never twice."""
        if self._answered:
            raise MisuseError("one request has one response")
        self._answered = True
        secret = response_secret(self._suite, self._context, LABELS)
        return ResponseSealer(self._suite, self.enc, secret, nonce)


def encapsulate(config: KeyConfig, message: bytes) -> tuple[bytes, ResponseOpener]:
    """Seal a whole message in chunks of the largest size; give the body and the reply's opener.

    Raises:
        UnsupportedError: the config offers no pair of algorithms that works here.
    """
    request = ClientRequest.create(config)
    *first, last = split(message)
    parts = [request.head, *(request.seal(chunk) for chunk in first)]
    parts.append(request.seal(last, final=True))
    return b"".join(parts), request.open_response()
