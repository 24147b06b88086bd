"""node_image/agent/replay.py"""

import pytest

from node_image.agent.replay import ReplaySet
from openpcc.protocol.errors import ReplayedError


def test_takes_each_request_once():
    replay = ReplaySet()
    replay.begin(0)
    replay.take(b"a")
    replay.take(b"b")
    with pytest.raises(ReplayedError):
        replay.take(b"a")


def test_remembers_across_epochs():
    replay = ReplaySet()
    replay.begin(0)
    replay.take(b"a")
    replay.begin(1)
    with pytest.raises(ReplayedError):
        replay.take(b"a")


def test_an_entry_outlives_the_older_epoch_that_was_live_when_it_came():
    replay = ReplaySet()
    replay.begin(0)
    replay.begin(1)
    replay.take(b"a")
    replay.end(0)
    with pytest.raises(ReplayedError):
        replay.take(b"a")


def test_entries_die_with_the_keys():
    replay = ReplaySet(limit=2)
    replay.begin(0)
    replay.take(b"a")
    replay.begin(1)
    replay.take(b"b")
    full = [replay.full]
    replay.end(0)
    full.append(replay.full)
    assert full == [True, False]
    replay.take(b"a")
