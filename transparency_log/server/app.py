"""The log's HTTP surface: public files, and one route for entries.

    GET  /checkpoint          newest cosigned checkpoint          `public_files`
    GET  /tile/…              C2SP tlog-tiles                     `public_files`
    POST /add                 an entry; bearer token              {"index": n, "leaf_hash": hex}

`/healthz`, `/readyz` and `/metrics` are answered on the control address only. Submitting again is
safe: an entry keeps its place, and costs its publisher nothing.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence

import aiohttp

from transparency_log.entry import parse_entry
from transparency_log.errors import MalformedEntryError, StorageError
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
    run_lifespan,
)
from transparency_log.server.config import LogConfig
from transparency_log.server.metrics import LogMetrics
from transparency_log.server.public_files import PublicFiles
from transparency_log.server.publishers import NotAPublisherError, Publisher, Publishers
from transparency_log.server.sequence import Submission
from transparency_log.server.sequencer import DAY, Sequencer
from transparency_log.server.storage import LogStorage
from transparency_log.server.storage_config import DirectoryConfig
from transparency_log.server.waiting import BusyError, OverQuotaError, StoppedError
from transparency_log.server.witnesses import witness_clients
from transparency_log.strict_json import dumps
from transparency_log.tile import MAX_ENTRY

logger = logging.getLogger(__name__)


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
        self._publishers = Publishers(config.publishers)
        folder = config.store.path if isinstance(config.store, DirectoryConfig) else None
        self._files = PublicFiles(storage, folder)
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
            signers=config.signers(),
            policy=self._policy,
            publishers=len(self._publishers),
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
        urls = [witness.url for witness in config.witnesses]
        witnesses = witness_clients(self._policy, urls, self._session, self._sequencer.prove)
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
            error = task.exception()
            for one in error.exceptions if isinstance(error, BaseExceptionGroup) else (error,):
                if isinstance(one, StorageError):  # its text is what the operator needs
                    logger.critical("the log stops: %s", one)
                else:
                    logger.critical("the sequencer failed; the log stops", exc_info=one)
            self._failed()

    def _not_ready(self) -> str | None:
        if self._task is None or self._task.done():
            return "the sequencer is not running"
        return self._sequencer.not_ready()

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        match scope["method"], scope["path"]:
            case "POST", "/add":
                await self._add(scope, receive, send)
            case _, "/add":
                await respond_error(send, 405, "method", "another method belongs to this resource")
            case _, path if path == "/checkpoint" or path.startswith("/tile/"):
                await self._files.serve(scope, send)
            case _:
                await respond_error(send, 404, "not-found", "no such resource")

    async def _add(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            publisher = self._publishers.authenticate(header(scope, b"authorization"))
            entry = await read_body(receive, MAX_ENTRY)
            parsed = parse_entry(entry)
        except NotAPublisherError:
            await self._refuse(send, 401, "unauthorized", "send the bearer token of a publisher")
        except DisconnectedError:
            return
        except TooLargeError:
            await self._refuse(send, 413, "too-large", f"an entry has at most {MAX_ENTRY} bytes")
        except MalformedEntryError as error:
            await self._refuse(send, 400, "malformed", str(error))
        else:
            if parsed.kind in publisher.kinds:
                await self._sequence(publisher, entry, parsed.leaf_hash, send)
            else:
                await self._refuse(send, 403, "kind", "this publisher submits no such entries")

    async def _sequence(
        self, publisher: Publisher, entry: bytes, leaf_hash: bytes, send: Send
    ) -> None:
        submission = Submission(entry=entry, leaf_hash=leaf_hash, account=publisher.account)
        try:
            async with asyncio.timeout(self._config.add_timeout):
                added = await self._sequencer.add(submission)
        except BusyError:
            await self._refuse(send, 503, "busy", "too many entries are waiting; try again")
        except OverQuotaError:
            await self._refuse_quota(send)
        except StoppedError:
            message = "not acknowledged: the log stops; submit the same entry again"
            await self._refuse(send, 503, "not-ready", message)
        except TimeoutError:
            message = "not acknowledged: no witness quorum in time; submit the same entry again"
            await self._refuse(send, 503, "not-ready", message)
        else:
            answer = {"index": added.index, "leaf_hash": added.leaf_hash.hex()}
            await respond(send, 200, dumps(answer), JSON_TYPE)
            self._metrics.acknowledged()

    async def _refuse_quota(self, send: Send) -> None:
        midnight = DAY - self._clock() % DAY
        retry = (b"retry-after", str(midnight).encode())
        message = "this publisher's quota of the day (UTC) is used up"
        await self._refuse(send, 429, "quota", message, (retry,))

    async def _refuse(
        self,
        send: Send,
        status: int,
        code: str,
        message: str,
        headers: Sequence[tuple[bytes, bytes]] = (),
    ) -> None:
        """Refuse a submission, and count why."""
        self._metrics.refused(code)
        await respond_error(send, status, code, message, headers)
