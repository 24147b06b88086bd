"""What replies look like on the wire between client and relay, in both paces, through real hops."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from openpcc import OpenPCC, clock
from openpcc.cli.demo.stack import MODEL, DemoStack
from openpcc.protocol.sealing.records import PACED_RECORD
from tests.fakes.wire import Tap

pytestmark = pytest.mark.long

SECOND = 20 * PACED_RECORD
"""Bytes of the records of twenty ticks, without what sealing and hops add."""

ADDED = 64
"""Bytes that tags, lengths and HTTP framing of all hops add to a record, at the most."""

HEADS = 2048
"""Bytes of HTTP heads, nonces and the gateway's own framing of one reply."""

Ask = Callable[..., int]


@pytest.fixture(scope="module")
def ask(stack: DemoStack) -> Iterator[Ask]:
    """Ask once; give the bytes that came down for it."""
    with ExitStack() as open_:
        tap = open_.enter_context(Tap(stack.relay.listening))
        config = stack.write_client("paces", tap.url)
        clients = {
            pace: open_.enter_context(OpenPCC(config, pace=pace)) for pace in ("latency", "paced")
        }
        for client in clients.values():
            client.transport.book.refresh(clock.now())

        def run(pace: str, tokens: int, **more: object) -> int:
            before = sum(map(len, tap.down))
            body = {
                "model": MODEL, "max_tokens": tokens, "stream": True, "seed": 8,
                "messages": [{"role": "user", "content": "What is a list in Python?"}],
            }  # fmt: skip
            response = clients[pace].http.post("/v1/chat/completions", json=body | more)
            assert response.status_code == (200 if tokens > 0 else 400)
            return sum(map(len, tap.down)) - before

        yield run


def seconds(size: int) -> int:
    """Give how many times twenty records these bytes are; anything between is an error."""
    found = size // SECOND
    assert found >= 1
    assert size < found * (SECOND + 20 * ADDED) + HEADS
    return found


@pytest.mark.parametrize(
    ("tokens", "more"),
    [(1, {}), (20, {}), (-1, {})],
    ids=["a token", "an answer", "a refusal"],
)
def test_a_paced_reply_is_twenty_records_a_second_whatever_stands_in_it(
    ask: Ask, tokens: int, more: dict[str, object]
) -> None:
    seconds(ask("paced", tokens, **more))


def test_what_a_second_does_not_hold_takes_more_whole_seconds(ask: Ask) -> None:
    size = ask("paced", 30, ignore_eos=True, logprobs=True, top_logprobs=20)
    assert seconds(size) > 1


def test_a_caller_that_leaves_at_the_last_event_does_not_tell_when_it_came(
    stack: DemoStack,
) -> None:
    """The `openai` SDK closes the connection at `[DONE]`: by then all ticks have passed."""
    with (
        Tap(stack.relay.listening) as tap,
        OpenPCC(stack.write_client("leaver", tap.url), pace="paced") as client,
    ):
        client.transport.book.refresh(clock.now())
        before = sum(map(len, tap.down))
        events = client.chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": "Hello"}], stream=True, max_tokens=4
        )
        assert len(list(events)) > 1
        seconds(sum(map(len, tap.down)) - before)


def test_latency_sends_what_there_is(ask: Ask) -> None:
    """In steps of 512, which hide a token's length; their number is there to be read."""
    assert ask("latency", 1) + 2 * 512 < ask("latency", 20)
