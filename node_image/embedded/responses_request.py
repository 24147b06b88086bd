"""Read a request of `POST /v1/responses`: input items, function tools, text format.

Nothing is stored, so whatever refers to an earlier response is refused.
"""

from dataclasses import dataclass

from node_image.embedded.chat_request import MAX_MESSAGES, MAX_PARTS, read_content
from node_image.embedded.documents import Document
from node_image.embedded.fields import Fields, as_fields, refuse
from node_image.embedded.generation import Plan
from node_image.embedded.options import HINTS, MAX_TOP_LOGPROBS, Service, read_draft
from node_image.embedded.tokens import TOOL
from node_image.embedded.toolset import MAX_TOOLS, Shaping, Tool, read_format, read_function, shape

_NO_STATE = "this engine keeps nothing between requests."


@dataclass(frozen=True, kw_only=True)
class ResponsesRequest:
    """A request that was understood.

    Attributes:
        echo: the members of the request that the response repeats.
        logprobs: whether the caller asked for log probabilities.
    """

    plan: Plan
    tools: tuple[Tool, ...]
    stream: bool
    logprobs: bool
    echo: Document


def read_request(fields: Fields, service: Service) -> ResponsesRequest:
    """Read the request.

    Raises:
        RequestError: it is malformed, or asks for what this engine does not do.
    """
    service.check_model(fields)
    instructions = fields.text("instructions")
    messages = _read_input(fields)
    if instructions is not None:
        messages.insert(0, {"role": "system", "content": instructions})
    echo: Document = {"instructions": instructions, "metadata": fields.raw_object("metadata") or {}}
    for name in ("temperature", "top_p", "tools", "tool_choice"):
        echo[name] = fields.peek(name)
    shaping = _read_shaping(fields, service)
    limit = fields.integer("max_output_tokens", 1, 2**31)
    logprobs = _read_logprobs(fields)
    stream = _read_stream(fields)
    _refuse_the_rest(fields)
    draft = read_draft(
        fields, service, logprobs=logprobs, constraint=shaping.constraint, call=shaping.call,
        may_call=shaping.may_call,
    )  # fmt: skip
    fields.ignore(*HINTS)
    fields.end()
    if draft.choices != 1:
        refuse("A response has one answer.", "n", "unknown_parameter")
    prompt = service.tokens.render(messages, [tool.for_template() for tool in shaping.tools])
    ids = service.tokens.encode(prompt + TOOL if shaping.call else prompt)
    return ResponsesRequest(
        plan=service.plan(ids, limit=limit, draft=draft), tools=shaping.tools, stream=stream,
        logprobs=logprobs is not None,
        echo=echo | {
            "max_output_tokens": limit,
            "tools": echo["tools"] or [],
            "tool_choice": echo["tool_choice"] or "auto",
            "temperature": draft.sampling.temperature,
            "top_p": draft.sampling.top_p,
        },
    )  # fmt: skip


def _read_input(fields: Fields) -> list[Document]:
    value = fields.value("input")
    if isinstance(value, str):
        return [{"role": "user", "content": value}]
    if not isinstance(value, list) or not 0 < len(value) <= MAX_MESSAGES:
        refuse("input must be a string or an array of items.", "input", "invalid_type")
    return [_read_item(as_fields(item, "input")) for item in value]


def _read_item(fields: Fields) -> Document:
    kind = fields.text("type", limit=64) or "message"
    fields.ignore("id", "status", "phase")
    match kind:
        case "message":
            role = fields.word("role", ("system", "developer", "user", "assistant"))
            kinds = ("input_text", "output_text", "text", "refusal")
            item: Document = {"role": role or "user", "content": read_content(fields, kinds)}
        case "function_call":
            call = {
                "name": fields.needed_text("name"),
                "arguments": fields.needed_text("arguments"),
            }
            fields.needed_text("call_id", limit=256)
            item = {"role": "assistant", "content": "", "tool_calls": [{"function": call}]}
        case "function_call_output":
            fields.needed_text("call_id", limit=256)
            item = {"role": "tool", "content": _read_output(fields)}
        case _:
            refuse(
                f"input items of type '{kind}' are not supported.", "input", "unsupported_content"
            )
    fields.end()
    return item


def _read_output(fields: Fields) -> str:
    if isinstance(fields.peek("output"), str):
        return fields.needed_text("output")
    parts = Fields({"content": fields.array("output", limit=MAX_PARTS)})
    return read_content(parts, ("input_text", "output_text"))


def _read_tool(fields: Fields) -> Tool:
    if fields.text("type", limit=64) != "function":
        refuse("Only tools of type 'function' are supported.", "tools", "unsupported_parameter")
    return read_function(fields)


def _read_choice(fields: Fields, *, tools: bool) -> str | tuple[str]:
    match fields.value("tool_choice"):
        case None:
            return "auto" if tools else "none"
        case "none" | "auto" | "required" as word:
            return str(word)
        case {"type": "function", "name": str(name)}:
            return (name,)
        case _:
            return refuse("tool_choice is not one of the supported forms.", "tool_choice")


def _read_shaping(fields: Fields, service: Service) -> Shaping:
    tools = tuple(_read_tool(tool) for tool in fields.objects("tools", limit=MAX_TOOLS) or [])
    choice = _read_choice(fields, tools=bool(tools))
    fields.flag("parallel_tool_calls")
    text = fields.child("text")
    output = None
    if text is not None:
        output = read_format(text.child("format"), service.grammars, nested=False)
        text.ignore("verbosity")
        text.end()
    return shape(tools=tools, choice=choice, output=output, grammars=service.grammars)


def _read_logprobs(fields: Fields) -> int | None:
    top = fields.integer("top_logprobs", 0, MAX_TOP_LOGPROBS)
    include = fields.array("include", limit=16) or []
    for name in include:
        if name not in ("message.output_text.logprobs", "reasoning.encrypted_content"):
            refuse("include names what is not supported here.", "include", "unsupported_parameter")
    asked = top is not None or "message.output_text.logprobs" in include
    return (top or 0) if asked else None


def _read_stream(fields: Fields) -> bool:
    options = fields.child("stream_options")
    if options is not None:
        options.ignore("include_obfuscation")
        options.end()
    return fields.flag("stream")


def _refuse_the_rest(fields: Fields) -> None:
    fields.refuse_if_set(_NO_STATE, "store", "previous_response_id", "conversation", "background")
    fields.refuse_if_set("not supported here.", "prompt", "context_management", "max_tool_calls")
    if fields.word("truncation", ("auto", "disabled")) == "auto":
        refuse("truncation 'auto' is not supported.", "truncation", "unsupported_parameter")
    fields.ignore("reasoning")
