"""`openpcc-node`: the agent as a program.

    openpcc-node --config FILE --image FILE [--check-config]

Exit 0 after SIGTERM, 1 if the engine does not start, 2 for a mistake in a file or an address; an
error is a line for each thing that is wrong, with its remedy.
"""

import argparse
import asyncio
import resource
import signal
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import uvloop

from node_image.agent import receipts
from node_image.agent.app import Limits, Node
from node_image.agent.clock import SystemClock
from node_image.agent.config import Image, Settings, load
from node_image.agent.drain import Drain
from node_image.agent.engine_process import ProcessEngine
from node_image.agent.errors import ConfigurationError, EngineError
from node_image.agent.evidence import Evidence
from node_image.agent.identity import Identity, ServiceFacts
from node_image.agent.replay import ReplaySet
from node_image.agent.serving import Control, Server, announce, bind
from node_image.agent.telemetry import Telemetry, configure_logging, log


def main() -> None:
    """Read both files and serve until SIGTERM or SIGINT."""
    arguments = _parse(sys.argv[1:])
    try:
        settings, image = load(arguments.config, arguments.image)
        if arguments.check_config:
            print("configuration is in order")
            return
        _refuse_core_dumps()
        configure_logging()
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve(settings, image))
    except ConfigurationError as error:
        for line in str(error).splitlines():
            print(f"openpcc-node: {line}", file=sys.stderr)
        sys.exit(2)
    except EngineError as error:
        print(f"openpcc-node: {error}", file=sys.stderr)
        sys.exit(1)


async def serve(settings: Settings, image: Image) -> None:
    """Bind, announce, start the engine, serve until a signal.

    Raises:
        ConfigurationError: an address, the machine's folder or the model's cannot be used.
        EngineError: the engine did not start.
    """
    stop = Stop()
    service, control = bind(settings.listen, "listen"), bind(settings.control, "control")
    evidence = Evidence.open(image, settings)
    telemetry, clock, replay = Telemetry(), SystemClock(), ReplaySet()
    engine = ProcessEngine(image, on_restart=telemetry.restarts.inc)
    identity = Identity(
        evidence=evidence,
        facts=_facts(image, evidence),
        length=image.epoch,
        replay=replay,
        clock=clock,
        telemetry=telemetry,
    )
    node = Node(
        identity=identity,
        replay=replay,
        engine=engine,
        model=image.model.name,
        limits=Limits(
            max_requests=settings.max_requests, max_request_bytes=settings.max_request_bytes
        ),
        clock=clock,
        telemetry=telemetry,
    )
    servers = (Server(node, service), Server(Control(node.waiting, telemetry.metrics), control))
    announce(service, control)
    try:
        await _run(
            servers, engine, identity, stop, Leave(drain=node.drain, patience=settings.drain)
        )
    finally:
        await engine.stop()
        identity.erase()


class Stop:
    """What signals ask for: the first one to stop, the next to do it at once."""

    def __init__(self) -> None:
        """Take SIGTERM and SIGINT."""
        self.asked, self.pressed = asyncio.Event(), asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self._signal)

    def _signal(self) -> None:
        (self.pressed if self.asked.is_set() else self.asked).set()


@dataclass(frozen=True, kw_only=True)
class Leave:
    """How the node leaves: what it owes, and the host's patience in seconds."""

    drain: Drain
    patience: int

    async def __call__(self, stop: Stop) -> None:
        """Go on until nobody can hold our keys, the patience is at its end, or a second signal."""
        self.drain.leaving = True
        seconds = min(self.drain.owed(), self.patience)
        if seconds:
            log("draining")
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.pressed.wait(), seconds)


async def _run(
    servers: tuple[Server, ...],
    engine: ProcessEngine,
    identity: Identity,
    stop: Stop,
    leave: Leave,
) -> None:
    serving = [asyncio.create_task(server.serve([server.bound])) for server in servers]
    epochs = asyncio.create_task(identity.run())
    starting = asyncio.create_task(start_engine(engine, identity))
    stopping = asyncio.create_task(stop.asked.wait())
    log("started")
    try:
        await asyncio.wait({starting, epochs, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
            log("engine ready")
        await asyncio.wait({epochs, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not epochs.done():
            await leave(stop)
        if epochs.done():
            epochs.result()
    finally:
        for server in servers:
            server.should_exit = True
        for task in (starting, stopping, epochs):
            task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*serving)
        log("stopped")


async def start_engine(engine: ProcessEngine, identity: Identity) -> None:
    """Start the engine on devices that take work. Raises: EngineError."""
    await identity.admitted.wait()
    await engine.start()


def _facts(image: Image, evidence: Evidence) -> ServiceFacts:
    return ServiceFacts(
        release=image.release,
        model=image.model.name,
        model_digest=evidence.model_digest,
        engine=image.engine,
        parameters=receipts.parameters_digest(image.engine_arguments),
    )


def _refuse_core_dumps() -> None:
    """A crash writes no memory to storage; the engine inherits the limit."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="openpcc-node", description="Serve sealed requests.")
    parser.add_argument("--config", type=Path, required=True, help="the host's settings, TOML")
    parser.add_argument("--image", type=Path, required=True, help="what the image fixes, TOML")
    parser.add_argument(
        "--check-config", action="store_true", help="read both files, say if they are in order"
    )
    return parser.parse_args(argv)


if __name__ == "__main__":
    main()
