"""The encapsulated response: Binary HTTP in chunked OHTTP, written as it comes.

One `Reply` answers one outer request, either whole or as a stream. It is complete only after its
final chunk; a reply that is abandoned before leaves the client with a truncated message, which the
client must take as an error. The inner status is the answer's, the outer one is always 200.

Answers that are at hand are padded to one of few lengths: files are public, and the evidence of a
node, or a refusal, would be known to the relay by its length, and with it a client's shard. A
stream is padded by the node.
"""

from gateway import asgi
from gateway.errors import RefusedError
from openpcc.protocol import bhttp, chunks, messages
from openpcc.protocol.chunked_ohttp import GatewayRequest


class Reply:
    """Writes one encapsulated response."""

    def __init__(self, context: GatewayRequest, send: asgi.Send) -> None:
        """Answer the request of `context`; nothing is sent yet."""
        self._sealer = context.seal_response()
        self._encoder = bhttp.ResponseEncoder()
        self._send = send
        self.started = False

    async def whole(self, status: int, kind: str, content: bytes) -> None:
        """Send a response that is at hand."""
        fields = (("content-type", kind),)
        message = bhttp.encode_response(
            bhttp.Response(status=status, headers=fields, content=content)
        )
        await self._start()
        *first, last = chunks.split(_padded(message))
        for chunk in first:
            await asgi.part(self._send, self._sealer.seal(chunk))
        await asgi.part(self._send, self._sealer.seal(last, final=True), last=True)

    async def refuse(self, error: RefusedError) -> None:
        """Send an error document."""
        document = messages.encode_error(error.code, error.text)
        await self.whole(error.status, messages.ERROR, document)

    async def head(self, status: int, kind: str) -> None:
        """Begin a stream."""
        await self._start()
        await self._seal(self._encoder.head(status, (("content-type", kind),)))

    async def content(self, data: bytes) -> None:
        """Send a piece of the stream; returns when the client can take more."""
        await self._seal(self._encoder.content(data))

    async def end(self) -> None:
        """Send the end of the stream."""
        last = self._sealer.seal(self._encoder.end(), final=True)
        await asgi.part(self._send, last, last=True)

    async def _start(self) -> None:
        self.started = True
        kind = asgi.content_type(messages.OHTTP_RESPONSE)
        await asgi.start(self._send, 200, (kind, *asgi.INCREMENTAL))
        await asgi.part(self._send, self._sealer.head())

    async def _seal(self, message: bytes) -> None:
        if message:
            sealed = b"".join(self._sealer.seal(chunk) for chunk in chunks.split(message))
            await asgi.part(self._send, sealed)


def _padded(message: bytes) -> bytes:
    """Fill up with zero bytes to 4096, 6144, 8192, 12288 bytes, and so on."""
    step = messages.OUTER_PADDING
    while 2 * step < len(message):
        step *= 2
    size = next(size for size in (step, step + step // 2, 2 * step) if size >= len(message))
    return message + bytes(size - len(message))
