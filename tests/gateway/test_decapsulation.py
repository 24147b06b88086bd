"""Any bytes are opened, or refused with this package's errors."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway import keys
from gateway.decapsulation import Decapsulation
from gateway.errors import KeyRefusedError, RefusedError
from gateway.keys import KeyRing
from openpcc.protocol import chunked_ohttp
from openpcc.protocol.key_config import parse_configs


@pytest.fixture(scope="module")
def ring(tmp_path_factory: pytest.TempPathFactory) -> KeyRing:
    folder: Path = tmp_path_factory.mktemp("keys")
    keys.generate(folder, now=0)
    return keys.load((folder / keys.PRIVATE_NAME,))


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_any_bytes_open_or_are_refused(ring: KeyRing, data: st.DataObject) -> None:
    body, _ = chunked_ohttp.encapsulate(parse_configs(ring.public[0])[1], b"message")
    start = data.draw(st.integers(0, len(body)))
    mutated = body[:start] + data.draw(st.binary(max_size=80))
    decapsulation = Decapsulation(ring)
    try:
        step = data.draw(st.integers(1, 200))
        for at in range(0, len(mutated), step):
            decapsulation.feed(mutated[at : at + step])
        opened = decapsulation.finish()
    except (KeyRefusedError, RefusedError):
        return
    assert opened.message == b"message"
