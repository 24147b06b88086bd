"""gateway/challenges.py: an auditor's challenge reaches the node it is about, and seldom."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway import challenges
from gateway.challenges import BURST, INTERVAL, Allowances
from gateway.errors import RefusedError
from openpcc.protocol import bhttp, messages
from openpcc.protocol.messages import Challenge
from tests.fakes.node import Exchange, loses, refuses
from tests.gateway.service import SERVICE, Service, code_of, service

NONCE = b"n" * 32


async def evidence(exchange: Exchange) -> None:
    await exchange.answer(200, b"a bundle", [("content-type", messages.EVIDENCE)])


async def page(exchange: Exchange) -> None:
    await exchange.answer(200, b"a bundle", [("content-type", "text/html")])


async def flood(exchange: Exchange) -> None:
    await exchange.start(messages.EVIDENCE)
    for _ in range(6):
        await exchange.chunk(bytes(1 << 20))
    await exchange.end()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with service(tmp_path_factory.mktemp("service"), evidence, evidence) as found:
        yield found


@pytest.fixture
def found(running: Service, monkeypatch: pytest.MonkeyPatch) -> Service:
    monkeypatch.setattr(challenges, "INTERVAL", 0.0)  # the allowance has tests of its own
    for node in running.nodes:
        node.script = evidence
        node.got.clear()
    return running


def challenge(key_id: bytes, **changes) -> bhttp.Request:
    terms = {
        "method": "POST",
        "scheme": "https",
        "authority": SERVICE,
        "path": "/challenge",
        "headers": (("content-type", messages.OCTETS),),
        "content": Challenge(nonce=NONCE, key_id=key_id).encode(),
    }
    return bhttp.Request(**(terms | changes))


def asked(found: Service, request: bhttp.Request) -> tuple[int, str | None]:
    answer = found.exchange(request, 1)
    return answer.status, code_of(answer)


def test_the_node_of_the_key_is_asked_and_no_other(found: Service) -> None:
    key_id = found.node_keys[1].id
    answer = found.exchange(challenge(key_id), 1)
    assert (answer.status, answer.content) == (200, b"a bundle")
    assert dict(answer.headers)["content-type"] == messages.EVIDENCE
    assert found.nodes[0].got == []
    [got] = found.nodes[1].got
    assert (got.method, got.path, got.body) == ("POST", "/challenge", NONCE + key_id)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"content": bytes(63)}, (400, "malformed")),
        ({"content": bytes(65)}, (400, "malformed")),
        ({"headers": ()}, (400, "unsupported")),
        ({"method": "GET"}, (405, "method")),
        ({"content": bytes(64)}, (422, "unknown-key")),
        ({"authority": "other.example"}, (404, "not-found")),
    ],
)
def test_refuses_without_asking_a_node(found: Service, changes, expected) -> None:
    assert asked(found, challenge(found.node_keys[0].id, **changes)) == expected
    assert [node.got for node in found.nodes] == [[], []]


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        (refuses("busy", 503), (503, "busy")),
        (refuses("unknown-key", 422), (422, "unknown-key")),
        (refuses("not-ready", 503), (503, "not-ready")),
        (refuses("quota", 429), (502, "upstream")),
        (loses, (502, "upstream")),
        (page, (502, "upstream")),
        (flood, (502, "upstream")),
    ],
    ids=["busy", "unknown-key", "not-ready", "another code", "lost", "a page", "a flood"],
)
def test_what_a_node_says_is_passed_on_or_becomes_upstream(
    found: Service, script, expected
) -> None:
    found.nodes[0].script = script
    assert asked(found, challenge(found.node_keys[0].id)) == expected


def test_a_node_that_stalls_is_given_up(found: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    async def stalls(exchange: Exchange) -> None:
        await exchange.start(messages.EVIDENCE)
        await exchange.gone()

    monkeypatch.setattr(challenges, "ANSWER_TIME", 0.2)
    found.nodes[0].script = stalls
    assert asked(found, challenge(found.node_keys[0].id)) == (502, "upstream")


def test_a_used_up_allowance_refuses_for_everybody(tmp_path: Path) -> None:
    with service(tmp_path, evidence, evidence) as found:
        one, other = (challenge(key.id) for key in found.node_keys)
        assert [asked(found, one) for _ in range(BURST)] == [(200, None)] * BURST
        assert asked(found, one) == (503, "busy")
        assert len(found.nodes[0].got) == BURST
        assert asked(found, other) == (200, None)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_an_allowance_grows_back_to_its_whole_and_no_further() -> None:
    clock = Clock()
    allowances = Allowances(clock)
    for _ in range(BURST):
        allowances.take("a")
    clock.now += INTERVAL - 0.1
    with pytest.raises(RefusedError, match="busy"):
        allowances.take("a")
    clock.now += 0.1
    allowances.take("a")
    clock.now += 1000 * INTERVAL
    for _ in range(BURST):
        allowances.take("a")
    with pytest.raises(RefusedError, match="busy"):
        allowances.take("a")


def test_nodes_that_were_left_alone_are_forgotten() -> None:
    clock = Clock()
    allowances = Allowances(clock)
    for number in range(challenges.PRUNED_FROM):
        allowances.take(str(number))
    clock.now += INTERVAL
    allowances.take("another")
    assert len(allowances) == 1
