"""Which opened requests may run, and as what (sealing sheet, What the node does, step 5).

    1. target   method and path are on the list; the model is this node's and the sealed one
    2. body     one JSON object, no repeated member, not too deep
    3. model    the body names the sealed model
    4. state    nothing that would outlive the request; nothing that reaches beyond it
    5. budget   the reply cannot grow past what was paid for
    6. cache    shared prefixes only under a salt of the caller's own

The engine is given the body written anew from what was read here, never the caller's bytes: what
was checked and what runs cannot differ. Refusals name a field, never a value.
"""

import hmac
import json
import re
import secrets
from dataclasses import dataclass, field
from typing import Never, cast

from node_image.agent.errors import InnerRefusal
from openpcc.protocol import bhttp, messages, sealing

MAX_DEPTH = 64
"""Nesting of a request body. Tool schemas nest; a thousand levels would exhaust the stack."""

CACHE_SALT_BYTES = 32
"""A caller's own prefix-cache salt must not be guessable by another caller."""

LIMIT_FIELDS = {
    "/v1/chat/completions": ("max_completion_tokens", "max_tokens"),
    "/v1/completions": ("max_tokens",),
    "/v1/responses": ("max_output_tokens",),
}
"""The fields that bound the reply, per path; the first is set when none is there."""

STATEFUL_FLAGS = ("store", "background")
STATEFUL_FIELDS = ("previous_response_id", "conversation")
"""Would keep something after the reply, or ask for something kept."""

FOREIGN_FIELDS = (
    "prompt_embeds",
    "kv_transfer_params",
    "mm_processor_kwargs",
    "chat_template",
    "chat_template_kwargs",
    "vllm_xargs",
)
"""Engine options that feed the engine more than text: tensors to unpickle, peers to connect to,
templates to run. One caller's such option could reach another's request."""

Json = dict[str, object]


@dataclass(frozen=True, kw_only=True)
class Admitted:
    """A request that may run.

    Attributes:
        body: what the engine gets; None for a request without a body.
        stream: the caller asked for server-sent events.
        strip_usage: usage was asked for on the node's behalf; the caller must not see it.
        generates: the reply reports token counts.
    """

    method: str
    path: str
    body: bytes | None = field(repr=False)
    stream: bool = False
    strip_usage: bool = False
    generates: bool = True


