"""A request through relay and gateway to scripted nodes, all on real sockets."""

import asyncio
import copy
import threading
from pathlib import Path

import httpx
import pytest

from gateway.config import RelayConfig
from gateway.decapsulation import KEY_PROBLEM, PROBLEM
from gateway.relay import Relay
from openpcc.protocol import bhttp, chunked_ohttp, messages
from openpcc.protocol.errors import ProtocolError, TruncatedError
from openpcc.protocol.hpke import KEM_X25519
from openpcc.protocol.key_config import KeyConfig
from openpcc.protocol.sealing import NodePrivateKey
from tests.fakes.node import FarEnd, breaks_after, loses, refuses, replies
from tests.fakes.serving import Served
from tests.gateway.service import (
    OHTTP_HEADERS,
    SERVICE,
    RawPost,
    code_of,
    eventually,
    get,
    open_answer,
    sealed_for,
    sealed_post,
    service,
)


@pytest.mark.parametrize("which", [0, 1], ids=["x-wing", "x25519"])
def test_sealed_request_reaches_the_node_unchanged_and_its_reply_comes_back(
    tmp_path: Path, which: int
) -> None:
    with service(tmp_path, replies(b"first", b"second")) as found:
        sealed = found.seal(0, content=b"x" * 100_000)
        answer = found.exchange(sealed_post(sealed.body), which)
        assert (answer.status, answer.content) == (200, b"firstsecond")
        assert bhttp.get(answer.headers, "content-type") == messages.SEALED_RESPONSE
        (got,) = found.nodes[0].got
        assert (got.method, got.path, got.body) == ("POST", "/sealed", sealed.body)
        assert {name for name, _ in got.headers} == {"host", "content-type", "content-length"}


def test_relay_passes_content_and_nothing_else(tmp_path: Path) -> None:
    seen = []

    async def far_gateway(exchange) -> None:
        seen.append(exchange.got)
        kind = [("content-type", messages.OHTTP_RESPONSE), ("set-cookie", "id=1"), ("x-mark", "1")]
        await exchange.answer(200, b"opaque", kind)

    with FarEnd(far_gateway) as gateway:
        config = RelayConfig(gateway=gateway.url, listen="127.0.0.1:0")
        with Served(Relay(config), config) as relay:
            marked = {
                **OHTTP_HEADERS,
                "cookie": "who=me",
                "authorization": "Bearer me",
                "x-forwarded-for": "192.0.2.7",
                "user-agent": "mine",
                "incremental": "?0",
            }
            answer = httpx.post(relay.url, content=b"request", headers=marked)
    names = {name for name, _ in seen[0].headers}
    assert names == {"host", "content-type", "incremental", "transfer-encoding"}
    assert seen[0].header("incremental") == "?1"
    assert seen[0].body == b"request"
    assert set(answer.headers) == {"content-type", "incremental", "transfer-encoding"}
    assert answer.content == b"opaque"


def test_relay_refuses_other_media_types_methods_and_paths(tmp_path: Path) -> None:
    with service(tmp_path, loses) as found:
        plain = httpx.post(found.relay, content=b"x", headers={"content-type": "message/ohttp-req"})
        assert (plain.status_code, plain.json()["error"]["code"]) == (400, "unsupported")
        assert httpx.get(found.relay).status_code == 405
        assert httpx.post(f"{found.relay}/ohttp-keys").status_code == 405
        assert httpx.get(f"{found.relay}/publication").status_code == 404


def test_relay_says_upstream_when_the_gateway_is_gone(tmp_path: Path) -> None:
    config = RelayConfig(gateway="http://127.0.0.1:9", listen="127.0.0.1:0")
    with Served(Relay(config), config) as relay:
        for answer in (
            httpx.post(relay.url, content=b"x", headers=OHTTP_HEADERS),
            httpx.get(f"{relay.url}/ohttp-keys"),
        ):
            assert (answer.status_code, answer.json()["error"]["code"]) == (502, "upstream")


