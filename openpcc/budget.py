"""How long a reply a request may have at most: what it is paid for (docs/formats.md, 11).

The header's `max_output` is a power of two, for the whole reply: all its choices together, of all
its prompts. The node sets it as the limit where the body has none and refuses a body whose limits
exceed it, so whoever says too little gets a refusal for his tokens. Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from openpcc.protocol.sealing import MIN_OUTPUT

LIMIT_FIELDS = {
    "/v1/chat/completions": ("max_completion_tokens", "max_tokens"),
    "/v1/completions": ("max_tokens",),
    "/v1/responses": ("max_output_tokens",),
}
"""Members that bound a reply, per path, as the node reads them; of several the largest counts."""

MOST = 2**53
"""No number of a body means more; Python would compute for long with what JSON can spell."""

COUNT_FIELDS = ("n", "best_of")
"""Members that say how many sequences are written for each prompt; the larger counts."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a request's body says about the size of its reply.

    Attributes:
        limit: most output tokens of one choice; None if the body does not say.
        choices: sequences that the engine writes, at least one.
    """

    limit: int | None = None
    choices: int = 1


def wanted(path: str, body: Mapping[str, object]) -> Wanted | None:
    """Read it from the body; None if a member that bounds the reply is not a positive integer."""
    names = LIMIT_FIELDS.get(path)
    if names is None:  # embeddings: no output tokens; each input counts as one
        return Wanted(limit=1, choices=_several(body.get("input")))
    limits = _numbers(body, names)
    counts = _numbers(body, COUNT_FIELDS)
    if limits is None or counts is None:
        return None
    return Wanted(
        limit=max(limits, default=None),
        choices=max(counts, default=1) * _several(body.get("prompt")),
    )


def budget(found: Wanted, *, default: int) -> int:
    """Give the smallest power of two that allows what is wanted; `default` where nothing is."""
    needed = max(default, found.choices) if found.limit is None else found.limit * found.choices
    return max(MIN_OUTPUT, 1 << (needed - 1).bit_length())


def _numbers(body: Mapping[str, object], names: tuple[str, ...]) -> list[int] | None:
    found = [body[name] for name in names if body.get(name) is not None]
    numbers = [one for one in found if isinstance(one, int) and not isinstance(one, bool)]
    return (
        numbers if len(numbers) == len(found) and all(0 < one <= MOST for one in numbers) else None
    )


def _several(prompt: object) -> int:
    """Count the prompts or inputs: a list of texts or of token lists has several."""
    if isinstance(prompt, list) and prompt and not isinstance(prompt[0], int):
        return len(prompt)
    return 1
