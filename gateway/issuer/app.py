"""The two routes of the issuer (docs/formats.md, section 11).

A batch is taken in this order; whatever refuses it before step 4 has cost the account nothing:

1. parse       1 to 64 requests of one key, each below its modulus
2. key         live, by the last byte of its id
3. credential  an account that is in use
4. charge      one transaction: known bytes are not charged again, or the day has room for them
5. sign        in a thread
6. answer      all signatures; a wallet that gets none sends the same bytes again
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from gateway import asgi
from gateway.asgi import Receive, Scope, Send
from gateway.errors import ClientGoneError, FaultError, RefusedError
from gateway.issuer.accounts import Account, Batch, Charge
from gateway.issuer.errors import (
    AccountsError,
    CredentialError,
    IssuanceRefusedError,
    KeySetError,
)
from gateway.issuer.keys import REQUEST_URI, SigningKey
from gateway.issuer.telemetry import IssuerTelemetry
from gateway.issuer.workshop import Workshop
from openpcc.protocol import messages
from openpcc.protocol.errors import ProtocolError, TooLargeError, UnsupportedError
from openpcc.protocol.privacypass import (
    DIRECTORY_MEDIA_TYPE,
    DIRECTORY_PATH,
    MAX_BATCH,
    REQUEST_MEDIA_TYPE,
    REQUEST_SIZE,
    RESPONSE_MEDIA_TYPE,
    TokenRequest,
    encode_responses,
    parse_batch,
)

DAY = 86_400
"""Seconds of a day; days are those of UTC."""

MAX_OPEN = 256
"""Requests being judged at one time."""

EACH = 2
"""Batches of one account at one time: what comes again is free, and must not keep others out."""

DIRECTORY_AGE = ((b"cache-control", b"public, max-age=60"),)
"""Short against the time for which a new key is announced."""

REQUESTS = "application/vnd.openpcc.token-requests"
RESPONSES = "application/vnd.openpcc.token-responses"


class IssuerApp:
    """The routes, as an ASGI application."""

    def __init__(
        self,
        *,
        name: str,
        workshop: Workshop,
        max_waiting: int,
        telemetry: IssuerTelemetry,
        clock: Callable[[], float],
    ) -> None:
        """Take what does the work; `clock` gives Unix seconds."""
        self._realm = f'Bearer realm="{name}"'.encode()
        self._workshop = workshop
        self._max_waiting = max_waiting
        self._telemetry = telemetry
        self._clock = clock
        self._open = 0
        self._waiting = 0
        self._busy_accounts: dict[int, int] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        route = {DIRECTORY_PATH: "token-directory", REQUEST_URI: "token-request"}.get(
            scope["path"], "other"
        )
        code = "failed"
        try:
            with self._telemetry.in_flight.track_inprogress():
                await self._route(route, scope, receive, send)
            code = "ok"
        except ClientGoneError:
            code = "gone"
        except RefusedError as error:
            code = error.code
            await self._refuse(send, IssuanceRefusedError(code))
        finally:
            self._telemetry.request(route, code)

    async def _route(self, route: str, scope: Scope, receive: Receive, send: Send) -> None:
        match route, scope["method"]:
            case "token-directory", "GET" | "HEAD":
                directory = self._workshop.ring.directory(self._now)
                await asgi.respond(send, 200, DIRECTORY_MEDIA_TYPE, directory, DIRECTORY_AGE)
            case "token-request", "POST":
                await self._issue(scope, receive, send)
            case "other", _:
                raise IssuanceRefusedError("not-found")
            case _:
                raise IssuanceRefusedError("method")

    async def _issue(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await _body(receive)
        with self._room():
            kind, signatures = await self._answer(scope, body)
        await asgi.respond(send, 200, kind, signatures)  # 6

    async def _answer(self, scope: Scope, body: bytes) -> tuple[str, bytes]:
        requests = _parse(body, asgi.header(scope, b"content-type"))  # 1
        key = self._workshop.ring.live(requests[0].truncated_key_id, self._now)  # 2
        _check_below(requests, key)
        batch = Batch(
            digest=hashlib.sha256(key.public.id + body).digest(),
            key_id=key.public.id,
            count=len(requests),
        )
        signatures = await self._signed(asgi.header(scope, b"authorization"), key, batch, requests)
        kind = RESPONSE_MEDIA_TYPE if len(requests) == 1 else RESPONSES
        return kind, encode_responses(signatures)

    async def _signed(
        self,
        authorization: bytes | None,
        key: SigningKey,
        batch: Batch,
        requests: tuple[TokenRequest, ...],
    ) -> list[bytes]:
        try:
            account = await self._workshop.account(authorization, now=self._now, day=self._day)  # 3
            with self._turn(account):
                await self._charge(account, batch)  # 4
                return await self._workshop.sign(key, [one.blinded for one in requests])  # 5
        except CredentialError:
            raise IssuanceRefusedError("account") from None
        except (KeySetError, AccountsError, FaultError):
            raise IssuanceRefusedError("not-ready") from None

    async def _charge(self, account: Account, batch: Batch) -> None:
        charge = await self._workshop.charge(account, batch, day=self._day)
        self._telemetry.charged(charge, batch.count)
        match charge:
            case Charge.QUOTA:
                raise IssuanceRefusedError("quota")
            case Charge.REVOKED:
                raise IssuanceRefusedError("account")
            case Charge.CHARGED | Charge.AGAIN:
                pass

    @contextmanager
    def _room(self) -> Iterator[None]:
        """Hold a place among the requests that are open."""
        if self._open >= MAX_OPEN:
            raise IssuanceRefusedError("busy")
        self._open += 1
        try:
            yield
        finally:
            self._open -= 1

    @contextmanager
    def _turn(self, account: Account) -> Iterator[None]:
        """Hold a place among the batches that are signed, and one of the account's."""
        mine = self._busy_accounts.get(account.id, 0)
        if self._waiting >= self._max_waiting or mine >= EACH:
            raise IssuanceRefusedError("busy")
        self._waiting += 1
        self._busy_accounts[account.id] = mine + 1
        try:
            yield
        finally:
            self._waiting -= 1
            self._busy_accounts[account.id] -= 1
            if not self._busy_accounts[account.id]:
                del self._busy_accounts[account.id]

    async def _refuse(self, send: Send, error: IssuanceRefusedError) -> None:
        more: asgi.Headers = ()
        if error.code == "account":
            more = ((b"www-authenticate", self._realm),)
        elif error.code == "quota":
            more = ((b"retry-after", str(DAY - self._now % DAY).encode()),)
        document = messages.encode_error(error.code, error.text)
        await asgi.respond(send, error.status, messages.ERROR, document, more)

    @property
    def _now(self) -> int:
        return int(self._clock())

    @property
    def _day(self) -> int:
        return self._now // DAY


async def _body(receive: Receive) -> bytes:
    parts = [part async for part in asgi.body_parts(receive, MAX_BATCH * REQUEST_SIZE)]
    return b"".join(parts)


def _parse(body: bytes, kind: bytes | None) -> tuple[TokenRequest, ...]:
    try:
        requests = parse_batch(body)
    except TooLargeError as error:
        raise IssuanceRefusedError("too-large") from error
    except UnsupportedError as error:
        raise IssuanceRefusedError("unsupported") from error
    except ProtocolError as error:
        raise IssuanceRefusedError("malformed") from error
    expected = REQUEST_MEDIA_TYPE if len(requests) == 1 else REQUESTS
    if kind != expected.encode():
        raise IssuanceRefusedError("unsupported")
    return requests


def _check_below(requests: tuple[TokenRequest, ...], key: SigningKey) -> None:
    """See that all can be signed, before one is charged (RFC 9474, section 4.3)."""
    if any(int.from_bytes(one.blinded) >= key.public.n for one in requests):
        raise IssuanceRefusedError("malformed")
