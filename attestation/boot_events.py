"""What a node measures of itself at boot, in words: the same on every platform.

Launch measurement and firmware's log vouch for the image; what is loaded after that is measured by
the agent, before the engine starts. Only what the release fixes is measured; the host's settings
are bound by the quote instead. Each event is a JSON list in ASCII, so that no two look alike and
nothing is hidden:

    ["model", "demo", "9372c470…"]
    ["engine arguments", "--max-model-len", "1024"]

A register cannot be set back. An agent that starts again on the same boot finds its events already
measured, all or some, and goes on from there; a register that holds anything else is refused,
because no log could explain it.
"""

import json
from collections.abc import Sequence

from attestation.errors import AttesterError
from attestation.eventlog import extend, text_digest


def boot_events(
    models: Sequence[tuple[str, bytes]], engine_arguments: Sequence[str]
) -> tuple[str, ...]:
    """Give the events in order: each model with its digest, by name, then the arguments."""
    named = [json.dumps(["model", name, digest.hex()]) for name, digest in sorted(models)]
    return (*named, json.dumps(["engine arguments", *engine_arguments]))


def measured(before: bytes, events: Sequence[str]) -> bytes:
    """Give a register after these events."""
    for event in events:
        before = extend(before, text_digest(event))
    return before


def unmeasured(events: Sequence[str], *, before: bytes, found: bytes, name: str) -> Sequence[str]:
    """Give the events that a register does not hold yet.

    Args:
        events: all of them, in order.
        before: the register before any of them.
        found: the register now.
        name: of the register, for the error.

    Raises:
        AttesterError: it holds something else.
    """
    for count in range(len(events) + 1):
        if measured(before, events[:count]) == found:
            return events[count:]
    raise AttesterError(
        f"{name}: holds what this agent did not measure; start the guest again, and let nothing "
        "else extend it"
    )
