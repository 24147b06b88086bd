"""`openpcc-embedded-engine`: the demonstration engine as a program.

It listens on a unix socket in a private directory and on nothing else, prints what it is, and ends
cleanly on SIGTERM or SIGINT.
"""

import argparse
import asyncio
import contextlib
import os
import signal
import socket
import stat
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import uvicorn
import uvloop

# One thread is fastest for matrices this small, and NumPy reads this when it is first imported;
# so the rest of the engine is imported inside the functions below.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

_SWITCH = 0.0005  # seconds: lets the event loop in between two steps of the worker thread
_BACKLOG = 128  # connections that may wait to be accepted
_GRACE = 1.0  # seconds that open answers get when the engine is told to stop


class StartError(Exception):
    """The engine cannot start as asked; the text says why."""


def model_folder() -> Path:
    """The model that comes with the source tree; wheels leave it out."""
    return Path(__file__).parent / "model"


def main() -> None:
    """Parse the command line, load the model, serve until told to stop."""
    arguments = _parse(sys.argv[1:])
    from node_image.embedded.errors import ModelFilesError

    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(arguments))
    except (StartError, ModelFilesError) as error:
        sys.exit(f"openpcc-embedded-engine: {error}")


def _parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="openpcc-embedded-engine", description=__doc__)
    add = parser.add_argument
    text = "folder with the model's files (default: the committed model)"
    add("--model", type=Path, default=model_folder(), metavar="DIR", help=text)
    text = "unix socket to listen on; its directory must be private (0700)"
    add("--uds", type=Path, required=True, metavar="PATH", help=text)
    add("--served-model-name", default="openpcc-demo", metavar="NAME")
    text = "most tokens of prompt and answer (default: what the model allows)"
    add("--max-model-len", type=_positive, metavar="N", help=text)
    text = "answers generated at once (default 8)"
    add("--max-active", type=_positive, default=8, metavar="N", help=text)
    text = "answers that may wait; more are refused with 503 (default 64)"
    add("--max-queued", type=_positive, default=64, metavar="N", help=text)
    return parser.parse_args(argv)


def _positive(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 0 < int(text) < 2**31):
        raise argparse.ArgumentTypeError("must be a positive integer")
    return int(text)


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers, which end the process by the signal, not by 0."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to `_serve`."""
        yield


async def _serve(arguments: argparse.Namespace) -> None:
    from node_image.embedded import assembly

    begun = time.monotonic()
    engine = assembly.load(
        arguments.model, name=arguments.served_model_name, context=arguments.max_model_len,
        active=arguments.max_active, queued=arguments.max_queued, clock=time.time,
    )  # fmt: skip
    config = uvicorn.Config(
        engine.app, backlog=_BACKLOG,
        http="httptools", ws="none", lifespan="off",
        log_level="warning", access_log=False, server_header=False, date_header=False,
        timeout_graceful_shutdown=int(2 * _GRACE),
    )  # fmt: skip
    server = _Server(config)
    loop = asyncio.get_running_loop()

    def end() -> None:
        server.should_exit = True
        loop.call_later(_GRACE, engine.scheduler.halt)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end)
    sys.setswitchinterval(_SWITCH)
    with _listening(arguments.uds) as listener:
        engine.scheduler.start()
        print(
            f"demonstration engine: {engine.service.model}, a tiny model that shows the service "
            f"working; its answers are not to be relied on. Loaded in "
            f"{time.monotonic() - begun:.2f} s ({engine.service.fingerprint}).",
            flush=True,
        )
        try:
            await server.serve(sockets=[listener])
        finally:
            engine.scheduler.stop()


@contextlib.contextmanager
def _listening(path: Path) -> Iterator[socket.socket]:
    """A listening unix socket that only this user can reach; removed afterwards.

    Raises:
        StartError: the directory is not private, or another engine listens there.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = path.parent.stat()
    if status.st_uid != os.getuid() or stat.S_IMODE(status.st_mode) & 0o077:
        raise StartError(f"the directory of {path.name} must be ours alone (mode 0700)")
    _remove_stale(path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        try:
            listener.bind(str(path))
        except OSError as error:
            raise StartError(f"cannot listen on {path.name}: {error.strerror}") from error
        path.chmod(0o600)
        # Already here, so that whoever reads the line printed next can connect at once.
        listener.listen(_BACKLOG)
        try:
            yield listener
        finally:
            path.unlink(missing_ok=True)


def _remove_stale(path: Path) -> None:
    """Remove a socket that a dead engine left behind; never one that answers."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise StartError(f"{path.name} exists and is not a socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            path.unlink()
            return
    raise StartError(f"another engine listens on {path.name}")


if __name__ == "__main__":
    main()
