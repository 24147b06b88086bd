"""What the routes work with: the key ring, the accounts and the signers, each in its threads.

The key folder is looked at every few seconds. If it cannot be used the issuer has no key until it
can: signing with a key that its operator may have meant to take away would be worse.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TypeVar

from gateway.errors import ConfigurationError, FaultError
from gateway.issuer import keys
from gateway.issuer.accounts import Account, Accounts, Batch, Charge
from gateway.issuer.config import IssuerConfig, ProviderConfig
from gateway.issuer.connections import Connections, open_accounts
from gateway.issuer.errors import AccountsError
from gateway.issuer.identity import Identities
from gateway.issuer.jwks import Fetch, ProviderKeys, from_file, over_http
from gateway.issuer.keys import KeyRing, SigningKey
from gateway.outbound import Outbound
from gateway.telemetry import log

LOOK = 5.0
"""Seconds between two looks at key folder and database."""

RETIRED = 3600
"""Seconds after which a retired key is gone from all processes: before that its batches may still
come again, and must be known."""

GLANCE = 0.5
"""Seconds to the second glance at a key folder that cannot be used: it may be changing."""

DATABASE_THREADS = 4

SIGNERS = 1
"""A signature holds the interpreter's lock: for more cores, run more processes."""

PROVIDER_KEEP_ALIVE = 2.0

DAY = 86_400

Result = TypeVar("Result")


class Workshop:
    """Keys, accounts and signers of an issuer.

    Raises:
        ConfigurationError: the keys cannot be used, or the database does not let us in.
        AccountsError: the database fails.
    """

    def __init__(self, config: IssuerConfig, clock: Callable[[], float]) -> None:
        """Read the keys and open the database; `clock` gives Unix seconds."""
        self._config = config
        self._clock = clock
        self._seen: tuple[object, ...] | None = keys.fingerprint(config.keys)
        self.ring = keys.load(config.keys)
        self._connections = Connections(lambda: open_accounts(config.database))
        with self._connections.use() as accounts:
            accounts.check()
        self._database_works = True
        self._day = 0
        self._forgotten: frozenset[bytes] = frozenset()
        self._fault = asyncio.Event()
        self._outbound = Outbound(
            connect_timeout=config.connect_timeout,
            reply_timeout=config.reply_timeout,
            keep_alive=PROVIDER_KEEP_ALIVE,
            ca=config.ca,
        )
        self._identities = self._build_identities(config.providers)

    def _build_identities(self, providers: tuple[ProviderConfig, ...]) -> Identities:
        found = {
            one.issuer: ProviderKeys(one.provider, self._fetch(one), time.monotonic, place=place)
            for place, one in enumerate(providers)
        }
        anyone = frozenset(one.issuer for one in providers if one.anyone)
        return Identities(found, anyone, self._in_database)

    def _fetch(self, provider: ProviderConfig) -> Fetch:
        if provider.jwks_file is not None:
            return from_file(provider.jwks_file)
        return over_http(self._outbound, provider.jwks or "")

    def ready(self) -> bool:
        """Say whether there is a key in use and a database that answers."""
        return self._database_works and self.ring.in_use(int(self._clock())) is not None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep threads, connections and the looks at keys and database.

        Raises:
            FaultError: a signature came out wrong; the program must end.
        """
        with (
            ThreadPoolExecutor(DATABASE_THREADS, "database") as self._readers,
            ThreadPoolExecutor(SIGNERS, "signer") as self._signers,
        ):
            try:
                async with self._outbound, asyncio.TaskGroup() as group:
                    tasks = [group.create_task(one) for one in (self._look(), self._fail())]
                    yield
                    for task in tasks:
                        task.cancel()
            finally:
                self._connections.close()

    async def account(self, authorization: bytes | None, *, now: int, day: int) -> Account:
        """Find the account of a credential; see `Identities.account`."""
        return await self._identities.account(authorization, now=now, day=day)

    async def charge(self, account: Account, batch: Batch, *, day: int) -> Charge:
        """Charge an account for a batch; see `Accounts.charge`."""
        quota = self._config.quota
        return await self._in_database(
            lambda accounts: accounts.charge(account.id, batch, day=day, quota=quota)
        )

    async def sign(self, key: SigningKey, blinded: list[bytes]) -> list[bytes]:
        """Sign blinded messages, which are below the key's modulus.

        Raises:
            FaultError: one came out wrong; the program ends.
        """
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(
                self._signers, lambda: [key.private.blind_sign(one) for one in blinded]
            )
        except FaultError:
            self._fault.set()
            raise

    async def _in_database(self, work: Callable[[Accounts], Result]) -> Result:
        def run() -> Result:
            with self._connections.use() as accounts:
                return work(accounts)

        try:
            result = await asyncio.get_running_loop().run_in_executor(self._readers, run)
        except AccountsError:
            self._note_database(works=False)
            raise
        self._note_database(works=True)
        return result

    def _note_database(self, *, works: bool) -> None:
        if works != self._database_works:
            log("database-back" if works else "database-lost")
        self._database_works = works

    async def _fail(self) -> None:
        await self._fault.wait()
        log("signing-fault")
        raise FaultError("a signature came out wrong")

    async def _look(self) -> None:
        while True:
            await self._look_at_keys()
            with suppress(AccountsError):  # it was noted, and is looked at again
                await self._in_database(self._tidy)
            await asyncio.sleep(LOOK)

    async def _look_at_keys(self) -> None:
        for pause in (GLANCE, None):
            try:
                await asyncio.to_thread(self._read_changed_keys, self._config.keys)
            except ConfigurationError:
                if pause is not None:
                    await asyncio.sleep(pause)
            else:
                return
        if self._seen is not None:
            log("keys-unusable")
        self.ring, self._seen = KeyRing(keys=()), None

    def _read_changed_keys(self, folder: Path) -> None:
        if (seen := keys.fingerprint(folder)) != self._seen:
            self.ring, self._seen = keys.load(folder), seen
            log("keys-read", count=len(self.ring.keys))

    def _tidy(self, accounts: Accounts) -> None:
        accounts.check()
        if (day := int(self._clock()) // DAY) != self._day:
            accounts.forget_usage(day - self._config.usage_days)
            self._day = day
        if (gone := self._gone()) != self._forgotten:
            accounts.forget_batches(gone - self._forgotten)
            self._forgotten = gone

    def _gone(self) -> frozenset[bytes]:
        """Give the keys that no process can be signing with any more."""
        try:
            return keys.retired(self._config.keys, before=self._clock() - RETIRED)
        except ConfigurationError:
            return self._forgotten
