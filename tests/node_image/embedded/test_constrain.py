import json

import numpy as np
import pytest

from node_image.embedded.constrain import (
    Grammars,
    object_grammar,
    schema_grammar,
    tool_opening,
    tools_grammar,
)
from node_image.embedded.errors import RequestError

PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def grammars(loaded):
    return Grammars(loaded.service.tokens)


@pytest.fixture(scope="module")
def accepts(loaded, grammars):
    tokens = loaded.service.tokens

    def accepts(grammar, text):
        constraint = grammars.compile(grammar, param="test")
        for token in tokens.encode(text):
            if not constraint.allowed()[token]:
                return False
            constraint.take(token)
        return constraint.complete or bool(constraint.allowed()[tokens.end])

    return accepts


def test_a_schema_allows_what_is_valid_and_nothing_else(accepts):
    grammar = schema_grammar(PERSON)
    assert accepts(grammar, '{"name": "Ada", "age": 36}')
    assert not accepts(grammar, '{"name": "Ada"}')
    assert not accepts(grammar, '{"name": "Ada", "age": "x"}')
    assert not accepts(grammar, '{"name": "Ada", "age": 36, "more": 1}')


def test_unbounded_members_get_a_bound(accepts):
    grammar = schema_grammar(PERSON)
    assert not accepts(grammar, json.dumps({"name": "a" * 100, "age": 1}))
    assert not accepts(grammar, json.dumps({"name": "a", "age": 10**9}))


def test_bounds_of_the_caller_stay(accepts):
    assert accepts(schema_grammar({"type": "string", "minLength": 70}), json.dumps("a" * 80))
    assert accepts(schema_grammar({"type": "integer", "minimum": 10**9}), str(10**9 + 1))
    many = {"type": "array", "items": {"type": "boolean"}, "minItems": 9}
    assert accepts(schema_grammar(many), json.dumps([True] * 9))


def test_references_and_choices_work(accepts):
    schema = {
        "type": "object",
        "properties": {"kind": {"enum": ["a", "b"]}, "next": {"$ref": "#/$defs/n"}},
        "required": ["kind", "next"],
        "additionalProperties": False,
        "$defs": {"n": {"anyOf": [{"type": "null"}, {"type": "boolean"}]}},
    }
    assert accepts(schema_grammar(schema), '{"kind": "b", "next": null}')
    assert not accepts(schema_grammar(schema), '{"kind": "c", "next": null}')


def test_any_object_is_an_object(accepts):
    assert accepts(object_grammar(), '{"a": 1, "b": "x"}')
    assert not accepts(object_grammar(), "[1]")


def test_a_call_names_one_of_the_tools(accepts):
    grammar = tools_grammar([("first", PERSON), ("second", {})])
    assert accepts(grammar, tool_opening("first") + '{"name": "a", "age": 1}}')
    assert accepts(grammar, tool_opening("second") + "{}}")
    assert not accepts(grammar, tool_opening("third") + "{}}")
    assert not accepts(grammar, tool_opening("first") + "{}}")


@pytest.mark.parametrize(
    "schema",
    [{"type": "strin"}, {"type": "object", "not": {}}, {"$ref": "#/nowhere"},
     {"type": "string", "pattern": "(a+"}, {"type": "string", "format": "no-such"}, {"type": 5},
     {"enum": []}, {"anyOf": []}, {"type": "string", "minLength": 5, "maxLength": 2}],
)  # fmt: skip
def test_refuses_a_schema_that_cannot_be_used(grammars, schema):
    with pytest.raises(RequestError):
        grammars.compile(schema_grammar(schema), param="response_format")


def test_refuses_a_schema_that_is_too_large():
    with pytest.raises(RequestError, match="larger"):
        schema_grammar({"enum": ["x" * 100_000]})


def test_copies_go_their_own_way(loaded, grammars):
    first = grammars.compile(schema_grammar({"enum": ["ab", "cd"]}), param="x")
    second = first.fresh()
    first.take(int(np.flatnonzero(first.allowed())[0]))
    assert not np.array_equal(first.allowed(), second.allowed())
