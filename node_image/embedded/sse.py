"""Write server-sent events: one line of data each, as OpenAI's streams have it.

data: {"id":"chatcmpl-1"}

event: response.created
data: {"type":"response.created"}
"""

import json

DONE = b"data: [DONE]\n\n"
"""What ends a stream of completions; streams of `/v1/responses` end without it."""


def event(document: object, *, name: str | None = None) -> bytes:
    """One event. JSON escapes line ends, so the data is always a single line."""
    data = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    prefix = f"event: {name}\n" if name else ""
    return f"{prefix}data: {data}\n\n".encode("utf-8", "replace")
