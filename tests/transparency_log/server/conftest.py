"""Fixtures of the servers' tests."""

from collections.abc import Iterator

import pytest

from tests.transparency_log.server.processes import World, running_world


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A log and three witnesses as processes, for one module."""
    with running_world(tmp_path_factory.mktemp("log")) as found:
        yield found
