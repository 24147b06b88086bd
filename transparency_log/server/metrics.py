"""The whole list of what the log and the witness count. What is not here is not counted.

Label sets are closed: reasons and status codes of ours, never a value from a request. The numbers
are served as `/metrics` on the control address alone, in the Prometheus text format.
"""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest

REFUSALS = ("unauthorized", "kind", "quota", "too-large", "malformed", "busy", "not-ready")
"""Why a submission was refused; `other` is everything else."""

STATUSES = (200, 400, 403, 404, 409, 413, 422, 500, 503)
"""Answers of a witness; `other` is everything else."""


class LogMetrics:
    """Counters of one log, on a registry of their own."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self._registry = CollectorRegistry()
        self._clock = clock
        self._time: int | None = None
        self._entries = Counter(
            "openpcc_log_entries",
            "Acknowledged submissions; an entry submitted again counts again.",
            registry=self._registry,
        )
        self._batches = Counter(
            "openpcc_log_batches",
            "Checkpoints published for a tree that had grown.",
            registry=self._registry,
        )
        self._refused = Counter(
            "openpcc_log_refused", "Refused submissions.", ("reason",), registry=self._registry
        )
        self._size = Gauge(
            "openpcc_log_tree_size", "Size of the published tree.", registry=self._registry
        )
        age = Gauge(
            "openpcc_log_checkpoint_age_seconds",
            "Seconds since the witnessed time of the published checkpoint; NaN: there is none.",
            registry=self._registry,
        )
        age.set_function(self._age)
        for reason in (*REFUSALS, "other"):
            self._refused.labels(reason)  # an alert needs the zero before the first one

    def acknowledged(self) -> None:
        """Count a submission that got its index."""
        self._entries.inc()

    def refused(self, reason: str) -> None:
        """Count a submission that got none."""
        self._refused.labels(reason if reason in REFUSALS else "other").inc()

    def published(self, *, size: int, time: int, grown: bool) -> None:
        """Take note of a published checkpoint: its tree, and its witnessed time in Unix seconds."""
        self._size.set(size)
        self._time = time
        if grown:
            self._batches.inc()

    def text(self) -> bytes:
        """Write all counters in the Prometheus text format."""
        return generate_latest(self._registry)

    def _age(self) -> float:
        return float("nan") if self._time is None else float(self._clock() - self._time)


class WitnessMetrics:
    """Counters of one witness, on a registry of their own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._answers = Counter(
            "openpcc_witness_answers",
            "Answers to add-checkpoint; 200 is a cosignature.",
            ("status",),
            registry=self._registry,
        )
        for status in (*STATUSES, "other"):
            self._answers.labels(str(status))

    def answered(self, status: int) -> None:
        """Count an answer to add-checkpoint."""
        self._answers.labels(str(status) if status in STATUSES else "other").inc()

    def text(self) -> bytes:
        """Write all counters in the Prometheus text format."""
        return generate_latest(self._registry)
