"""One chat request over the verified transport, streamed; what it makes of the reply is pure."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, cast

import httpx

from openpcc.errors import ConfigurationError, EngineError, TruncatedReplyError
from openpcc.protocol import messages
from openpcc.sse import EventParser

if TYPE_CHECKING:
    from openpcc.receipts import Receipt

CHAT = "/v1/chat/completions"
DONE = "[DONE]"
MAX_ERROR = 65536
"""Bytes of an error object that are read."""

Message = dict[str, str]


@dataclass(kw_only=True)
class Outcome:
    """What came back so far; complete only when `complete` says so."""

    model: str
    text: list[str] = field(default_factory=list)
    usage: dict[str, object] | None = None
    complete: bool = False

    @property
    def reply(self) -> str:
        """The reply's text."""
        return "".join(self.text)

    def take(self, data: str) -> str:
        """Take the data of one event; give the text that it adds.

        Raises:
            TruncatedReplyError: the engine reported an error in mid-reply.
        """
        if data == DONE:
            self.complete = True
            return ""
        chunk = _object(data)
        if "error" in chunk:
            raise TruncatedReplyError("the engine failed in mid-reply")
        if isinstance(chunk.get("model"), str):
            self.model = chunk["model"]
        if isinstance(chunk.get("usage"), dict):
            self.usage = chunk["usage"]
        piece = _delta(chunk)
        self.text.append(piece)
        return piece


def request_body(model: str, conversation: list[Message]) -> bytes:
    """Write the request."""
    body = {
        "model": model,
        "messages": conversation,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    return json.dumps(body).encode()


def read(response: httpx.Response, outcome: Outcome) -> Iterator[str]:
    """Give the reply's text as it comes.

    Raises:
        ConfigurationError: the node refused the request as it stands.
        EngineError: the node's engine failed.
        GatewayError, TransportError: not served.
        TruncatedReplyError: the reply ended before its end.
    """
    if response.status_code != 200:
        raise _node_refusal(response)
    parser = EventParser()
    for chunk in _content(response):
        for event in parser.feed(chunk):
            yield outcome.take(event.data)
    if not outcome.complete:
        raise TruncatedReplyError("the engine's reply ended without its last event")


def receipt_json(receipt: "Receipt | None") -> dict[str, object] | None:
    """Write a verified receipt as JSON; digests in hex."""
    if receipt is None:
        return None
    values = {item.name: getattr(receipt, item.name) for item in fields(receipt)}
    return {k: v.hex() if isinstance(v, bytes) else v for k, v in values.items()}


def _node_refusal(response: httpx.Response) -> ConfigurationError | EngineError:
    """Read an error object; it came sealed, or from this client itself."""
    data = b""
    for chunk in _content(response):
        data += chunk[: MAX_ERROR - len(data)]
    error = _member(_object(data.decode("utf-8", "replace")), "error")
    code = error.get("code")
    if response.status_code >= 500:
        return EngineError(code if isinstance(code, str) else "engine", response.status_code)
    message = error.get("message")
    said = message if isinstance(message, str) else f"status {response.status_code}"
    return ConfigurationError(f"the request was refused: {said[:500]}")


def _content(response: httpx.Response) -> Iterator[bytes]:
    """Read the stream itself: `iter_raw` refuses an answer that this client made from memory."""
    yield from cast("httpx.SyncByteStream", response.stream)


def _delta(chunk: dict[str, Any]) -> str:
    choices = chunk.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        return ""
    content = _member(choices[0], "delta").get("content")
    return content if isinstance(content, str) else ""


def _member(value: dict[str, Any], name: str) -> dict[str, Any]:
    member = value.get(name)
    return member if isinstance(member, dict) else {}


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


CHAT_FIELDS = {"content-type": messages.JSON}
