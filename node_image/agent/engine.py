"""The seam between the agent and whatever runs the model.

An engine is started once, answers one HTTP request at a time per call, and tells what it is. The
agent knows no engine by name beyond `engine_command`; other ways to run a model (DESIGN 8)
implement `Engine` and change nothing here.
"""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, kw_only=True)
class EngineRequest:
    """What the engine is asked; no field of the caller's but the body it may see."""

    method: str
    path: str
    body: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, kw_only=True)
class EngineReply:
    """An answer under way.

    `chunks` ends normally only where the engine said that the answer is complete; otherwise it
    raises `EngineError`.
    """

    status: int
    content_type: str
    chunks: AsyncIterator[bytes] = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Capabilities:
    """What the agent must know of an engine.

    Attributes:
        name: as in the release and in receipts.
        version: as the engine tells it.
        prefix_cache: it keeps prefixes between requests, so each request needs a cache salt.
    """

    name: str
    version: str
    prefix_cache: bool


class Engine(Protocol):
    """Runs one model."""

    async def start(self) -> None:
        """Start; return once requests are answered.

        Raises:
            EngineError: it did not come up.
        """
        ...

    @property
    def ready(self) -> bool:
        """Whether a request would be answered now."""
        ...

    def forward(self, request: EngineRequest) -> AbstractAsyncContextManager[EngineReply]:
        """Ask. Leaving the context before the answer's end stops the engine's work on it.

        Raises:
            EngineError: no answer.
        """
        ...

    async def stop(self) -> None:
        """End; nothing of the engine is left running."""
        ...

    def capabilities(self) -> Capabilities:
        """Tell what it is; valid once it has started."""
        ...
