"""As much of a wallet as an issuer sees, and an issuer in this process."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from gateway.issuer import keys
from gateway.issuer.config import DatabaseConfig, IssuerConfig, ProviderConfig
from gateway.issuer.connections import open_accounts
from gateway.issuer.identity import key_digest, new_api_key
from openpcc.protocol.privacypass import (
    DIRECTORY_PATH,
    REQUEST_MEDIA_TYPE,
    IssuerDirectory,
    IssuerKey,
    PendingToken,
    TokenChallenge,
    encode_batch,
    parse_responses,
    verify_token,
)
from tests.fakes.serving import Served

HTTP = httpx.Client(timeout=30, limits=httpx.Limits(max_keepalive_connections=0))
"""One for all tests: making one reads every root of the system."""

REQUESTS = "application/vnd.openpcc.token-requests"
CHALLENGE = TokenChallenge(issuer_name="issuer.example", origin_info=("demo.example",))


@dataclass
class Order:
    """Tokens on their way: what is sent, and what makes tokens of the answer."""

    key: IssuerKey
    count: int = 2
    pending: list[PendingToken] = field(init=False)

    def __post_init__(self) -> None:
        self.pending = [
            PendingToken.begin(
                key=self.key, challenge_digest=CHALLENGE.digest, nonce=os.urandom(32)
            )
            for _ in range(self.count)
        ]

    @property
    def body(self) -> bytes:
        return encode_batch(one.request for one in self.pending)

    def tokens(self, answer: httpx.Response) -> list[bytes]:
        """Finalize, and verify as a gateway does."""
        assert answer.status_code == 200, answer.text
        signatures = parse_responses(answer.content, self.count)
        tokens = [
            one.finalize(signature) for one, signature in zip(self.pending, signatures, strict=True)
        ]
        for token in tokens:
            accepted = {self.key.id: self.key}
            verify_token(token, keys=accepted, challenge_digest=CHALLENGE.digest)
        return tokens


def post(url: str, body: bytes, credential: str | None, kind: str = REQUESTS) -> httpx.Response:
    headers = {"content-type": kind}
    if credential is not None:
        headers["authorization"] = f"Bearer {credential}"
    return HTTP.post(f"{url}/token-request", content=body, headers=headers)


def send(url: str, order: Order, credential: str | None) -> httpx.Response:
    kind = REQUEST_MEDIA_TYPE if order.count == 1 else REQUESTS
    return post(url, order.body, credential, kind)


def code_of(answer: httpx.Response) -> str:
    code: str = answer.json()["error"]["code"]
    return code


def directory(url: str) -> IssuerDirectory:
    return IssuerDirectory.parse(HTTP.get(url + DIRECTORY_PATH).content)


def only_key(folder: Path) -> IssuerKey:
    (found,) = keys.load(folder).keys
    return found.public


def new_account(database: DatabaseConfig, name: str, quota: int | None = None) -> str:
    """Add an account; gives its API key."""
    api_key, accounts = new_api_key(), open_accounts(database)
    accounts.add(name, key_digest(api_key), quota=quota, day=0)
    accounts.close()
    return api_key


def taken(database: DatabaseConfig) -> dict[tuple[str, int], tuple[int, int]]:
    """What was charged: tokens and batches, by account and day."""
    accounts = open_accounts(database)
    found = {(one.name, one.day): (one.tokens, one.batches) for one in
             accounts.usage(first=0, last=10**6)}  # fmt: skip
    accounts.close()
    return found


def config_of(
    database: DatabaseConfig, folder: Path, *providers: ProviderConfig, quota: int = 100
) -> IssuerConfig:
    return IssuerConfig(
        name="issuer.example", keys=folder, database=database, listen="127.0.0.1:0",
        providers=providers, quota=quota,
    )  # fmt: skip


def served(config: IssuerConfig, clock: Callable[[], float]) -> Served:
    from gateway.issuer.main import IssuerProgram

    return Served(IssuerProgram(config, clock), config)
