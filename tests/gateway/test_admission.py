"""Tokens at the gateway: what pays, and what everything else gets, in memory and on a server."""

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from gateway.admission import Terms
from gateway.errors import TOKEN_CODES
from gateway.publication import Publication
from gateway.token_gate import SLICE, TokenGate, _in_slices
from openpcc.protocol.errors import ExpiredError
from openpcc.protocol.payment import PAYMENT_FIELD, CarriedToken, Reclaimed
from openpcc.protocol.sealing import Prefix, SealedRequest
from tests.fakes.mint import (
    OUTPUT,
    HeldToken,
    paid,
    paid_post,
    published,
    reclaim_post,
)
from tests.fakes.node import Exchange, breaks_after, refuses, replies
from tests.fakes.redis_server import RedisServer
from tests.gateway.paying import Mints, Result, ask, back, pay, reply_of, seal
from tests.gateway.service import (
    OHTTP_HEADERS,
    SERVICE,
    RawPost,
    Service,
    code_of,
    eventually,
    get,
    open_answer,
    sealed_post,
    service,
)


@pytest.fixture(scope="module")
def mints() -> Mints:
    return Mints()


@pytest.fixture(scope="module", params=["memory", "server"])
def found(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, mints: Mints
) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("service")
    tokens = published(mints.new, mints.old)
    with ExitStack() as stack:
        store = "memory"
        if request.param == "server":
            store = stack.enter_context(RedisServer(folder)).url
        yield stack.enter_context(
            service(folder, replies(b"reply"), tokens=tokens, spent=store, replay=store)
        )


@pytest.fixture(autouse=True)
def node_replies(request: pytest.FixtureRequest) -> None:
    if "found" in request.fixturenames:
        running: Service = request.getfixturevalue("found")
        running.nodes[0].script = replies(b"reply")
        running.nodes[0].got.clear()


def test_pays_with_one_token_or_many_of_both_live_keys(found: Service, mints: Mints) -> None:
    assert pay(found, mints.new.tokens(1)) == (200, None)
    assert pay(found, [*mints.old.tokens(2), *mints.new.tokens(2)]) == (200, None)
    assert pay(found, mints.new.tokens(1), max_output=OUTPUT) == (200, None)


def test_the_node_sees_the_sealed_bytes_and_no_token(found: Service, mints: Mints) -> None:
    sealed = reply_of(found, mints.new.tokens(1))
    (got,) = found.nodes[0].got
    assert got.body == sealed.body
    assert {name for name, _ in got.headers} == {"host", "content-type", "content-length"}


def carried_by(
    change: Callable[[list[CarriedToken], Mints], list[CarriedToken]],
) -> Callable[[Service, Mints], Result]:
    """Break what is carried beside a request that names two good tokens."""

    def act(found: Service, mints: Mints) -> Result:
        tokens = mints.new.tokens(2)
        sealed = seal(found, tokens)
        carried = [one.pays(sealed.request_digest) for one in tokens]
        result = ask(found, paid_post(sealed, change(carried, mints)))
        assert found.nodes[0].got == []
        assert ask(found, paid(tokens, sealed)) == (200, None)  # nothing was spent
        return result

    return act


def with_tokens(make: Callable[[Mints], Sequence[HeldToken]]) -> Callable[[Service, Mints], Result]:
    """Pay with tokens that the header names, and that are no good."""

    def act(found: Service, mints: Mints) -> Result:
        good, bad = mints.new.tokens(1), make(mints)
        result = pay(found, [*good, *bad])
        assert found.nodes[0].got == []
        assert pay(found, good) == (200, None)
        return result

    return act


def damaged(at: int) -> Callable[[Mints], Sequence[HeldToken]]:
    def make(mints: Mints) -> Sequence[HeldToken]:
        one = mints.new.token()
        token = one.token[:at] + bytes([one.token[at] ^ 1]) + one.token[at + 1 :]
        return [replace(one, token=token)]

    return make


def stolen(mints: Mints) -> Sequence[HeldToken]:
    return [replace(mints.new.token(), holder=mints.new.token().holder)]


