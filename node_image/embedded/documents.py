"""The small documents that several endpoints share: errors, usage, models, log probabilities."""

import secrets
from collections.abc import Sequence
from typing import Protocol

from node_image.embedded.errors import RequestError
from node_image.embedded.generation import Piece, Plan
from node_image.embedded.options import Service
from node_image.embedded.sampling import TokenLogprob
from node_image.embedded.tokens import Tokens

Document = dict[str, object]


class Reply(Protocol):
    """How one endpoint answers: it takes pieces, and gives events or one document."""

    @property
    def plans(self) -> tuple[Plan, ...]:
        """What to generate."""

    @property
    def streaming(self) -> bool:
        """Whether the caller asked for events."""

    def opening(self) -> list[bytes]:
        """Events before the first piece."""

    def take(self, piece: Piece) -> list[bytes]:
        """Account for a piece; the events that it makes."""

    def closing(self) -> list[bytes]:
        """Events after the last piece."""

    def document(self) -> Document:
        """The whole answer, after the last piece."""


def new_id(prefix: str) -> str:
    """A fresh identifier of a response, message or call."""
    return prefix + secrets.token_hex(12)


def error_document(message: str, kind: str, param: str | None, code: str | None) -> Document:
    """An error, with the four members that clients look for."""
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def refusal_document(error: RequestError) -> Document:
    """The document of a refused request."""
    kind = "invalid_request_error" if error.status < 500 else "server_error"
    return error_document(str(error), kind, error.param, error.code)


def usage_document(prompt: int, completion: int) -> Document:
    """Token counts of chat and completion."""
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def model_document(service: Service, created: int) -> Document:
    """One entry of `/v1/models`."""
    return {
        "id": service.model,
        "object": "model",
        "created": created,
        "owned_by": "openpcc",
        "max_model_len": service.context,
    }


def logprobs_document(logprobs: Sequence[TokenLogprob], tokens: Tokens) -> Document:
    """Log probabilities as chat and responses have them."""

    def one(token: int, logprob: float) -> Document:
        data = tokens.bytes_of(token)
        return {"token": tokens.text_of(token), "logprob": logprob, "bytes": list(data)}

    content = [
        one(entry.token, entry.logprob) | {"top_logprobs": [one(*pair) for pair in entry.top]}
        for entry in logprobs
    ]
    return {"content": content, "refusal": None}
