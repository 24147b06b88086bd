"""What a node measures of itself at boot, in words: the same on every platform.

Launch measurement and firmware's log vouch for the image; what is loaded after that is measured by
the agent, before the engine starts. Only what the release fixes is measured; the host's settings
are bound by the quote instead. Each event is a JSON list in ASCII, so that no two look alike and
nothing is hidden:

    ["model", "demo", "9372c470…"]
    ["engine arguments", "--max-model-len", "1024"]
"""

import json
from collections.abc import Sequence


def boot_events(
    models: Sequence[tuple[str, bytes]], engine_arguments: Sequence[str]
) -> tuple[str, ...]:
    """Give the events in order: each model with its digest, by name, then the arguments."""
    named = [json.dumps(["model", name, digest.hex()]) for name, digest in sorted(models)]
    return (*named, json.dumps(["engine arguments", *engine_arguments]))
