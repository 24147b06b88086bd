"""The services of `bench/leak.py`: the product as it is, and a copy whose nodes do not pad.

Both run the whole stack of the demonstration, each with the engine in slow motion, and clients
reach both through a recorder.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.processes import script, started
from openpcc import OpenPCC
from openpcc.cli.demo import embedded_model
from openpcc.cli.demo.programs import Program, Programs
from openpcc.cli.demo.stack import DemoStack, EngineChoice

WAYS = ("unpadded", "latency", "paced")


class UnpaddedPrograms(Programs):
    """Starts `leak_node.py` wherever a node is asked for."""

    def start(self, name: str, script_name: str, argv: list[str]) -> Program:  # type: ignore[override]
        """See `Programs.start`."""
        if script_name != "openpcc-node":
            return super().start(name, script_name, argv)
        return super().start(name, "python", [str(script("leak_node.py")[1]), *argv])


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """What runs: a client per way and lane, and where the recorders write."""

    clients: dict[str, list[OpenPCC]]
    files: dict[str, Path]


def slow_engine(folder: Path, factor: float) -> EngineChoice:
    """Stand in for the engine's interpreter."""
    python = folder / "engine"
    command = " ".join(script("leak_engine.py", str(factor)))
    python.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
    python.chmod(0o700)
    return EngineChoice(kind="embedded", model=embedded_model(), python=python)


@contextmanager
def service(folder: Path, engine: EngineChoice, *, padded: bool) -> Iterator[DemoStack]:
    """Run one service."""
    stack = DemoStack(folder, engine, lambda _: None)
    if not padded:
        stack.programs = UnpaddedPrograms(folder / "logs")
    try:
        stack.start()
        yield stack
    finally:
        stack.close()


@contextmanager
def recorded(folder: Path, *, lanes: int, factor: float) -> Iterator[Recorded]:
    """Run both services and a client for each way and lane, behind recorders."""
    engine = slow_engine(folder, factor)
    clients: dict[str, list[OpenPCC]] = {}
    files: dict[str, Path] = {}
    with ExitStack() as stack:
        plain = stack.enter_context(service(folder / "unpadded", engine, padded=False))
        real = stack.enter_context(service(folder / "real", engine, padded=True))
        for way, used in zip(WAYS, (plain, real, real), strict=True):
            files[way] = folder / f"{way}.wire"
            relay = used.relay.listening
            recorder = stack.enter_context(
                started(script("leak_wire.py", relay, str(lanes), str(files[way])))
            )
            clients[way] = []
            for lane, url in enumerate(recorder.url.split()):
                config = used.write_client(f"{way}-{lane}", url)
                pace = "paced" if way == "paced" else "latency"
                clients[way].append(stack.enter_context(OpenPCC(config, pace=pace)))
        yield Recorded(clients=clients, files=files)
