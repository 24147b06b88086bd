"""`POST /v1/completions`: a raw prompt, as text or as tokens, is carried on."""

from node_image.embedded import sse
from node_image.embedded.chat_request import read_stream
from node_image.embedded.documents import Document, new_id, usage_document
from node_image.embedded.fields import Fields, refuse
from node_image.embedded.generation import Piece, Plan
from node_image.embedded.options import HINTS, Service, read_draft
from node_image.embedded.sampling import TokenLogprob
from node_image.embedded.tokens import Tokens

MAX_PROMPTS = 16
MAX_LOGPROBS = 5
_USUAL_LENGTH = 16  # what the API documents for a request that gives no `max_tokens`


def read_inputs(fields: Fields, name: str, tokens: Tokens, *, limit: int) -> list[list[int]]:
    """A string, an array of tokens, or an array of either, each as tokens."""
    value = fields.value(name)
    if value is None:
        refuse(f"Missing required parameter: '{name}'.", name, "missing_required_parameter")
    if isinstance(value, list) and value and all(map(_is_number, value)):
        value = [value]
    inputs = value if isinstance(value, list) else [value]
    if not 0 < len(inputs) <= limit:
        refuse(f"{name} must have 1 to {limit} entries.", name)
    return [_read_input(one, name, tokens) for one in inputs]


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _read_input(value: object, name: str, tokens: Tokens) -> list[int]:
    if isinstance(value, str):
        return tokens.encode(value)
    if isinstance(value, list) and value and all(map(_is_number, value)):
        if not all(0 <= token < tokens.size for token in value):
            refuse(f"{name}: a number is not a token of this model.", name)
        return value
    return refuse(f"{name} must be text or tokens.", name, "invalid_type")


class CompletionReply:
    """A completion request that was understood, and its answer."""

    def __init__(self, fields: Fields, service: Service) -> None:
        """Read the request.

        Raises:
            RequestError: it is malformed, or asks for what this engine does not do.
        """
        self._service = service
        service.check_model(fields)
        prompts = read_inputs(fields, "prompt", service.tokens, limit=MAX_PROMPTS)
        limit = fields.integer("max_tokens", 1, 2**31) or _USUAL_LENGTH
        logprobs = fields.integer("logprobs", 0, MAX_LOGPROBS)
        self.streaming, self._include_usage = read_stream(fields)
        draft = read_draft(fields, service, logprobs=logprobs)
        if fields.integer("best_of", 1, 20) not in (None, draft.choices):
            refuse("best_of must equal n here.", "best_of", "unsupported_parameter")
        fields.refuse_if_set("not supported here.", "echo", "suffix")
        fields.ignore(*HINTS)
        fields.end()
        self._plans = tuple(service.plan(ids, limit=limit, draft=draft) for ids in prompts)
        count = draft.choices * len(self._plans)
        self._choices = [_Choice(index, service.tokens) for index in range(count)]
        self._id, self._created = new_id("cmpl-"), int(service.clock())
        self._completion = 0

    @property
    def plans(self) -> tuple[Plan, ...]:
        """One plan for each prompt."""
        return self._plans

    def opening(self) -> list[bytes]:
        """Nothing comes before the first text."""
        return []

    def take(self, piece: Piece) -> list[bytes]:
        """One event for one piece."""
        self._completion += piece.tokens
        choice = self._choices[piece.index].take(piece)
        document = self._head() | {"choices": [choice]}
        if self._include_usage:
            document["usage"] = None
        return [sse.event(document)]

    def closing(self) -> list[bytes]:
        """Usage, if asked for, and the end of the stream."""
        if not self._include_usage:
            return [sse.DONE]
        return [sse.event(self._head() | {"choices": [], "usage": self._usage()}), sse.DONE]

    def document(self) -> Document:
        """The whole answer."""
        choices = [choice.document() for choice in self._choices]
        return self._head() | {"choices": choices, "usage": self._usage()}

    def _usage(self) -> Document:
        return usage_document(sum(len(plan.prompt) for plan in self._plans), self._completion)

    def _head(self) -> Document:
        return {
            "id": self._id,
            "object": "text_completion",
            "created": self._created,
            "model": self._service.model,
            "system_fingerprint": self._service.fingerprint,
        }


class _Choice:
    """One choice, as far as it has come."""

    def __init__(self, index: int, tokens: Tokens) -> None:
        self._index, self._tokens = index, tokens
        self._text = ""
        self._logprobs: list[TokenLogprob] = []
        self._finish: str | None = None

    def take(self, piece: Piece) -> Document:
        """The choice of one event."""
        logprobs = self._logprobs_document(list(piece.logprobs), len(self._text))
        self._text += piece.text
        self._logprobs += piece.logprobs
        self._finish = piece.finish.value if piece.finish else None
        return self._document(piece.text, logprobs)

    def document(self) -> Document:
        """The choice of a whole answer."""
        return self._document(self._text, self._logprobs_document(self._logprobs, 0))

    def _document(self, text: str, logprobs: Document | None) -> Document:
        return {
            "index": self._index,
            "text": text,
            "logprobs": logprobs,
            "finish_reason": self._finish,
        }

    def _logprobs_document(self, entries: list[TokenLogprob], offset: int) -> Document | None:
        if not entries:
            return None
        texts = [self._tokens.text_of(entry.token) for entry in entries]
        offsets = [offset + sum(map(len, texts[:number])) for number in range(len(texts))]
        return {
            "tokens": texts,
            "token_logprobs": [entry.logprob for entry in entries],
            "top_logprobs": [
                {self._tokens.text_of(token): logprob for token, logprob in entry.top}
                for entry in entries
            ],
            "text_offset": offsets,
        }
