import asyncio
import base64
import json
from typing import Any

import pytest

from openpcc.answers import MAX_REQUEST
from openpcc.errors import RefusedError, TruncatedReplyError
from openpcc.proxy.app import ProxyApp
from openpcc.proxy.guard import Guard
from tests.fakes.book_views import DEBUG_ON, NOW, book_view, refused_node, report
from tests.fakes.upstreams import ScriptedUpstream

KEY = "k" * 40
HOST = "127.0.0.1:8419"
GUARD = Guard(key=KEY, scheme="http", authorities=frozenset({HOST}))
BEARER = f"Bearer {KEY}"
BASIC = "Basic " + base64.b64encode(f"me:{KEY}".encode()).decode()
CHAT = "/v1/chat/completions"
CONTENT = b'{"model":"demo","messages":[]}'


class Exchange:
    """One request given to the application, and what it sent."""

    def __init__(self, upstream: ScriptedUpstream, **scope) -> None:
        self.app = ProxyApp(upstream, GUARD, now=lambda: NOW)
        fields = {"host": HOST, "authorization": BEARER} | scope.pop("fields", {})
        path = scope.pop("path", CHAT)
        self.scope = {
            "type": "http",
            "http_version": "1.1",
            "method": "POST",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": [(k.encode(), v.encode()) for k, v in fields.items()],
        } | scope
        self.incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.sent: list[dict[str, Any]] = []
        self.flowing = asyncio.Event()

    async def send(self, message) -> None:
        self.sent.append(message)
        if len(self.sent) > 1:
            self.flowing.set()

    async def play(self, *parts: bytes) -> "Exchange":
        for part in parts or (CONTENT,):
            self.incoming.put_nowait({"type": "http.request", "body": part, "more_body": True})
        self.incoming.put_nowait({"type": "http.request", "body": b"", "more_body": False})
        await self.app(self.scope, self.incoming.get, self.send)
        return self

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])

    @property
    def fields(self) -> dict[str, str]:
        return {k.decode(): v.decode() for k, v in self.sent[0]["headers"]}

    @property
    def body(self) -> bytes:
        return b"".join(message["body"] for message in self.sent[1:])

    @property
    def ended(self) -> bool:
        return self.sent[-1].get("more_body") is False

    @property
    def code(self) -> str:
        return str(json.loads(self.body)["error"]["code"])


def ask(upstream: ScriptedUpstream, *parts: bytes, **scope) -> Exchange:
    async def main() -> Exchange:
        return await Exchange(upstream, **scope).play(*parts)

    return asyncio.run(main())


def test_a_reply_is_passed_on_piece_by_piece():
    found = ask(ScriptedUpstream(b"one", b"", b"two"))
    assert [message["body"] for message in found.sent[1:]] == [b"one", b"two", b""]
    assert found.status == 200
    assert found.ended


def test_the_request_goes_up_whole():
    upstream = ScriptedUpstream(b"{}")
    ask(upstream, CONTENT[:5], CONTENT[5:])
    assert [(one.method, one.target, one.content) for one in upstream.asked] == [
        ("POST", CHAT, CONTENT)
    ]


def test_a_reply_says_which_node_and_that_it_is_simulated():
    found = ask(ScriptedUpstream(b"{}"))
    assert found.fields["openpcc-node"] == bytes(32).hex()
    assert found.fields["openpcc-platform"] == "SIMULATED"


def test_fields_of_a_reply_are_a_closed_list():
    upstream = ScriptedUpstream(
        b"{}",
        fields=(
            ("content-type", "text/html"),
            ("x-request-id", "7"),
            ("access-control-allow-origin", "*"),
            ("set-cookie", "a=b"),
        ),
    )
    found = ask(upstream).fields
    assert found["x-request-id"] == "7"
    assert not {"access-control-allow-origin", "set-cookie"} & set(found)
    assert found["x-content-type-options"] == "nosniff"
    assert "sandbox" in found["content-security-policy"]


def test_a_cut_reply_has_no_end():
    found = ask(ScriptedUpstream(b"half", TruncatedReplyError("cut")))
    assert found.body == b"half"
    assert not found.ended


