"""openpcc/cli/yaml.py: what is written is what YAML says."""

from collections.abc import Mapping

import pytest
import yaml as real  # type: ignore[import-untyped]
from hypothesis import example, given, settings
from hypothesis import strategies as st

from openpcc.cli import yaml

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.text(
    st.sampled_from("a #:-\n\t "), max_size=12
)
KEYS = TEXTS | st.sampled_from(["yes", "NO", "null", "~", "1", "on", "a.b"])
SCALARS = st.booleans() | st.integers() | TEXTS | st.none()
VALUES: st.SearchStrategy[dict[str, object]] = st.dictionaries(
    KEYS,
    st.recursive(
        SCALARS | st.lists(SCALARS, max_size=3),
        lambda inner: st.dictionaries(KEYS, inner, max_size=2),
        max_leaves=5,
    ),
    max_size=3,
)


@given(VALUES)
@settings(max_examples=60, deadline=None)
@example({"a": {}, "b": [], "c": "x\n", "d": "x\n\n y\n", "e": " x\ny\n", "f": "x\ny"})
def test_any_values_are_read_as_they_were_written(values: Mapping[str, object]) -> None:
    assert real.safe_load(yaml.write(values, comment="two\nlines")) == (values or None)


def test_configurations_stand_as_they_are() -> None:
    text = yaml.write({"gateway": {"config": 'a = "b"\n\n[c]\nd = 1\n', "on": True}})
    assert text == ('gateway:\n  config: |\n    a = "b"\n\n    [c]\n    d = 1\n  "on": true\n')


@pytest.mark.parametrize("word", ["y", "No", "TRUE", "off", "null"])
def test_words_that_mean_something_else_are_quoted(word: str) -> None:
    assert yaml.write({word: 1}) == f'"{word}": 1\n'
