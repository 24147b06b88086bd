"""From a sealed request to one that may run: the numbered list of the sealing sheet.

    1. form, live key, expiry     `take`    malformed, unsupported, truncated, unknown-key, expired
    2. wrap and commitment        `take`    unsealable
    3. replay set                 `take`    replayed; from here on the request is spent
    4. content                    `Taken.open`    unsealable, malformed, truncated
    5. policy                     `Taken.open`    a verdict, told inside the seal

Steps 1 to 3 take less than a millisecond. Steps 4 and 5 grow with the content; they touch nothing
shared, so a large content may be opened on another thread.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from node_image.agent import policy, receipts
from node_image.agent.epoch import Epoch
from node_image.agent.errors import InnerRefusal
from node_image.agent.policy import Admitted, Preferences, Terms
from node_image.agent.replay import ReplaySet
from openpcc.protocol import bhttp
from openpcc.protocol.errors import BHTTPError, UnknownKeyError
from openpcc.protocol.sealing import (
    Header,
    NodePrivateKey,
    Prefix,
    ReplySealer,
    Unwrapped,
    check_header,
)


class Keys(Protocol):
    """The live keys of this node."""

    def find(self, ids: Sequence[bytes]) -> "tuple[NodePrivateKey, Epoch] | None":
        """Give the first key that is named and live, with its epoch."""
        ...


@dataclass(frozen=True, kw_only=True)
class Opened:
    """What came out of the seal, and the way back in.

    Attributes:
        verdict: the request that runs, or why it may not.
        request_hash: salted digest of the request message, for the receipt.
    """

    verdict: Admitted | InnerRefusal
    preferences: Preferences
    sealer: ReplySealer = field(repr=False)
    request_hash: bytes
    request_digest: bytes
    epoch: Epoch = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Taken:
    """A request that is addressed to this node, opens, and was not taken before."""

    header: Header
    request_digest: bytes
    epoch: Epoch = field(repr=False)
    unwrapped: Unwrapped = field(repr=False)

    def open(self, body: bytes, *, model: str, prefix_cache: bool) -> Opened:
        """Open the content and decide whether it may run.

        Raises:
            ProtocolError: step 4; the request stays spent.
        """
        message = self.unwrapped.open_content(body)
        sealer = self.unwrapped.seal_reply()
        terms = Terms(
            model=model,
            model_id=self.header.model_id,
            max_output=self.header.max_output,
            cache_key=self.epoch.cache_key if prefix_cache else None,
        )
        preferences, verdict = _judge(message, terms)
        return Opened(
            verdict=verdict,
            preferences=preferences,
            sealer=sealer,
            request_hash=receipts.request_hash(sealer.receipt_salt, message),
            request_digest=self.request_digest,
            epoch=self.epoch,
        )


def take(body: bytes, *, keys: Keys, replay: ReplaySet, now: int) -> Taken:
    """Run steps 1 to 3; the first that fails is the refusal.

    Raises:
        ProtocolError: of the code that the step names.
    """
    # 1. form, live key, expiry
    prefix = Prefix.parse(body)
    found = keys.find(prefix.header.node_key_ids)
    if found is None:
        raise UnknownKeyError("no listed key is live on this node")
    key, epoch = found
    check_header(prefix.header, now)
    # 2. wrap and commitment
    unwrapped = prefix.unwrap(key)
    # 3. replay set
    replay.take(unwrapped.request_id)
    return Taken(
        header=prefix.header,
        request_digest=prefix.request_digest,
        epoch=epoch,
        unwrapped=unwrapped,
    )


def _judge(message: bytes, terms: Terms) -> tuple[Preferences, Admitted | InnerRefusal]:
    """5. policy: read pace and receipt first, so that a refusal keeps to them."""
    preferences = Preferences()
    try:
        request = bhttp.decode_request(message)
        preferences = policy.preferences(request)
        return preferences, policy.admit(request, terms)
    except BHTTPError:
        text = "the sealed content is not a Binary HTTP request"
        return preferences, InnerRefusal(code="malformed", status=400, message=text)
    except InnerRefusal as refusal:
        return preferences, refusal
