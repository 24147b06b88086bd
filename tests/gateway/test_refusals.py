"""Every refusal of a gateway (docs/formats.md, 9), reached by breaking exactly one thing.

What a gateway cannot find itself (only a node opens the seal) it passes on, under its own text.
"""

import copy
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from gateway.errors import TOKEN_CODES
from openpcc.protocol import bhttp, messages
from openpcc.protocol.hpke import KEM_X25519
from openpcc.protocol.sealing import NodePrivateKey
from tests.fakes.node import loses, refuses, replies
from tests.gateway.service import (
    OHTTP_HEADERS,
    SERVICE,
    Service,
    code_of,
    get,
    open_answer,
    sealed_for,
    sealed_post,
    service,
)

FORMATS = Path(__file__).parents[2] / "docs" / "formats.md"
LARGEST = 8192


def inside(found: Service, request: bhttp.Request) -> tuple[int, str | None]:
    answer = found.exchange(request, 1)
    return answer.status, code_of(answer)


def sealed(change: Callable[[bytes], bytes]) -> Callable[[Service], tuple[int, str | None]]:
    return lambda found: inside(found, sealed_post(change(found.seal(0).body)))


def put(at: int, to: bytes) -> Callable[[bytes], bytes]:
    return lambda body: body[:at] + to + body[at + len(to) :]


def outside(
    change: Callable[[bytes], bytes], headers: dict[str, str] = OHTTP_HEADERS
) -> Callable[[Service], tuple[int, str | None]]:
    def act(found: Service) -> tuple[int, str | None]:
        body, _ = found.encapsulate(sealed_post(found.seal(0).body), 1)
        answer = httpx.post(found.gateway, content=change(body), headers=headers)
        code = "ohttp-key" if b"#ohttp-key" in answer.content else None
        return answer.status_code, code or messages.decode_error(answer.content)

    return act


def aged(ahead: int) -> Callable[[Service], tuple[int, str | None]]:
    return lambda found: inside(found, sealed_post(found.seal(0, ahead=ahead).body))


def stranger(found: Service) -> tuple[int, str | None]:
    key = NodePrivateKey.generate(kem_id=KEM_X25519, key_id=1).node_key
    return inside(found, sealed_post(sealed_for(key).body))


def twice(found: Service) -> tuple[int, str | None]:
    body, opener = found.encapsulate(sealed_post(found.seal(0).body), 1)
    again = copy.copy(opener)
    first = httpx.post(found.gateway, content=body, headers=OHTTP_HEADERS)
    assert open_answer(first, opener).status == 200
    second = open_answer(httpx.post(found.gateway, content=body, headers=OHTTP_HEADERS), again)
    return second.status, code_of(second)


def large(found: Service) -> tuple[int, str | None]:
    return inside(found, sealed_post(found.seal(0, content=bytes(LARGEST)).body))


def node_says(code: str, status: int) -> Callable[[Service], tuple[int, str | None]]:
    def act(found: Service) -> tuple[int, str | None]:
        found.nodes[0].script = refuses(code, status)
        return inside(found, sealed_post(found.seal(0).body))

    return act


def node_lost(found: Service) -> tuple[int, str | None]:
    found.nodes[0].script = loses
    return inside(found, sealed_post(found.seal(0).body))


def other_kind(found: Service) -> tuple[int, str | None]:
    post = sealed_post(found.seal(0).body)
    headers = (("content-type", "text/plain"),)
    return inside(
        found,
        bhttp.Request(
            method="POST",
            scheme="https",
            authority=SERVICE,
            path="/sealed",
            headers=headers,
            content=post.content,
        ),
    )


def plain(found: Service) -> tuple[int, str | None]:
    answer = httpx.put(found.gateway, content=b"")
    return answer.status_code, messages.decode_error(answer.content)


ROWS: list[tuple[str, str, int, Callable[[Service], tuple[int, str | None]]]] = [
    ("malformed", "k of 9", 400, sealed(put(7, b"\x09"))),
    ("malformed", "expiry off the grid", 400, sealed(put(15, b"\x01"))),
    ("malformed", "tokens where none are asked for", 400, sealed(put(84, b"\x01"))),
    ("unsupported", "version 2", 400, sealed(put(0, b"\x02"))),
    ("unsupported", "inner media type", 400, other_kind),
    ("unsupported", "outer media type", 400, outside(bytes, {"content-type": "text/plain"})),
    ("truncated", "prefix cut", 400, sealed(lambda body: body[:100])),
    ("truncated", "outer request cut", 400, outside(lambda body: body[:30])),
    ("unknown-key", "nobody's", 422, stranger),
    ("unknown-key", "no longer live", 422, node_says("unknown-key", 422)),
    ("expired", "too old", 422, aged(-120)),
    ("expired", "from the future", 422, aged(421)),
    ("unsealable", "the node's word", 422, node_says("unsealable", 422)),
    ("replayed", "outer request", 409, twice),
    ("replayed", "the node's word", 409, node_says("replayed", 409)),
    ("too-large", "over the limit", 413, large),
    ("busy", "the node's word", 503, node_says("busy", 503)),
    ("ohttp-key", "another key id", 422, outside(lambda body: bytes([body[0] ^ 2]) + body[1:])),
    ("ohttp-key", "last byte", 422, outside(lambda body: body[:-1] + bytes([body[-1] ^ 1]))),
    ("not-found", "another path", 404, lambda found: inside(found, get("/sealed/"))),
    ("method", "another method", 405, lambda found: inside(found, get("/sealed"))),
    ("method", "outer method", 405, plain),
    ("upstream", "no word from the node", 502, node_lost),
    ("upstream", "an unknown word", 502, node_says("engine", 502)),
    ("not-ready", "the node's word", 503, node_says("not-ready", 503)),
]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("service")
    with service(folder, replies(b"reply"), max_request=LARGEST) as running:
        yield running


def test_every_documented_code_has_a_row() -> None:
    section = FORMATS.read_text().split("## 9. Errors")[1]
    rows = re.findall(r"^\| ([a-z, -]+) \| [0-9, ]+ \| ([^|]+) \|", section, re.M)
    documented = {
        code
        for codes, origin in rows
        if "gateway" in origin or origin == "all"
        for code in codes.split(", ")
    }
    assert {code for code, *_ in ROWS} | TOKEN_CODES == documented  # those: test_admission
    assert len(documented) == 21


def test_the_unbroken_request_is_served(found: Service) -> None:
    assert inside(found, sealed_post(found.seal(0).body)) == (200, None)


@pytest.mark.parametrize(
    ("code", "status", "act"),
    [pytest.param(code, status, act, id=f"{code}-{what}") for code, what, status, act in ROWS],
)
def test_refuses(found: Service, code: str, status: int, act) -> None:
    found.nodes[0].script = replies(b"reply")
    found.nodes[0].got.clear()
    assert act(found) == (status, code)


def test_busy_and_not_ready_of_its_own(tmp_path: Path) -> None:
    with service(tmp_path, replies(b"reply"), max_replay_entries=1) as few:
        assert inside(few, get("/service"))[0] == 200
        assert inside(few, sealed_post(few.seal(0).body)) == (503, "busy")
        assert few.nodes[0].got == []
