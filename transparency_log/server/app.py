"""The log's HTTP surface: public files, and one route for entries.

    GET  /checkpoint          newest cosigned checkpoint          short cache
    GET  /tile/…              C2SP tlog-tiles                     immutable
    POST /add                 an entry; bearer token              {"index": n, "leaf_hash": hex}

`/healthz`, `/readyz` and `/metrics` are answered on the control address only. Submitting again is
safe: an entry keeps its place.
"""

import asyncio
import hmac
import logging
from collections.abc import Callable

import aiohttp

from transparency_log.entry import parse_entry
from transparency_log.errors import MalformedEntryError, MalformedTileError
from transparency_log.server.asgi import (
    JSON_TYPE,
    DisconnectedError,
    Receive,
    Scope,
    Send,
    TooLargeError,
    header,
    is_control,
    read_body,
    respond,
    respond_control,
    respond_error,
    respond_file,
    run_lifespan,
)
from transparency_log.server.config import LogConfig
from transparency_log.server.metrics import LogMetrics
from transparency_log.server.secret_files import read_token
from transparency_log.server.sequencer import BusyError, Sequencer
from transparency_log.server.storage import LogStorage
from transparency_log.server.witnesses import WitnessClient
from transparency_log.strict_json import dumps
from transparency_log.tile import MAX_ENTRY, parse_path

logger = logging.getLogger(__name__)

CHECKPOINT_HEADERS = ((b"cache-control", b"max-age=5"),)
"""A checkpoint may be seconds old in a cache; readers look at its time anyway."""

TILE_HEADERS = ((b"cache-control", b"max-age=31536000, immutable"),)
"""Tiles never change."""


class LogApp:
    """The ASGI application of `openpcc-log`."""

    def __init__(
        self,
        config: LogConfig,
        storage: LogStorage,
        *,
        clock: Callable[[], int],
        failed: Callable[[], None],
    ) -> None:
        self._config = config
        self._storage = storage
        self._clock = clock
        self._metrics = LogMetrics(clock)
        self._failed = failed
        self._token = read_token(config.add_token)
        self._policy = config.policy
        self.control_port: int | None = None
        self._task: asyncio.Task[None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one ASGI scope."""
        match scope["type"]:
            case "lifespan":
                await run_lifespan(receive, send, self._start, self._stop)
            case "http" if is_control(scope, self.control_port):
                await respond_control(
                    scope, send, not_ready=self._not_ready(), metrics=self._metrics.text
                )
            case "http":
                await self._serve(scope, receive, send)
            case _:
                pass

    async def _start(self) -> None:
        config = self._config
        self._sequencer = Sequencer(
            storage=self._storage,
            signer=config.signer(),
            policy=self._policy,
            batch_seconds=config.batch_ms / 1000,
            cosign_interval=config.cosign_interval,
            clock=self._clock,
            metrics=self._metrics,
        )
        timeout = aiohttp.ClientTimeout(total=config.witness_timeout_ms / 1000)
        self._session = aiohttp.ClientSession(
            timeout=timeout,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,  # a witness's few bytes could unpack to many
            skip_auto_headers=("User-Agent", "Accept-Encoding"),
        )
        verifiers = self._policy.witness_verifiers
        witnesses = [
            WitnessClient(verifier, address.url, self._session, self._sequencer.prove)
            for verifier, address in zip(verifiers, config.witnesses, strict=True)
        ]
        self._task = asyncio.create_task(self._sequencer.run(witnesses))
        self._task.add_done_callback(self._ended)

    async def _stop(self) -> None:
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._session.close()
        await self._sequencer.close()

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            logger.critical("the sequencer failed; the log stops", exc_info=task.exception())
            self._failed()

    def _not_ready(self) -> str | None:
        if self._task is None or self._task.done():
            return "the sequencer is not running"
        return self._sequencer.not_ready()

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        match scope["method"], scope["path"]:
            case "GET", "/checkpoint":
                await self._checkpoint(send)
            case "GET", path if path.startswith("/tile/"):
                await self._tile(path, send)
            case "POST", "/add":
                await self._add(scope, receive, send)
            case _, "/add" | "/checkpoint":
                await respond_error(send, 405, "method", "another method belongs to this resource")
            case _:
                await respond_error(send, 404, "not-found", "no such resource")

    async def _checkpoint(self, send: Send) -> None:
        path, kind = self._config.directory / "checkpoint", "text/plain; charset=utf-8"
        if not await respond_file(send, path, kind, CHECKPOINT_HEADERS):
            await respond_error(send, 404, "not-found", "no checkpoint is published yet")

    async def _tile(self, path: str, send: Send) -> None:
        try:
            name = str(parse_path(path.removeprefix("/")))  # the one spelling: no dots, no escapes
        except MalformedTileError:
            name = None
        kind = "application/octet-stream"
        found = name and await respond_file(send, self._config.directory / name, kind, TILE_HEADERS)
        if not found:
            await respond_error(send, 404, "not-found", "no such tile")

    async def _add(self, scope: Scope, receive: Receive, send: Send) -> None:
        expected = f"Bearer {self._token}".encode()
        if not hmac.compare_digest(header(scope, b"authorization") or b"", expected):
            await self._refuse(send, 401, "unauthorized", "send the bearer token of this log")
            return
        try:
            entry = await read_body(receive, MAX_ENTRY)
            parse_entry(entry)
        except DisconnectedError:
            return
        except TooLargeError:
            await self._refuse(send, 413, "too-large", f"an entry has at most {MAX_ENTRY} bytes")
            return
        except MalformedEntryError as error:
            await self._refuse(send, 400, "malformed", str(error))
            return
        await self._sequence(entry, send)

    async def _sequence(self, entry: bytes, send: Send) -> None:
        try:
            async with asyncio.timeout(self._config.add_timeout):
                added = await self._sequencer.add(entry)
        except BusyError:
            await self._refuse(send, 503, "busy", "too many entries are waiting; try again")
            return
        except TimeoutError:
            message = "not acknowledged: no witness quorum in time; submit the same entry again"
            await self._refuse(send, 503, "not-ready", message)
            return
        answer = {"index": added.index, "leaf_hash": added.leaf_hash.hex()}
        await respond(send, 200, dumps(answer), JSON_TYPE)
        self._metrics.acknowledged()

    async def _refuse(self, send: Send, status: int, code: str, message: str) -> None:
        """Refuse a submission, and count why."""
        self._metrics.refused(code)
        await respond_error(send, status, code, message)
