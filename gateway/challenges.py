"""Auditors' challenges: how often a node may be asked for new evidence, and asking it.

Collecting evidence occupies a machine's secure processor and all its devices for up to seconds, so
a node answers few. Each has one allowance here, whoever asks: a table by address would be a table
of addresses, and behind relays there is only one. Somebody who uses a node's allowance up keeps
other auditors from it for as long as he goes on, and nobody from anything else; the node's own
pause stands behind it, for there may be several gateways.
"""

import asyncio
from collections.abc import Callable

import aiohttp

from gateway.errors import RefusedError, UpstreamError
from gateway.mirror import MAX_EVIDENCE
from gateway.outbound import Outbound, read_bounded
from openpcc.protocol import messages
from openpcc.protocol.messages import Challenge

INTERVAL = 10.0
"""Seconds in which a node earns one challenge."""

BURST = 3
"""Challenges that a node which was left alone answers at once."""

ANSWER_TIME = 60.0
"""Seconds a node has: eight GPUs and a TPM take several."""

PRUNED_FROM = 1024
"""Allowances kept before those that are whole again are dropped."""

CODES = frozenset({"busy", "unknown-key", "not-ready"})
"""What of a node's own words is passed on; anything else is `upstream`."""


class Allowances:
    """One token bucket per node; a node that has its whole allowance takes no room."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """Begin with whole allowances; `clock` gives monotonic seconds."""
        self._clock = clock
        self._whole_at: dict[str, float] = {}

    def __len__(self) -> int:
        """Count the nodes that are remembered."""
        return len(self._whole_at)

    def take(self, url: str) -> None:
        """Take one challenge of a node.

        Raises:
            RefusedError: `busy`; its allowance is used up.
        """
        now = self._clock()
        whole_at = max(self._whole_at.get(url, now), now) + INTERVAL
        if whole_at > now + BURST * INTERVAL:
            raise RefusedError("busy")
        if len(self._whole_at) >= PRUNED_FROM:
            self._whole_at = {one: at for one, at in self._whole_at.items() if at > now}
        self._whole_at[url] = whole_at


class Challenger:
    """Carries challenges to nodes, and their evidence back; judges none of it."""

    def __init__(self, outbound: Outbound, allowances: Allowances) -> None:
        self._outbound = outbound
        self._allowances = allowances

    async def ask(self, url: str, challenge: Challenge, *, server_name: str = "") -> bytes:
        """Give the bundle that a node answers with.

        Raises:
            RefusedError: `busy` here, or the node's code.
            UpstreamError: it did not answer, or something else.
        """
        self._allowances.take(url)
        try:
            async with (
                asyncio.timeout(ANSWER_TIME),
                self._outbound.request(
                    "POST",
                    f"{url}/challenge",
                    headers={"content-type": messages.OCTETS},
                    body=challenge.encode(),
                    server_name=server_name,
                ) as response,
            ):
                return await _read(response)
        except (aiohttp.ClientError, OSError) as error:  # TimeoutError is an OSError
            raise UpstreamError("the node did not answer a challenge") from error


async def _read(response: aiohttp.ClientResponse) -> bytes:
    if response.status == 200:
        if response.headers.get("content-type") != messages.EVIDENCE:
            raise UpstreamError("the node answered a challenge with another media type")
        return await read_bounded(response, MAX_EVIDENCE)
    code = messages.decode_error(await read_bounded(response, messages.MAX_ERROR))
    if code in CODES:
        raise RefusedError(code)
    raise UpstreamError("the node refused a challenge")
