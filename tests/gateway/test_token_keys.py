"""Which issuer keys a service lists, and what an issuer that is down or wrong changes: nothing."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from gateway.config import TokenSettings
from gateway.errors import UpstreamError
from gateway.token_keys import (
    AHEAD,
    READ,
    ListedKey,
    ListedKeys,
    after_listing,
    choose,
    offered_keys,
    paying_keys,
)
from openpcc.protocol.privacypass import (
    DIRECTORY_PATH,
    MAX_DIRECTORY,
    TOKEN_TYPE,
    DirectoryKey,
    IssuerDirectory,
    IssuerKey,
)
from tests.fakes.node import Exchange, FarEnd
from tests.gateway.publishing import World, world
from tests.gateway.surroundings import START, NodeScript

NOW = 1_800_000_000.0
NAME = "issuer.example"


def made() -> IssuerKey:
    numbers = rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key()
    return IssuerKey(n=numbers.public_numbers().n, e=65537)


def three_keys() -> list[IssuerKey]:
    """Make keys that a token request can tell apart: truncated ids are one byte."""
    keys: dict[int, IssuerKey] = {}
    while len(keys) < 3:
        key = made()
        keys.setdefault(key.truncated_id, key)
    return list(keys.values())


FIRST, SECOND, THIRD = three_keys()


def directory(*keys: IssuerKey, not_before: int | None = None) -> IssuerDirectory:
    entries = tuple(
        DirectoryKey(token_type=TOKEN_TYPE, token_key=key.spki, not_before=not_before)
        for key in keys
    )
    return IssuerDirectory(request_uri="/token-request", keys=entries)


def twin(of: IssuerKey) -> IssuerKey:
    """Make a key with the same truncated id; only its form matters."""
    n = of.n
    while True:
        n -= 2
        key = IssuerKey(n=n, e=65537)
        if key.truncated_id == of.truncated_id:
            return key


def test_takes_what_is_offered_in_its_order() -> None:
    found = choose(directory(SECOND, FIRST), (), now=NOW)
    assert offered_keys(found) == (SECOND, FIRST)


def test_ignores_keys_of_other_types() -> None:
    both = directory(FIRST)
    strange = DirectoryKey(token_type=1, token_key=b"voprf")
    mixed = IssuerDirectory(request_uri=both.request_uri, keys=(strange, *both.keys))
    assert offered_keys(choose(mixed, (), now=NOW)) == (FIRST,)


@pytest.mark.parametrize(
    "offered",
    [
        pytest.param([], id="none"),
        pytest.param([FIRST, SECOND, THIRD], id="three"),
        pytest.param([FIRST, FIRST], id="one twice"),
        pytest.param([FIRST, twin(FIRST)], id="two with one truncated id"),
    ],
)
def test_refuses_a_directory_whole(offered: Sequence[IssuerKey]) -> None:
    with pytest.raises(UpstreamError):
        choose(directory(*offered), (), now=NOW)


def test_refuses_another_key_under_a_listed_ones_truncated_id() -> None:
    listed = (ListedKey(key=FIRST, offered=True, until=int(NOW) + 600),)
    with pytest.raises(UpstreamError):
        choose(directory(twin(FIRST)), listed, now=NOW)
    assert offered_keys(choose(directory(twin(FIRST)), listed, now=NOW + 600))


def test_a_key_takes_its_place_a_day_ahead() -> None:
    later = int(NOW) + AHEAD + 1
    mixed = IssuerDirectory(
        request_uri="/",
        keys=(*directory(FIRST).keys, *directory(SECOND, not_before=later).keys),
    )
    assert offered_keys(choose(mixed, (), now=NOW)) == (FIRST,)
    assert offered_keys(choose(mixed, (), now=NOW + 1)) == (FIRST, SECOND)


def test_a_key_pays_until_the_last_entry_that_lists_it_has_run_out() -> None:
    known = choose(directory(FIRST, SECOND), (), now=NOW)
    known = after_listing(known, until=int(NOW) + 1200, now=NOW)
    known = choose(directory(SECOND, THIRD), known, now=NOW + 600)
    assert offered_keys(known) == (SECOND, THIRD)
    known = after_listing(known, until=int(NOW) + 1800, now=NOW + 600)
    assert set(paying_keys(known, now=NOW + 1199, most=4)) == {FIRST, SECOND, THIRD}
    assert set(paying_keys(known, now=NOW + 1200, most=4)) == {SECOND, THIRD}
    assert set(paying_keys(known, now=NOW + 1199, most=2)) == {SECOND, THIRD}


def test_a_key_that_comes_back_is_offered_again() -> None:
    known: ListedKeys = (ListedKey(key=FIRST, offered=False, until=int(NOW) + 60),)
    (found,) = choose(directory(FIRST), known, now=NOW)
    assert found == ListedKey(key=FIRST, offered=True, until=int(NOW) + 60)


class Issuer:
    """An issuer over HTTP that says what the test wants."""

    def __init__(self, *keys: IssuerKey) -> None:
        self.body: bytes = directory(*keys).encode()
        self.status = 200
        self.down = False
        self.looks = 0

    async def __call__(self, exchange: Exchange) -> None:
        assert (exchange.got.method, exchange.got.path) == ("GET", DIRECTORY_PATH)
        self.looks += 1
        if self.down:
            exchange.drop()
        else:
            await exchange.answer(self.status, self.body)


@contextmanager
def paid_world(folder: Path, issuer: Issuer) -> Iterator[World]:
    with FarEnd(issuer) as end:
        tokens = TokenSettings(issuer=end.url, name=NAME, output=1024)
        with world(folder, NodeScript(b"a"), tokens=tokens) as found:
            yield found


def entry_keys(found: World) -> tuple[bytes, ...]:
    return found.chain()[-1].issuer_keys


def publication_keys(found: World) -> set[bytes]:
    tokens = found.window.publication.tokens
    assert tokens is not None
    return set(tokens.keys)


def test_the_entry_lists_keys_and_terms_and_the_publication_gives_the_keys(tmp_path: Path) -> None:
    with paid_world(tmp_path, Issuer(FIRST, SECOND)) as found:
        found.rounds()
        (entry,) = found.chain()
        assert entry.issuer_keys == (FIRST.id, SECOND.id)
        terms = entry.parameters.tokens
        assert terms is not None
        assert (terms.issuer, terms.output) == (NAME, 1024)
        assert publication_keys(found) == {FIRST.spki, SECOND.spki}


def test_publishes_nothing_before_the_issuer_was_read(tmp_path: Path) -> None:
    issuer = Issuer(FIRST)
    issuer.status = 503
    with paid_world(tmp_path, issuer) as found:
        found.rounds(2)
        assert found.publisher.window is None
        assert issuer.looks == 1
        issuer.status = 200
        found.pass_time(READ)
        found.rounds()
        assert entry_keys(found) == (FIRST.id,)


def bad(issuer: Issuer, way: str) -> None:
    match way:
        case "down":
            issuer.down = True
        case "error":
            issuer.status = 500
        case "moved":
            issuer.status = 302
        case "no directory":
            issuer.body = b"{}"
        case "too long":
            issuer.body = issuer.body + b" " * MAX_DIRECTORY
        case "three keys":
            issuer.body = directory(FIRST, SECOND, THIRD).encode()
        case _:
            issuer.body = directory().encode()


WAYS = ["down", "error", "moved", "no directory", "too long", "three keys", "no key"]


@pytest.mark.parametrize("way", WAYS)
def test_an_issuer_that_is_down_or_wrong_changes_nothing(
    tmp_path: Path, way: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "openpcc.gateway")
    issuer = Issuer(FIRST, SECOND)
    with paid_world(tmp_path, issuer) as found:
        found.rounds()
        bad(issuer, way)
        for _ in range(2):
            found.pass_time(600)
            found.rounds(2)
            assert entry_keys(found) == (FIRST.id, SECOND.id)
        found.start()  # and the state file remembers
        found.rounds()
        assert entry_keys(found) == (FIRST.id, SECOND.id)
        assert publication_keys(found) == {FIRST.spki, SECOND.spki}
    events = [one.msg for one in caplog.records if str(one.msg).startswith("issuer-")]
    refused = "issuer-keys-refused" if "key" in way else "issuer-not-read"
    assert events == ["issuer-keys", refused, refused]  # one for each start


def test_a_new_key_is_listed_in_the_next_window_and_an_old_one_pays_for_one_more(
    tmp_path: Path,
) -> None:
    issuer = Issuer(FIRST)
    with paid_world(tmp_path, issuer) as found:
        found.rounds()
        issuer.body = directory(FIRST, SECOND, not_before=START + 3600).encode()
        found.pass_time(READ)
        found.rounds()
        assert len(found.chain()) == 1
        found.pass_time(600)
        found.rounds()
        assert entry_keys(found) == (FIRST.id, SECOND.id)
        issuer.body = directory(SECOND).encode()
        found.pass_time(600)
        found.rounds()
        assert entry_keys(found) == (SECOND.id,)
        assert publication_keys(found) == {FIRST.spki, SECOND.spki}
        found.start()
        found.pass_time(600)
        found.rounds()
        assert publication_keys(found) == {SECOND.spki}


def test_open_admission_lists_no_key(tmp_path: Path) -> None:
    with world(tmp_path) as found:
        found.rounds()
        assert entry_keys(found) == ()
        assert found.window.publication.tokens is None
