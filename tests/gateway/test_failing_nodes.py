"""Nodes that are down whenever they are asked, through a real gateway: tried last, and typed."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from gateway import loads
from tests.fakes.node import Exchange, FarEnd, breaks_after, replies
from tests.fakes.tls import Authority
from tests.gateway.service import (
    OHTTP_HEADERS,
    Service,
    code_of,
    eventually,
    get,
    publication,
    sealed_post,
    service,
)


@pytest.fixture(autouse=True)
def long_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow machine must not make a rest end within a test."""
    monkeypatch.setattr(loads, "FAILURE_REST", 3600.0)


@contextmanager
def black_hole() -> Iterator[str]:
    """Listen where no connection is ever accepted; give the URL."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        for one in fillers:
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        try:
            yield f"http://127.0.0.1:{full.getsockname()[1]}"
        finally:
            for one in fillers:
                one.close()


def publish(found: Service, *urls: str, server_name: str = "", sequence: int = 3) -> None:
    """Have the nodes stand elsewhere, and wait until the gateway knows."""
    document = publication(list(urls), [one.id for one in found.node_keys])
    nodes = tuple(replace(one, server_name=server_name) for one in document.nodes)
    document = replace(document, nodes=nodes, sequence=sequence, index=100 + sequence)
    found.publisher.by_path["/publication"] = document.encode()
    known = f'"index":{100 + sequence}'.encode()
    eventually(lambda: known in found.exchange(get("/service"), 1).content)


def ask(found: Service, *which: int) -> tuple[int, str | None, bytes]:
    answer = found.exchange(sealed_post(found.seal(*which).body), 1)
    return answer.status, None if answer.status == 200 else code_of(answer), answer.content


def attempts(found: Service, outcome: str) -> int:
    """Count attempts of the gateway that ended so."""
    telemetry = found.program.telemetry
    value = telemetry.registry.get_sample_value("openpcc_attempts_total", {"outcome": outcome})
    return int(value or 0)


def test_a_node_that_takes_no_connection_is_tried_once_and_then_last(tmp_path: Path) -> None:
    with (
        black_hole() as hole,
        service(tmp_path, replies(b""), replies(b"good"), connect_timeout=0.4) as found,
    ):
        publish(found, hole, found.nodes[1].url)
        for _ in range(5):
            assert ask(found, 0, 1) == (200, None, b"good")
        assert attempts(found, "no-connection") == 1
        status, code, _ = ask(found, 0)
        assert (status, code) == (502, "upstream")


def test_a_node_that_speaks_no_tls_is_no_connection(tmp_path: Path) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as mute,  # the system takes connections, nobody else
        service(tmp_path, replies(b""), replies(b"good"), connect_timeout=0.4) as found,
    ):
        publish(found, f"https://127.0.0.1:{mute.getsockname()[1]}", found.nodes[1].url)
        assert ask(found, 0, 1) == (200, None, b"good")
        assert attempts(found, "no-connection") == 1


async def silent(exchange: Exchange) -> None:
    await exchange.gone()


def test_a_node_that_never_answers_ends_typed_and_is_tried_last(tmp_path: Path) -> None:
    with service(tmp_path, silent, replies(b"good"), reply_timeout=1) as found:
        assert ask(found, 0, 1)[:2] == (502, "upstream")
        assert found.nodes[1].got == []  # it may have run there: nobody else gets it
        for _ in range(3):
            assert ask(found, 0, 1) == (200, None, b"good")
        assert len(found.nodes[0].got) == 1


async def garbage(exchange: Exchange) -> None:
    await exchange.answer(500, b"<html>")


@pytest.mark.parametrize("bad", [garbage, breaks_after(b"x")], ids=["strange", "broken"])
def test_a_node_that_answers_badly_is_tried_last(tmp_path: Path, bad: object) -> None:
    with service(tmp_path, bad, replies(b"good")) as found:  # type: ignore[arg-type]
        body, _ = found.encapsulate(sealed_post(found.seal(0, 1).body), 1)
        with httpx.Client() as client:
            try:
                client.post(found.relay, content=body, headers=OHTTP_HEADERS)
            except httpx.RemoteProtocolError:
                assert bad is not garbage
        for _ in range(3):
            assert ask(found, 0, 1) == (200, None, b"good")
        assert len(found.nodes[0].got) == 1


def test_a_node_over_tls_is_held_to_its_name(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "tls")
    tls = authority.issue("pod-0.nodes.test").context()
    with (
        FarEnd(replies(b"good"), tls=tls) as node,
        service(tmp_path, replies(b""), ca=authority.root) as found,
    ):
        publish(found, node.url, server_name="pod-0.nodes.test")
        assert ask(found, 0) == (200, None, b"good")
        # The connection of before is to the same address and must not be taken for this one.
        publish(found, node.url, server_name="pod-1.nodes.test", sequence=4)
        assert ask(found, 0)[:2] == (502, "upstream")
        publish(found, node.url, sequence=5)
        assert ask(found, 0)[:2] == (502, "upstream")
        assert len(node.got) == 1
