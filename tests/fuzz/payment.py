"""What clients send gateways about tokens, and publishers to gateways."""

from gateway.errors import UpstreamError
from gateway.publication import Publication
from openpcc.protocol.errors import MalformedError
from openpcc.protocol.payment import (
    PAYMENT_FIELD,
    CarriedToken,
    Reclaim,
    carried_tokens,
    encode_reclaimed,
    parse_reclaimed,
    token_fields,
)
from tests.fuzz.target import Bytes, target, writes

ONE = CarriedToken(token=bytes(range(177)) * 2, proof=b"\xff" * 96)


def lines() -> Bytes:
    ((_, value),) = token_fields([ONE])
    return [value.encode(), value.replace("/", "_").encode(), b"=" * len(value)]


def reclaims() -> Bytes:
    return [Reclaim(request_digest=bytes(32), tokens=(ONE,) * n).encode() for n in (1, 2, 64)]


def outcomes() -> Bytes:
    return [b"\0", b"\0\1\2", b"\2" * 64]


def publications() -> Bytes:
    opened = Publication(
        service="demo.example",
        index=1,
        status=0,
        sequence=1,
        not_after=1_800_000_000,
        models=(),
        nodes=(),
    )
    yield opened.encode()
    paid = opened.encode().replace(
        b'"tokens":null', b'"tokens":{"issuer":"i.example","output":1024,"keys":["AAAA"]}'
    )
    assert paid != opened.encode()
    yield paid


@target(carried_tokens, CarriedToken.parse, seeds=lines, refusals=(MalformedError,))
def carried_token(data: bytes) -> None:
    """Any line gives a token that writes the same line, or MalformedError."""
    fields = ((PAYMENT_FIELD, data.decode("latin-1")),)
    assert token_fields(carried_tokens(fields)) == fields


@target(Reclaim.parse, seeds=reclaims, refusals=(MalformedError,), longest=2**15)
def reclaim(data: bytes) -> None:
    """Any bytes give a request for tokens that writes the same bytes, or MalformedError."""
    writes(Reclaim.parse(data), data)


@target(parse_reclaimed, seeds=outcomes, refusals=(MalformedError,))
def reclaimed(data: bytes) -> None:
    """Any bytes give outcomes that write the same bytes, or MalformedError."""
    assert encode_reclaimed(parse_reclaimed(data, len(data))) == data


@target(Publication.parse, seeds=publications, refusals=(UpstreamError,))
def publication(data: bytes) -> None:
    """Any bytes give a publication that reads back, or UpstreamError."""
    found = Publication.parse(data)
    assert Publication.parse(found.encode()) == found
