"""The grid of service entries: one window, one set of keys, few entries (decision 0022). Pure.

What stands in a service entry is the same for everybody who looks while it is the newest. An
operator that logged a new one every second, each with an OHTTP key of its own, would give everybody
who looks in another second another key, and know each of their requests by it. All of it would
stand in the log, for monitors to find later. So a client holds the entries it has read to the grid:
they begin with a window, a window has one set of OHTTP keys and of issuer keys, and no more than
`ENTRIES_A_WINDOW` of them. Everybody who looks within one window then shares that window's keys.
"""

from collections.abc import Sequence

from openpcc.errors import DirectoryError
from openpcc.protocol.messages import ENTRIES_A_WINDOW, WINDOW
from transparency_log.entry import Service


def require_grid(chain: Sequence[Service]) -> None:
    """Check the newest entry's window.

    Args:
        chain: entries of the service as far as they were read, the newest last; not empty.

    Raises:
        DirectoryError: it is off the grid, or its window has too many entries or keys.
    """
    newest = chain[-1]
    if newest.not_before % WINDOW:
        raise DirectoryError("unavailable", "the service entry does not begin with a window")
    same = [one for one in chain if one.not_before == newest.not_before]
    if len({(one.ohttp_keys, one.issuer_keys) for one in same}) > 1:
        raise DirectoryError("unavailable", "two sets of keys were published in one window")
    if len(same) > ENTRIES_A_WINDOW:
        raise DirectoryError("unavailable", f"{len(same)} entries were published in one window")
