"""What attacks on a paid service may take from the user's own wallet: so many tokens, and no more.

Tokens of requests that came to nothing are marked as always, and the user's own client asks for
them back. Nothing is bought here, nothing asked back, and no wallet is made.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from openpcc import budget
from openpcc.audit.attack.attempt import NotTriedError
from openpcc.budget import Wanted
from openpcc.config import ClientConfig
from openpcc.errors import DirectoryError, TokenError
from openpcc.token_settings import NO_TOKENS
from openpcc.tokens.payment import Payment, tokens_for
from openpcc.tokens.purse import Purse
from openpcc.tokens.terms import Terms
from openpcc.tokens.wallet import Sealed

MOST = 64
"""Tokens that all attacks together take from the wallet at most: in some ten seconds 40, of which a
third is spent. A slow service has more honest requests, for each shows something for a moment."""

BOUGHT = 1
"""Tokens that are asked of the issuer: one for another service, which only this one refuses."""

FILL = "run: openpcc wallet fill"

S = TypeVar("S", bound=Sealed)


class Allowance(Purse):
    """A purse that is never filled.

    Attributes:
        taken: tokens that were taken so far.
    """

    def __init__(self, config: ClientConfig, *, most: int = MOST) -> None:
        """Open nothing yet. Raises ConfigurationError where there is no `[tokens]`."""
        super().__init__(config, terms=lambda: None, ask=_ask_nothing)
        self.settings = self._settings
        self.most = most
        self.taken = 0

    @property
    def path(self) -> Path:
        """The wallet's file."""
        return self.store.path

    def start(self) -> None:
        """Keep nothing filled: tokens are bought by the user's client alone."""

    def pay(self, terms: Terms, wanted: Wanted, make: Callable[[Payment], S], *, now: int) -> S:
        """Pay as a client does. Raises NotTriedError where the allowance or the wallet is empty."""
        max_output = budget.budget(wanted, default=self.settings.budget)
        count = tokens_for(max_output, output=terms.output)
        return self.take(count, terms, make, max_output=max_output, now=now)

    def take(
        self,
        count: int,
        terms: Terms,
        make: Callable[[Payment], S],
        *,
        max_output: int,
        now: int,
    ) -> S:
        """Take tokens, and mark them with the request that they pay for; see `Wallet.spend`.

        Raises:
            NotTriedError: the allowance or the wallet has not as many.
        """
        if self.taken + count > self.most:
            raise NotTriedError(f"it would take more than the {self.most} tokens that were said")
        if not self.store.exists:
            raise NotTriedError(f"there is no wallet to pay from; {FILL}")
        try:
            made = self.wallet.spend(count, terms, make, max_output=max_output, now=now)
        except TokenError as error:
            raise NotTriedError(f"{error}; {FILL}") from error
        self.taken += count
        return made


def allowance_of(config: ClientConfig) -> Allowance | None:
    """Give what may be spent; None where the configuration has no `[tokens]`."""
    return None if config.tokens is None else Allowance(config)


def require(found: Allowance | None) -> Allowance:
    """Give what may be spent.

    Raises:
        NotTriedError: there is nothing.
    """
    if found is None:
        raise NotTriedError(NO_TOKENS)
    return found


def _ask_nothing(_: bytes) -> bytes:
    raise DirectoryError("unavailable", "tokens are asked back by the user's own client")
