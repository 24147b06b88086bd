"""Starts the service's programs as processes of their own, and ends them again.

Each program prints one JSON line with its addresses once it listens; everything else it says goes
to a log file. Whatever happens here, nothing is left running: programs are asked to end, then
killed, and on Linux the kernel asks them if this process dies first.
"""

import ctypes
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from openpcc.cli.installed import find
from openpcc.errors import ConfigurationError

GRACE = 10.0
"""Seconds a program has to end before it is killed."""

PATIENCE = 60.0
"""Seconds a program has until it listens; engines load after that."""

MAX_LINE = 4096
PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, kw_only=True)
class Program:
    """A running program."""

    name: str
    said: Mapping[str, object]
    """The JSON line it printed once it listened."""
    log: Path
    process: "subprocess.Popen[bytes]"

    @property
    def listening(self) -> str:
        """Base URL of its data address."""
        return str(self.said["listening"])

    @property
    def control(self) -> str | None:
        """Base URL of its control address, where it has one."""
        found = self.said.get("control")
        return None if found is None else str(found)

    def alive(self) -> bool:
        """Say whether it still runs."""
        return self.process.poll() is None


class Programs:
    """All programs of one stack, ended in reverse order."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._running: list[Program] = []
        logs.mkdir(parents=True, exist_ok=True)

    def start(self, name: str, script: str, argv: Sequence[str]) -> Program:
        """Start one of our console scripts and wait until it listens.

        Raises:
            ConfigurationError: it ended, or did not listen in time; quotes its last words.
        """
        log = self._logs / f"{name}.log"
        with log.open("ab") as stderr:
            process = subprocess.Popen(
                [str(find(script)), *argv],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
                preexec_fn=_die_with_parent,
            )
        said = _first_line(process, PATIENCE)
        if said is None:
            process.kill()
            process.wait()
            raise ConfigurationError(f"{name} did not start: {_last_words(log)}")
        program = Program(name=name, said=said, log=log, process=process)
        self._running.append(program)
        return program

    def stop(self, program: Program) -> None:
        """End one program."""
        self._running.remove(program)
        _end([program])

    def close(self) -> None:
        """End every program."""
        running, self._running = self._running[::-1], []
        _end(running)

    @property
    def running(self) -> tuple[Program, ...]:
        """The programs that were started and not stopped."""
        return tuple(self._running)


def _end(programs: Sequence[Program]) -> None:
    for program in programs:
        if program.alive():
            program.process.terminate()
    deadline = time.monotonic() + GRACE
    for program in programs:
        try:
            program.process.wait(max(deadline - time.monotonic(), 0.1))
        except subprocess.TimeoutExpired:
            program.process.kill()
            program.process.wait()
        if program.process.stdout is not None:
            program.process.stdout.close()


def _first_line(process: "subprocess.Popen[bytes]", patience: float) -> dict[str, object] | None:
    """Read the line a program prints once it listens; None if none comes."""
    if process.stdout is None:
        return None
    descriptor = process.stdout.fileno()
    deadline = time.monotonic() + patience
    line = b""
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, selectors.EVENT_READ)
        while not line.endswith(b"\n") and len(line) < MAX_LINE:
            if not selector.select(deadline - time.monotonic()):
                return None
            byte = os.read(descriptor, 1)
            if not byte:
                return None
            line += byte
    found: dict[str, object] = json.loads(line)
    return found


def _last_words(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1][:300] if lines else "it said nothing"


def _die_with_parent() -> None:
    """In the child: end when the parent dies; Ctrl-C is for the parent, which ends us in order."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
