"""What is asked of the issuer: its directory, and signatures. It knows the account; nobody between.

Directly over TLS, never through the relay, and never while a request is on its way: the issuer and
the gateway may be one party. Fields, sizes and order are the same for every client; the answers are
bounded in bytes and in time, and nothing is followed elsewhere.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import httpx

from openpcc.connections import Sockets, no_cookies, reason, tls
from openpcc.errors import IssuerError, TransportError
from openpcc.protocol import messages, privacypass
from openpcc.protocol.errors import ProtocolError
from openpcc.token_settings import TokenSettings

REQUEST_PATH = "/token-request"
BATCH_REQUEST = "application/vnd.openpcc.token-requests"
BATCH_RESPONSE = "application/vnd.openpcc.token-responses"

FIELDS = {"accept": "*/*", "accept-encoding": "identity", "user-agent": "openpcc"}
TIMEOUT = httpx.Timeout(connect=10.0, read=30.0, write=30.0, pool=30.0)
LONGEST = 60
"""Seconds an answer may take in all: 64 signatures take a tenth of one."""

ADDRESS = "check 'issuer' in [tokens]"

SAID = {
    "account": "no account has this credential; renew 'credential' in [tokens]",
    "quota": "the account's quota is used up; it begins anew with the next day (UTC)",
    "unknown-token-key": "it does not sign with that key any more; new tokens are of the next one",
}
"""What codes of the issuer mean for a user."""


class Issuer:
    """One issuer. For one thread at a time; `close` may come from another."""

    def __init__(self, settings: TokenSettings) -> None:
        self._settings = settings
        self._sockets = Sockets()
        self._client = httpx.Client(
            verify=tls(settings.ca),
            timeout=TIMEOUT,
            headers=FIELDS,
            cookies=no_cookies(),
            trust_env=False,
            follow_redirects=False,
        )

    def directory(self) -> privacypass.IssuerDirectory:
        """Fetch which keys it offers.

        Raises:
            IssuerError: it did not answer, or not with a directory.
        """
        url = self._settings.issuer + privacypass.DIRECTORY_PATH
        data = self._ask(
            self._client.build_request("GET", url, extensions=self._sockets.watched),
            media_type=privacypass.DIRECTORY_MEDIA_TYPE,
            limit=privacypass.MAX_DIRECTORY,
        )
        try:
            return privacypass.IssuerDirectory.parse(data)
        except ProtocolError as error:
            raise _no_answer(f"its directory cannot be used ({error})") from error

    def sign(self, body: bytes, count: int) -> tuple[bytes, ...]:
        """Have a batch signed. The same bytes may be asked again and are charged once.

        Raises:
            IssuerError: it refused, did not answer, or not with so many signatures.
            ConfigurationError: there is no credential.
        """
        single = count == 1
        request = self._client.build_request(
            "POST",
            self._settings.issuer + REQUEST_PATH,
            content=body,
            headers={
                "authorization": f"Bearer {self._settings.read_credential()}",
                "content-type": privacypass.REQUEST_MEDIA_TYPE if single else BATCH_REQUEST,
            },
            extensions=self._sockets.watched,
        )
        data = self._ask(
            request,
            media_type=privacypass.RESPONSE_MEDIA_TYPE if single else BATCH_RESPONSE,
            limit=count * privacypass.RESPONSE_SIZE,
        )
        try:
            return privacypass.parse_responses(data, count)
        except ProtocolError as error:
            raise _no_answer("its answer has another number of signatures") from error

    def close(self) -> None:
        """Cut what is under way, in whatever thread, and close the pool."""
        self._sockets.end()
        self._client.close()

    def _ask(self, request: httpx.Request, *, media_type: str, limit: int) -> bytes:
        with self._translated(), self._sockets.limited(LONGEST):
            self._sockets.refuse_late()
            response = self._client.send(request, stream=True)
            try:
                if response.status_code != 200:
                    data = _bounded(response, messages.MAX_ERROR)
                    raise _refusal(response.status_code, response.headers, data)
                if response.headers.get("content-type") != media_type:
                    raise _no_answer(f"its answer is not {media_type}; {ADDRESS}")
                return _bounded(response, limit)
            finally:
                response.close()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        where = self._settings.issuer
        try:
            yield
        except httpx.HTTPError as error:
            why, remedy = reason(error, address=ADDRESS)
            raise IssuerError("unreachable", 0, f"{where}: {why}; {remedy}") from error
        except TransportError as error:
            raise IssuerError("unreachable", 0, f"{where}: {error}") from error


def _bounded(response: httpx.Response, limit: int) -> bytes:
    data = bytearray()
    for piece in response.iter_raw():
        data += piece
        if len(data) > limit:
            raise _no_answer("its answer is too long")
    return bytes(data)


def _refusal(status: int, headers: Mapping[str, str], data: bytes) -> IssuerError:
    code = messages.decode_error(data) or "unknown"
    text = SAID.get(code, "nothing was lost; try again, or ask the operator")
    later = headers.get("retry-after", "")
    if later.isascii() and later.isdecimal() and len(later) <= 6:
        text += f" (in {later} s)"
    return IssuerError(code, status, f"refused: {code} ({status}); {text}")


def _no_answer(text: str) -> IssuerError:
    return IssuerError("answer", 0, text)
