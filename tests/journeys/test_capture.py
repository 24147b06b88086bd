"""What passes on both sides of the relay, taken down byte by byte and searched.

The relay must see no model, no node and no token; the gateway no client address, not even in what
it decrypts. The search is worth something only if it finds what is planted, in every spelling.
Tokens pass in test_tokens, where they are real.
"""

import base64
import gzip
import ssl
from collections.abc import Iterator

import httpx
import pytest

from openpcc import clock
from openpcc.cli.demo.stack import DemoStack
from openpcc.protocol import messages
from tests.fakes.wire import Tap
from tests.journeys.capturing import (
    ADDRESS,
    Capture,
    ask,
    capturing,
    decapsulated,
    of_client,
    of_request,
    search,
    spellings,
    told,
)

PLAIN = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Never used, as nothing here speaks TLS; making one for every request would take most time."""


@pytest.fixture(scope="module")
def capture(stack: DemoStack) -> Iterator[Capture]:
    """Everything a client does: it looks at the service, asks, and streams."""
    with capturing(stack, "captured") as found:
        ask(found.client)
        ask(found.client, stream=True)
        found.client.transport.book.refresh(clock.now())
        yield found


def test_the_relay_never_sees_model_node_token_or_prompt(capture: Capture) -> None:
    passed = capture.near.everything() + capture.far.everything()
    assert len(passed) > 20_000
    assert search(passed, of_request(capture.client)) == set()
    assert search(told(capture.relay), of_request(capture.client) | of_client()) == set()


def test_the_gateway_never_sees_the_clients_address(capture: Capture, stack: DemoStack) -> None:
    opened = decapsulated(stack, capture.far.bodies())
    assert search(capture.far.everything() + opened, of_client()) == set()
    operators = [one for one in stack.programs.running if one is not capture.relay]
    assert search(told(*(one for one in operators if one.control)), of_client()) == set()


def test_the_gateway_sees_just_what_it_may(capture: Capture, stack: DemoStack) -> None:
    """All but the prompt, and no address: the decryption has really shown what it sees."""
    expected = of_request(capture.client)
    seen = search(decapsulated(stack, capture.far.bodies()), expected | of_client())
    assert seen == set(expected) - {"prompt"}


def test_a_client_that_leaks_is_found_at_the_relay(capture: Capture) -> None:
    for name, secret in of_request(capture.client).items():
        for spelling, needle in spellings(secret).items():
            text = b"before " + needle + b" after"
            for body in (text, gzip.compress(text)) if spelling == "raw" else (text,):
                with Tap(capture.relay.listening) as tap:
                    plant(tap.url, body)
                    assert search(tap.everything(), {name: secret}) == {name}, spelling


@pytest.mark.parametrize("field", ["x-forwarded-for", "forwarded", "via", "x-client"])
def test_a_relay_that_leaks_is_found_at_the_gateway(stack: DemoStack, field: str) -> None:
    with Tap(stack.gateway.listening) as tap:
        plant(tap.url, b"", {field: f"for={ADDRESS}"})
        assert search(tap.everything(), of_client()) == {"address"}
    with Tap(stack.gateway.listening) as tap:
        plant(tap.url, base64.b64encode(b"a" + ADDRESS.packed + b"b"))
        assert search(tap.everything(), of_client()) == {"packed address"}


def plant(url: str, body: bytes, fields: dict[str, str] | None = None) -> None:
    """Send what nobody should; whoever gets it refuses it."""
    kind = {"content-type": messages.OHTTP_REQUEST}
    with httpx.Client(trust_env=False, verify=PLAIN) as client:
        answer = client.post(url, content=body, headers=kind | (fields or {}))
    assert answer.status_code >= 400
