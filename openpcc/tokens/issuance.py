"""Filling the wallet: which key is blinded to, and what is done with what was begun before.

1. entry      the newest service entry that this client verified itself says which keys are live
2. again      what was asked before and has not come is asked again, with the same bytes
3. key        the issuer's directory must offer the key that the entry names first; else nothing is
              blinded. So all clients of a window use one key, whatever they are shown
4. begin      holder keys and blinded messages are in the wallet before they are sent
5. finish     every signature is verified before any token counts
"""

from typing import Protocol

from openpcc.errors import IssuerError, IssuerKeyError
from openpcc.protocol.errors import ProtocolError
from openpcc.protocol.privacypass import IssuerDirectory, IssuerKey
from openpcc.tokens.rows import Batch
from openpcc.tokens.terms import Terms
from openpcc.tokens.wallet import Wallet

GONE = "unknown-token-key"
"""The one code after which a batch is not asked for again: its key signs nothing any more."""


class Issues(Protocol):
    """What is needed of the issuer, see `issuer.Issuer`."""

    def directory(self) -> IssuerDirectory:
        """Fetch which keys it offers."""
        ...

    def sign(self, body: bytes, count: int) -> tuple[bytes, ...]:
        """Have a batch signed."""
        ...


def fill(wallet: Wallet, issuer: Issues, terms: Terms, *, target: int, now: int) -> int:
    """Buy until the wallet has as many as it should; give how many tokens came.

    Raises:
        IssuerKeyError: the issuer does not offer the key of the entry, it is no RSA key, or keys
            change too often.
        IssuerError: it refused, or its answer is none; what was begun stays begun.
        WalletError: the wallet cannot be used.
    """
    wallet.note_keys(terms.keys, now=now)
    came = finish_begun(wallet, issuer, terms)
    key: IssuerKey | None = None
    while wallet.missing(terms, target=target, now=now) > 0:
        key = key or choose_key(issuer.directory(), terms)
        batch = _begin(wallet, key, terms, target=target, now=now)
        came += 0 if batch is None else _finish(wallet, issuer, batch)
    return came


def finish_begun(wallet: Wallet, issuer: Issues, terms: Terms) -> int:
    """Ask again for what has not come; one batch that fails keeps no other from coming.

    Raises:
        IssuerError: as `fill`, the first of them, after all were tried.
    """
    came, errors = 0, []
    for batch in wallet.pending():
        if batch.key in terms.keys:
            try:
                came += _finish(wallet, issuer, batch)
            except IssuerError as error:
                errors.append(error)
    if errors:
        raise errors[0]
    return came


def choose_key(directory: IssuerDirectory, terms: Terms) -> IssuerKey:
    """Give the key that the service entry names first, as the issuer spells it.

    Raises:
        IssuerKeyError: the issuer does not offer it.
    """
    for key in directory.issuer_keys():
        if key.id == terms.keys[0]:
            return key
    raise IssuerKeyError(
        "the issuer does not offer the key that the service's log entry names; nothing was asked "
        "of it. A key of its own would tell who spends the tokens: report it if it lasts"
    )


def _begin(wallet: Wallet, key: IssuerKey, terms: Terms, *, target: int, now: int) -> Batch | None:
    try:
        return wallet.begin_issue(key, terms, target=target, now=now)
    except ProtocolError as error:
        raise IssuerKeyError(
            f"the key that the service's log entry names is no RSA key ({error}); nothing was "
            "asked of the issuer; report it"
        ) from error


def _finish(wallet: Wallet, issuer: Issues, batch: Batch) -> int:
    try:
        signatures = issuer.sign(batch.body, len(batch.asked))
    except IssuerError as error:
        if error.code == GONE:
            wallet.drop_batch(batch)
        raise
    try:
        return wallet.finish_issue(batch, signatures)
    except ProtocolError as error:
        raise IssuerError(
            "answer", 200, "a signature is not of its key; what was asked for is kept; report it"
        ) from error
