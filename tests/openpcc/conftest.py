"""One honest service for the tests that only talk through it, and the nodes trusted in it."""

from collections.abc import Iterator
from typing import cast

import pytest

from openpcc.carrier import Carrier
from openpcc.lookup import Lookup
from openpcc.state import StateFile
from openpcc.trust import TrustedNode
from tests.fakes.memory_service import MemoryCarrier, MemoryService
from tests.fakes.world import NOW


@pytest.fixture(scope="session")
def shared_service(tmp_path_factory: pytest.TempPathFactory) -> MemoryService:
    return MemoryService(tmp_path_factory.mktemp("service"))


@pytest.fixture
def talking(shared_service: MemoryService) -> Iterator[MemoryService]:
    """The service; how its nodes reply may be replaced for one test."""
    yield shared_service
    shared_service.reply = shared_service.honest_reply


@pytest.fixture(scope="session")
def trusted_nodes(shared_service: MemoryService) -> tuple[TrustedNode, ...]:
    states = StateFile(shared_service.config.state)
    carrier = cast("Carrier", MemoryCarrier(shared_service))
    snapshot = Lookup(shared_service.config, carrier, states).look(NOW)
    return tuple(row.node for row in snapshot.judged["demo"] if row.node is not None)