def other_proof(make: Callable[[HeldToken, SealedRequest, bytes], CarriedToken]):
    def act(found: Service, mints: Mints) -> Result:
        (token,) = mints.new.tokens(1)
        sealed, other = seal(found, [token]), seal(found, [token])
        result = ask(found, paid_post(sealed, [make(token, sealed, other.request_digest)]))
        assert ask(found, paid([token], sealed)) == (200, None)
        return result

    return act


def budget(max_output: int, count: int) -> Callable[[Service, Mints], Result]:
    def act(found: Service, mints: Mints) -> Result:
        return pay(found, mints.new.tokens(count), max_output=max_output)

    return act


def spent_before(found: Service, mints: Mints) -> Result:
    tokens = mints.new.tokens(2)
    reply_of(found, tokens[:1])
    result = pay(found, [tokens[1], tokens[0]])
    assert pay(found, tokens[1:]) == (200, None)  # all or none
    return result


def standing_elsewhere(found: Service, mints: Mints) -> Result:
    tokens = mints.new.tokens(1)
    found.nodes[0].script = refuses("busy", 503)
    assert pay(found, tokens) == (503, "busy")
    found.nodes[0].script = replies(b"reply")
    return pay(found, tokens)


def line(value: str) -> Callable[[Service, Mints], Result]:
    def act(found: Service, mints: Mints) -> Result:
        tokens = mints.new.tokens(1)
        request = paid(tokens, seal(found, tokens))
        headers = (*request.headers[:-1], (PAYMENT_FIELD, value))
        return ask(found, replace(request, headers=headers))

    return act


ROWS: list[tuple[str, str, int, Callable[[Service, Mints], Result]]] = [
    ("token-count", "none", 401, carried_by(lambda carried, _: [])),
    ("token-count", "too few", 401, carried_by(lambda carried, _: carried[:1])),
    ("token-count", "one more", 401, carried_by(lambda carried, _: [*carried, carried[0]])),
    ("token-count", "another order", 401, carried_by(lambda carried, _: carried[::-1])),
    ("token-count", "not those of the header", 401, carried_by(
        lambda carried, mints: [carried[0], mints.new.token().pays(bytes(32))])),
    ("token-count", "one twice", 401, with_tokens(lambda mints: [mints.new.token()] * 3)),
    ("token-count", "budget above the tokens", 401, budget(4 * OUTPUT, 2)),
    ("token-count", "budget below the tokens", 401, budget(OUTPUT, 2)),
    ("token-count", "budget of open admission", 401, budget(0, 1)),
    ("token-count", "budget nobody can pay", 401, budget(65536 * OUTPUT, 64)),
    ("token-forged", "authenticator", 401, with_tokens(damaged(353))),
    ("token-forged", "nonce", 401, with_tokens(damaged(33))),
    ("token-key", "retired", 401, with_tokens(lambda mints: mints.gone.tokens(1))),
    ("token-key", "key id", 401, with_tokens(damaged(97))),
    ("token-origin", "another service", 401,
     with_tokens(lambda mints: [mints.new.token(origin="other.example")])),
    ("token-origin", "another issuer", 401,
     with_tokens(lambda mints: [mints.new.token(issuer="other.example")])),
    ("token-proof", "another holder", 401, with_tokens(stolen)),
    ("token-proof", "another request", 401, other_proof(lambda token, _, other: token.pays(other))),
    ("token-proof", "of a reclaim", 401,
     other_proof(lambda token, sealed, _: token.asks_back(sealed.request_digest))),
    ("token-spent", "served before", 409, spent_before),
    ("token-spent", "stands for another", 409, standing_elsewhere),
    ("unsupported", "token type", 400, with_tokens(damaged(1))),
    ("malformed", "not base64", 400, line("*" * 600)),
    ("malformed", "another length", 400, line("QUJD")),
]  # fmt: skip


def test_every_code_about_tokens_has_a_row() -> None:
    assert {code for code, *_ in ROWS} & TOKEN_CODES == TOKEN_CODES - {"token-store"}


@pytest.mark.parametrize(
    ("code", "status", "act"),
    [pytest.param(code, status, act, id=f"{code}-{what}") for code, what, status, act in ROWS],
)
def test_refuses(
    found: Service, mints: Mints, code: str, status: int, act: Callable[[Service, Mints], Result]
) -> None:
    assert act(found, mints) == (status, code)


