"""The whole list of what may be counted or logged. What is not here does not leave the node.

The host reads all of it, so nothing here tells more than the host sees anyway: what happens inside
the seal, a refusal of step 5 or an error of the engine, counts as `answered` like everything else.
A log line is one JSON object: a fixed event and fields out of `Fields`. Of an exception type and
place are written; its text stays out, since a library may have put content into it.
"""

import json
import logging
import sys
import traceback
from typing import Literal, TypedDict, Unpack

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest

Outcome = Literal[
    "answered",
    "cancelled",
    "broken",
    "malformed",
    "unsupported",
    "truncated",
    "unknown-key",
    "expired",
    "unsealable",
    "replayed",
    "too-large",
    "busy",
]
"""How a sealed request ended, as seen from outside the seal."""


class Fields(TypedDict, total=False):
    """Fields of a log line."""

    epoch: int
    reason: str


class Telemetry:
    """Counters of one node, on a registry of their own."""

    def __init__(self) -> None:
        registry = self._registry = CollectorRegistry()
        self._requests = Counter(
            "openpcc_node_requests", "Sealed requests.", ("outcome",), registry=registry
        )
        self.in_flight = Gauge(
            "openpcc_node_in_flight", "Requests being served.", registry=registry
        )
        self.epochs = Counter("openpcc_node_epochs", "Key epochs made.", registry=registry)
        self.live_epochs = Gauge(
            "openpcc_node_live_epochs", "Key epochs not yet erased.", registry=registry
        )
        self.restarts = Counter(
            "openpcc_node_engine_restarts", "Engine processes that ended.", registry=registry
        )

    def request(self, outcome: Outcome) -> None:
        """Count a sealed request that has ended."""
        self._requests.labels(outcome).inc()

    def metrics(self) -> bytes:
        """Write all counters in the Prometheus text format."""
        return generate_latest(self._registry)


_LOGGER = logging.getLogger("openpcc.node")


def log(event: str, **fields: Unpack[Fields]) -> None:
    """Log a fixed event with listed fields. `reason` is text of ours, never of a caller's."""
    _LOGGER.info(event, extra={"fields": fields})


class LineFormatter(logging.Formatter):
    """Writes a record as one JSON line, without arguments or exception texts."""

    def format(self, record: logging.LogRecord) -> str:
        """Write the fixed text, the listed fields, and where an exception came from."""
        line: dict[str, object] = {"at": int(record.created), "event": str(record.msg).strip()}
        line.update(getattr(record, "fields", {}))
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
