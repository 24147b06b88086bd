"""The witness: remembers the newest tree of each log, and cosigns only what extends it.

    POST /add-checkpoint                       C2SP tlog-witness
    GET  /<hex SHA-256 of origin>/checkpoint   the newest checkpoint it cosigned

`add_checkpoint.decide` judges; here its state is read and kept in one SQLite transaction, which is
durable before the answer leaves. A lost or older database would let a log roll back: it is never
made silently.
"""

import asyncio
import hashlib
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Self

from transparency_log.add_checkpoint import (
    MAX_REQUEST,
    TEXT_TYPE,
    Decision,
    Request,
    WitnessState,
    decide,
    read_request,
)
from transparency_log.cosignature import CosignatureSigner
from transparency_log.errors import ConfigurationError
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
from transparency_log.server.config import WitnessConfig
from transparency_log.server.metrics import WitnessMetrics
from transparency_log.server.secret_files import read_seed

SCHEMA = """
CREATE TABLE log (origin TEXT PRIMARY KEY, origin_hash TEXT NOT NULL UNIQUE,
                  size INTEGER NOT NULL, root BLOB NOT NULL, note BLOB NOT NULL);
"""


class WitnessStore:
    """State of a witness. Not thread-safe: one thread at a time."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    @classmethod
    def create(cls, path: Path) -> None:
        """Make the state of a witness that has seen nothing.

        Raises:
            ConfigurationError: there is a file already.
        """
        if path.exists():
            raise ConfigurationError(f"{path}: exists; a witness must not forget what it cosigned")
        path.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(path)) as database:
            database.executescript(SCHEMA)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open the state.

        Raises:
            ConfigurationError: there is none.
        """
        if not path.is_file():
            raise ConfigurationError(f"{path}: missing; make it with `openpcc-witness init`")
        database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        try:
            database.execute("PRAGMA synchronous = EXTRA")  # durable also in journal mode DELETE
        except sqlite3.Error:
            database.close()
            raise
        return cls(database)

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def decide(self, origin: str, judge: Callable[[WitnessState], Decision]) -> Decision:
        """Judge with the state of one log, and keep the new state before returning."""
        self._database.execute("BEGIN IMMEDIATE")
        try:
            decision = judge(self._state(origin))
            if decision.state is not None:
                self._keep(origin, decision.state)
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")
        return decision

    def note(self, origin_hash: str) -> bytes | None:
        """Give the newest cosigned checkpoint of a log by the hash of its origin."""
        row = self._database.execute(
            "SELECT note FROM log WHERE origin_hash = ?", (origin_hash,)
        ).fetchone()
        return None if row is None else bytes(row[0])

    def _state(self, origin: str) -> WitnessState:
        row = self._database.execute(
            "SELECT size, root, note FROM log WHERE origin = ?", (origin,)
        ).fetchone()
        return WitnessState(size=row[0], root=row[1], note=row[2]) if row else WitnessState()

    def _keep(self, origin: str, state: WitnessState) -> None:
        digest = hashlib.sha256(origin.encode()).hexdigest()
        self._database.execute(
            "INSERT OR REPLACE INTO log VALUES (?, ?, ?, ?, ?)",
            (origin, digest, state.size, state.root, state.note),
        )


class WitnessApp:
    """The ASGI application of `openpcc-witness`. Whoever opened the store closes it."""

    def __init__(
        self, config: WitnessConfig, store: WitnessStore, *, clock: Callable[[], int]
    ) -> None:
        self._logs = config.logs
        self._signer = CosignatureSigner(name=config.name, private_key=read_seed(config.key))
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
                await respond_control(scope, send, not_ready=None, metrics=self._metrics.text)
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
        loop = asyncio.get_running_loop()
        decision = await loop.run_in_executor(self._thread, self.answer, body)
        self._metrics.answered(decision.status)
        await respond(send, decision.status, decision.body, decision.content_type)

    def answer(self, body: bytes) -> Decision:
        """Judge one request, and keep what follows from it."""
        request = read_request(body)
        if isinstance(request, Decision):
            return request
        return self._store.decide(request.origin, lambda state: self._judge(request, state))

    def _judge(self, request: Request, state: WitnessState) -> Decision:
        return decide(request, logs=self._logs, state=state, signer=self._signer, now=self._clock())

    async def _monitor(self, origin_hash: str, send: Send) -> None:
        loop = asyncio.get_running_loop()
        note = await loop.run_in_executor(self._thread, self._store.note, origin_hash)
        if note is None:
            await respond_error(send, 404, "not-found", "no checkpoint of such a log")
        else:
            await respond(send, 200, note, TEXT_TYPE)


async def _nothing() -> None:
    """Start: everything is open already."""


def main() -> None:
    """Run `openpcc-witness`; the clock and the arguments are read in `main`."""
    from transparency_log.server.main import witness_main

    witness_main()