@pytest.mark.parametrize("ahead", [-3600, 3660])
def test_a_clock_off_by_an_hour_is_refused_before_any_token(
    found: Service, mints: Mints, ahead: int
) -> None:
    tokens = mints.new.tokens(1)
    assert pay(found, tokens, ahead=ahead) == (422, "expired")
    assert pay(found, damaged(353)(mints), ahead=ahead) == (422, "expired")
    assert pay(found, tokens) == (200, None)


def test_a_served_request_pays_for_nothing_more(found: Service, mints: Mints) -> None:
    tokens = mints.new.tokens(4)
    sealed = reply_of(found, tokens)
    assert ask(found, paid(tokens, sealed)) == (409, "token-spent")
    assert len(found.nodes[0].got) == 1
    asked = [one.asks_back(sealed.request_digest) for one in tokens]
    assert back(found, sealed.request_digest, asked) == bytes([Reclaimed.SPENT] * 4)


def test_the_same_bytes_are_taken_again_until_a_reply_began(found: Service, mints: Mints) -> None:
    tokens = mints.new.tokens(2)
    sealed = seal(found, tokens)
    found.nodes[0].script = refuses("busy", 503)
    for _ in range(2):
        assert ask(found, paid(tokens, sealed)) == (503, "busy")
    asked = [one.asks_back(sealed.request_digest) for one in tokens]
    assert back(found, sealed.request_digest, asked) == bytes([Reclaimed.PENDING] * 2)
    found.nodes[0].script = replies(b"reply")
    assert ask(found, paid(tokens, sealed)) == (200, None)
    assert ask(found, paid(tokens, sealed)) == (409, "token-spent")


def test_a_reply_that_breaks_off_has_begun(found: Service, mints: Mints) -> None:
    tokens = mints.new.tokens(1)
    sealed = seal(found, tokens)
    found.nodes[0].script = breaks_after(b"half a reply")
    body, _ = found.encapsulate(paid(tokens, sealed), 1)
    with pytest.raises(httpx.RemoteProtocolError):
        found.client.post(found.gateway, content=body, headers=OHTTP_HEADERS)
    found.nodes[0].script = replies(b"reply")
    assert ask(found, paid(tokens, sealed)) == (409, "token-spent")


def test_a_client_that_leaves_before_the_reply_keeps_its_tokens(
    found: Service, mints: Mints
) -> None:
    asked, stopped = threading.Event(), threading.Event()

    async def script(exchange: Exchange) -> None:
        asked.set()
        await exchange.gone()
        stopped.set()

    tokens = mints.new.tokens(1)
    sealed = seal(found, tokens)
    found.nodes[0].script = script
    body, _ = found.encapsulate(paid(tokens, sealed), 1)
    with RawPost(found.gateway, body):
        assert asked.wait(5)
    assert stopped.wait(5)
    found.nodes[0].script = replies(b"reply")
    assert ask(found, paid(tokens, sealed)) == (200, None)


def test_gives_back_to_the_holder_alone(found: Service, mints: Mints) -> None:
    mine, thiefs = mints.new.tokens(2)
    digest = bytes(32)
    assert back(found, digest, [mine.asks_back(digest)]) == bytes([Reclaimed.FREE])
    for carried in (
        CarriedToken(token=mine.token, proof=thiefs.asks_back(digest).proof),
        mine.asks_back(bytes(31) + b"\1"),
        mine.pays(digest),
    ):
        answer = found.exchange(reclaim_post(digest, [carried]), 1)
        assert (answer.status, code_of(answer)) == (401, "token-proof")
    for bad, code in (
        (mints.gone.token(), "token-key"),
        (mints.new.token(origin="o"), "token-origin"),
    ):
        answer = found.exchange(reclaim_post(digest, [bad.asks_back(digest)]), 1)
        assert code_of(answer) == code


