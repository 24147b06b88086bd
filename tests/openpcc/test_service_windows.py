"""A window has one set of keys and few entries, so that its lookers are one crowd."""

from dataclasses import replace
from typing import Any

import pytest

from openpcc.errors import DirectoryError
from openpcc.protocol.messages import ENTRIES_A_WINDOW
from openpcc.service_windows import require_grid
from tests.transparency_log.memory_log import MemoryLog, service_entry
from transparency_log.entry import Service, verify_service

NOW = 1_800_000_000
LOG = MemoryLog()
FIRST = verify_service(service_entry(LOG), LOG.signers(LOG.service))


def entry(sequence: int, window: int = 0, **changes: Any) -> Service:
    begin = NOW + 600 * window
    return replace(
        FIRST, **{"sequence": sequence, "not_before": begin, "not_after": begin + 1200, **changes}
    )


def test_an_entry_a_window_is_the_grid():
    require_grid([entry(0)])
    require_grid([entry(number, number) for number in range(50)])


def test_each_window_may_have_keys_of_its_own():
    require_grid([entry(n, n, ohttp_keys=bytes([n]) * 32) for n in range(3)])


@pytest.mark.parametrize("off", [1, 30, 599])
def test_an_entry_off_the_grid_is_refused(off: int):
    with pytest.raises(DirectoryError, match="begin with a window"):
        require_grid([entry(0), entry(1, not_before=NOW + off, not_after=NOW + off + 600)])


@pytest.mark.parametrize("changed", [{"ohttp_keys": bytes(32)}, {"issuer_keys": (bytes(32),)}])
def test_other_keys_in_one_window_are_refused(changed: dict[str, Any]):
    with pytest.raises(DirectoryError, match="two sets of keys"):
        require_grid([entry(0), entry(1, **changed)])
    with pytest.raises(DirectoryError, match="two sets of keys"):
        require_grid([entry(0), entry(1, 1), entry(2, **changed)])  # back in the first window
    require_grid([entry(0), entry(1, **changed), entry(2, 1)])  # over, for who looks now


def test_few_entries_of_one_window_are_suffered():
    chain = [entry(number) for number in range(ENTRIES_A_WINDOW + 1)]
    require_grid(chain[:ENTRIES_A_WINDOW])
    with pytest.raises(DirectoryError, match=f"{ENTRIES_A_WINDOW + 1} entries"):
        require_grid(chain)
