"""The issuer over HTTP, with both databases: what is signed, what is refused, what is charged."""

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.issuer.app import DAY
from gateway.issuer.config import DatabaseConfig, ProviderConfig
from gateway.issuer.connections import create_accounts, open_accounts
from gateway.issuer.id_tokens import subject_digest
from gateway.rsa_private import PrivateKey
from openpcc.protocol.privacypass import (
    DIRECTORY_MEDIA_TYPE,
    DIRECTORY_PATH,
    MAX_BATCH,
    REQUEST_MEDIA_TYPE,
    REQUEST_SIZE,
    RESPONSE_MEDIA_TYPE,
)
from tests.fakes.node import FarEnd
from tests.gateway.issuer.provider import (
    AUDIENCE,
    ISSUER,
    NOW,
    JwksScript,
    claims,
    confused,
    key_set,
    spelled,
    token,
)
from tests.gateway.issuer.wallet import (
    HTTP,
    REQUESTS,
    Order,
    code_of,
    config_of,
    directory,
    new_account,
    only_key,
    post,
    send,
    served,
    taken,
)

MIDNIGHT = NOW // DAY * DAY + DAY
TODAY = NOW // DAY


@dataclass
class Desk:
    """An issuer that runs, and alice's API key."""

    url: str
    database: DatabaseConfig
    keys: Path
    alice: str
    now: float = NOW

    def order(self, count: int = 2) -> Order:
        return Order(only_key(self.keys), count)


@contextmanager
def desk_of(
    database: DatabaseConfig, keys: Path, *providers: ProviderConfig, quota: int = 100
) -> Iterator[Desk]:
    desk = Desk(url="", database=database, keys=keys, alice=new_account(database, "alice"))
    with served(config_of(database, keys, *providers, quota=quota), lambda: desk.now) as server:
        desk.url = server.url
        yield desk


@pytest.fixture
def desk(database: DatabaseConfig, one_key: Path) -> Iterator[Desk]:
    with desk_of(database, one_key) as found:
        yield found


def sqlite(folder: Path) -> DatabaseConfig:
    """For what does not depend on the database."""
    database = DatabaseConfig(kind="sqlite", path=folder / "issuer.db")
    create_accounts(database)
    return database


@pytest.fixture
def sqlite_desk(tmp_path: Path, one_key: Path) -> Iterator[Desk]:
    with desk_of(sqlite(tmp_path), one_key) as found:
        yield found


@pytest.fixture(scope="module")
def calm_desk(tmp_path_factory: pytest.TempPathFactory, one_key: Path) -> Iterator[Desk]:
    """For tests in which nothing is ever charged."""
    with desk_of(sqlite(tmp_path_factory.mktemp("issuer")), one_key) as found:
        yield found
        assert taken(found.database) == {}


def test_the_directory_is_that_of_rfc_9578(sqlite_desk: Desk) -> None:
    answer = HTTP.get(sqlite_desk.url + DIRECTORY_PATH)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == DIRECTORY_MEDIA_TYPE
    found = directory(sqlite_desk.url)
    assert found.request_uri == "/token-request"
    assert found.pick(now=NOW).id == only_key(sqlite_desk.keys).id


def test_tokens_are_issued_and_verify(desk: Desk) -> None:
    for count, kind in ((1, RESPONSE_MEDIA_TYPE), (2, REQUESTS.replace("requests", "responses"))):
        order = desk.order(count)
        answer = send(desk.url, order, desk.alice)
        assert answer.headers["content-type"] == kind
        assert len(order.tokens(answer)) == count
    assert taken(desk.database) == {("alice", TODAY): (3, 2)}


def test_a_batch_that_comes_again_is_answered_again_and_charged_once(desk: Desk) -> None:
    order = desk.order(3)
    first, second = (send(desk.url, order, desk.alice) for _ in range(2))
    desk.now = MIDNIGHT
    third = send(desk.url, order, desk.alice)
    assert first.content == second.content == third.content
    assert taken(desk.database) == {("alice", TODAY): (3, 1)}


