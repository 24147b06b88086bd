"""The buffer gives bytes back in order, however they came."""

from hypothesis import given
from hypothesis import strategies as st

from openpcc.protocol.byte_queue import ByteQueue


@given(st.lists(st.one_of(st.binary(max_size=8), st.integers(0, 8)), max_size=40))
def test_gives_back_what_came_in(steps):
    queue, model = ByteQueue(), b""
    for step in steps:
        if isinstance(step, bytes):
            queue.append(step)
            model += step
        else:
            size = min(step, len(queue))
            assert queue.take(size) == model[:size]
            model = model[size:]
        assert len(queue) == len(model)
        assert not model or queue.peek() == model[0]
    queue.clear()
    assert len(queue) == 0