def test_relay_refuses_a_request_over_its_limit(tmp_path: Path) -> None:
    with service(tmp_path, loses) as found:
        config = RelayConfig(gateway=found.gateway, listen="127.0.0.1:0", max_request=1000)
        with Served(Relay(config), config) as relay:
            answer = httpx.post(relay.url, content=b"x" * 1001, headers=OHTTP_HEADERS)
            assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too-large")


def test_unknown_key_and_failed_open_are_a_key_problem(tmp_path: Path) -> None:
    with service(tmp_path, loses) as found:
        right = found.config(1)
        other = KeyConfig(
            key_id=right.key_id ^ 0x80,
            kem_id=right.kem_id,
            public_key=right.public_key,
            algorithms=right.algorithms,
        )
        unknown, _ = chunked_ohttp.encapsulate(other, b"message")
        damaged, _ = chunked_ohttp.encapsulate(right, b"message")
        for body in (unknown, damaged[:-1] + bytes([damaged[-1] ^ 1])):
            answer = httpx.post(found.relay, content=body, headers=OHTTP_HEADERS)
            assert (answer.status_code, answer.content) == (422, KEY_PROBLEM)
            assert answer.headers["content-type"] == PROBLEM


def test_cut_outer_request_is_truncated(tmp_path: Path) -> None:
    with service(tmp_path, loses) as found:
        body, _ = found.encapsulate(get("/service"), 1)
        for cut in (0, 5, 20, len(body) - 4096 - 20):
            answer = httpx.post(found.relay, content=body[:cut], headers=OHTTP_HEADERS)
            assert (answer.status_code, answer.json()["error"]["code"]) == (400, "truncated"), cut


def test_outer_request_over_the_limit_is_too_large(tmp_path: Path) -> None:
    with service(tmp_path, loses, max_request=1000) as found:
        body, _ = found.encapsulate(sealed_post(b"x" * (2 << 20)), 1)
        answer = httpx.post(found.relay, content=body, headers=OHTTP_HEADERS)
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too-large")
        inner = found.exchange(sealed_post(found.seal(0, content=b"x" * 5000).body), 1)
        assert (inner.status, code_of(inner)) == (413, "too-large")


def test_requests_over_the_common_bound_are_busy(tmp_path: Path) -> None:
    with service(tmp_path, loses, max_buffered=3000) as found:
        body, _ = found.encapsulate(get("/service"), 1)
        answer = httpx.post(found.relay, content=body, headers=OHTTP_HEADERS)
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "busy")


def test_replayed_outer_request_is_refused_inside(tmp_path: Path) -> None:
    with service(tmp_path, replies(b"once")) as found:
        body, opener = found.encapsulate(sealed_post(found.seal(0).body), 1)
        same_request = copy.copy(opener)  # what the client keeps opens the second answer as well
        first = httpx.post(found.relay, content=body, headers=OHTTP_HEADERS)
        second = httpx.post(found.gateway, content=body, headers=OHTTP_HEADERS)
        assert open_answer(first, opener).content == b"once"
        refused = open_answer(second, same_request)
        assert (refused.status, code_of(refused)) == (409, "replayed")
        assert len(found.nodes[0].got) == 1


def test_full_replay_store_is_busy(tmp_path: Path) -> None:
    with service(tmp_path, replies(b"x"), max_replay_entries=1) as found:
        assert found.exchange(get("/service"), 1).status == 200
        refused = found.exchange(sealed_post(found.seal(0).body), 1)
        assert (refused.status, code_of(refused)) == (503, "busy")
        assert found.nodes[0].got == []


