"""When the same sealed bytes are sent once more (docs/decisions/0017). Pure but for the draw.

A request that came to nothing before any byte of its reply may have reached nobody, or somebody
whose answer was lost. The same bytes are the same request: a node runs them at most once, and its
tokens pay once. So the client sends them again by itself, once, in a fresh encapsulation and after
a random pause. It never seals a second time.
"""

import secrets

from openpcc.errors import GatewayError, OpenPCCError, TransportError
from openpcc.reply import Reply

CODES = frozenset({"upstream", "token-store"})
"""Refusals after which another way, or a moment later, may serve: the next hop did not answer, or
the set of spent tokens did not."""

SHORTEST, SPREAD = 0.2, 0.8
"""Seconds before the second try, and over which it is spread."""


def may_repeat(reply: Reply, error: OpenPCCError, *, now: int) -> bool:
    """Say whether a try that ended in `error` may be followed by another."""
    if now >= reply.expires:
        return False
    match error:
        case GatewayError():
            return error.code in CODES
        case TransportError():
            return not reply.fed
        case _:
            return False


def pause() -> float:
    """Draw how long to wait, seconds."""
    return SHORTEST + secrets.randbelow(1000) / 1000 * SPREAD
