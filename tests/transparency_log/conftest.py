"""Fixtures of the log's tests."""

import pytest

from tests.transparency_log.memory_log import MemoryLog


@pytest.fixture
def memory_log() -> MemoryLog:
    """An empty log with three witnesses."""
    return MemoryLog()