def test_a_reclaim_of_another_form_is_refused(found: Service, mints: Mints) -> None:
    digest, one = bytes(32), mints.new.token()
    good = reclaim_post(digest, [one.asks_back(digest)])
    twice = reclaim_post(digest, [one.asks_back(digest)] * 2)
    assert ask(found, twice) == (401, "token-count")
    assert ask(found, replace(good, content=good.content[:-1])) == (400, "malformed")
    assert ask(found, replace(good, headers=(("content-type", "x/y"),))) == (400, "unsupported")
    assert ask(found, replace(good, method="GET")) == (405, "method")


def test_a_replayed_outer_request_is_refused_before_its_tokens(
    found: Service, mints: Mints
) -> None:
    tokens = mints.new.tokens(1)
    body, opener = found.encapsulate(paid(tokens, seal(found, tokens)), 1)
    first = httpx.post(found.relay, content=body, headers=OHTTP_HEADERS)
    assert open_answer(first, opener).status == 200
    httpx.post(found.gateway, content=body, headers=OHTTP_HEADERS)
    assert len(found.nodes[0].got) == 1


def test_a_relay_that_delays_and_reorders_costs_no_token(found: Service, mints: Mints) -> None:
    held = []
    for _ in range(3):
        tokens = mints.new.tokens(1)
        held.append(found.encapsulate(paid(tokens, seal(found, tokens)), 1))
    for body, opener in reversed(held):
        answer = httpx.post(found.gateway, content=body, headers=OHTTP_HEADERS)
        assert open_answer(answer, opener).status == 200


def test_open_admission_takes_no_token(tmp_path: Path, mints: Mints) -> None:
    tokens = mints.new.tokens(1)
    with service(tmp_path, replies(b"reply")) as found:
        free = found.seal(0)
        assert ask(found, sealed_post(free.body)) == (200, None)
        assert pay(found, tokens) == (400, "malformed")
        carried = [tokens[0].pays(free.request_digest)]
        assert ask(found, paid_post(free, carried)) == (400, "malformed")
        asked = reclaim_post(bytes(32), [tokens[0].asks_back(bytes(32))])
        assert ask(found, asked) == (404, "not-found")


@pytest.mark.parametrize("admission", ["open", "tokens"])
def test_is_not_ready_while_the_publication_admits_otherwise(
    tmp_path: Path, mints: Mints, admission: str
) -> None:
    own = published(mints.new) if admission == "tokens" else None
    store = "memory" if own else None
    with service(tmp_path, replies(b"reply"), tokens=own, spent=store) as found:
        agreeing = found.publisher.by_path["/publication"]
        other = replace(Publication.parse(agreeing), tokens=None if own else published(mints.new))
        found.publisher.by_path["/publication"] = other.encode()
        eventually(lambda: not found.program.ready())
        tokens = mints.new.tokens(1)
        assert pay(found, tokens) == (503, "not-ready")
        assert ask(found, sealed_post(found.seal(0).body)) == (503, "not-ready")
        assert found.exchange(get("/service"), 1).status == 200
        found.publisher.by_path["/publication"] = agreeing
        eventually(found.program.ready)


def test_judging_many_tokens_gives_others_their_turn(mints: Mints) -> None:
    terms = Terms.of(published(mints.new), service=SERVICE)
    digest, turns = bytes(32), 0
    carried = [one.pays(digest) for one in mints.new.tokens(2 * SLICE + 1)]

    async def run() -> None:
        nonlocal turns
        judging = asyncio.ensure_future(_in_slices(terms.judge, carried, digest))
        while not judging.done():
            await asyncio.sleep(0)
            turns += 1
        assert len(await judging) == len(carried)

    asyncio.run(run())
    assert turns >= 3


def test_a_gateway_that_stood_still_enters_no_request_that_has_expired(
    found: Service, mints: Mints
) -> None:
    """Its tokens may have been given back meanwhile: standing for it, they would be lost."""
    tokens = mints.new.tokens(2)
    sealed = seal(found, tokens)
    prefix = Prefix.parse(sealed.body)
    fields = paid(tokens, sealed).headers
    gate = found.program._app.gate
    assert isinstance(gate, TokenGate)
    late = TokenGate(gate._replica, gate._spent, lambda: prefix.header.expires + 300.0)
    with pytest.raises(ExpiredError):
        asyncio.run(late.admit(fields, prefix))
    assert pay(found, tokens) == (200, None)
