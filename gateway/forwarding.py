"""Giving a sealed request to one of its candidates, and the node's reply to the client.

1. order       the known candidates by load; none known: `unknown-key`
2. attempt     POST the unchanged bytes to the first
3. fail over   to the next after the outcomes of `routing.TRY_NEXT` alone, each node at most once
4. stream      the 200 body, piece by piece, no faster than the client takes it
5. break       a reply that breaks after its first byte is cut, never ended and never tried again

Leaving the block closes the connection to the node, which is how a client's departure stops it.
What a node says in an error document is reduced to a known code.
"""

import asyncio
import io
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import aiohttp

from gateway.errors import BrokenReplyError, RefusedError, UpstreamError
from gateway.loads import Loads
from gateway.outbound import Outbound, read_bounded
from gateway.routing import FAILURES, TRY_NEXT, Outcome, RoutedNode, judge, passed_code
from gateway.telemetry import Telemetry, log
from openpcc.protocol import messages

HEADERS = {"content-type": messages.SEALED_REQUEST}
"""All headers of a request to a node."""

ERROR_TIME = 10.0
"""Seconds a node has for an error document: a dripped one would hold the request's bytes."""

COPIED_WHOLE = 1 << 19
"""Bytes up to which a body goes to the transport in one piece; larger ones go in parts."""


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """What one node did: a reply that has begun, or the code of why there is none."""

    outcome: Outcome
    code: str | None = None
    response: aiohttp.ClientResponse | None = None


class Forwarder:
    """Forwards sealed requests to nodes."""

    def __init__(self, outbound: Outbound, loads: Loads, telemetry: Telemetry) -> None:
        self._outbound = outbound
        self._loads = loads
        self._telemetry = telemetry

    @asynccontextmanager
    async def reply(
        self, candidates: Mapping[str, RoutedNode], body: bytes
    ) -> AsyncIterator["NodeReply"]:
        """Give the reply of the first candidate, by URL, that takes the request.

        Raises:
            RefusedError: none took it; the code is the last one's.
        """
        code = "unknown-key"
        for url in self._loads.order(candidates):
            async with AsyncExitStack() as stack:
                node = candidates[url]
                attempt = await self._attempt(stack, url, node.server_name, body)
                self._report(url, node, attempt.outcome)
                if attempt.response is not None:
                    try:
                        yield NodeReply(attempt.response)
                    except BrokenReplyError:
                        self._report(url, node, Outcome.BROKEN)
                        raise
                    return
            code = passed_code(attempt.outcome, attempt.code)
            if attempt.outcome not in TRY_NEXT:
                break
        raise RefusedError(code)

    async def _attempt(
        self, stack: AsyncExitStack, url: str, server_name: str, body: bytes
    ) -> Attempt:
        """Send the request; the stack keeps the reply open."""
        self._loads.begin(url)
        stack.callback(self._loads.end, url)
        content = body if len(body) <= COPIED_WHOLE else aiohttp.BytesIOPayload(io.BytesIO(body))
        try:
            response = await stack.enter_async_context(
                self._outbound.request(
                    "POST",
                    f"{url}/sealed",
                    headers=HEADERS,
                    body=content,
                    server_name=server_name,
                )
            )
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
            return Attempt(outcome=Outcome.NO_CONNECTION)
        except aiohttp.ServerTimeoutError:
            return Attempt(outcome=Outcome.SILENT)
        except aiohttp.ClientResponseError:
            return Attempt(outcome=Outcome.STRANGE)
        except aiohttp.ServerDisconnectedError as error:
            return Attempt(outcome=_lost(error))
        except (aiohttp.ClientConnectionError, OSError):
            return Attempt(outcome=Outcome.LOST)
        except aiohttp.ClientError:
            return Attempt(outcome=Outcome.STRANGE)
        return await _read(response)

    def _report(self, url: str, node: RoutedNode, outcome: Outcome) -> None:
        failed = outcome in FAILURES
        if failed and not self._loads.failing(url):  # a line per failure, not one per request
            log("node-failed", node=node.number, code=outcome.value)
        self._loads.report(url, outcome)
        self._telemetry.attempt(outcome.value)


class NodeReply:
    """A node's 200 reply, streaming."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    async def parts(self) -> AsyncIterator[bytes]:
        """Give the reply as it comes.

        Raises:
            BrokenReplyError: it broke off.
        """
        try:
            async for part in self._response.content.iter_any():
                yield part
        except (aiohttp.ClientError, OSError) as error:
            raise BrokenReplyError("the node's reply broke off") from error


def _lost(error: aiohttp.ServerDisconnectedError) -> Outcome:
    """Tell a connection that closed in silence from one that closed within a reply's head.

    The library gives a text for the one, and the head as far as it came for the other.
    """
    return Outcome.LOST if isinstance(error.message, str) else Outcome.STRANGE


async def _read(response: aiohttp.ClientResponse) -> Attempt:
    """Judge the head of an answer, and the error document if it is one."""
    if response.status == 200:
        if response.headers.get("content-type") != messages.SEALED_RESPONSE:
            return Attempt(outcome=Outcome.STRANGE)
        return Attempt(outcome=Outcome.TAKEN, response=response)
    try:
        async with asyncio.timeout(ERROR_TIME):
            code = messages.decode_error(await read_bounded(response, messages.MAX_ERROR))
    except (UpstreamError, aiohttp.ClientError, OSError):  # TimeoutError is an OSError
        code = None  # an error that cannot be read is an answer all the same
    return Attempt(outcome=judge(response.status, code), code=code)
