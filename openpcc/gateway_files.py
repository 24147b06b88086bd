"""Reads what the gateway serves to everybody (directory, evidence, log) through the relay.

A thin shell over `exchange.GatewayExchange`: it fetches bounded bodies and decides nothing. The
gateway sees that somebody behind the relay reads public files; the relay sees lengths.
"""

from openpcc.carrier import Carrier
from openpcc.errors import DirectoryError, GatewayError
from openpcc.exchange import GatewayExchange, gateway_error
from openpcc.protocol import bhttp, messages
from openpcc.protocol.ohttp import KeyConfig
from transparency_log.errors import FetchError, NotFoundError


class GatewayFiles:
    """The public files of one service, by one of its key configs."""

    def __init__(self, carrier: Carrier, keys: KeyConfig, service: str) -> None:
        self._carrier = carrier
        self._keys = keys
        self._service = service

    def get(self, path: str, limit: int) -> bytes:
        """Fetch a file of at most `limit` bytes.

        Raises:
            GatewayError: it is not served; `status` 404 says that it does not exist.
            DirectoryError: it is longer than any genuine one.
            TransportError, TruncatedReplyError: no whole answer came.
        """
        status, data = self._ask(_get(self._service, path), limit)
        if status != 200:
            raise GatewayError("not-found" if status == 404 else "upstream", status)
        return data

    def challenge(self, challenge: messages.Challenge, limit: int) -> bytes:
        """Fetch new evidence of the node that has a key, over an auditor's nonce.

        Raises:
            GatewayError: the gateway refused, or what it says the node refused with.
            DirectoryError, TransportError, TruncatedReplyError: as `get`.
        """
        status, data = self._ask(_challenge(self._service, challenge), limit)
        if status != 200:
            raise GatewayError(messages.decode_error(data) or "upstream", status)
        return data

    def reclaim(self, body: bytes) -> bytes:
        """Ask for tokens back whose request came to nothing; give the answer.

        Raises:
            GatewayError: the gateway refused; of tokens, a TokenRefusedError.
            DirectoryError, TransportError, TruncatedReplyError: as `get`.
        """
        status, data = self._ask(_reclaim(self._service, body), messages.MAX_ERROR)
        if status != 200:
            raise gateway_error(data, status)
        return data

    def _ask(self, request: bhttp.Request, limit: int) -> tuple[int, bytes]:
        exchange = GatewayExchange(self._keys, request)
        status, data = 502, bytearray()
        with self._carrier.exchange(exchange.body) as chunks:
            for event in exchange.events(chunks):
                if isinstance(event, bhttp.Head):
                    status = event.status
                if isinstance(event, bhttp.Content):
                    data += event.data
                if len(data) > limit:
                    raise DirectoryError("unavailable", f"{request.path}: more than {limit} bytes")
        return status, bytes(data)

    def log(self, path: str, limit: int) -> bytes:
        """Fetch a file of the log, with the errors its reader expects.

        Raises:
            NotFoundError, FetchError: it is not to be had.
        """
        try:
            return self.get(f"/log/{path}", limit)
        except GatewayError as error:
            if error.status == 404:
                raise NotFoundError(f"log file {path}") from error
            raise FetchError(f"log file {path}: {error.code}") from error


def _get(service: str, path: str) -> bhttp.Request:
    return bhttp.Request(method="GET", scheme="https", authority=service, path=path)


def _challenge(service: str, challenge: messages.Challenge) -> bhttp.Request:
    return bhttp.Request(
        method="POST",
        scheme="https",
        authority=service,
        path="/challenge",
        headers=(("content-type", messages.OCTETS),),
        content=challenge.encode(),
    )


def _reclaim(service: str, body: bytes) -> bhttp.Request:
    from openpcc.protocol.payment import RECLAIM_MEDIA_TYPE  # who pays nothing loads no token

    return bhttp.Request(
        method="POST",
        scheme="https",
        authority=service,
        path="/tokens",
        headers=(("content-type", RECLAIM_MEDIA_TYPE),),
        content=body,
    )
