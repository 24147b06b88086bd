"""One sequence being generated: its prompt, its cache, its text so far, and why it ends.

`Generation.step` does one bounded piece of work (a slice of the prompt, or one token) and returns
what became visible. It knows nothing of threads, sockets or API documents.
"""

from dataclasses import dataclass
from enum import Enum

import numpy as np

from node_image.embedded.constrain import Constraint
from node_image.embedded.llama import Llama
from node_image.embedded.sampling import Sampler, Sampling, TokenLogprob
from node_image.embedded.tokens import Tokens, Utf8Stream
from node_image.embedded.weights import FloatArray

PROMPT_SLICE = 128
"""Prompt tokens per step: some 20 ms, so that a long prompt does not hold up the others."""


class Finish(Enum):
    """Why a sequence ended."""

    STOP = "stop"
    LENGTH = "length"
    TOOL_CALLS = "tool_calls"
    FAILED = "failed"


class Form(Enum):
    """What the tokens of a piece are: text for the reader, or a tool call."""

    TEXT = "text"
    CALL = "call"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to generate for one prompt.

    Attributes:
        constraint: limits the text; or, with `call` or `may_call`, the tool call.
        call: the sequence is a tool call from its first token (the prompt ends with `<|tool|>`).
        may_call: the model's own first token decides between text and a call.
        ignore_end: go on to `max_tokens` whatever the model wants; for measurements.
    """

    prompt: tuple[int, ...]
    max_tokens: int
    sampling: Sampling
    choices: int = 1
    stop: tuple[str, ...] = ()
    constraint: Constraint | None = None
    call: bool = False
    may_call: bool = False
    ignore_end: bool = False


@dataclass(frozen=True, kw_only=True)
class Piece:
    """What one step made visible of one choice.

    Attributes:
        tokens: tokens generated since the last piece of this choice.
        finish: set on the last piece only.
    """

    index: int
    form: Form
    text: str
    tokens: int
    logprobs: tuple[TokenLogprob, ...]
    finish: Finish | None


class Generation:
    """One choice of a plan, while it runs."""

    def __init__(
        self, plan: Plan, *, index: int, choice: int, model: Llama, tokens: Tokens
    ) -> None:
        """Prepare; nothing is computed yet. `index` numbers the choices of the whole request."""
        self.index = index
        self._plan, self._model, self._tokens = plan, model, tokens
        self._cache = model.new_cache()
        self._waiting = list(plan.prompt)
        self._sampler = Sampler(plan.sampling, index=choice)
        self._constraint = plan.constraint.fresh() if plan.constraint else None
        self._form = Form.CALL if plan.call else Form.TEXT
        self._stops = StopStrings(plan.stop if self._form is Form.TEXT else ())
        self._utf8 = Utf8Stream()
        self._made = self._reported = 0
        self._logprobs: list[TokenLogprob] = []

    def step(self) -> Piece | None:
        """Work on; a piece if anything became visible, the last one with its `finish`."""
        slice_, self._waiting = self._waiting[:PROMPT_SLICE], self._waiting[PROMPT_SLICE:]
        hidden = self._model.forward(slice_, self._cache)
        if self._waiting:
            return None
        logits = self._model.logits(hidden[-1])
        allowed = self._allowed()
        if not allowed.any():
            return self._piece("", Finish.FAILED)
        token = self._sampler.choose(logits, allowed)
        self._made += 1
        if self._plan.sampling.logprobs is not None:
            self._logprobs.append(self._sampler.logprob(logits, token))
        return self._take(token)

    def _allowed(self) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
        constraint = self._binding
        if constraint is not None:
            return constraint.allowed()
        allowed = ~self._tokens.control
        allowed[self._tokens.end] = not self._plan.ignore_end
        allowed[self._tokens.tool] = self._plan.may_call and self._made == 0
        return allowed

    @property
    def _binding(self) -> Constraint | None:
        """The constraint, where it binds: that of a possible call only once it is a call."""
        free = self._plan.may_call and self._form is Form.TEXT
        return None if free else self._constraint

    def _take(self, token: int) -> Piece | None:
        constraint = self._binding
        if token == self._tokens.tool:
            self._form, self._stops = Form.CALL, StopStrings(())
        elif token == self._tokens.end:
            return self._finish(Finish.STOP)
        elif constraint is not None:
            constraint.take(token)
            if constraint.failed:
                return self._finish(Finish.FAILED)
        text, stopped = self._stops.feed(self._utf8.feed(self._tokens.bytes_of(token)))
        if stopped:
            return self._piece(text, Finish.STOP)
        if constraint is not None and constraint.complete:
            return self._finish(Finish.STOP, text)
        full = self._cache.length >= self._model.shape.context
        if self._made >= self._plan.max_tokens or full:
            return self._finish(Finish.LENGTH, text)
        self._waiting = [token]
        return self._piece(text, None) if text else None

    def _finish(self, finish: Finish, text: str = "") -> Piece:
        rest, stopped = self._stops.feed(self._utf8.feed(b"", final=True))
        held = "" if stopped else self._stops.rest()
        if self._form is Form.CALL and finish is Finish.STOP:
            finish = Finish.TOOL_CALLS
        return self._piece(text + rest + held, Finish.STOP if stopped else finish)

    def _piece(self, text: str, finish: Finish | None) -> Piece:
        logprobs, self._logprobs = tuple(self._logprobs), []
        tokens, self._reported = self._made - self._reported, self._made
        return Piece(
            index=self.index, form=self._form, text=text, tokens=tokens, logprobs=logprobs,
            finish=finish,
        )  # fmt: skip


class StopStrings:
    """Withholds text that may be the beginning of a stop string."""

    def __init__(self, stops: tuple[str, ...]) -> None:
        self._stops = stops
        self._held = ""

    def feed(self, text: str) -> tuple[str, bool]:
        """Text that may be shown now, and whether a stop string was met (it is not shown)."""
        self._held += text
        ends = [at for stop in self._stops if (at := self._held.find(stop)) >= 0]
        if ends:
            shown, self._held = self._held[: min(ends)], ""
            return shown, True
        keep = max((_overlap(self._held, stop) for stop in self._stops), default=0)
        cut = len(self._held) - keep
        shown, self._held = self._held[:cut], self._held[cut:]
        return shown, False

    def rest(self) -> str:
        """What was withheld and turned out to be no stop string."""
        held, self._held = self._held, ""
        return held


def _overlap(text: str, stop: str) -> int:
    """Length of the longest end of `text` that begins `stop`."""
    longest = min(len(text), len(stop) - 1)
    return next((n for n in range(longest, 0, -1) if stop.startswith(text[-n:])), 0)


def embed(model: Llama, ids: list[int]) -> FloatArray:
    """The mean of the final hidden states, scaled to length one."""
    cache, total = model.new_cache(), np.zeros(model.shape.hidden, np.float32)
    for start in range(0, len(ids), PROMPT_SLICE):
        total += model.forward(ids[start : start + PROMPT_SLICE], cache).sum(axis=0)
    return total / np.float32(max(float(np.linalg.norm(total)), 1e-12))
