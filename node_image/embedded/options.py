"""The options that all generating endpoints share, and what a request is checked against."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Self

from node_image.embedded.constrain import Constraint, Grammars
from node_image.embedded.errors import ModelFilesError, RequestError
from node_image.embedded.fields import Fields, refuse
from node_image.embedded.generation import Plan
from node_image.embedded.sampling import Sampling
from node_image.embedded.tokens import Tokens

MAX_CHOICES = 8
MAX_TOP_LOGPROBS = 20
_MAX_BIAS = 300
_MAX_STOPS, _MAX_STOP = 4, 128
# Known, harmless and without effect: hints to schedulers and labels that nothing here keeps.
HINTS = (
    "user", "metadata", "safety_identifier", "prompt_cache_key", "prompt_cache_retention",
    "cache_salt", "reasoning_effort", "verbosity", "service_tier",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Defaults:
    """Sampling where the request says nothing, from the model's `generation_config.json`."""

    temperature: float = 1.0
    top_p: float = 1.0

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read the file.

        Raises:
            ModelFilesError: not a JSON object with usable numbers.
        """
        try:
            fields = json.loads(data)
            temperature, top_p = float(fields.get("temperature", 1)), float(fields.get("top_p", 1))
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            raise ModelFilesError("generation_config.json is not usable") from error
        if not (0 <= temperature <= 2 and 0 < top_p <= 1):
            raise ModelFilesError("generation_config.json: temperature or top_p out of bounds")
        return cls(temperature=temperature, top_p=top_p)


@dataclass(frozen=True, kw_only=True)
class Service:
    """What a request is read and answered with.

    Attributes:
        model: the served model name.
        fingerprint: names the exact weights, for `system_fingerprint`.
        context: most tokens of prompt and answer together.
        clock: Unix seconds, for `created`.
    """

    model: str
    fingerprint: str
    context: int
    tokens: Tokens
    grammars: Grammars
    clock: Callable[[], float]
    defaults: Defaults = field(default_factory=Defaults)

    def check_model(self, fields: Fields) -> None:
        """Refuse a request for another model, as a 404.

        Raises:
            RequestError: another model, or none named.
        """
        name = fields.needed_text("model", limit=256)
        if name != self.model:
            raise RequestError(
                f"The model '{name}' does not exist here; this engine serves '{self.model}'.",
                param="model", code="model_not_found", status=404,
            )  # fmt: skip

    def plan(self, prompt: list[int], *, limit: int | None, draft: Plan) -> Plan:
        """A draft completed for one prompt, if it fits the context.

        Raises:
            RequestError: it does not.
        """
        room = self.context - len(prompt)
        if not prompt:
            raise RequestError("The prompt is empty.", param="prompt", code="invalid_value")
        if room < 1 or (limit or 1) > room:
            asked = f" and {limit} more were asked for" if limit else ""
            raise RequestError(
                f"This model's maximum context length is {self.context} tokens; "
                f"the prompt has {len(prompt)}{asked}.",
                param="messages", code="context_length_exceeded",
            )  # fmt: skip
        return replace(draft, prompt=tuple(prompt), max_tokens=limit or room)


def read_sampling(fields: Fields, service: Service, *, logprobs: int | None) -> Sampling:
    """The sampling options of a request."""
    temperature = fields.number("temperature", 0, 2)
    top_p = fields.number("top_p", 0, 1)
    return Sampling(
        temperature=service.defaults.temperature if temperature is None else temperature,
        top_p=service.defaults.top_p if top_p is None else top_p,
        top_k=fields.integer("top_k", 0, 2**20) or 0,
        seed=fields.integer("seed", -(2**63), 2**63 - 1),
        presence_penalty=fields.number("presence_penalty", -2, 2) or 0.0,
        frequency_penalty=fields.number("frequency_penalty", -2, 2) or 0.0,
        bias=_read_bias(fields, service.tokens.size),
        logprobs=logprobs,
    )


def _read_bias(fields: Fields, size: int) -> Mapping[int, float]:
    raw = fields.raw_object("logit_bias") or {}
    if len(raw) > _MAX_BIAS:
        refuse(f"logit_bias names more than {_MAX_BIAS} tokens.", "logit_bias")
    bias: dict[int, float] = {}
    for key, value in raw.items():
        if not (key.isascii() and key.isdecimal() and len(key) <= 9 and int(key) < size):
            refuse("logit_bias: a key is not a token of this model.", "logit_bias")
        if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > 100:
            refuse("logit_bias: a value must be a number from -100 to 100.", "logit_bias")
        bias[int(key)] = float(value)
    return bias


def read_stop(fields: Fields) -> tuple[str, ...]:
    """`stop`: a string, or up to four."""
    value = fields.value("stop")
    stops: list[object] = [] if value is None else value if isinstance(value, list) else [value]
    if len(stops) > _MAX_STOPS:
        refuse(f"stop has more than {_MAX_STOPS} strings.", "stop")
    if not all(isinstance(stop, str) and 0 < len(stop) <= _MAX_STOP for stop in stops):
        refuse(f"stop must be strings of 1 to {_MAX_STOP} characters.", "stop", "invalid_type")
    return tuple(str(stop) for stop in stops)


def read_draft(
    fields: Fields,
    service: Service,
    *,
    logprobs: int | None = None,
    constraint: Constraint | None = None,
    call: bool = False,
    may_call: bool = False,
) -> Plan:
    """A plan without its prompt, from the members that are common to chat and completion."""
    return Plan(
        prompt=(),
        max_tokens=1,
        sampling=read_sampling(fields, service, logprobs=logprobs),
        choices=fields.integer("n", 1, MAX_CHOICES) or 1,
        stop=read_stop(fields),
        constraint=constraint,
        call=call,
        may_call=may_call,
        ignore_end=fields.flag("ignore_eos") and constraint is None,
    )