def test_a_batch_is_known_by_all_of_its_bytes(sqlite_desk: Desk) -> None:
    order, other = sqlite_desk.order(2), sqlite_desk.order(2)
    other.pending[0] = order.pending[0]
    for one in (order, other):
        one.tokens(send(sqlite_desk.url, one, sqlite_desk.alice))
    assert taken(sqlite_desk.database) == {("alice", TODAY): (4, 2)}


def test_the_quota_is_a_day_of_utc(desk: Desk) -> None:
    accounts = open_accounts(desk.database)
    accounts.set_quota("alice", 3)
    accounts.close()
    desk.now = MIDNIGHT - 1
    assert send(desk.url, desk.order(2), desk.alice).status_code == 200
    refused = send(desk.url, late := desk.order(2), desk.alice)
    assert (refused.status_code, code_of(refused)) == (429, "quota")
    assert refused.headers["retry-after"] == "1"
    assert send(desk.url, desk.order(1), desk.alice).status_code == 200
    desk.now = MIDNIGHT
    late.tokens(send(desk.url, late, desk.alice))
    assert taken(desk.database) == {("alice", TODAY): (3, 2), ("alice", TODAY + 1): (2, 1)}


def test_a_revoked_account_gets_nothing_any_more(desk: Desk) -> None:
    order = desk.order()
    assert send(desk.url, order, desk.alice).status_code == 200
    accounts = open_accounts(desk.database)
    accounts.revoke("alice", day=TODAY)
    accounts.close()
    for one in (order, desk.order()):
        answer = send(desk.url, one, desk.alice)
        assert (answer.status_code, code_of(answer)) == (401, "account")
    assert taken(desk.database) == {("alice", TODAY): (2, 1)}


@pytest.mark.parametrize(
    "credential", [None, "x", "openpcc_" + "A" * 43, "a.b.c", "x" * 20_000, "é", "a b"]
)
def test_a_credential_of_nobody_is_refused(calm_desk: Desk, credential: str | None) -> None:
    headers = [("content-type", REQUESTS)]
    raw = [(name.encode(), value.encode()) for name, value in headers]
    if credential is not None:
        raw.append((b"authorization", b"Bearer " + credential.encode()))
    answer = HTTP.post(
        calm_desk.url + "/token-request", content=calm_desk.order().body, headers=raw
    )
    assert (answer.status_code, code_of(answer)) == (401, "account")
    assert answer.headers["www-authenticate"] == 'Bearer realm="issuer.example"'
    assert taken(calm_desk.database) == {}


@pytest.mark.parametrize("scheme", ["Basic", "Bearer,", "PrivateToken", "Bearer Bearer"])
def test_another_scheme_is_refused(calm_desk: Desk, scheme: str) -> None:
    headers = {"content-type": REQUESTS, "authorization": f"{scheme} {calm_desk.alice}"}
    body = calm_desk.order().body
    answer = HTTP.post(calm_desk.url + "/token-request", content=body, headers=headers)
    assert (answer.status_code, code_of(answer)) == (401, "account")


def test_two_credentials_are_none(calm_desk: Desk) -> None:
    one = ("authorization", f"Bearer {calm_desk.alice}")
    answer = HTTP.post(
        calm_desk.url + "/token-request",
        content=calm_desk.order().body,
        headers=[("content-type", REQUESTS), one, one],
    )
    assert (answer.status_code, code_of(answer)) == (401, "account")


def broken_bodies(order: Order, other_byte: int, n: int) -> dict[str, tuple[bytes, int, str]]:
    body, one = order.body, order.body[:REQUEST_SIZE]
    top = one[:3] + n.to_bytes(256)
    return {
        "none": (b"", 422, "malformed"),
        "truncated": (body[:-1], 422, "malformed"),
        "longer": (body + b"x", 422, "malformed"),
        "of two keys": (body + one[:2] + bytes([other_byte]) + one[3:], 422, "malformed"),
        "65": (one * (MAX_BATCH + 1), 413, "too-large"),
        "another type": (b"\xda\x7a" + body[2:], 422, "unsupported"),
        "not below the modulus": (one + top, 422, "malformed"),
        "all ones": (one + one[:3] + b"\xff" * 256, 422, "malformed"),
    }


