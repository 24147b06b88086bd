"""Asking tokens back whose request came to nothing (docs/formats.md, 11).

One request's tokens at a time: those of several, asked for together, would tell the gateway that
the requests were one client's.
"""

from collections.abc import Callable

from openpcc.errors import GatewayError
from openpcc.protocol.errors import ProtocolError
from openpcc.protocol.payment import Reclaim, parse_reclaimed
from openpcc.tokens.wallet import Wallet

Ask = Callable[[bytes], bytes]
"""Posts a body to `/tokens` of the gateway, through the relay, and gives the answer's."""


def reclaim_one(wallet: Wallet, ask: Ask, *, now: int) -> bool:
    """Ask for the tokens of one request; say whether there were any to ask for.

    Raises:
        GatewayError: it refused, or its answer is none; the tokens stay where they were.
        OpenPCCError: it could not be asked.
    """
    due = wallet.due(now)
    if due is None:
        return False
    carried = tuple(one.ask_back(due.request_digest) for one in due.tokens.values())
    answer = ask(Reclaim(request_digest=due.request_digest, tokens=carried).encode())
    try:
        outcomes = parse_reclaimed(answer, len(carried))
    except ProtocolError as error:
        raise GatewayError("unknown", 200) from error
    wallet.settle(due, outcomes)
    return True
