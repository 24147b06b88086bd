"""The whole list of what may be counted or logged. What is not here does not leave the program.

Counters have closed label sets: route names and codes of ours, never a value from a request. A log
line is one JSON object: a fixed event name and fields out of `Fields`. Of what a library logs only
its name, the place and an exception's type are kept: a text of theirs may hold input.
"""

import json
import logging
import sys
import traceback
from typing import TypedDict, Unpack

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest

ROUTES = (
    "exchange", "keys", "sealed", "challenge", "service", "directory", "bundle", "log",
    "publication", "tokens",
)  # fmt: skip
"""Resources, by name; `other` is everything else."""

OUTCOMES = (
    "taken", "refused", "busy", "unknown-key",
    "no-connection", "lost", "silent", "broken", "strange",
)  # fmt: skip
"""How an attempt to give a sealed request to a node ended."""


class Fields(TypedDict, total=False):
    """Fields of a log line. `node` is a place in our list of nodes, from 0: never an address.

    `source` is that of nodes: the `[[nodes]]` together, if there are any, then each `[[dns]]`.
    """

    role: str
    node: int
    source: int
    code: str
    sequence: int
    index: int
    count: int


class Telemetry:
    """Counters of one program, on a registry of their own."""

    def __init__(self, role: str) -> None:
        self.registry = CollectorRegistry()
        self.role = role
        self._requests = Counter(
            "openpcc_requests", "Answered requests.", ("route", "code"), registry=self.registry
        )
        self._attempts = Counter(
            "openpcc_attempts",
            "Sealed requests given to nodes.",
            ("outcome",),
            registry=self.registry,
        )
        self.in_flight = Gauge(
            "openpcc_in_flight", "Requests being served.", registry=self.registry
        )
        self.replay_entries = Gauge(
            "openpcc_replay_entries", "Requests remembered.", registry=self.registry
        )
        self.nodes = Gauge("openpcc_nodes", "Nodes listed at present.", registry=self.registry)
        self.sequence = Gauge(
            "openpcc_sequence", "Sequence number of the service entry.", registry=self.registry
        )

    def request(self, route: str, code: str) -> None:
        """Count an answer; `code` is `ok` or a code of docs/formats.md."""
        self._requests.labels(route if route in ROUTES else "other", code).inc()

    def attempt(self, outcome: str) -> None:
        """Count what came of giving a sealed request to a node."""
        self._attempts.labels(outcome if outcome in OUTCOMES else "refused").inc()

    def metrics(self) -> bytes:
        """Write all counters in the Prometheus text format."""
        return generate_latest(self.registry)


_LOGGER = logging.getLogger("openpcc.gateway")


def log(event: str, **fields: Unpack[Fields]) -> None:
    """Log a fixed event with listed fields."""
    _LOGGER.info(event, extra={"fields": fields})


class LineFormatter(logging.Formatter):
    """Writes a record as one JSON line, without arguments or exception texts."""

    def format(self, record: logging.LogRecord) -> str:
        """Write event and fields; of a library's record where it came from."""
        line: dict[str, object] = {"at": int(record.created)}
        if record.name == _LOGGER.name:
            line |= {"event": record.msg, **getattr(record, "fields", {})}
        else:
            place = f"{record.name}:{record.module}:{record.lineno}"
            line |= {"event": "library", "level": record.levelname, "place": place}
        if record.exc_info and record.exc_info[1] is not None:
            error = record.exc_info[1]
            line["error"] = type(error).__name__
            frames = traceback.extract_tb(error.__traceback__)[-8:]
            line["trace"] = [f"{frame.name}:{frame.lineno}" for frame in frames]
        return json.dumps(line)


def configure_logging() -> None:
    """Send every log line of the process to stderr through `LineFormatter`."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LineFormatter())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    _LOGGER.setLevel(logging.INFO)