@pytest.mark.parametrize(
    "what",
    ["none", "truncated", "longer", "of two keys", "65", "another type", "not below the modulus",
     "all ones"],
)  # fmt: skip
def test_a_broken_batch_is_refused_whole_and_costs_nothing(calm_desk: Desk, what: str) -> None:
    key = only_key(calm_desk.keys)
    order = Order(key, 2)
    body, status, code = broken_bodies(order, key.truncated_id ^ 1, key.n)[what]
    answer = post(calm_desk.url, body, calm_desk.alice)
    assert (answer.status_code, code_of(answer)) == (status, code)
    assert taken(calm_desk.database) == {}


def test_a_key_that_is_not_live_is_refused_before_anything_is_charged(calm_desk: Desk) -> None:
    order = calm_desk.order(1)
    body = order.body[:2] + bytes([order.key.truncated_id ^ 1]) + order.body[3:]
    answer = post(calm_desk.url, body, calm_desk.alice, REQUEST_MEDIA_TYPE)
    assert (answer.status_code, code_of(answer)) == (422, "unknown-token-key")
    assert taken(calm_desk.database) == {}


@pytest.mark.parametrize(
    ("count", "kind"),
    [(1, REQUESTS), (2, REQUEST_MEDIA_TYPE), (2, "application/json"), (2, REQUESTS + ";x=1")],
)
def test_a_batch_says_what_it_is(calm_desk: Desk, count: int, kind: str) -> None:
    answer = post(calm_desk.url, calm_desk.order(count).body, calm_desk.alice, kind)
    assert (answer.status_code, code_of(answer)) == (422, "unsupported")
    assert taken(calm_desk.database) == {}


def test_a_huge_body_is_cut_early(calm_desk: Desk) -> None:
    host, port = calm_desk.url.removeprefix("http://").split(":")
    head = f"POST /token-request HTTP/1.1\r\nhost: x\r\ncontent-length: {1 << 40}\r\n\r\n"
    with socket.create_connection((host, int(port)), timeout=20) as peer:
        peer.sendall(head.encode() + bytes(MAX_BATCH * REQUEST_SIZE + 1))
        assert peer.recv(4096).startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/token-request", 405, "method"),
        ("POST", DIRECTORY_PATH, 405, "method"),
        ("GET", "/", 404, "not-found"),
        ("GET", "/metrics", 404, "not-found"),
        ("GET", "/token-request/", 404, "not-found"),
    ],
)
def test_there_is_nothing_else(
    calm_desk: Desk, method: str, path: str, status: int, code: str
) -> None:
    answer = HTTP.request(method, calm_desk.url + path)
    assert (answer.status_code, code_of(answer)) == (status, code)


