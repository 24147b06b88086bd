"""Binary HTTP to bytes, read back by the decoder."""

import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openpcc.protocol import bhttp
from openpcc.protocol.bhttp import Request, Response, ResponseEncoder
from openpcc.protocol.errors import BHTTPError

NAMES = st.text(string.ascii_lowercase + string.digits + "-_", min_size=1, max_size=12).filter(
    lambda name: name not in ("te", "upgrade", "connection")
)
VALUES = st.text(st.characters(min_codepoint=0x21, max_codepoint=0xFF), max_size=20)
FIELDS = st.lists(st.tuples(NAMES, VALUES), max_size=5).map(tuple)
BASE: dict[str, Any] = {"method": "POST", "scheme": "https", "authority": "svc", "path": "/v1"}


@given(FIELDS, st.binary(max_size=200), FIELDS)
def test_a_request_reads_back(headers, content, trailers):
    request = Request(**BASE, headers=headers, content=content, trailers=trailers)
    assert bhttp.decode_request(bhttp.encode_request(request)) == request


@given(FIELDS, st.binary(max_size=200), FIELDS, st.lists(st.integers(100, 199), max_size=3))
def test_a_response_reads_back(headers, content, trailers, before):
    response = Response(
        status=404,
        headers=headers,
        content=content,
        trailers=trailers,
        informational=tuple(bhttp.Informational(status=status) for status in before),
    )
    assert bhttp.decode_response(bhttp.encode_response(response)) == response


@given(FIELDS, st.lists(st.binary(max_size=50), max_size=5), FIELDS)
def test_a_streamed_response_reads_back(headers, pieces, trailers):
    encoder = ResponseEncoder()
    parts = [encoder.informational(103, (("link", "x"),)), encoder.head(200, headers)]
    parts += [encoder.content(piece) for piece in pieces]
    parts.append(encoder.end(trailers))
    assert bhttp.decode_response(b"".join(parts)) == Response(
        status=200,
        headers=headers,
        content=b"".join(pieces),
        trailers=trailers,
        informational=(bhttp.Informational(status=103, headers=(("link", "x"),)),),
    )


@pytest.mark.parametrize("pad_to", [1, 256, 4096])
def test_padding_fills_up_to_a_multiple(pad_to):
    data = bhttp.encode_request(Request(**BASE, content=b"x" * 300), pad_to=pad_to)
    assert len(data) % pad_to == 0
    assert bhttp.decode_request(data).content == b"x" * 300


def test_fields_about_the_connection_are_dropped_and_names_lowered():
    request = Request(**BASE, headers=(("Connection", "close"), ("TE", "x"), ("Accept", "y")))
    assert bhttp.decode_request(bhttp.encode_request(request)).headers == (("accept", "y"),)


@pytest.mark.parametrize(
    "change",
    [
        {"headers": (("bad name", "x"),)},
        {"headers": (("a", "x\r\nb: y"),)},
        {"headers": (("a", "中"),)},
        {"headers": ((":path", "/"),)},
        {"trailers": ((":any", "x"),)},
        {"method": "GET /"},
        {"path": "/a b"},
        {"authority": "a\n"},
    ],
)
def test_writes_no_message_that_others_refuse(change):
    with pytest.raises(BHTTPError):
        bhttp.encode_request(Request(**(BASE | change)))


@pytest.mark.parametrize("status", [100, 199, 600, 0])
def test_writes_no_final_status_out_of_range(status):
    with pytest.raises(BHTTPError):
        bhttp.encode_response(Response(status=status))
    with pytest.raises(BHTTPError):
        ResponseEncoder().head(status)


def test_a_stream_is_written_in_order():
    encoder = ResponseEncoder()
    with pytest.raises(BHTTPError):
        encoder.content(b"x")
    encoder.head(200)
    with pytest.raises(BHTTPError):
        encoder.head(200)
    encoder.end()
    for late in (lambda: encoder.content(b"x"), encoder.end):
        with pytest.raises(BHTTPError):
            late()


def test_content_does_not_show_in_texts():
    request = Request(**BASE, content=b"a secret prompt")
    assert "prompt" not in repr(request) + repr(Response(status=200, content=b"a secret prompt"))
