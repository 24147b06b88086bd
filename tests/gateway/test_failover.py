"""When the next candidate may be tried, and when not (sealing sheet, Carriage)."""

import asyncio
from pathlib import Path

import httpx
import pytest

from gateway.routing import TRY_NEXT, Outcome, judge, passed_code
from tests.fakes.node import breaks_after, loses, refuses, replies
from tests.gateway.service import (
    OHTTP_HEADERS,
    code_of,
    eventually,
    sealed_post,
    service,
)


@pytest.mark.parametrize(
    "first", [loses, refuses("busy", 503), refuses("unknown-key", 422)],
    ids=["lost before a reply byte", "busy", "unknown-key"],
)  # fmt: skip
def test_goes_to_the_next_candidate(tmp_path: Path, first) -> None:
    with service(tmp_path, first, replies(b"second")) as found:
        sealed = found.seal(0, 1)
        answer = found.exchange(sealed_post(sealed.body), 1)
        assert (answer.status, answer.content) == (200, b"second")
        assert [one.body for node in found.nodes for one in node.got] == [sealed.body] * 2


def test_goes_to_the_next_candidate_when_there_is_no_connection(tmp_path: Path) -> None:
    with service(tmp_path, replies(b"first"), replies(b"second")) as found:
        found.nodes[0].stop()
        answer = found.exchange(sealed_post(found.seal(0, 1).body), 1)
        assert (answer.status, answer.content) == (200, b"second")


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("replayed", 409),
        ("unsealable", 422),
        ("expired", 422),
        ("malformed", 400),
        ("unsupported", 400),
        ("truncated", 400),
        ("too-large", 413),
        ("not-ready", 503),
    ],
)
def test_stays_with_a_candidate_that_refused(tmp_path: Path, code: str, status: int) -> None:
    with service(tmp_path, refuses(code, status), replies(b"second")) as found:
        answer = found.exchange(sealed_post(found.seal(0, 1).body), 1)
        assert (answer.status, code_of(answer)) == (status, code)
        assert found.nodes[1].got == []


def test_a_code_counts_with_its_own_status_only(tmp_path: Path) -> None:
    for first in (refuses("busy", 500), refuses("unknown-key", 404), refuses("other", 503)):
        with service(tmp_path, first, replies(b"second")) as found:
            assert found.exchange(sealed_post(found.seal(0, 1).body), 1).status != 200
            assert found.nodes[1].got == []


def test_stays_with_a_candidate_whose_reply_has_begun(tmp_path: Path) -> None:
    for first in (breaks_after(), breaks_after(b"byte")):
        with service(tmp_path, first, replies(b"second")) as found:
            body, _ = found.encapsulate(sealed_post(found.seal(0, 1).body), 1)
            with pytest.raises(httpx.RemoteProtocolError):
                httpx.post(found.relay, content=body, headers=OHTTP_HEADERS)
            assert found.nodes[1].got == []


@pytest.mark.parametrize("sent", [b"HTTP/1.1 200 OK\r\ncontent-", b"HTTP/1.1 2", b"H"])
def test_stays_with_a_candidate_that_closed_within_its_head(tmp_path: Path, sent: bytes) -> None:
    async def script(exchange) -> None:
        await exchange.write(sent)
        await asyncio.sleep(0.05)  # lets the bytes arrive before the end does
        exchange.drop()

    with service(tmp_path, script, replies(b"second")) as found:
        answer = found.exchange(sealed_post(found.seal(0, 1).body), 1)
        assert (answer.status, code_of(answer)) == (502, "upstream")
        assert found.nodes[1].got == []


def test_a_node_runs_a_request_at_most_once_although_it_has_several_keys(tmp_path: Path) -> None:
    with service(tmp_path, refuses("busy", 503), refuses("busy", 503)) as found:
        same = found.nodes[0].url.encode()
        document = found.publisher.by_path["/publication"]
        other = found.nodes[1].url.encode()
        found.publisher.by_path["/publication"] = document.replace(other, same).replace(
            b'"sequence":2', b'"sequence":3'
        )

        def one_node_asked() -> bool:
            for node in found.nodes:
                node.got.clear()
            answer = found.exchange(sealed_post(found.seal(0, 1).body), 1)
            assert (answer.status, code_of(answer)) == (503, "busy")
            return found.nodes[1].got == []

        eventually(one_node_asked)
        assert len(found.nodes[0].got) == 1


def test_the_last_candidates_code_is_passed_on(tmp_path: Path) -> None:
    with service(tmp_path, loses, loses) as found:
        answer = found.exchange(sealed_post(found.seal(0, 1).body), 1)
        assert (answer.status, code_of(answer)) == (502, "upstream")
    with service(tmp_path, loses, refuses("busy", 503)) as found:
        answer = found.exchange(sealed_post(found.seal(0, 1).body), 1)
        assert (answer.status, code_of(answer)) == (503, "busy")


def test_a_200_of_another_media_type_is_no_reply(tmp_path: Path) -> None:
    async def page(exchange) -> None:
        await exchange.answer(200, b"<html>", [("content-type", "text/html")])

    with service(tmp_path, page, replies(b"second")) as found:
        answer = found.exchange(sealed_post(found.seal(0, 1).body), 1)
        assert (answer.status, code_of(answer)) == (502, "upstream")
        assert found.nodes[1].got == []


def test_judges_answers_as_the_sheet_says() -> None:
    assert {
        Outcome.NO_CONNECTION, Outcome.LOST, Outcome.BUSY, Outcome.UNKNOWN_KEY
    } == TRY_NEXT  # fmt: skip
    assert judge(200, None) is Outcome.TAKEN
    assert judge(503, "busy") is Outcome.BUSY
    assert judge(422, "unknown-key") is Outcome.UNKNOWN_KEY
    for status, code in ((503, "not-ready"), (500, "busy"), (409, "replayed")):
        assert judge(status, code) is Outcome.REFUSED
    for status, strange in ((503, None), (500, "path"), (302, None)):
        assert judge(status, strange) is Outcome.STRANGE
    assert passed_code(Outcome.REFUSED, "replayed") == "replayed"
    assert passed_code(Outcome.REFUSED, "path") == "upstream"
    assert passed_code(Outcome.LOST, None) == "upstream"
