"""Constrained decoding: JSON, JSON Schema and tool calls, through llguidance.

A grammar allows a caller's schema and, inside it, what keeps a tiny model from rambling: a string,
array or number that the schema leaves unbounded gets a bound here. What comes out is still valid
for the caller's schema, because the bounds only narrow it.

A tool call is written as `{"name": NAME, "arguments": {…}}` after the `<|tool|>` token.
"""

import json
from collections.abc import Mapping, Sequence

import numpy as np
from llguidance import LLMatcher, LLParserLimits, LLTokenizer
from numpy.typing import NDArray

from node_image.embedded.errors import RequestError
from node_image.embedded.tokens import Tokens

MAX_SCHEMA = 64 * 1024
"""Characters of all schemas of a request: compiling costs time, and hand-written ones are short."""

_STRING, _ITEMS, _MEMBERS, _NUMBER = 64, 6, 6, 999_999
_STYLE = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
# Any object is allowed by "any object"; this one has short names, and values that end.
_FREE_OBJECT: dict[str, object] = {
    "type": "object",
    "patternProperties": {
        "^[a-z_]{1,16}$": {"anyOf": [{"type": t} for t in ("string", "integer", "boolean")]}
    },
    "additionalProperties": False,
}
_LIMITS = LLParserLimits(
    max_grammar_size=100_000, max_lexer_states=50_000, initial_lexer_fuel=500_000,
    verbose_errors=False,
)  # fmt: skip

Json = Mapping[str, object]


def tool_opening(name: str) -> str:
    """The fixed text before a call's arguments."""
    return f'{{"name": {json.dumps(name, ensure_ascii=False)}, "arguments": '


def schema_grammar(schema: Json) -> str:
    """The grammar of one JSON document that is valid for a schema."""
    return LLMatcher.grammar_from_lark(f"start: %json {_json_rule(schema)}\n")


def object_grammar() -> str:
    """The grammar of any JSON object (`response_format` of type `json_object`)."""
    return schema_grammar(_FREE_OBJECT)


def tools_grammar(tools: Sequence[tuple[str, Json]]) -> str:
    """The grammar of one call of one of the tools, each a name and a schema of its arguments."""
    names = [f"call_{number}" for number in range(len(tools))]
    lines = ["start: " + " | ".join(names)]
    for rule, (name, schema) in zip(names, tools, strict=True):
        # A schema that says nothing allows any object; one without a type is an object too.
        arguments = {"type": "object", **schema} if schema.get("properties") else _FREE_OBJECT
        lines.append(f'{rule}: {json.dumps(tool_opening(name))} {rule}_arguments "}}"')
        lines.append(f"{rule}_arguments: %json {_json_rule(arguments)}")
    return LLMatcher.grammar_from_lark("\n".join(lines) + "\n")


def _json_rule(schema: Json) -> str:
    narrowed = _narrow(schema)
    if not isinstance(narrowed, dict):
        raise RequestError("A schema must be an object.", param="schema")
    text = json.dumps(narrowed | {"x-guidance": _STYLE}, ensure_ascii=False)
    if len(text) > MAX_SCHEMA:
        raise RequestError(f"A schema is larger than {MAX_SCHEMA} characters.", param="schema")
    return text


_SCHEMAS = frozenset({"items", "additionalProperties", "contains"})
_LISTS = frozenset({"anyOf", "oneOf", "allOf", "prefixItems"})
_MAPS = frozenset({"properties", "$defs", "definitions", "patternProperties"})
_FIXED = ("enum", "const", "pattern", "format", "maxLength", "multipleOf", "maximum", "minimum",
          "exclusiveMinimum", "exclusiveMaximum", "maxItems", "maxProperties")  # fmt: skip


def _narrow(schema: object) -> object:
    """A copy of a schema in which what has no bound gets one."""
    if not isinstance(schema, Mapping):
        return schema
    narrowed: dict[str, object] = {}
    for key, value in schema.items():
        if key in _SCHEMAS:
            narrowed[key] = _narrow(value)
        elif key in _LISTS and isinstance(value, list):
            narrowed[key] = [_narrow(one) for one in value]
        elif key in _MAPS and isinstance(value, Mapping):
            narrowed[key] = {name: _narrow(one) for name, one in value.items()}
        else:
            narrowed[key] = value
    return narrowed | _bounds(narrowed)


def _bounds(schema: dict[str, object]) -> dict[str, object]:
    if any(name in schema for name in _FIXED):
        return {}
    match schema.get("type"):
        case "string" if "minLength" not in schema:
            return {"maxLength": _STRING}
        case "array" if "minItems" not in schema or schema["minItems"] in range(_ITEMS):
            return {"maxItems": _ITEMS}
        case "integer":
            return {"minimum": -_NUMBER, "maximum": _NUMBER}
        case "number":
            return {"minimum": -_NUMBER, "maximum": _NUMBER, "multipleOf": 0.01}
        case "object" if "properties" not in schema and "required" not in schema:
            return {"maxProperties": _MEMBERS}
        case _:
            return {}


class Constraint:
    """Where one sequence stands in its grammar."""

    def __init__(self, matcher: LLMatcher, size: int) -> None:
        self._matcher = matcher
        self._size = size

    def fresh(self) -> "Constraint":
        """An independent copy, for one more choice of the same request."""
        return Constraint(self._matcher.deep_copy(), self._size)

    def allowed(self) -> NDArray[np.bool_]:
        """Which tokens may come next."""
        bits = np.frombuffer(self._matcher.compute_bitmask(), np.uint8)
        return np.unpackbits(bits, bitorder="little")[: self._size].astype(bool)

    def take(self, token: int) -> None:
        """Go on by one token."""
        self._matcher.consume_token(token)

    @property
    def complete(self) -> bool:
        """Whether nothing more can follow."""
        return bool(self._matcher.is_stopped())

    @property
    def failed(self) -> bool:
        """Whether the library gave up, by its own limits."""
        return bool(self._matcher.is_error())


class Grammars:
    """Compiles grammars for one tokenizer."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokenizer = LLTokenizer(tokens.source, eos_token=tokens.end)
        self._size = tokens.size

    def compile(self, grammar: str, *, param: str) -> Constraint:
        """Make a grammar ready to run. May take a while: call it off the event loop.

        Raises:
            RequestError: the schema uses what the library does not support, or is too complex.
        """
        matcher = LLMatcher(self._tokenizer, grammar, log_level=0, limits=_LIMITS)
        if matcher.is_error():
            reason = matcher.get_error().splitlines()[0][:200]
            raise RequestError(f"The schema cannot be used here: {reason}", param=param)
        return Constraint(matcher, self._size)
