"""All of paying, for a transport: the wallet, the issuer, the keeper.

The wallet is opened, or made, when it is first needed: a client of a service with open admission
has none.
"""

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from openpcc import budget, clock
from openpcc.budget import Wanted
from openpcc.config import ClientConfig
from openpcc.errors import ConfigurationError, OpenPCCError, WalletError
from openpcc.token_settings import NO_TOKENS, TokenSettings
from openpcc.tokens import issuance, reclaim
from openpcc.tokens.issuer import Issuer
from openpcc.tokens.keeper import Keeper
from openpcc.tokens.payment import Payment, tokens_for
from openpcc.tokens.reclaim import Ask
from openpcc.tokens.rows import Counts
from openpcc.tokens.store import Store
from openpcc.tokens.terms import Terms
from openpcc.tokens.wallet import Sealed, Wallet

RECLAIM_EVERY = 300
"""Mean seconds between two requests whose tokens are asked back."""

_INHERITED: list[Issuer | None] = []
"""Connections of a parent process: kept, so that nothing closes them here."""

S = TypeVar("S", bound=Sealed)


class Purse:
    """What a transport pays with. Safe to share between threads; close it when done."""

    def __init__(
        self,
        config: ClientConfig,
        *,
        terms: Callable[[], Terms | None],
        ask: Ask,
        now: Callable[[], int] = clock.now,
    ) -> None:
        """Open nothing yet.

        Args:
            config: with `tokens`.
            terms: gives those of the newest service entry, if it is valid now; no network.
            ask: see `reclaim.Ask`.
            now: the local clock.

        Raises:
            ConfigurationError: there is no `[tokens]`.
        """
        self._settings = require(config.tokens)
        self.store = Store(
            config.state, config.policy.service, protection=self._settings.protection
        )
        self.wallet = Wallet(self.store)
        self._terms = terms
        self._ask = ask
        self._now = now
        self._issuer: Issuer | None = None
        self._filling = threading.Lock()
        self._process = os.getpid()
        self._closed = False
        self._keeper = Keeper(
            fill=self._top_up,
            fill_every=self._settings.every,
            reclaim=self._reclaim,
            reclaim_every=RECLAIM_EVERY,
        )

    def start(self) -> None:
        """Keep the wallet filled from now on, in the background."""
        self._keeper.start()

    def pay(self, terms: Terms, wanted: Wanted, make: Callable[[Payment], S], *, now: int) -> S:
        """Seal a request by `make` and pay for it.

        Raises:
            TooExpensiveError, WalletEmptyError, WalletError: nothing was taken.
        """
        self.start()
        max_output = budget.budget(wanted, default=self._settings.budget)
        count = tokens_for(max_output, output=terms.output)
        return self.wallet.spend(count, terms, make, max_output=max_output, now=now)

    def served(self, request_digest: bytes) -> None:
        """Note that a reply began."""
        with suppress(WalletError):  # the reply is there; asking back finds the rest out
            self.wallet.served(request_digest)

    def released(self, request_digest: bytes, *, expires: int) -> None:
        """Note that a request came to nothing."""
        with suppress(WalletError):  # its own error is the one to raise; `HOLD` ends the waiting
            self.wallet.released(request_digest, expires=expires)

    def fill(self, terms: Terms) -> int:
        """Buy now, because the user said so. Raises as `issuance.fill`, and ConfigurationError."""
        self._leave_parents()
        with self._filling:
            return issuance.fill(
                self.wallet, self._reach(), terms, target=self._settings.stock, now=self._now()
            )

    def counts(self) -> Counts | None:
        """Count what is in the wallet; None: there is none yet. Raises WalletError."""
        return self.wallet.counts() if self.store.exists else None

    @property
    def problem(self) -> OpenPCCError | None:
        """Why the last purchase in the background came to nothing; None: it did not."""
        return self._keeper.problems.get("fill")

    def close(self) -> None:
        """End the background, the connections and the file."""
        self._closed = True
        self._leave_parents()
        if self._issuer is not None:
            self._issuer.close()  # which ends a purchase that is under way; what was begun stays
        self._keeper.close()
        self.store.close()

    def _reach(self) -> Issuer:
        """Give the connection to the issuer; made when it is first needed."""
        self._leave_parents()
        if self._issuer is None:
            self._issuer = Issuer(self._settings)
        if self._closed:
            self._issuer.close()
        return self._issuer

    def _leave_parents(self) -> None:
        """After a fork: the lock may be held for ever, and the connections are the parent's."""
        if self._process != os.getpid():
            _INHERITED.append(self._issuer)
            self._filling, self._issuer, self._process = threading.Lock(), None, os.getpid()

    def _top_up(self) -> None:
        terms = self._terms()
        if terms is not None:
            self.fill(terms)

    def _reclaim(self) -> None:
        if self._terms() is not None and self.store.exists:
            reclaim.reclaim_one(self.wallet, self._ask, now=self._now())
            self.store.tidy()


def require(settings: TokenSettings | None) -> TokenSettings:
    """Give the settings of a service that asks for tokens.

    Raises:
        ConfigurationError: there are none.
    """
    if settings is None:
        raise ConfigurationError(NO_TOKENS)
    return settings