@dataclass(frozen=True, kw_only=True)
class Preferences:
    """What the caller asked of the reply itself.

    Attributes:
        paced: it goes out in fixed records at fixed times.
        receipt: it ends with a receipt.
    """

    paced: bool = False
    receipt: bool = True


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What a request is held against.

    Attributes:
        model: the name this node serves.
        model_id: the sealed header's.
        max_output: the sealed header's budget in tokens; 0 is none.
        cache_key: secret of the epoch that salts the prefix cache; None: the engine has none.
    """

    model: str
    model_id: bytes
    max_output: int
    cache_key: bytes | None = field(repr=False)


def admit(request: bhttp.Request, terms: Terms) -> Admitted:
    """Decide whether an opened request may run.

    Raises:
        InnerRefusal: it may not; the first step of the module's list that failed.
    """
    _check_target(request, terms)
    if request.method == "GET":
        return Admitted(method="GET", path=request.path, body=None, generates=False)
    body = parse_body(request.content)
    _check_model(body, terms)
    _check_state(body, request.path)
    _set_budget(body, request.path, terms.max_output)
    _set_cache_salt(body, terms.cache_key)
    stream, strip = _ask_for_usage(body, request.path)
    return Admitted(
        method="POST", path=request.path, body=_write(body), stream=stream, strip_usage=strip
    )


def preferences(request: bhttp.Request) -> Preferences:
    """Read pace and receipt from the inner fields; both spellings are closed lists.

    Raises:
        InnerRefusal: another spelling.
    """
    paces = [value for name, value in request.headers if name == messages.PACE]
    receipts = [value for name, value in request.headers if name == messages.RECEIPT]
    if paces not in ([], ["latency"], ["paced"]):
        raise _malformed("openpcc-pace is latency or paced", messages.PACE)
    if receipts not in ([], ["no"]):
        raise _malformed("openpcc-receipt is no, or left out", messages.RECEIPT)
    return Preferences(paced=paces == ["paced"], receipt=not receipts)


def parse_body(data: bytes) -> Json:
    """Read the JSON body of a request.

    Raises:
        InnerRefusal: not one JSON object in UTF-8, a repeated member, NaN, or too deep.
    """
    _check_depth(data)
    try:
        value = json.loads(data.decode(), object_pairs_hook=_object, parse_constant=_not_a_number)
    except (ValueError, RecursionError) as error:
        raise _malformed("the body is not a JSON object in UTF-8") from error
    if not isinstance(value, dict):
        raise _malformed("the body is not a JSON object")
    return cast("Json", value)


def _check_target(request: bhttp.Request, terms: Terms) -> None:
    if (request.method, request.path) not in messages.ALLOWED_PATHS or request.scheme != "https":
        raise InnerRefusal(code="path", status=404, message="this path is not served here")
    if terms.model_id != sealing.model_id(terms.model):
        raise _other_model("this node does not serve the model the request was sealed for")


def _check_model(body: Json, terms: Terms) -> None:
    model = body.get("model")
    if not isinstance(model, str):
        raise _malformed("model must be a string", "model")
    if model != terms.model:
        raise _other_model("the body names another model than the request was sealed for")


def _check_state(body: Json, path: str) -> None:
    for name in STATEFUL_FLAGS:
        if body.get(name) is not None and body.get(name) is not False:
            raise _stateful(name)
    for name in STATEFUL_FIELDS:
        if body.get(name) is not None:
            raise _stateful(name)
    for name in FOREIGN_FIELDS:
        if body.get(name) is not None:
            raise InnerRefusal(
                code="unsupported", status=400, message=f"{name} is not served here", param=name
            )
    if path == "/v1/responses":
        body["store"] = False  # The API's default would be to keep the response.


def _set_budget(body: Json, path: str, budget: int) -> None:
    """Hold every limit of the body to the budget shared by all its choices; set one if none is."""
    if budget == 0:
        return
    names = LIMIT_FIELDS.get(path)
    if names is None:  # embeddings write no tokens; each input counts as one
        if _several(body.get("input")) > budget:
            raise _over_budget("input")
        return
    share = budget // _choices(body)
    given = [(name, body[name]) for name in names if body.get(name) is not None]
    for name, value in given:
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise _malformed(f"{name} must be a positive integer", name)
        if value > share:
            raise _over_budget(name)
    if share == 0:
        raise _over_budget("n")
    if not given:
        body[names[0]] = share


def _choices(body: Json) -> int:
    """Count the sequences one request makes the engine write."""
    counts = []
    for name in ("n", "best_of"):
        value = body.get(name)
        if value is None:
            continue
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise _malformed(f"{name} must be a positive integer", name)
        counts.append(value)
    return max(counts, default=1) * _several(body.get("prompt"))


def _several(prompt: object) -> int:
    """Count the prompts or inputs: a list of texts or of token lists has several."""
    if isinstance(prompt, list) and prompt and not isinstance(prompt[0], int):
        return len(prompt)
    return 1


def _set_cache_salt(body: Json, cache_key: bytes | None) -> None:
    """Give every request a prefix cache of its own, or one per caller's salt and epoch.

    The caller's salt is keyed with a secret that dies with the epoch, so that cached blocks cannot
    be reached afterwards, even by somebody who learnt the salt.
    """
    salt = body.pop("cache_salt", None)
    if salt is not None and not (isinstance(salt, str) and len(_utf8(salt)) >= CACHE_SALT_BYTES):
        raise _malformed(f"cache_salt must be at least {CACHE_SALT_BYTES} bytes", "cache_salt")
    if cache_key is None:
        return
    own = secrets.token_bytes(32) if salt is None else _utf8(salt)
    body["cache_salt"] = hmac.digest(cache_key, own, "sha256").hex()


def _ask_for_usage(body: Json, path: str) -> tuple[bool, bool]:
    """Have a stream end with its token counts; say if it streams, and if they are to be hidden."""
    stream = body.get("stream")
    if stream is not None and not isinstance(stream, bool):
        raise _malformed("stream must be true or false", "stream")
    if not stream or path == "/v1/responses":
        return bool(stream), False  # A response's last event carries its usage by itself.
    options = body.get("stream_options")
    if options is not None and not isinstance(options, dict):
        raise _malformed("stream_options must be an object", "stream_options")
    wanted = options is not None and options.get("include_usage") is True
    body["stream_options"] = {**(options or {}), "include_usage": True}
    return True, not wanted


def _check_depth(data: bytes) -> None:
    depth = 0
    for bracket in re.finditer(rb'"(?:[^"\\]|\\.)*+"|[\[\]{}]', data):
        depth += {b"[": 1, b"{": 1, b"]": -1, b"}": -1}.get(bracket[0], 0)
        if depth > MAX_DEPTH:
            raise _malformed(f"the body is nested deeper than {MAX_DEPTH}")


def _object(pairs: list[tuple[str, object]]) -> Json:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _malformed("a member is repeated")
    return members


def _not_a_number(_: str) -> Never:
    raise _malformed("NaN and Infinity are not JSON")


def _write(body: Json) -> bytes:
    return _utf8(json.dumps(body, ensure_ascii=False, separators=(",", ":")))


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise _malformed("the body has half a surrogate pair") from error


def _malformed(message: str, param: str | None = None) -> InnerRefusal:
    return InnerRefusal(code="malformed", status=400, message=message, param=param)


def _other_model(message: str) -> InnerRefusal:
    return InnerRefusal(code="model", status=404, message=message, param="model")


def _stateful(name: str) -> InnerRefusal:
    return InnerRefusal(
        code="stateful", status=400, message=f"{name}: nothing is kept here", param=name
    )


def _over_budget(name: str) -> InnerRefusal:
    message = f"{name} asks for more tokens than the sealed budget"
    return InnerRefusal(code="output-limit", status=400, message=message, param=name)