@pytest.mark.parametrize(
    ("request_", "code", "status"),
    [
        (get("/v1/models"), "not-found", 404),
        (get("/healthz"), "not-found", 404),
        (get("/log/../publication"), "not-found", 404),
        (get("/directory/x/0"), "not-found", 404),
        (get("/sealed"), "method", 405),
        (get("/bundle/" + "0" * 64), "not-found", 404),
        (bhttp.Request(method="GET", scheme="https", authority="other.example", path="/service"),
         "not-found", 404),
        (bhttp.Request(method="GET", scheme="http", authority=SERVICE, path="/service"),
         "not-found", 404),
        (bhttp.Request(method="POST", scheme="https", authority=SERVICE, path="/sealed"),
         "unsupported", 400),
        (sealed_post(b""), "truncated", 400),
        (sealed_post(b"\x02" + bytes(400)), "unsupported", 400),
    ],
)  # fmt: skip
def test_refuses_inside_the_encapsulation(
    shared_service, request_: bhttp.Request, code: str, status: int
) -> None:
    answer = shared_service.exchange(request_, 1)
    assert (answer.status, code_of(answer)) == (status, code)
    assert bhttp.get(answer.headers, "content-type") == messages.ERROR


@pytest.fixture(scope="module")
def shared_service(tmp_path_factory: pytest.TempPathFactory):
    with service(tmp_path_factory.mktemp("service"), replies(b"reply")) as found:
        yield found


def test_admits_only_headers_of_now(shared_service) -> None:
    for ahead in (-180, 600):
        answer = shared_service.exchange(sealed_post(shared_service.seal(0, ahead=ahead).body), 1)
        assert (answer.status, code_of(answer)) == (422, "expired")


def test_refuses_a_paid_request_where_admission_is_open(shared_service) -> None:
    body = bytearray(shared_service.seal(0).body)
    body[84] = 1
    answer = shared_service.exchange(sealed_post(bytes(body)), 1)
    assert (answer.status, code_of(answer)) == (400, "malformed")


def test_candidates_that_nobody_lists_are_unknown(shared_service) -> None:
    stranger = NodePrivateKey.generate(kem_id=KEM_X25519, key_id=9)
    answer = shared_service.exchange(sealed_post(sealed_for(stranger.node_key).body), 1)
    assert (answer.status, code_of(answer)) == (422, "unknown-key")


def test_copies_public_files(shared_service) -> None:
    leaf = "ab" * 32
    shared_service.publisher.by_path |= {
        f"/directory/{leaf}/0": b'{"shard":0}',
        f"/bundle/{leaf}": b'{"bundle":0}',
    }
    shared_service.log.by_path |= {"/checkpoint": b"note\n", "/tile/entries/000.p/3": b"entries"}
    for path, content in (
        (f"/directory/{leaf}/0", b'{"shard":0}'),
        (f"/bundle/{leaf}", b'{"bundle":0}'),
        ("/log/checkpoint", b"note\n"),
        ("/log/tile/entries/000.p/3", b"entries"),
    ):
        assert shared_service.exchange(get(path), 1).content == content
    hint = shared_service.exchange(get("/service"), 1)
    assert b'"index":6' in hint.content
    assert b'"status":4' in hint.content


def test_first_bytes_arrive_before_the_node_is_done(tmp_path: Path) -> None:
    go_on = threading.Event()

    async def script(exchange) -> None:
        await exchange.start()
        await exchange.chunk(b"first")
        await asyncio.to_thread(go_on.wait, 10)
        await exchange.chunk(b"last")
        await exchange.end()

    with service(tmp_path, script) as found:
        body, opener = found.encapsulate(sealed_post(found.seal(0).body), 1)
        with httpx.stream("POST", found.relay, content=body, headers=OHTTP_HEADERS) as answer:
            decoder = bhttp.ResponseDecoder()
            content = b""
            for part in answer.iter_raw():
                for plain in opener.feed(part):
                    content += contents(decoder.feed(plain))
                if content == b"first":
                    go_on.set()
            for plain in opener.finish():
                content += contents(decoder.feed(plain))
        decoder.finish()
    assert content == b"firstlast"


def contents(events) -> bytes:
    return b"".join(event.data for event in events if isinstance(event, bhttp.Content))


