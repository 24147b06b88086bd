"""`POST /v1/chat/completions`: read the request, write the answer."""

from node_image.embedded import sse
from node_image.embedded.documents import Document, logprobs_document, new_id, usage_document
from node_image.embedded.fields import Fields, as_fields, refuse
from node_image.embedded.generation import Finish, Form, Piece, Plan
from node_image.embedded.options import HINTS, MAX_TOP_LOGPROBS, Service, read_draft
from node_image.embedded.sampling import TokenLogprob
from node_image.embedded.tokens import TOOL
from node_image.embedded.toolset import (
    MAX_TOOLS,
    CallReader,
    Shaping,
    Tool,
    read_format,
    read_function,
    shape,
)

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


def read_limit(fields: Fields, context: int) -> int | None:
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


class ChatReply:
    """A chat request that was understood, and its answer."""

    def __init__(self, fields: Fields, service: Service) -> None:
        """Read the request.

        Raises:
            RequestError: it is malformed, or asks for what this engine does not do.
        """
        self._service = service
        service.check_model(fields)
        messages = [_read_message(m) for m in fields.objects("messages", limit=MAX_MESSAGES) or []]
        if not messages:
            refuse("messages is missing or empty.", "messages", "missing_required_parameter")
        shaping = _read_shaping(fields, service)
        limit = read_limit(fields, service.context)
        self.streaming, self._include_usage = read_stream(fields)
        draft = read_draft(
            fields, service, logprobs=_read_logprobs(fields), constraint=shaping.constraint,
            call=shaping.call, may_call=shaping.may_call,
        )  # fmt: skip
        _refuse_the_rest(fields)
        prompt = service.tokens.render(messages, [tool.for_template() for tool in shaping.tools])
        ids = service.tokens.encode(prompt + TOOL if shaping.call else prompt)
        self._plan = service.plan(ids, limit=limit, draft=draft)
        names = [tool.name for tool in shaping.tools]
        self._choices = [_Choice(index, names, service) for index in range(draft.choices)]
        self._id, self._created = new_id("chatcmpl-"), int(service.clock())
        self._completion = 0

    @property
    def plans(self) -> tuple[Plan, ...]:
        """One prompt, with its choices."""
        return (self._plan,)

    def opening(self) -> list[bytes]:
        """The first delta of each choice carries the role."""
        delta: Document = {"role": "assistant", "content": "", "refusal": None}
        return [self._chunk(choice.index, delta) for choice in self._choices]

    def take(self, piece: Piece) -> list[bytes]:
        """Deltas of one piece."""
        self._completion += piece.tokens
        choice = self._choices[piece.index]
        deltas = choice.take(piece)
        logprobs = choice.logprobs_of(piece) if piece.logprobs else None
        if logprobs is not None and not deltas:
            deltas = [{"content": ""}]
        events = [
            self._chunk(piece.index, delta, logprobs=None if number else logprobs)
            for number, delta in enumerate(deltas)
        ]
        if piece.finish is not None:
            events.append(self._chunk(piece.index, {}, finish=choice.finish))
        return events

    def closing(self) -> list[bytes]:
        """Usage, if asked for, and the end of the stream."""
        if not self._include_usage:
            return [sse.DONE]
        usage = {"choices": [], "usage": self._usage()}
        return [sse.event(self._head("chat.completion.chunk") | usage), sse.DONE]

    def document(self) -> Document:
        """The whole answer."""
        choices = [choice.document() for choice in self._choices]
        return self._head("chat.completion") | {"choices": choices, "usage": self._usage()}

    def _usage(self) -> Document:
        return usage_document(len(self._plan.prompt), self._completion)

    def _head(self, kind: str) -> Document:
        return {
            "id": self._id,
            "object": kind,
            "created": self._created,
            "model": self._service.model,
            "service_tier": "default",
            "system_fingerprint": self._service.fingerprint,
        }

    def _chunk(
        self,
        index: int,
        delta: Document,
        *,
        logprobs: Document | None = None,
        finish: str | None = None,
    ) -> bytes:
        choice = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish}
        chunk = self._head("chat.completion.chunk") | {"choices": [choice]}
        if self._include_usage:
            chunk["usage"] = None
        return sse.event(chunk)


def _refuse_the_rest(fields: Fields) -> None:
    if fields.value("modalities") not in (None, ["text"]):
        refuse(f"modalities: {_TEXT_ONLY}", "modalities", "unsupported_parameter")
    fields.refuse_if_set(_NO_STATE, "store")
    fields.refuse_if_set(_TEXT_ONLY, "audio")
    fields.refuse_if_set("not supported here.", "prediction", "web_search_options", "moderation")
    fields.refuse_if_set("use tools and tool_choice.", "functions", "function_call")
    fields.ignore(*HINTS)
    fields.end()


class _Choice:
    """One choice of the answer, as far as it has come."""

    def __init__(self, index: int, names: list[str], service: Service) -> None:
        self.index = index
        self.finish: str | None = None
        self._service = service
        self._reader = CallReader(names)
        self._call_id = ""
        self._text: list[str] = []
        self._arguments: list[str] = []
        self._logprobs: list[TokenLogprob] = []

    def take(self, piece: Piece) -> list[Document]:
        """The deltas of a piece."""
        self._logprobs += piece.logprobs
        if piece.finish is not None:
            self.finish = piece.finish.value
        if piece.form is Form.CALL:
            return self._take_call(piece.text, piece.finish)
        self._text.append(piece.text)
        return [{"content": piece.text}] if piece.text else []

    def _take_call(self, text: str, finish: Finish | None) -> list[Document]:
        arguments = self._reader.feed(text, finish)
        deltas: list[Document] = []
        if self._reader.name is not None and not self._call_id:
            self._call_id = new_id("call_")
            deltas.append({"tool_calls": [{"index": 0} | self._call("")]})
        if arguments:
            self._arguments.append(arguments)
            function = {"arguments": arguments}
            deltas.append({"tool_calls": [{"index": 0, "function": function}]})
        return deltas

    def _call(self, arguments: str) -> Document:
        function = {"name": self._reader.name, "arguments": arguments}
        return {"id": self._call_id, "type": "function", "function": function}

    def logprobs_of(self, piece: Piece) -> Document:
        """Log probabilities of one piece."""
        return logprobs_document(piece.logprobs, self._service.tokens)

    def document(self) -> Document:
        """The choice of a whole answer."""
        message: Document = {
            "role": "assistant",
            "content": None if self._call_id else "".join(self._text),
            "refusal": None,
            "annotations": [],
        }
        if self._call_id:
            message["tool_calls"] = [self._call("".join(self._arguments))]
        logprobs = None
        if self._logprobs:
            logprobs = logprobs_document(self._logprobs, self._service.tokens)
        return {
            "index": self.index,
            "message": message,
            "logprobs": logprobs,
            "finish_reason": self.finish,
        }
