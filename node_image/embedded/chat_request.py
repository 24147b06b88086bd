"""Read a request of `POST /v1/chat/completions`: messages, tools, formats, options."""

from dataclasses import dataclass

from node_image.embedded.documents import Document
from node_image.embedded.fields import Fields, as_fields, refuse
from node_image.embedded.generation import Plan
from node_image.embedded.options import HINTS, MAX_TOP_LOGPROBS, Service, read_draft
from node_image.embedded.tokens import TOOL
from node_image.embedded.toolset import MAX_TOOLS, Shaping, Tool, read_format, read_function, shape

MAX_MESSAGES = 1024
MAX_PARTS = 256
_NO_STATE = "this engine keeps nothing between requests."
_TEXT_ONLY = "this engine takes and gives text only."


def read_content(fields: Fields, kinds: tuple[str, ...]) -> str:
    """The text of a message: a string, or text parts. Absent means empty."""
    value = fields.value("content")
    if value is None or isinstance(value, str):
        return value or ""
    if not isinstance(value, list) or len(value) > MAX_PARTS:
        refuse("content must be a string or an array of parts.", "messages", "invalid_type")
    return "".join(_read_part(as_fields(part, "content"), kinds) for part in value)


def _read_part(part: Fields, kinds: tuple[str, ...]) -> str:
    kind = part.needed_text("type")
    if kind not in kinds:
        refuse(f"content of type '{kind[:40]}': {_TEXT_ONLY}", "messages", "unsupported_content")
    text = part.needed_text("refusal" if kind == "refusal" else "text")
    part.ignore("annotations", "logprobs")
    part.end()
    return text


def _read_message(fields: Fields) -> Document:
    role = fields.word("role", ("system", "developer", "user", "assistant", "tool"))
    if role is None:
        refuse("A message has no role.", "messages", "missing_required_parameter")
    message: Document = {"role": role, "content": read_content(fields, ("text", "refusal"))}
    if role == "assistant":
        calls = fields.objects("tool_calls", limit=MAX_PARTS) or []
        message["tool_calls"] = [_read_call(call) for call in calls]
        fields.refuse_if_set(_TEXT_ONLY, "audio")
        fields.refuse_if_set("use tool_calls.", "function_call")
        fields.ignore("refusal", "annotations")
    if role == "tool":
        fields.needed_text("tool_call_id", limit=256)
    fields.ignore("name")
    fields.end()
    return message


def _read_call(fields: Fields) -> Document:
    fields.word("type", ("function",))
    function = fields.child("function")
    if function is None:
        refuse("A tool call has no function.", "messages", "missing_required_parameter")
    call = {
        "name": function.needed_text("name", limit=64),
        "arguments": function.needed_text("arguments"),
    }
    function.end()
    fields.ignore("id", "index")
    fields.end()
    return {"type": "function", "function": call}


def _read_tool(fields: Fields) -> Tool:
    fields.word("type", ("function",))
    function = fields.child("function")
    if function is None:
        refuse("Only tools of type 'function' are supported.", "tools", "unsupported_parameter")
    fields.end()
    return read_function(function)


def _read_choice(fields: Fields, *, tools: bool) -> str | tuple[str]:
    value = fields.value("tool_choice")
    match value:
        case None:
            return "auto" if tools else "none"
        case "none" | "auto" | "required":
            return str(value)
        case {"type": "function", "function": {"name": str(name)}}:
            return (name,)
        case _:
            return refuse("tool_choice is not one of the supported forms.", "tool_choice")


def _read_logprobs(fields: Fields) -> int | None:
    top = fields.integer("top_logprobs", 0, MAX_TOP_LOGPROBS)
    if not fields.flag("logprobs"):
        if top:
            refuse("top_logprobs needs logprobs to be true.", "top_logprobs")
        return None
    return top or 0


def _read_limit(fields: Fields) -> int | None:
    """`max_completion_tokens`, or its older name."""
    # A budget beyond the context is judged against it later, with the prompt's length beside it.
    new = fields.integer("max_completion_tokens", 1, 2**31)
    old = fields.integer("max_tokens", 1, 2**31)
    return new or old


def read_stream(fields: Fields) -> tuple[bool, bool]:
    """(stream, include usage)."""
    stream = fields.flag("stream")
    options = fields.child("stream_options")
    if options is None:
        return stream, False
    if not stream:
        refuse("stream_options needs stream to be true.", "stream_options")
    usage = options.flag("include_usage")
    # Sealed replies are padded in records already; random padding here would add nothing.
    options.ignore("include_obfuscation")
    options.end()
    return stream, usage


def _read_shaping(fields: Fields, service: Service) -> Shaping:
    tools = tuple(_read_tool(tool) for tool in fields.objects("tools", limit=MAX_TOOLS) or [])
    choice = _read_choice(fields, tools=bool(tools))
    fields.flag("parallel_tool_calls")  # either way one call is made
    output = read_format(fields.child("response_format"), service.grammars, nested=True)
    return shape(tools=tools, choice=choice, output=output, grammars=service.grammars)


def _refuse_the_rest(fields: Fields) -> None:
    if fields.value("modalities") not in (None, ["text"]):
        refuse(f"modalities: {_TEXT_ONLY}", "modalities", "unsupported_parameter")
    fields.refuse_if_set(_NO_STATE, "store")
    fields.refuse_if_set(_TEXT_ONLY, "audio")
    fields.refuse_if_set("not supported here.", "prediction", "web_search_options", "moderation")
    fields.refuse_if_set("use tools and tool_choice.", "functions", "function_call")
    fields.ignore(*HINTS)
    fields.end()


@dataclass(frozen=True, kw_only=True)
class ChatRequest:
    """A request that was understood."""

    plan: Plan
    tools: tuple[Tool, ...]
    stream: bool
    include_usage: bool


def read_request(fields: Fields, service: Service) -> ChatRequest:
    """Read the request.

    Raises:
        RequestError: it is malformed, or asks for what this engine does not do.
    """
    service.check_model(fields)
    messages = [_read_message(m) for m in fields.objects("messages", limit=MAX_MESSAGES) or []]
    if not messages:
        refuse("messages is missing or empty.", "messages", "missing_required_parameter")
    shaping = _read_shaping(fields, service)
    limit = _read_limit(fields)
    stream, include_usage = read_stream(fields)
    draft = read_draft(
        fields, service, logprobs=_read_logprobs(fields), constraint=shaping.constraint,
        call=shaping.call, may_call=shaping.may_call,
    )  # fmt: skip
    _refuse_the_rest(fields)
    prompt = service.tokens.render(messages, [tool.for_template() for tool in shaping.tools])
    ids = service.tokens.encode(prompt + TOOL if shaping.call else prompt)
    return ChatRequest(
        plan=service.plan(ids, limit=limit, draft=draft),
        tools=shaping.tools,
        stream=stream,
        include_usage=include_usage,
    )
