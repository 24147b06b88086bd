import re

import httpx

from tests.transparency_log.memory_log import NOW, MemoryLog, status_entry
from tests.transparency_log.server.processes import World
from transparency_log.server.metrics import REFUSALS, STATUSES, LogMetrics, WitnessMetrics


def numbers(text: str) -> dict[str, float]:
    """Read the Prometheus text format, but for what the library adds."""
    rows = [line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in rows if "_created" not in name}


def test_log_counts_by_reason_and_nothing_else() -> None:
    metrics = LogMetrics(lambda: NOW + 9)
    metrics.published(size=7, time=NOW, grown=True)
    metrics.published(size=7, time=NOW, grown=False)
    metrics.acknowledged()
    for reason in (*REFUSALS, "an entry's own words", "\n"):
        metrics.refused(reason)
    found = numbers(metrics.text().decode())
    assert found.pop('openpcc_log_refused_total{reason="other"}') == 2
    assert [found.pop(f'openpcc_log_refused_total{{reason="{one}"}}') for one in REFUSALS] == [
        1 for _ in REFUSALS
    ]
    assert found == {
        "openpcc_log_entries_total": 1,
        "openpcc_log_batches_total": 1,
        "openpcc_log_tree_size": 7,
        "openpcc_log_checkpoint_age_seconds": 9,
    }


def test_a_log_without_a_checkpoint_has_none_of_an_age() -> None:
    assert b"age_seconds NaN" in LogMetrics(lambda: NOW).text()


def test_witness_counts_by_status_and_nothing_else() -> None:
    metrics = WitnessMetrics()
    for status in (*STATUSES, 418, 999):
        metrics.answered(status)
    found = numbers(metrics.text().decode())
    assert found.pop('openpcc_witness_answers_total{status="other"}') == 2
    assert set(found.values()) == {1}
    assert len(found) == len(STATUSES)


def test_both_serve_their_numbers_on_the_control_address_alone(world: World) -> None:
    assert world.log is not None
    assert world.add(status_entry(MemoryLog())).status_code == 200
    assert world.add(b"no entry").status_code == 400
    log = httpx.get(f"{world.log.control}/metrics")
    witness = httpx.get(f"{world.witnesses[0].control}/metrics")
    assert log.headers["content-type"] == "text/plain; charset=utf-8"
    found = numbers(log.text) | numbers(witness.text)
    assert found["openpcc_log_tree_size"] == 1
    assert found["openpcc_log_entries_total"] == 1
    assert found['openpcc_log_refused_total{reason="malformed"}'] == 1
    assert found["openpcc_log_checkpoint_age_seconds"] < 60
    assert found['openpcc_witness_answers_total{status="200"}'] >= 2
    for url in (world.log.url, world.witnesses[0].url):
        assert httpx.get(f"{url}/metrics").status_code == 404
    text = log.text + witness.text
    assert not re.search("127.0.0.1|log.example|witness-", text)
