"""Answer `POST /v1/chat/completions`, as document or as events."""

from node_image.embedded import sse
from node_image.embedded.chat_request import read_request
from node_image.embedded.documents import Document, logprobs_document, new_id, usage_document
from node_image.embedded.fields import Fields
from node_image.embedded.generation import Finish, Form, Piece, Plan
from node_image.embedded.options import Service
from node_image.embedded.sampling import TokenLogprob
from node_image.embedded.toolset import CallReader


class ChatReply:
    """A chat request that was understood, and its answer."""

    def __init__(self, fields: Fields, service: Service) -> None:
        """Read the request.

        Raises:
            RequestError: it is malformed, or asks for what this engine does not do.
        """
        request = read_request(fields, service)
        self._service, self._plan = service, request.plan
        self.streaming, self._include_usage = request.stream, request.include_usage
        names = [tool.name for tool in request.tools]
        self._choices = [_Choice(index, names, service) for index in range(request.plan.choices)]
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