def test_broken_reply_breaks_the_clients_stream(tmp_path: Path) -> None:
    with service(tmp_path, breaks_after(b"half a reply")) as found:
        body, opener = found.encapsulate(sealed_post(found.seal(0).body), 1)
        with RawPost(found.relay, body) as post:
            assert b"200" in post.head()
            raw = post.rest()
        assert b"\r\n0\r\n" not in raw
        assert not raw.endswith(b"0\r\n\r\n")
        parts, data = [], raw
        while data:
            size, data = data.split(b"\r\n", 1)
            parts.append(data[: int(size, 16)])
            data = data[int(size, 16) + 2 :]
        decoder = bhttp.ResponseDecoder()
        plain = [one for part in parts for one in opener.feed(part)]
        assert contents([e for one in plain for e in decoder.feed(one)]) == b"half a reply"
        with pytest.raises(TruncatedError):
            opener.finish()
        with pytest.raises(ProtocolError):
            decoder.finish()


def test_library_client_sees_a_broken_reply_as_an_error(tmp_path: Path) -> None:
    with service(tmp_path, breaks_after(b"half a reply")) as found:
        body, _ = found.encapsulate(sealed_post(found.seal(0).body), 1)
        with pytest.raises(httpx.RemoteProtocolError):
            httpx.post(found.relay, content=body, headers=OHTTP_HEADERS)


def test_a_client_that_leaves_stops_the_node(tmp_path: Path) -> None:
    stopped = threading.Event()

    async def script(exchange) -> None:
        await exchange.start()
        await exchange.chunk(b"first")
        await exchange.gone()
        stopped.set()

    with service(tmp_path, script) as found:
        body, _ = found.encapsulate(sealed_post(found.seal(0).body), 1)
        with RawPost(found.relay, body) as post:
            post.head()
            post.chunk()
        assert stopped.wait(5)


def test_a_client_that_leaves_before_the_reply_stops_the_node(tmp_path: Path) -> None:
    asked, stopped = threading.Event(), threading.Event()

    async def script(exchange) -> None:
        asked.set()
        await exchange.gone()
        stopped.set()

    with service(tmp_path, script) as found:
        body, _ = found.encapsulate(sealed_post(found.seal(0).body), 1)
        with RawPost(found.relay, body):
            assert asked.wait(5)
        assert stopped.wait(5)


HOPS = 3
"""Node to gateway, gateway to relay, relay to client."""

OURS = 4 << 20
"""Bytes that the programs themselves may hold; each hop has some parts of 64 KiB."""


def kernel_holds() -> int:
    """Count the bytes a connection's two sockets may hold; the kernel grows them up to this."""
    limits = [Path(f"/proc/sys/net/ipv4/{name}") for name in ("tcp_rmem", "tcp_wmem")]
    return sum(int(path.read_text().split()[2]) if path.exists() else 16 << 20 for path in limits)


def test_a_slow_client_slows_the_node(tmp_path: Path) -> None:
    written = [0]
    most = HOPS * kernel_holds() + OURS

    async def script(exchange) -> None:
        await exchange.start()
        while written[0] <= most:
            await exchange.chunk(bytes(1 << 16))
            written[0] += 1 << 16
        await exchange.end()

    with service(tmp_path, script) as found:
        body, _ = found.encapsulate(sealed_post(found.seal(0).body), 1)
        with RawPost(found.relay, body) as post:
            post.head()
            settled: list[int] = []

            def standing() -> bool:
                settled.append(written[0])
                threading.Event().wait(0.2)
                return len(settled) > 3 and settled[-1] == settled[-4] > 0

            eventually(standing, 60)
            stood = settled[-1]
            assert stood <= most

            def going_on() -> bool:
                post.chunk()
                return written[0] > stood

            eventually(going_on, 60)


def test_node_error_texts_never_reach_the_client(tmp_path: Path) -> None:
    with service(tmp_path, refuses("expired", 422, "canary-text")) as found:
        answer = found.exchange(sealed_post(found.seal(0).body), 1)
        assert (answer.status, code_of(answer)) == (422, "expired")
        assert b"canary" not in answer.content
        found.nodes[0].script = refuses("made-up", 422, "canary-text")
        answer = found.exchange(sealed_post(found.seal(0).body), 1)
        assert (answer.status, code_of(answer)) == (502, "upstream")
