"""docs/pace.md promises what the code does: its numbers are the code's."""

from pathlib import Path

import pytest

from node_image.agent.answering import LONGEST_REPLY
from node_image.agent.engine_process import SILENCE
from node_image.agent.pace import MAX_BUFFER
from openpcc.answers import PACES
from openpcc.protocol.chunks import MAX_CHUNKS
from openpcc.protocol.sealing import records
from openpcc.protocol.sealing.pacing import FINAL_EVERY, TICK_SECONDS
from transparency_log.server.bounded_http import BoundedHttpProtocol
from transparency_log.service import PACES as LISTED

KIBI = 1024
A_SECOND = round(1 / TICK_SECONDS)


@pytest.mark.parametrize(
    "said",
    [
        f"one record every {TICK_SECONDS * 1000:.0f} ms",
        f"multiple of {records.LATENCY_STEP} bytes",
        f"{records.PACED_RECORD} bytes, always",
        f"a multiple of {FINAL_EVERY}, so in whole seconds",
        f"{records.PACED_DATA * A_SECOND:,} bytes a second",
        f"{MAX_BUFFER // KIBI} KiB ahead of the ticks",
        f"less than {BoundedHttpProtocol.write_step // KIBI} KiB in a minute",
        f"{LONGEST_REPLY / 3600:.0f} hours, and 2^{MAX_CHUNKS.bit_length() - 1} records",
        f"an engine that falls silent | {SILENCE / 60:.0f} minutes",
        "(1, 1.5, 2, 3, 4, 6, 8 kB and so on)",
    ],
)
def test_the_page_says_what_the_code_does(root: Path, said: str) -> None:
    assert said in (root / "docs" / "pace.md").read_text()


def test_what_the_page_rests_on() -> None:
    assert FINAL_EVERY * TICK_SECONDS == 1
    assert BoundedHttpProtocol.write_time == 60
    assert records.buckets(8192) == [1024, 1536, 2048, 3072, 4096, 6144, 8192]
    assert set(PACES) == LISTED
