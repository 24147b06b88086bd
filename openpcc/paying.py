"""Where requests meet their payment: what the service's entry asks for, and what is in the purse.

With open admission there is nothing to pay and no wallet. What a service asks for stands in its
logged entry; a gateway's word changes neither whether nor how much is paid.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from openpcc import answers, clock, relays
from openpcc.answers import Answer, Call
from openpcc.carrier import Carrier
from openpcc.config import ClientConfig
from openpcc.errors import ConfigurationError, DirectoryError
from openpcc.gateway_files import GatewayFiles
from openpcc.lookup import Lookup
from openpcc.nodes import NodeBook, Selection
from openpcc.reply import Reply
from openpcc.state import StateFile
from openpcc.token_settings import NO_TOKENS

if TYPE_CHECKING:
    from openpcc.tokens.payment import Payment
    from openpcc.tokens.purse import Purse
    from openpcc.tokens.terms import Terms

RECLAIM = 60
"""Seconds that asking tokens back may take."""


def open_purse(config: ClientConfig, book: NodeBook) -> "Purse | None":
    """Give what to pay with; None where the configuration has no `[tokens]`.

    Raises:
        ConfigurationError: a file that it names cannot be used.
    """
    if config.tokens is None:
        return None
    from openpcc.tokens.purse import Purse  # with open admission nobody waits for SQLite

    return Purse(config, terms=lambda: _terms(book), ask=_asking(config, book))


def count_stock(config: ClientConfig) -> int:
    """Count the tokens that can be spent; no network, and no wallet is made.

    Raises:
        WalletError: the wallet cannot be used.
    """
    from openpcc.tokens.store import Store
    from openpcc.tokens.wallet import Wallet

    store = Store(config.state, config.policy.service)
    try:
        return Wallet(store).counts().stock if store.exists else 0
    finally:
        store.close()


def read_terms(config: ClientConfig, now: int) -> "Terms | None":
    """Read the newest service entry for a purchase; None: admission is open.

    The entry alone: to whoever is gateway and issuer at once, a shard asked for at the time of a
    purchase would say which shard that account keeps, and so draws its nodes from.

    Raises:
        DirectoryError, GatewayError, TransportError, TruncatedReplyError, ConfigurationError: see
            `Lookup.entry`.
    """
    from openpcc.tokens.terms import Terms

    carrier = Carrier(relays.of_process(config.relays), config.ca)
    try:
        return Terms.of(Lookup(config, carrier, StateFile(config.state)).entry(now))
    finally:
        carrier.close()


def sealed(selection: Selection, call: Call, purse: "Purse | None") -> Reply | Answer:
    """Seal a request, and pay for it where the service asks for that.

    Raises:
        ConfigurationError: it asks for tokens, and none are configured.
        TokenError: it cannot be paid for; nothing was taken.
        DirectoryError: nothing can be sealed; nothing was taken.
    """

    def make(payment: "Payment | None") -> Reply:
        return Reply(selection.keys, selection.nodes, call, now=selection.now, payment=payment)

    if selection.service.parameters.tokens is None:
        return make(None)
    if purse is None:
        raise ConfigurationError(NO_TOKENS)
    if call.wanted is None:
        text = "limits and counts of a reply must be positive integers"
        return answers.refusal(400, "malformed", text)
    from openpcc.tokens.terms import Terms

    terms = Terms.of(selection.service)
    assert terms is not None  # noqa: S101 - looked at above
    return purse.pay(terms, call.wanted, make, now=selection.now)


def settle(reply: Reply, purse: "Purse | None") -> None:
    """Note what became of a request when it is over: served, or come to nothing."""
    if purse is None or not reply.paid:
        return
    if reply.status is None:
        purse.released(reply.request_digest, expires=reply.expires)
    else:
        purse.served(reply.request_digest)


def _terms(book: NodeBook) -> "Terms | None":
    from openpcc.tokens.terms import Terms

    snapshot = book.valid(clock.now())
    return None if snapshot is None else Terms.of(snapshot.service)


def _asking(config: ClientConfig, book: NodeBook) -> Callable[[bytes], bytes]:
    """Ask for tokens back on a connection of its own, which no request uses."""

    def ask(body: bytes) -> bytes:
        snapshot = book.valid(clock.now())
        if snapshot is None:
            raise DirectoryError("stale", "the service was not looked at lately")
        carrier = Carrier(relays.of_process(config.relays), config.ca)
        try:
            with carrier.limited(RECLAIM):
                files = GatewayFiles(carrier, snapshot.keys, config.policy.service)
                return files.reclaim(body)
        finally:
            carrier.close()

    return ask
