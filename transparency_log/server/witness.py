"""The witness over HTTP: cosigns what extends the newest tree it has seen of a log.

    POST /add-checkpoint                       C2SP tlog-witness
    GET  /<hex SHA-256 of origin>/checkpoint   the newest checkpoint it cosigned

`add_checkpoint.decide` judges, `witness_store` keeps its state; a state that cannot be kept is
answered with 500 and ends the program, for what a witness forgets can be undone by a log.
"""

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from transparency_log.add_checkpoint import (
    MAX_REQUEST,
    TEXT_TYPE,
    Decision,
    Request,
    WitnessState,
    decide,
    read_request,
)
from transparency_log.server.asgi import (
    DisconnectedError,
    Receive,
    Scope,
    Send,
    TooLargeError,
    is_control,
    read_body,
    respond,
    respond_control,
    respond_error,
    run_lifespan,
)
from transparency_log.server.metrics import WitnessMetrics
from transparency_log.server.witness_config import WitnessConfig
from transparency_log.server.witness_store import WitnessStore

logger = logging.getLogger(__name__)

Argument = TypeVar("Argument")
Value = TypeVar("Value")

CHECKPOINT_HEADERS = (
    (b"cache-control", b"max-age=5"),
    (b"access-control-allow-origin", b"*"),
)
"""Anybody may monitor; a checkpoint may be seconds old in a cache."""


class StoreFailedError(Exception):
    """What a witness must not forget cannot be kept."""


class WitnessApp:
    """The ASGI application of `openpcc-witness`. Whoever opened the store closes it."""

    def __init__(
        self,
        config: WitnessConfig,
        store: WitnessStore,
        *,
        clock: Callable[[], int],
        failed: Callable[[], None],
    ) -> None:
        self._logs = config.logs
        self._signers = config.signers()
        self._failed = failed
        self._store_failed = False
        self._store = store
        self._clock = clock
        self._metrics = WitnessMetrics()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store")
        self.control_port: int | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one ASGI scope."""
        match scope["type"]:
            case "lifespan":
                await run_lifespan(receive, send, _nothing, self._stop)
            case "http" if is_control(scope, self.control_port):
                failed = "the state cannot be kept" if self._store_failed else None
                await respond_control(scope, send, not_ready=failed, metrics=self._metrics.text)
            case "http":
                await self._serve(scope, receive, send)
            case _:
                pass

    async def _stop(self) -> None:
        self._thread.shutdown()

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        match scope["method"], scope["path"].split("/"):
            case "POST", ["", "add-checkpoint"]:
                await self._add_checkpoint(receive, send)
            case "GET", ["", origin_hash, "checkpoint"]:
                await self._monitor(origin_hash, send)
            case _, ["", "add-checkpoint"] | ["", _, "checkpoint"]:
                await respond_error(send, 405, "method", "another method belongs to this resource")
            case _:
                await respond_error(send, 404, "not-found", "no such resource")

    async def _add_checkpoint(self, receive: Receive, send: Send) -> None:
        try:
            body = await read_body(receive, MAX_REQUEST)
        except DisconnectedError:
            return
        except TooLargeError:
            self._metrics.answered(413)
            await respond_error(send, 413, "too-large", f"at most {MAX_REQUEST} bytes")
            return
        try:
            decision = await self._in_thread(self.answer, body)
        except StoreFailedError:
            self._metrics.answered(500)
            await self._stop_with(send)
            return
        self._metrics.answered(decision.status)
        await respond(send, decision.status, decision.body, decision.content_type)

    def answer(self, body: bytes) -> Decision:
        """Judge one request, and keep what follows from it.

        Raises:
            sqlite3.Error: it could not be kept, and was not.
        """
        request = read_request(body)
        if isinstance(request, Decision):
            return request
        return self._store.decide(request.origin, lambda state: self._judge(request, state))

    def _judge(self, request: Request, state: WitnessState) -> Decision:
        return decide(
            request, logs=self._logs, state=state, signers=self._signers, now=self._clock()
        )

    async def _monitor(self, origin_hash: str, send: Send) -> None:
        try:
            note = await self._in_thread(self._store.note, origin_hash)
        except StoreFailedError:
            await self._stop_with(send)
            return
        if note is None:
            await respond_error(send, 404, "not-found", "no checkpoint of such a log")
        else:
            await respond(send, 200, note, TEXT_TYPE, CHECKPOINT_HEADERS)

    async def _stop_with(self, send: Send) -> None:
        """Answer 500 and end the program."""
        await respond_error(send, 500, "internal", "the state of this witness cannot be kept")
        self._failed()

    async def _in_thread(self, action: Callable[[Argument], Value], argument: Argument) -> Value:
        """Run an action on the one thread that may touch the store.

        Raises:
            StoreFailedError: it failed now or before; nothing runs after a failure.
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._unless_failed, action, argument)

    def _unless_failed(self, action: Callable[[Argument], Value], argument: Argument) -> Value:
        if self._store_failed:
            raise StoreFailedError
        try:
            return action(argument)
        except sqlite3.Error as error:
            self._store_failed = True
            logger.critical("the witness's state cannot be kept (%s); the witness stops", error)
            raise StoreFailedError from error


async def _nothing() -> None:
    """Start: everything is open already."""


def main() -> None:
    """Run `openpcc-witness`; the clock and the arguments are read in `main`."""
    from transparency_log.server.main import witness_main

    witness_main()
