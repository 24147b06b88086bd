"""Answer `POST /v1/responses`: one message, or one function call, as document or as events."""

from node_image.embedded import sse
from node_image.embedded.documents import Document, logprobs_document, new_id
from node_image.embedded.fields import Fields
from node_image.embedded.generation import Finish, Form, Piece, Plan
from node_image.embedded.options import Service
from node_image.embedded.responses_request import read_request
from node_image.embedded.sampling import TokenLogprob
from node_image.embedded.toolset import CallReader


class ResponsesReply:
    """A response request that was understood, and its answer."""

    def __init__(self, fields: Fields, service: Service) -> None:
        """Read the request.

        Raises:
            RequestError: it is malformed, or asks for what this engine does not do.
        """
        self._request = read_request(fields, service)
        self._service = service
        self._id, self._created = new_id("resp_"), int(service.clock())
        self._item: _Item | None = None
        self._finish: Finish | None = None
        self._completion = self._sequence = 0

    @property
    def plans(self) -> tuple[Plan, ...]:
        """One prompt, one answer."""
        return (self._request.plan,)

    @property
    def streaming(self) -> bool:
        """Whether the caller asked for events."""
        return self._request.stream

    def opening(self) -> list[bytes]:
        """The response exists, and is being worked on."""
        return [
            self._event("response.created", response=self._response("in_progress")),
            self._event("response.in_progress", response=self._response("in_progress")),
        ]

    def take(self, piece: Piece) -> list[bytes]:
        """Events of one piece: the item when it begins, its deltas, its end."""
        self._completion += piece.tokens
        self._finish = piece.finish
        parts: list[tuple[str, Document]] = []
        if self._item is None:
            self._item = self._new_item(piece.form)
            if isinstance(self._item, _Message):
                parts += self._item.begin()
        parts += self._item.take(piece)
        if piece.finish is not None:
            parts += self._item.end("completed" if self._whole else "incomplete")
        return [self._event(kind, **members) for kind, members in parts]

    def closing(self) -> list[bytes]:
        """The finished response."""
        status = "completed" if self._whole else "incomplete"
        return [self._event(f"response.{status}", response=self._response(status))]

    def document(self) -> Document:
        """The whole answer."""
        return self._response("completed" if self._whole else "incomplete")

    @property
    def _whole(self) -> bool:
        return self._finish is not Finish.LENGTH

    def _new_item(self, form: Form) -> "_Item":
        if form is Form.CALL:
            return _Call([tool.name for tool in self._request.tools])
        return _Message(self._service, logprobs=self._request.logprobs)

    def _event(self, kind: str, **members: object) -> bytes:
        document = {"type": kind, "sequence_number": self._sequence, **members}
        self._sequence += 1
        return sse.event(document, name=kind)

    def _response(self, status: str) -> Document:
        reason = {"reason": "max_output_tokens"} if status == "incomplete" else None
        done = status != "in_progress"
        output = [self._item.document(status)] if done and self._item else []
        return {
            "id": self._id,
            "object": "response",
            "created_at": self._created,
            "status": status,
            "background": False,
            "error": None,
            "incomplete_details": reason,
            "model": self._service.model,
            "output": [item for item in output if item is not None],
            "parallel_tool_calls": False,
            "previous_response_id": None,
            "reasoning": {"effort": None, "summary": None},
            "service_tier": "default",
            "store": False,
            "text": {"format": {"type": "text"}},
            "truncation": "disabled",
            "usage": self._usage() if done else None,
            "user": None,
            **self._request.echo,
        }

    def _usage(self) -> Document:
        prompt = len(self._request.plan.prompt)
        return {
            "input_tokens": prompt,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": self._completion,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": prompt + self._completion,
        }


Events = list[tuple[str, Document]]


class _Message:
    """The output item of a text answer."""

    def __init__(self, service: Service, *, logprobs: bool) -> None:
        self._id = new_id("msg_")
        self._service, self._with_logprobs = service, logprobs
        self._text = ""
        self._logprobs: list[TokenLogprob] = []

    def _here(self) -> Document:
        return {"item_id": self._id, "output_index": 0, "content_index": 0}

    def begin(self) -> Events:
        """The item and its one part, still empty."""
        part = self._part("", ())
        return [
            ("response.output_item.added", {"output_index": 0, "item": self._empty()}),
            ("response.content_part.added", self._here() | {"part": part}),
        ]

    def _empty(self) -> Document:
        return {
            "id": self._id, "type": "message", "role": "assistant", "status": "in_progress",
            "content": [],
        }  # fmt: skip

    def take(self, piece: Piece) -> Events:
        """A delta, if there is text."""
        self._text += piece.text
        self._logprobs += piece.logprobs
        if not piece.text:
            return []
        delta = {"delta": piece.text, "logprobs": self._written(piece.logprobs)}
        return [("response.output_text.delta", self._here() | delta)]

    def end(self, status: str) -> Events:
        """The finished part and item."""
        part = self._part(self._text, tuple(self._logprobs))
        text = {"text": self._text, "logprobs": part["logprobs"]}
        return [
            ("response.output_text.done", self._here() | text),
            ("response.content_part.done", self._here() | {"part": part}),
            ("response.output_item.done", {"output_index": 0, "item": self.document(status)}),
        ]

    def document(self, status: str) -> Document | None:
        """The item of a whole answer."""
        part = self._part(self._text, tuple(self._logprobs))
        return self._empty() | {"status": status, "content": [part]}

    def _part(self, text: str, logprobs: tuple[TokenLogprob, ...]) -> Document:
        return {
            "type": "output_text",
            "text": text,
            "annotations": [],
            "logprobs": self._written(logprobs),
        }

    def _written(self, logprobs: tuple[TokenLogprob, ...]) -> object:
        if not self._with_logprobs:
            return []
        return logprobs_document(logprobs, self._service.tokens)["content"]


class _Call:
    """The output item of a function call. It begins once the function's name is known."""

    def __init__(self, names: list[str]) -> None:
        self._id, self._call_id = new_id("fc_"), new_id("call_")
        self._reader = CallReader(names)
        self._begun = False
        self._arguments = ""

    def take(self, piece: Piece) -> Events:
        """The item, once named, and deltas of its arguments."""
        new = self._reader.feed(piece.text, piece.finish)
        events: Events = []
        if self._reader.name is not None and not self._begun:
            self._begun = True
            item = self._document("in_progress", "")
            events.append(("response.output_item.added", {"output_index": 0, "item": item}))
        if new:
            self._arguments += new
            here = {"item_id": self._id, "output_index": 0}
            events.append(("response.function_call_arguments.delta", here | {"delta": new}))
        return events

    def end(self, status: str) -> Events:
        """The finished call."""
        if not self._begun:
            return []
        done = {
            "item_id": self._id, "output_index": 0, "arguments": self._arguments,
            "name": self._reader.name,
        }  # fmt: skip
        item = self._document(status, self._arguments)
        return [
            ("response.function_call_arguments.done", done),
            ("response.output_item.done", {"output_index": 0, "item": item}),
        ]

    def document(self, status: str) -> Document | None:
        """The item of a whole answer; None if the answer ended before the name."""
        return self._document(status, self._arguments) if self._begun else None

    def _document(self, status: str, arguments: str) -> Document:
        return {
            "id": self._id,
            "type": "function_call",
            "status": status,
            "call_id": self._call_id,
            "name": self._reader.name,
            "arguments": arguments,
        }


_Item = _Message | _Call
