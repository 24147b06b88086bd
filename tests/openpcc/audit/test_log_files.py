"""Fetching from a log that answers as it likes: each is bounded, and its fault is named."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from openpcc.audit.log_files import LogFiles, OutOfTimeError, UnreachableError, checked
from openpcc.errors import ConfigurationError
from transparency_log.errors import FetchError, NotFoundError

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/octet-stream\r\n"
Answer = Callable[[socket.socket, threading.Event], object]


@contextmanager
def answering(answer: Answer) -> Iterator[str]:
    """Serve every connection by one function; gives the address."""
    done = threading.Event()
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while not done.is_set():
            with suppress(OSError):
                connection, _ = listening.accept()
                with connection, suppress(OSError):
                    connection.recv(65536)
                    answer(connection, done)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        done.set()
        with suppress(OSError):
            listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join(5)


def refused(answer: Answer, path: str = "tile/0/000", limit: int = 1000) -> FetchError:
    with (
        answering(answer) as url,
        LogFiles(url, seconds=20, file_seconds=0.5) as files,
        pytest.raises(FetchError) as caught,
    ):
        files.fetch(path, limit)
    return caught.value


def saying(data: bytes) -> Answer:
    return lambda connection, done: connection.sendall(data)


def drip(start: bytes, piece: bytes) -> Answer:
    def answer(connection: socket.socket, done: threading.Event) -> None:
        connection.sendall(start)
        while not done.wait(0.05):
            connection.sendall(piece)

    return answer


def test_reads_a_file_within_its_size():
    whole = saying(HEAD + b"content-length: 3\r\n\r\nabc")
    with answering(whole) as url, LogFiles(url, seconds=20) as files:
        assert files.fetch("tile/0/000", 3) == b"abc"


def test_reads_no_more_of_a_flood_than_a_genuine_file_has():
    sent = []

    def flood(connection: socket.socket, done: threading.Event) -> None:
        connection.sendall(HEAD + b"content-length: 10000000000\r\n\r\n")
        while not done.is_set():
            connection.sendall(bytes(65536))
            sent.append(65536)

    assert "more than the 1000 bytes" in str(refused(flood))
    assert sum(sent) < 2**26  # what the sockets hold, of 10 GB


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(lambda connection, done: done.wait(), id="silence"),
        pytest.param(drip(HEAD + b"content-length: 999\r\n\r\n", b"x"), id="body"),
        pytest.param(drip(b"HTTP/1.1 200 OK\r\nx: ", b"x"), id="header"),
    ],
)
def test_a_stall_or_a_drip_ends_with_the_files_time(answer: Answer):
    assert "not served within" in str(refused(answer))


def test_a_page_is_not_a_file_of_a_log():
    page = b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 2\r\n\r\nhi"
    assert "text/html" in str(refused(saying(page)))
    assert "text/html" in str(refused(saying(page), "checkpoint"))


def test_an_encoding_is_not_taken():
    body = HEAD + b"content-encoding: gzip\r\ncontent-length: 2\r\n\r\nhi"
    assert "encoding" in str(refused(saying(body)))


@pytest.mark.parametrize("status", ["302 Found\r\nlocation: /elsewhere", "500 No", "206 Part"])
def test_anything_but_the_file_is_refused(status: str):
    answer = saying(f"HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n".encode())
    assert f"answered {status[:3]}" in str(refused(answer))


def test_a_missing_file_is_told_from_a_broken_one():
    missing = saying(b"HTTP/1.1 404 No\r\ncontent-length: 0\r\n\r\n")
    assert isinstance(refused(missing), NotFoundError)


def test_a_broken_connection_is_tried_again(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("openpcc.audit.log_files.PAUSE", 0.0)
    answers = iter([b"", HEAD + b"content-length: 3\r\n\r\nabc"])
    with (
        answering(lambda connection, done: connection.sendall(next(answers))) as url,
        LogFiles(url, seconds=20) as files,
    ):
        assert files.fetch("tile/0/000", 3) == b"abc"


def test_a_log_that_keeps_breaking_off_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("openpcc.audit.log_files.PAUSE", 0.0)
    error = refused(saying(HEAD + b"content-length: 999\r\n\r\nab"))
    assert "broke the connection" in str(error)
    assert not isinstance(error, UnreachableError)


def test_nobody_there_is_told_from_a_bad_answer(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("openpcc.audit.log_files.PAUSE", 0.0)
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with (
        LogFiles(f"http://127.0.0.1:{port}", seconds=20) as files,
        pytest.raises(UnreachableError),
    ):
        files.fetch("checkpoint", 1000)


def test_all_files_together_have_a_time():
    with (
        answering(lambda connection, done: done.wait()) as url,
        LogFiles(url, seconds=0.3) as files,
    ):
        for _ in range(2):
            with pytest.raises(OutOfTimeError):
                files.fetch("tile/0/000", 1000)


@pytest.mark.parametrize(
    "url", ["ftp://a.example", "http://u:p@a.example", "http://a.example?x", "a.example", "http://"]
)
def test_an_address_that_is_none_is_refused(url: str):
    with pytest.raises(ConfigurationError, match="--log"):
        checked(url)
