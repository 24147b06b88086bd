"""The attacker as the gateway: what a client reads of it, changed on the way.

`Tampered` sits where the gateway's answers leave the encapsulation, so it can do whatever the
operator of the real gateway could do to a client's reading. `Impostor` is a whole gateway with an
OHTTP key of its own in front of the real one: it opens what clients send, and says what it likes.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from openpcc.audit.attack.attempt import NotTriedError
from openpcc.carrier import Carrier
from openpcc.errors import OpenPCCError
from openpcc.exchange import GatewayExchange
from openpcc.gateway_files import GatewayFiles
from openpcc.protocol import bhttp, chunked_ohttp, hpke
from openpcc.protocol.ohttp import GatewayKey, KeyConfig, encode_configs

Fetch = Callable[[str, int], bytes]
"""Called with a path and the largest body accepted, gives the body."""

Tamper = Callable[[str, int, Fetch], bytes]
"""Answers for a path; the last argument fetches what the honest gateway serves."""

Answer = Callable[[bhttp.Request, Callable[[], bhttp.Response]], bhttp.Response]
"""Answers a request; the last argument asks the honest gateway."""

MAX_ANSWER = 4 * 2**20
"""Bytes of an answer of the real gateway: evidence is the largest."""

PIECE = 16384
"""Bytes of a chunk of the encapsulated response, at most."""


class Tampered(GatewayFiles):
    """The public files of a service as a hostile gateway serves them."""

    def __init__(self, carrier: Carrier, keys: KeyConfig, service: str, tamper: Tamper) -> None:
        super().__init__(carrier, keys, service)
        self._tamper = tamper

    def get(self, path: str, limit: int) -> bytes:
        """Serve a file, as the attacker wants it."""
        return self._tamper(path, limit, super().get)


class SwappedKeys(Carrier):
    """A way to the real gateway on which its key configs are exchanged."""

    def __init__(self, carrier: Carrier, keys: bytes) -> None:
        self._honest = carrier
        self._keys = keys

    def keys(self) -> bytes:
        """Serve the attacker's key configs."""
        return self._keys

    @contextmanager
    def exchange(self, body: bytes) -> Iterator[Iterator[bytes]]:
        """Carry on to the gateway."""
        with self._honest.exchange(body) as chunks:
            yield chunks

    @contextmanager
    def limited(self, seconds: float) -> Iterator[None]:
        """Let everything that is fetched inside take so many seconds."""
        with self._honest.limited(seconds):
            yield


class Impostor(SwappedKeys):
    """A gateway with a key of its own, in front of the real one.

    Attributes:
        config: its key.
    """

    def __init__(self, carrier: Carrier, real: KeyConfig, answer: Answer) -> None:
        pairs = ((hpke.KDF_HKDF_SHA256, hpke.AEAD_AES_256_GCM),)
        self._key = GatewayKey.generate(kem_id=real.kem_id, key_id=real.key_id, algorithms=pairs)
        self.config = self._key.config
        super().__init__(carrier, encode_configs([self.config]))
        self._real = real
        self._answer = answer

    @contextmanager
    def exchange(self, body: bytes) -> Iterator[Iterator[bytes]]:
        """Open a request, have it answered, and encapsulate the answer."""
        size = chunked_ohttp.GatewayRequest.head_size(self._key)
        opened = chunked_ohttp.GatewayRequest.open(self._key, body[:size])
        message = b"".join((*opened.feed(body[size:]), *opened.finish()))
        request = bhttp.decode_request(message)
        answered = self._answer(request, lambda: self._ask(request))
        yield _encapsulated(opened, bhttp.encode_response(answered))

    def _ask(self, request: bhttp.Request) -> bhttp.Response:
        """Ask the real gateway; its failure must not look like the victim's refusal."""
        try:
            return read(self._honest, GatewayExchange(self._real, request))
        except OpenPCCError as error:
            raise NotTriedError(f"the real gateway did not answer: {error}") from error


class CutExchange(GatewayExchange):
    """A request that is whole but for the chunk that ends it."""

    def __init__(self, keys: KeyConfig, request: bhttp.Request) -> None:
        super().__init__(keys, request)
        made = chunked_ohttp.ClientRequest.create(keys)
        pieces = _pieces(bhttp.encode_request(request))
        self.body = b"".join((made.head, *(made.seal(piece) for piece in pieces)))
        self._opener = made.open_response()


def read(carrier: Carrier, exchange: GatewayExchange) -> bhttp.Response:
    """Send an exchange and read its whole answer; a second time, it is a replay."""
    found = bhttp.Response(status=502)
    content = bytearray()
    with carrier.exchange(exchange.body) as chunks:
        for event in exchange.events(chunks):
            match event:
                case bhttp.Head():
                    found = bhttp.Response(status=event.status, headers=event.headers)
                case bhttp.Content():
                    content += event.data
                    if len(content) > MAX_ANSWER:
                        raise NotTriedError(f"the gateway answered with over {MAX_ANSWER} bytes")
                case _:
                    pass
    return replace(found, content=bytes(content))


def _encapsulated(opened: chunked_ohttp.GatewayRequest, message: bytes) -> Iterator[bytes]:
    sealer = opened.seal_response()
    yield sealer.head()
    *first, last = _pieces(message)
    yield from (sealer.seal(piece) for piece in first)
    yield sealer.seal(last, final=True)


def _pieces(message: bytes) -> list[bytes]:
    return [message[at : at + PIECE] for at in range(0, len(message), PIECE)]
