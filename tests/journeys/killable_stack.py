"""A paid service whose gateways, issuer, store and database can be ended at any step."""

import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import httpx

from openpcc.cli import demo
from openpcc.cli.demo.programs import Program, Programs
from openpcc.cli.demo.stack import EngineChoice
from openpcc.protocol.messages import WINDOW
from tests.fakes.nginx import free_port
from tests.fakes.redis_server import RedisServer
from tests.journeys.moved_clock import MovedClock, moved_clock
from tests.journeys.paid_stack import PaidStack
from tests.transparency_log.server.postgres_server import PostgresServer, running_postgres

ENDLESS = 400
LEAP = 420
POLL = 1.0
"""Seconds between two rounds of the publisher, which brings nodes the newest beacon."""

GATEWAY, ISSUER = "openpcc-gateway", "openpcc-issuer"
FREE = '"127.0.0.1:0"'


class Trap:
    """What happens at a step of whichever server takes it first; see `killable`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def arm(self, *lines: str) -> None:
        (self.folder / "sprung").unlink(missing_ok=True)
        (self.folder / "next").write_text("\n".join(lines))
        (self.folder / "next").rename(self.folder / "armed")

    def disarm(self) -> None:
        (self.folder / "armed").unlink(missing_ok=True)

    @property
    def sprung(self) -> bool:
        """Whether a line was taken; looked at when no exchange is under way."""
        end = time.monotonic() + 20
        while any(_alive(one.name.split("-")[1]) for one in self.folder.glob("busy-*")):
            assert time.monotonic() < end, "an exchange never ends"
            time.sleep(0.002)
        return self.acted

    @property
    def acted(self) -> bool:
        return (self.folder / "sprung").exists()

    def every_step(
        self, script: str, action: Callable[[], str], *, times: int = 1, stride: int = 1
    ) -> Iterator[int]:
        """Arm step 1, then 2, …; the caller lets something happen for each, until one is not taken.

        `action` is asked for each: it may name another process by then.
        """
        for step in count(1, stride):
            assert step < ENDLESS, "it never ends"
            self.arm(*[f"{script} {step} {action()}"] * times)
            yield step
            self.disarm()
            if not self.sprung:
                return


class KillablePrograms(Programs):
    """Starts gateways and issuers by `killable`, and publishers, at addresses that stay theirs."""

    def __init__(self, logs: Path, trap: Trap) -> None:
        super().__init__(logs)
        self._trap = trap

    def start(self, name: str, script: str, argv: Sequence[str]) -> Program:
        config = Path(argv[-1])
        if script not in (ISSUER, GATEWAY):
            return super().start(name, script, argv)
        control = f'"127.0.0.1:{free_port()}"'
        fixed = f'"127.0.0.1:{free_port()}"\ncontrol = {control}'
        config.write_text(config.read_text().replace(FREE, fixed))
        if name == "publisher":
            return super().start(name, script, argv)
        wrapper = str(Path(__file__).with_name("killable.py"))
        python = Path(sys.executable).name
        return super().start(name, python, [wrapper, str(self._trap.folder), script, *argv])


class KillableStack(PaidStack):
    """`trap` springs in gateways and issuer; `clock` is everybody's."""

    def __init__(
        self,
        folder: Path,
        engine: EngineChoice,
        store: RedisServer,
        postgres: PostgresServer,
        clock: MovedClock,
    ) -> None:
        super().__init__(folder, engine, store, postgres.new_schema())
        self.postgres = postgres
        self.clock = clock
        self.trap = Trap(folder / "trap")
        self.trap.folder.mkdir()
        self.programs = KillablePrograms(folder / "logs", self.trap)

    def gateway_settings(self, listen: str) -> str:
        # A store that stands still is left alone sooner: there are many steps to try.
        return super().gateway_settings(listen) + "store_timeout = 0.5\n"

    def _write(self, name: str, text: str) -> Path:
        # Nodes count an epoch's length by a clock that is not moved, so it has to last for all.
        epoch = "epoch = 43200\n" if name.endswith("-image.toml") else ""
        return super()._write(name, epoch + text)

    @property
    def issuer_config(self) -> Path:
        assert self.issuer is not None
        return self.issuer.config

    def list_keys(self) -> None:
        """Have the publisher read the issuer's directory now, and list its keys in a new window."""
        self.programs.stop(self.publisher)
        settings = ["--role", "publisher", "--config", str(self.folder / "publisher.toml")]
        self.publisher = self.programs.start("publisher", GATEWAY, settings)
        before = max(map(_sequence, self.gateways))
        self.let_pass(WINDOW - int(self.clock.time()) % WINDOW)
        end = time.monotonic() + 30
        while any(_sequence(one) <= before for one in self.gateways):
            assert time.monotonic() < end, "nothing is published"
            time.sleep(0.05)

    def let_pass_long(self, seconds: int) -> None:
        """Let more time pass than nodes can leap: a beacon has to be younger than their epoch."""
        for _ in range(-(-seconds // LEAP)):
            self.let_pass(LEAP)
            time.sleep(3 * POLL)

    def wait_ready(self) -> None:
        """Wait until what was ended is there again."""
        assert self.issuer is not None
        for program in (*self.gateways, self.issuer.program):
            end = time.monotonic() + 20
            while not _ready(program):
                assert time.monotonic() < end, f"{program.name} is not ready"
                time.sleep(0.02)

    @contextmanager
    def revived(self, start: Callable[[], None]) -> Iterator[None]:
        """Start again, as soon as it was ended, what the trap ends in this block."""
        over = threading.Event()

        def watch() -> None:
            while not self.trap.acted and not over.wait(0.01):
                pass
            if self.trap.sprung:
                start()

        with ThreadPoolExecutor(1) as pool:
            watching = pool.submit(watch)
            try:
                yield
            finally:
                over.set()
                watching.result()

    def let_pass(self, seconds: int) -> None:
        """Let time pass; gateways get the next window, if there is one by then."""
        self.clock.move(seconds)
        self.publish_status([self.release])
        self.wait_ready()


def _alive(process: str) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):  # gone before it was opened, or read
        return False


def _ready(program: Program) -> bool:
    assert program.alive()
    try:
        answer = httpx.get(f"{program.control}/readyz", timeout=5, trust_env=False)
    except httpx.HTTPError:
        return False
    return answer.status_code == 200


@contextmanager
def running_killable(folder: Path) -> Iterator[KillableStack]:
    """Start all of it; end it whatever happens."""
    engine = EngineChoice(kind="embedded", model=demo.embedded_model())
    (folder / "store").mkdir()
    with (
        moved_clock(folder) as clock,
        running_postgres() as postgres,
        RedisServer(folder / "store") as store,
    ):
        stack = KillableStack(folder, engine, store, postgres, clock)
        try:
            stack.start()
            yield stack
        finally:
            stack.close()


def _sequence(gateway: Program) -> float:
    """Say which window a gateway has, by its metrics."""
    text = httpx.get(f"{gateway.control}/metrics", timeout=5, trust_env=False).text
    (line,) = [one for one in text.splitlines() if one.startswith("openpcc_sequence ")]
    return float(line.split()[1])
