"""Runs one of our servers so that a test can end it, or what it talks to, at any step it takes.

    python killable.py FOLDER openpcc-gateway --config gateway.toml

A step is whatever leaves the process while it answers one POST: bytes into a socket, statements to
the database, work for its threads. Each counts twice, before and after. So a call that somebody
adds is a step here by itself. Between two steps the world outside does not change.

FOLDER/armed has lines `PROGRAM STEP ACTION [PROCESS]`. Whoever takes the step of the first line
first, of all such servers with this folder, takes the line away and acts: `kill` ends itself, `cut`
its database connection; SIGKILL, SIGQUIT or SIGSTOP go to another process. What was killed is
started again at once, by the parent that it was forked from.
"""

import asyncio
import contextvars
import ctypes
import functools
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import uvloop

from gateway import main as gateway_main
from gateway.issuer import main as issuer_main

PROGRAMS: dict[str, tuple[type, Callable[[list[str]], None]]] = {
    "openpcc-gateway": (gateway_main.GatewayProgram, gateway_main.main),
    "openpcc-issuer": (issuer_main.IssuerProgram, issuer_main.main),
}

STATES = {"SIGKILL": "ZX", "SIGQUIT": "ZX", "SIGSTOP": "T"}
"""In which state of /proc the other process is when the signal has done its work."""


class Steps:
    """Counts the steps of each exchange, and acts at the one that is armed."""

    def __init__(self, folder: Path, script: str) -> None:
        self._folder = folder
        self._script = script
        self._exchanges = 0
        self._taken = contextvars.ContextVar[list[int] | None]("taken", default=None)
        self._database: psycopg.Connection[Any] | None = None

    def count(self, program: Any) -> None:
        """Count what a server does for each POST."""
        answer = program.__call__

        async def counted(server: Any, scope: Any, receive: Any, send: Any) -> None:
            if scope["method"] != "POST":
                await answer(server, scope, receive, send)
                return
            self._taken.set([0])
            with self._noted():
                await answer(server, scope, receive, send)

        program.__call__ = counted
        # uvloop's sockets are out of sight; asyncio's are not, and the program is the same.
        uvloop.new_event_loop = asyncio.new_event_loop  # type: ignore[assignment]
        for name in ("send", "sendmsg", "sendall"):
            setattr(socket.socket, name, self._around(getattr(socket.socket, name)))
        self._count_database()
        self._count_threads()

    @contextmanager
    def _noted(self) -> Iterator[None]:
        """Let the test know that an exchange is under way: its last steps come after the answer."""
        self._exchanges += 1
        note = self._folder / f"busy-{os.getpid()}-{self._exchanges}"
        note.touch()
        try:
            yield
        finally:
            note.unlink()

    def _count_database(self) -> None:
        wait = self._around(psycopg.Connection.wait)

        def watched(connection: psycopg.Connection[Any], *args: Any, **kwargs: Any) -> Any:
            self._database = connection
            return wait(connection, *args, **kwargs)

        psycopg.Connection.wait = watched  # type: ignore[method-assign, assignment]

    def _count_threads(self) -> None:
        run = asyncio.BaseEventLoop.run_in_executor

        def counted(loop: Any, executor: Any, work: Any, *args: Any) -> Any:
            inside = contextvars.copy_context()  # which threads do not have by themselves
            return run(loop, executor, functools.partial(inside.run, self._around(work), *args))

        asyncio.BaseEventLoop.run_in_executor = counted  # type: ignore[method-assign, assignment]

    def _around(self, work: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(work)
        def counted(*args: Any, **kwargs: Any) -> Any:
            self._step()
            try:
                return work(*args, **kwargs)
            finally:
                self._step()

        return counted

    def _step(self) -> None:
        taken = self._taken.get()
        if taken is None:
            return
        taken[0] += 1
        armed, next_ = self._folder / "armed", self._folder / "next"
        try:
            first, _, rest = armed.read_text().partition("\n")
            script, number, action, *process = first.split()
            if (script, int(number)) != (self._script, taken[0]):
                return
            armed.rename(self._folder / "taken")
        except FileNotFoundError:
            return  # nothing is armed, or another one was faster
        if rest:
            next_.write_text(rest)
            next_.rename(armed)
        if action == "kill":
            (self._folder / "taken").rename(self._folder / "sprung")
        self._act(action, *process)
        (self._folder / "taken").rename(self._folder / "sprung")

    def _act(self, action: str, process: str = "0") -> None:
        match action:
            case "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            case "cut":
                if self._database is not None and not self._database.closed:
                    with socket.socket(fileno=os.dup(self._database.fileno())) as line:
                        line.shutdown(socket.SHUT_RDWR)
            case _:
                os.kill(int(process), signal.Signals[action])
                while _state(process) not in STATES[action]:
                    time.sleep(0.001)


def _state(process: str) -> str:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return "X"


def main() -> None:
    folder, script, *arguments = sys.argv[1:]
    program, run = PROGRAMS[script]
    Steps(Path(folder), script).count(program)
    while True:
        child = os.fork()
        if child == 0:
            ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # with the parent
            run(arguments)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status) or os.WTERMSIG(status) != signal.SIGKILL:
            sys.exit(os.waitstatus_to_exitcode(status) & 0xFF)


if __name__ == "__main__":
    main()