def test_one_account_does_not_keep_the_signer_to_itself(
    sqlite_desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    bob = new_account(sqlite_desk.database, "bob")
    sign = PrivateKey.blind_sign

    def slowly(self: PrivateKey, blinded: bytes) -> bytes:
        time.sleep(0.2)
        return sign(self, blinded)

    monkeypatch.setattr(PrivateKey, "blind_sign", slowly)
    orders = [sqlite_desk.order(2) for _ in range(5)]
    with ThreadPoolExecutor(6) as threads:
        mine = threads.map(lambda one: send(sqlite_desk.url, one, sqlite_desk.alice), orders)
        time.sleep(0.1)
        order = sqlite_desk.order(1)
        theirs = send(sqlite_desk.url, order, bob)
        answers = list(mine)
    order.tokens(theirs)
    assert sorted(one.status_code for one in answers) == [200, 200, 503, 503, 503]
    assert {code_of(one) for one in answers if one.status_code == 503} == {"busy"}
    assert taken(sqlite_desk.database)["alice", TODAY] == (4, 2)


def provider(server: FarEnd, **changes) -> ProviderConfig:
    settings = {
        "issuer": ISSUER, "audience": AUDIENCE, "algorithms": ("ES256", "RS256"),
        "jwks": f"{server.url}/keys",
    }  # fmt: skip
    return ProviderConfig(**(settings | changes))


def test_an_identity_that_was_added_is_an_account(database: DatabaseConfig, one_key: Path) -> None:
    with FarEnd(JwksScript()) as server, desk_of(database, one_key, provider(server)) as desk:
        stranger = send(desk.url, desk.order(), token())
        assert (stranger.status_code, code_of(stranger)) == (401, "account")
        accounts = open_accounts(database)
        accounts.add("carol", subject_digest(ISSUER, "carol"), quota=3, day=0)
        accounts.close()
        order = desk.order(3)
        for kid in ("ec", "rsa"):
            order.tokens(send(desk.url, order, token(kid)))
        assert code_of(send(desk.url, desk.order(1), token())) == "quota"
        assert taken(database) == {("carol", TODAY): (3, 1)}
        assert len(server.got) == 1


def test_a_provider_may_vouch_for_anyone(database: DatabaseConfig, one_key: Path) -> None:
    with (
        FarEnd(JwksScript()) as server,
        desk_of(database, one_key, provider(server, anyone=True), quota=2) as desk,
    ):
        for subject in ("carol", "dave"):
            order = desk.order(2)
            order.tokens(send(desk.url, order, token(sub=subject)))
            assert code_of(send(desk.url, desk.order(1), token(sub=subject))) == "quota"
        names = {f"oidc-{subject_digest(ISSUER, one).hex()}" for one in ("carol", "dave")}
        assert {name for name, _ in taken(database)} == names
        accounts = open_accounts(database)
        accounts.revoke(min(names), day=0)
        assert {one.name for one in accounts.all()} == names | {"alice"}
        accounts.close()
        said = {code_of(send(desk.url, desk.order(1), token(sub=one))) for one in ("carol", "dave")}
        assert said == {"account", "quota"}


def test_whatever_is_wrong_with_an_identity_is_refused_alike(tmp_path: Path, one_key: Path) -> None:
    database = sqlite(tmp_path)
    other = JwksScript()
    other.body = key_set("rsa")
    bad = {
        "issuer": token(iss="https://evil.example"),
        "audience": token(aud="another"),
        "expired": token(exp=NOW - 3600),
        "future": token(iat=NOW + 3600),
        "none": spelled({"alg": "none", "kid": "ec"}, claims()),
        "hs256": confused("ec"),
        "unknown kid": token(header={"kid": "new"}),
        "kid of another provider": token("rsa", iss=ISSUER),
        "unpinned": token("ed"),
    }
    with (
        FarEnd(JwksScript()) as server,
        FarEnd(other) as another,
        desk_of(
            database, one_key,
            provider(server, anyone=True, algorithms=("ES256",)),
            provider(another, issuer="https://other.example", anyone=True),
        ) as desk,
    ):  # fmt: skip
        answers = {name: send(desk.url, desk.order(), one) for name, one in bad.items()}
        assert {name: one.status_code for name, one in answers.items()} == dict.fromkeys(bad, 401)
        assert len({one.content for one in answers.values()}) == 1
        assert taken(database) == {}
        assert send(desk.url, desk.order(), token()).status_code == 200


def test_a_provider_without_keys_makes_the_issuer_say_so(tmp_path: Path, one_key: Path) -> None:
    database = sqlite(tmp_path)
    script = JwksScript()
    script.status = 500
    with (
        FarEnd(script) as server,
        desk_of(database, one_key, provider(server, anyone=True)) as desk,
    ):
        answer = send(desk.url, desk.order(), token())
        assert (answer.status_code, code_of(answer)) == (503, "not-ready")
        assert send(desk.url, desk.order(), desk.alice).status_code == 200
