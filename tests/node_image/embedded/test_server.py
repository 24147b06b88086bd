"""What the SDK does not show: many at once, clients that leave or dawdle, refusals on the wire."""

import json
import os
import socket
import threading
import time
from pathlib import Path

import pytest

CHAT = {"model": "openpcc-demo", "messages": [{"role": "user", "content": "Hello"}]}
LONG = {**CHAT, "max_tokens": 1500, "ignore_eos": True, "stream": True}


def until(condition):
    """Wait for another process; the test's own timeout is the limit."""
    while not condition():
        time.sleep(0.02)


def open_request(engine, body) -> socket.socket:
    """Send a request and read nothing."""
    data = json.dumps(body).encode()
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect(str(engine.socket))
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: {len(data)}\r\n\r\n"
    connection.sendall(head.encode() + data)
    return connection


def events_of(text):
    return [line.removeprefix("data: ") for line in text.split("\n\n") if line]


def test_events_are_framed_and_end_with_done(http):
    answer = http.post("/v1/chat/completions", json={**CHAT, "stream": True})
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert answer.headers["x-request-id"].startswith("req_")
    events = events_of(answer.text)
    assert events[-1] == "[DONE]"
    assert all(json.loads(event)["object"] == "chat.completion.chunk" for event in events[:-1])


def test_a_short_answer_does_not_wait_for_a_long_one(engine):
    order = []

    def ask(name, body):
        with engine.http() as client:
            assert client.post("/v1/chat/completions", json=body).status_code == 200
        order.append(name)

    long = threading.Thread(target=ask, args=("long", LONG))
    long.start()
    until(lambda: engine.load()["active"] == 1)
    ask("short", {**CHAT, "max_tokens": 5})
    long.join()
    assert order == ["short", "long"]


def test_answers_do_not_depend_on_company(engine):
    body = {**CHAT, "temperature": 1.5, "seed": 9, "max_tokens": 40, "ignore_eos": True}

    def ask(results):
        with engine.http() as client:
            answer = client.post("/v1/chat/completions", json=body).json()
        results.append(answer["choices"][0]["message"]["content"])

    results: list[str] = []
    ask(results)
    threads = [threading.Thread(target=ask, args=(results,)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 7
    assert len(set(results)) == 1


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_leaves_stops_its_generation(engine, stream):
    connection = open_request(engine, {**LONG, "stream": stream, "n": 4})
    until(lambda: engine.load()["active"] == 4)
    connection.close()
    until(lambda: engine.load()["active"] == 0)


def test_a_slow_reader_holds_up_only_itself(engine):
    # Some kilobytes a token fill every buffer on the way long before the answer is whole.
    slow = open_request(engine, {**LONG, "max_tokens": 500, "logprobs": True, "top_logprobs": 20})
    until(lambda: engine.load()["active"] == 1)
    with engine.http() as client:
        body = {**LONG, "max_tokens": 700, "stream": False}
        assert client.post("/v1/chat/completions", json=body).status_code == 200
    # Taking turns, the shorter answer would have ended first, had it not been paused.
    assert engine.load()["active"] == 1
    received = b""
    while b"[DONE]" not in received:
        received = received[-16:] + slow.recv(65536)
    slow.close()
    until(lambda: engine.load()["active"] == 0)


def test_a_full_queue_is_refused_at_once(launch):
    engine = launch("--max-active", "1", "--max-queued", "2")
    waiting = [open_request(engine, LONG)]
    until(lambda: engine.load()["active"] == 1)  # three at once could fill the queue before a turn
    waiting += [open_request(engine, LONG) for _ in range(2)]
    until(lambda: engine.load() == {"status": "ok", "active": 1, "queued": 2})
    with engine.http() as client:
        answer = client.post("/v1/chat/completions", json=CHAT)
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"
    assert answer.json()["error"]["code"] == "overloaded"
    for connection in waiting:
        connection.close()
    until(lambda: engine.load() == {"status": "ok", "active": 0, "queued": 0})


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/", 404), ("POST", "/v1/files", 404), ("GET", "/v1/chat/completions", 405),
     ("DELETE", "/v1/completions", 405), ("GET", "/health", 200)],
)  # fmt: skip
def test_routes(http, method, path, status):
    assert http.request(method, path).status_code == status


def test_refuses_a_body_that_is_too_large(http):
    answer = http.post("/v1/chat/completions", content=b" " * (4 * 2**20 + 1))
    assert answer.status_code == 413
    assert set(answer.json()["error"]) == {"message", "type", "param", "code"}


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"model":1}', b"\xff"])
@pytest.mark.parametrize(
    "path", ["/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/embeddings"]
)
def test_refuses_what_is_no_request(http, path, body):
    answer = http.post(path, content=body)
    assert answer.status_code == 400
    assert set(answer.json()["error"]) == {"message", "type", "param", "code"}


def test_a_client_that_leaves_while_it_asks_does_no_harm(engine):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(str(engine.socket))
        connection.sendall(
            b"POST /v1/embeddings HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{"
        )
    assert engine.load()["status"] == "ok"


def test_no_tcp_port_is_open(engine):
    # Inodes of this process's sockets, looked for among the machine's listening TCP sockets.
    folder = Path(f"/proc/{engine.process.pid}")
    links = [os.readlink(link) for link in (folder / "fd").iterdir()]
    own = {link[8:-1] for link in links if link.startswith("socket:[")}
    tables = ((folder / "net" / name).read_text().splitlines()[1:] for name in ("tcp", "tcp6"))
    assert own
    assert not own & {line.split()[9] for table in tables for line in table}
