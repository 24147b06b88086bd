"""A moto server on the loopback, with buckets of their own for each test, and what can go wrong.

moto checks a condition and then writes: two steps that another thread may come between, where S3
promises one. Here its requests take turns, which makes them one step; nothing else of moto's is
changed. A `Fault` stands between the connection and moto: it loses an answer that moto gave, or
gives another.
"""

import itertools
import os
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from boto3.session import Session
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import make_server

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
App = Callable[[Environ, StartResponse], Iterable[bytes]]
Fault = Callable[[App, Environ, StartResponse], Iterable[bytes]]

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "AKIATESTTESTTESTTEST",
    "AWS_SECRET_ACCESS_KEY": "a-secret-of-the-tests",
    "AWS_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}
"""What moto takes; anything would do."""


NUMBERS = itertools.count()
"""Of buckets. All servers of a process have one moto, which has one set of buckets."""


@dataclass
class MotoServer:
    """A running server. `requests` lists method and path of each request that arrived."""

    url: str = ""
    requests: list[tuple[str, str]] = field(default_factory=list)
    _faults: list[tuple[str, str, Fault]] = field(default_factory=list)
    _choice: threading.Lock = field(default_factory=threading.Lock)
    _turn: threading.Lock = field(default_factory=threading.Lock)
    _client: Any = None
    _moto: App = field(default_factory=lambda: DomainDispatcherApplication(create_backend_app))

    def bucket(self) -> str:
        """Make a bucket; gives its name."""
        name = f"log-{next(NUMBERS)}"
        self.client().create_bucket(Bucket=name)
        return name

    def empty(self, bucket: str) -> None:
        """Delete all that lies in a bucket."""
        client = self.client()
        for one in client.list_objects_v2(Bucket=bucket).get("Contents", ()):
            client.delete_object(Bucket=bucket, Key=one["Key"])

    def client(self) -> Any:
        """Give an SDK client, for what another than the store does."""
        if self._client is None:
            self._client = self._make_client()
        return self._client

    def _make_client(self) -> Any:
        return Session(
            aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        ).client("s3", endpoint_url=self.url, region_name="us-east-1")

    def fail(self, method: str, ending: str, *faults: Fault) -> None:
        """Let the next requests of a method for a path with this ending meet these faults."""
        self._faults += [(method, ending, fault) for fault in faults]

    def heal(self) -> None:
        """Forget the faults nobody met, and the requests."""
        self._faults.clear()
        self.requests.clear()

    def __call__(self, environ: Environ, start: StartResponse) -> Iterable[bytes]:
        """Answer a request."""
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        fault = self._next_fault(method, path)
        return fault(self._answer, environ, start)

    def _next_fault(self, method: str, path: str) -> Fault:
        with self._choice:
            self.requests.append((method, path))
            for one in self._faults:
                if method == one[0] and path.endswith(one[1]):
                    self._faults.remove(one)
                    return one[2]
        return as_asked

    def _answer(self, environ: Environ, start: StartResponse) -> Iterable[bytes]:
        with self._turn:
            return list(self._moto(environ, start))


def as_asked(app: App, environ: Environ, start: StartResponse) -> Iterable[bytes]:
    """Do what was asked."""
    return app(environ, start)


def noting(headers: dict[str, list[str]]) -> Fault:
    """Do what was asked, and note what these headers (in WSGI's names) said."""

    def fault(app: App, environ: Environ, start: StartResponse) -> Iterable[bytes]:
        for name, seen in headers.items():
            seen.append(environ.get(name, ""))
        return app(environ, start)

    return fault


def lose_answer(app: App, environ: Environ, _start: StartResponse) -> Iterable[bytes]:
    """Let moto do it, then cut the connection before a byte of its answer."""
    list(app(environ, lambda *_: lambda _: None))
    environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
    raise ConnectionAbortedError


def refuse_connection(_app: App, environ: Environ, _start: StartResponse) -> Iterable[bytes]:
    """Cut the connection; moto never hears of it."""
    environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
    raise ConnectionAbortedError


def cut_body(app: App, environ: Environ, start: StartResponse) -> Iterable[bytes]:
    """Send half of a body whose whole length was announced."""
    body = b"".join(app(environ, start))
    return [body[: len(body) // 2]]


def ignore_conditions(app: App, environ: Environ, start: StartResponse) -> Iterable[bytes]:
    """Be a store that does not know conditional writes and says nothing."""
    environ.pop("HTTP_IF_NONE_MATCH", None)
    environ.pop("HTTP_IF_MATCH", None)
    return app(environ, start)


def answer(status: str, code: str, *, text: str = "no") -> Fault:
    """Answer with an error of S3's form; moto never hears of it."""

    def fault(_app: App, _environ: Environ, start: StartResponse) -> Iterable[bytes]:
        body = f"<Error><Code>{code}</Code><Message>{text}</Message></Error>".encode()
        start(status, [("content-type", "application/xml"), ("content-length", str(len(body)))])
        return [body]

    return fault


def between(action: Callable[[], object]) -> Fault:
    """Do something just before moto does what it was asked."""

    def fault(app: App, environ: Environ, start: StartResponse) -> Iterable[bytes]:
        action()
        return app(environ, start)

    return fault


class _Quiet(MotoRequestHandler):
    """Writes no line per request; a lost connection is what a fault asked for."""

    def log(self, *_arguments: object) -> None:
        pass

    def connection_dropped(self, *_arguments: object) -> None:
        pass


@contextmanager
def moto_server() -> Iterator[MotoServer]:
    """Run a server on a free port of the loopback, with an environment that suits it."""
    moto = MotoServer()
    server = make_server("127.0.0.1", 0, moto, threaded=True, request_handler=_Quiet)
    moto.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    with pytest.MonkeyPatch.context() as patch:
        _set_environment(patch)
        try:
            yield moto
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


def _set_environment(patch: pytest.MonkeyPatch) -> None:
    for name in [one for one in os.environ if one.startswith("AWS_")]:
        patch.delenv(name)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        patch.setenv(name, os.devnull)  # not those of who runs this
    for name, value in CREDENTIALS.items():
        patch.setenv(name, value)
