"""Paying at a `service`, and asking back."""

from collections.abc import Sequence
from typing import Any

from openpcc.protocol import bhttp
from openpcc.protocol.payment import CarriedToken
from openpcc.protocol.sealing import SealedRequest
from tests.fakes.mint import HeldToken, Mint, paid, reclaim_post, sealed_with
from tests.gateway.service import Service, code_of

Result = tuple[int, str | None]


class Mints:
    """Two issuer keys that are live, and one that is not."""

    def __init__(self) -> None:
        self.new, self.old, self.gone = Mint(), Mint(), Mint()


def seal(found: Service, tokens: Sequence[HeldToken], **more: Any) -> SealedRequest:
    """Seal a request to the first node, and name these tokens."""
    return sealed_with(tokens, found.node_keys[0].node_key, **more)


def ask(found: Service, request: bhttp.Request) -> Result:
    """Send a request inside OHTTP; give status and code."""
    answer = found.exchange(request, 1)
    return answer.status, code_of(answer)


def pay(found: Service, tokens: Sequence[HeldToken], **more: Any) -> Result:
    """Make a request and pay it."""
    return ask(found, paid(tokens, seal(found, tokens, **more)))


def back(found: Service, digest: bytes, carried: Sequence[CarriedToken]) -> bytes:
    """Ask tokens back; give the byte of each."""
    answer = found.exchange(reclaim_post(digest, carried), 1)
    assert answer.status == 200, answer.content
    return answer.content


def reply_of(found: Service, tokens: Sequence[HeldToken]) -> SealedRequest:
    """Make a request that is served."""
    sealed = seal(found, tokens)
    assert ask(found, paid(tokens, sealed)) == (200, None)
    return sealed