def test_a_refusal_before_any_reply_is_an_openai_error():
    found = ask(ScriptedUpstream(refusal=RefusedError(report(DEBUG_ON))))
    assert (found.status, found.code) == (502, "refused")
    assert json.loads(found.body)["error"]["param"] == "8.debug"
    assert found.fields["x-should-retry"] == "false"
    assert found.ended


def test_a_client_that_leaves_cancels_its_request():
    async def main() -> None:
        upstream = ScriptedUpstream(b"one", asyncio.Event())
        exchange = Exchange(upstream)
        playing = asyncio.create_task(exchange.play())
        await exchange.flowing.wait()
        exchange.incoming.put_nowait({"type": "http.disconnect"})
        await playing
        assert upstream.cancelled.is_set()
        assert not exchange.ended

    asyncio.run(main())


def test_a_client_that_leaves_before_its_request_is_whole_sends_nothing():
    async def main() -> None:
        upstream = ScriptedUpstream(b"one")
        exchange = Exchange(upstream)
        exchange.incoming.put_nowait({"type": "http.request", "body": b"{", "more_body": True})
        exchange.incoming.put_nowait({"type": "http.disconnect"})
        await exchange.app(exchange.scope, exchange.incoming.get, exchange.send)
        assert upstream.asked == []
        assert exchange.sent == []

    asyncio.run(main())


def test_an_unexpected_error_is_not_hidden():
    class Broken(ScriptedUpstream):
        def send(self, asked):
            raise KeyError("bug")

    with pytest.raises(KeyError):
        ask(Broken())


def test_rejects_more_content_than_is_sent():
    upstream = ScriptedUpstream(b"{}")
    half = bytes(MAX_REQUEST // 2 + 1)
    found = ask(upstream, half, half)
    assert (found.status, found.code) == (413, "too-large")
    assert upstream.asked == []


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"authorization": "Bearer wrong"}, 401),
        ({"authorization": BASIC}, 401),
        ({"host": "evil.example"}, 403),
        ({"origin": "https://evil.example"}, 403),
    ],
)
def test_whoever_may_not_ask_is_turned_away_before_content_is_read(fields, status):
    upstream = ScriptedUpstream(b"{}")
    exchange = Exchange(upstream, fields=fields)

    async def unread():
        pytest.fail("content was read")

    asyncio.run(exchange.app(exchange.scope, unread, exchange.send))
    assert exchange.status == status
    assert upstream.asked == []
    assert "access-control-allow-origin" not in exchange.fields
    assert ("www-authenticate" in exchange.fields) == (status == 401)


@pytest.mark.parametrize(
    ("method", "path", "query"),
    [
        ("GET", CHAT, b""),
        ("OPTIONS", CHAT, b""),
        ("POST", "/", b""),
        ("POST", "/v1/files", b""),
        ("GET", "/metrics", b""),
        ("GET", "/v1/modelsX", b""),
        ("POST", "/v1/chat/../chat/completions", b""),
        ("POST", CHAT, b"key=1"),
    ],
)
def test_everything_else_is_not_served(method, path, query):
    upstream = ScriptedUpstream(b"{}")
    found = ask(upstream, method=method, path=path, query_string=query)
    assert (found.status, found.code) == (404, "path")
    assert upstream.asked == []


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/demo"])
def test_models_are_served(path):
    upstream = ScriptedUpstream(b"{}")
    assert ask(upstream, method="GET", path=path).status == 200
    assert upstream.asked[0].target == path


def test_http_1_0_is_refused_because_its_end_cannot_be_told_from_a_cut():
    upstream = ScriptedUpstream(b"{}")
    assert ask(upstream, http_version="1.0").status == 505
    assert upstream.asked == []


def test_the_page_needs_the_key():
    found = ask(ScriptedUpstream(), method="GET", path="/", fields={"authorization": BEARER})
    assert found.status == 401
    assert found.fields["www-authenticate"].startswith("Basic ")
    assert b"<html" not in found.body


def test_the_page_shows_the_decision_as_it_is_now():
    upstream = ScriptedUpstream(view=book_view(refused_node()))
    found = ask(upstream, method="GET", path="/", fields={"authorization": BASIC})
    assert found.status == 200
    assert b"No node is verified" in found.body
    assert found.fields["cache-control"] == "no-store"
    assert "default-src 'none'" in found.fields["content-security-policy"]
    assert "refresh" in found.fields
