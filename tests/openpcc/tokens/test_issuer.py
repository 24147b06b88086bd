"""What is asked of an issuer on real sockets, and what its answers may be."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from openpcc.errors import ConfigurationError, IssuerError
from openpcc.protocol import messages, privacypass
from openpcc.token_settings import TokenSettings
from openpcc.tokens import issuer as module
from openpcc.tokens.issuer import Issuer
from tests.fakes.issuer import CREDENTIAL, MemoryIssuer, served
from tests.fakes.node import Exchange, FarEnd

BATCH = [("content-type", module.BATCH_RESPONSE)]
SINGLE = [("content-type", privacypass.RESPONSE_MEDIA_TYPE)]
DIRECTORY = [("content-type", privacypass.DIRECTORY_MEDIA_TYPE)]


@pytest.fixture
def far(issuer: MemoryIssuer) -> Iterator[FarEnd]:
    with served(issuer) as far:
        yield far


@pytest.fixture
def settings(far: FarEnd, tmp_path: Path) -> TokenSettings:
    credential = tmp_path / "credential"
    credential.touch(mode=0o600)
    credential.write_text(CREDENTIAL + "\n")
    return TokenSettings(issuer=far.url, credential=credential)


@pytest.fixture
def asking(settings: TokenSettings) -> Iterator[Issuer]:
    made = Issuer(settings)
    yield made
    made.close()


def body(issuer: MemoryIssuer, count: int) -> bytes:
    key = issuer.directory().issuer_keys()[0]
    pending = [
        privacypass.PendingToken.begin(key=key, challenge_digest=bytes(32), nonce=bytes([n]) * 32)
        for n in range(count)
    ]
    return privacypass.encode_batch(one.request for one in pending)


def refused(asking: Issuer, count: int = 2) -> IssuerError:
    with pytest.raises(IssuerError) as caught:
        asking.sign(bytes(259 * count), count)
    assert CREDENTIAL not in repr(caught.value)
    return caught.value


@pytest.mark.parametrize("count", [1, 2, 64])
def test_a_batch_is_signed(asking: Issuer, issuer: MemoryIssuer, far: FarEnd, count: int):
    assert len(asking.sign(body(issuer, count), count)) == count
    got = far.got[-1]
    kind = privacypass.REQUEST_MEDIA_TYPE if count == 1 else module.BATCH_REQUEST
    assert (got.path, got.header("content-type")) == ("/token-request", kind)


def test_the_directory_is_read(asking: Issuer, issuer: MemoryIssuer):
    assert asking.directory() == issuer.directory()


def test_every_client_sends_the_same_fields(asking: Issuer, issuer: MemoryIssuer, far: FarEnd):
    asking.directory()
    asking.sign(body(issuer, 2), 2)
    known = {"host", "accept", "accept-encoding", "user-agent", "connection"}
    more = {"authorization", "content-type", "content-length"}
    assert [set(dict(got.headers)) for got in far.got] == [known, known | more]
    assert {got.header("user-agent") for got in far.got} == {"openpcc"}


def test_the_credential_is_read_anew_for_each_batch(
    asking: Issuer, settings: TokenSettings, issuer: MemoryIssuer
):
    settings.credential.write_text("another")
    error = refused(asking)
    assert (error.code, error.status) == ("account", 401)
    assert "credential" in str(error)
    settings.credential.write_text(CREDENTIAL)
    assert len(asking.sign(body(issuer, 2), 2)) == 2


def test_no_cookie_comes_back_and_nothing_is_followed(asking: Issuer, far: FarEnd):
    async def script(exchange: Exchange) -> None:
        fields = [("set-cookie", "who=you"), ("location", f"{far.url}/elsewhere")]
        await exchange.answer(307, b"", fields)

    far.script = script
    for _ in range(2):
        assert refused(asking).status == 307
    assert [got.path for got in far.got] == ["/token-request"] * 2
    assert not [got for got in far.got if got.header("cookie")]


@pytest.mark.parametrize(
    ("status", "code", "fields", "said"),
    [
        (401, "account", [], "renew"),
        (429, "quota", [("retry-after", "3600")], "in 3600 s"),
        (429, "quota", [("retry-after", "soon; do this")], "UTC"),
        (422, "unknown-token-key", [], "next one"),
        (503, "not-ready", [], "nothing was lost"),
    ],
)
def test_its_codes_are_said_in_words(
    asking: Issuer,
    far: FarEnd,
    status: int,
    code: str,
    fields: list[tuple[str, str]],
    said: str,
):
    async def script(exchange: Exchange) -> None:
        await exchange.answer(status, messages.encode_error(code, "their text"), fields)

    far.script = script
    error = refused(asking)
    assert (error.code, error.status) == (code, status)
    assert said in str(error)
    assert "their text" not in str(error)
    assert "do this" not in str(error)


@pytest.mark.parametrize(
    ("data", "fields"),
    [
        (bytes(511), BATCH),
        (bytes(513), BATCH),
        (bytes(256), BATCH),
        (b"", BATCH),
        (bytes(512), SINGLE),
        (bytes(512), []),
        (bytes(10**6), BATCH),
    ],
)
def test_another_answer_than_two_signatures_is_none(
    asking: Issuer, far: FarEnd, data: bytes, fields: list[tuple[str, str]]
):
    async def script(exchange: Exchange) -> None:
        await exchange.answer(200, data, fields)

    far.script = script
    assert refused(asking).code == "answer"


@pytest.mark.parametrize("data", [b"", b"[]", b'{"token-keys":[]}', bytes(100), b"x" * 70000])
def test_another_answer_than_a_directory_is_none(asking: Issuer, far: FarEnd, data: bytes):
    async def script(exchange: Exchange) -> None:
        await exchange.answer(200, data, DIRECTORY)

    far.script = script
    with pytest.raises(IssuerError) as caught:
        asking.directory()
    assert caught.value.code == "answer"


def test_an_answer_that_is_cut_is_none(asking: Issuer, far: FarEnd):
    async def script(exchange: Exchange) -> None:
        await exchange.start(module.BATCH_RESPONSE)
        await exchange.chunk(bytes(300))
        exchange.drop()

    far.script = script
    assert refused(asking).code == "unreachable"


def test_an_endless_answer_is_not_read_to_its_end(asking: Issuer, far: FarEnd):
    async def script(exchange: Exchange) -> None:
        await exchange.start(module.BATCH_RESPONSE)
        while True:
            await exchange.chunk(bytes(4096))

    far.script = script
    assert "too long" in str(refused(asking))


def test_an_issuer_that_is_down_is_named(asking: Issuer, far: FarEnd):
    far.stop()
    error = refused(asking)
    assert (error.code, error.status) == ("unreachable", 0)
    assert far.url in str(error)
    assert "check 'issuer'" in str(error)


def test_an_answer_fed_drop_by_drop_is_cut(
    asking: Issuer, far: FarEnd, monkeypatch: pytest.MonkeyPatch
):
    async def script(exchange: Exchange) -> None:
        await exchange.write(b"HTTP/1.1 200 OK\r\n")
        for _ in range(100):
            await exchange.write(b"x: y\r\n")
            await asyncio.sleep(0.1)

    monkeypatch.setattr(module, "LONGEST", 0.3)
    far.script = script
    began = time.monotonic()
    assert refused(asking).code == "unreachable"
    assert time.monotonic() - began < 8  # and not the ten seconds it wants


def test_a_closed_one_asks_nothing(asking: Issuer, far: FarEnd):
    asking.close()
    assert refused(asking).code == "unreachable"
    assert far.got == []


@pytest.mark.parametrize(
    "text", ["", "two words", "line\nline", "\u00e9", "a" * 17000, 'quote"', "a=b"]
)
def test_what_is_no_credential_is_not_sent(
    asking: Issuer, settings: TokenSettings, far: FarEnd, text: str
):
    settings.credential.write_text(text)
    with pytest.raises(ConfigurationError, match="not a credential"):
        asking.sign(bytes(518), 2)
    assert far.got == []


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o606])
def test_a_credential_that_others_can_read_is_not_sent(
    asking: Issuer, settings: TokenSettings, far: FarEnd, mode: int
):
    settings.credential.chmod(mode)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        asking.sign(bytes(518), 2)
    assert far.got == []


def test_a_credential_that_is_not_there_is_named(settings: TokenSettings, tmp_path: Path):
    missing = replace(settings, credential=tmp_path / "nowhere")
    with pytest.raises(ConfigurationError, match="nowhere"):
        missing.read_credential()
