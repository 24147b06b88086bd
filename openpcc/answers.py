"""What a caller asks, and what can be answered or refused without a node.

Pure: from a request as the caller's HTTP library gives it to the inner request that is sealed. What
travels inside is a closed list of fields, the same for every client: the SDK's own headers, the API
key and the user agent stay here.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from openpcc import budget
from openpcc.budget import Wanted
from openpcc.errors import UnknownPaceError
from openpcc.protocol import bhttp, messages

MAX_REQUEST = 47 * 2**20
"""Bytes of a request's content: the largest bucket of a sealed request has 48 MiB, and the fields
and record lengths around the content must fit in too."""

PACES = ("latency", "paced")
MODELS = "/v1/models"


@dataclass(frozen=True, kw_only=True)
class Options:
    """How replies come back, for every request of a transport."""

    pace: str | None = None
    """Left out: the first that the service's logged entry lists, so that all clients do alike."""
    receipt: bool = True

    def __post_init__(self) -> None:
        """Refuse an unknown pace at the place where it was written."""
        if self.pace is not None and self.pace not in PACES:
            raise ValueError(f"pace must be one of {', '.join(PACES)}; found {self.pace!r}")


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A request as the caller's library gives it."""

    method: str
    target: str
    """Path, with query if any."""
    content: bytes


@dataclass(frozen=True, kw_only=True)
class Call:
    """A request for a node: what to seal, and which model may open it. `paced` makes it whole."""

    model: str
    request: bhttp.Request
    wanted: Wanted | None = None
    """What it says about the size of its reply; None: nothing that a node would accept."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A request answered here, as OpenAI JSON; nothing was sent."""

    status: int
    content: bytes


def asks_for_models(asked: Asked) -> bool:
    """Say whether this is the model list: the logged service entry answers it, not a node."""
    return asked.method == "GET" and (
        asked.target == MODELS or asked.target.startswith(MODELS + "/")
    )


def list_models(asked: Asked, models: list[str], *, created: int) -> Answer:
    """Answer `GET /v1/models` and `GET /v1/models/NAME` from the logged models."""
    rows = [
        {"id": name, "object": "model", "created": created, "owned_by": "openpcc"}
        for name in models
    ]
    if asked.target == MODELS:
        return _json(200, {"object": "list", "data": rows})
    name = asked.target.removeprefix(MODELS + "/")
    for row in rows:
        if row["id"] == name:
            return _json(200, row)
    return refusal(404, "model_not_found", "the service's log entry names no such model", "model")


def prepare(asked: Asked, options: Options, service: str) -> Call | Answer:
    """Make the inner request, or refuse what no node could serve."""
    if (asked.method, asked.target) not in messages.ALLOWED_PATHS:
        return refusal(404, "path", f"{asked.method} {asked.target[:64]} is not served here")
    if len(asked.content) > MAX_REQUEST:
        return refusal(413, "too-large", f"a request has at most {MAX_REQUEST} bytes of content")
    body = _body(asked.content)
    model = body.get("model")
    if not isinstance(model, str) or not model:
        return refusal(400, "model", "the body must be a JSON object that names a model", "model")
    fields = [("content-type", messages.JSON)]
    if not options.receipt:
        fields.append((messages.RECEIPT, "no"))
    return Call(
        model=model,
        request=bhttp.Request(
            method=asked.method,
            scheme="https",
            authority=service,
            path=asked.target,
            headers=tuple(fields),
            content=asked.content,
        ),
        wanted=budget.wanted(asked.target, body),
    )


def paced(call: Call, options: Options, offered: Sequence[str]) -> Call:
    """Name the pace of the reply inside the request, which nobody but the node sees.

    Args:
        call: made by `prepare`.
        options: what the caller chose.
        offered: the paces of the service's logged entry.

    Raises:
        UnknownPaceError: the entry does not list the pace that was chosen.
    """
    pace = offered[0] if options.pace is None else options.pace
    if pace not in offered:
        raise UnknownPaceError(pace, tuple(offered))
    headers = (*call.request.headers, (messages.PACE, pace))
    return replace(call, request=replace(call.request, headers=headers))


def refusal(status: int, code: str, message: str, param: str | None = None) -> Answer:
    """Write an OpenAI error object."""
    error = {
        "message": message,
        "type": "invalid_request_error" if status < 500 else "server_error",
        "param": param,
        "code": code,
    }
    return _json(status, {"error": error})


def _body(content: bytes) -> Mapping[str, object]:
    """Read the body; what is no JSON object names nothing."""
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


def _json(status: int, document: object) -> Answer:
    return Answer(status=status, content=json.dumps(document).encode())
