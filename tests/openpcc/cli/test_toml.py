"""openpcc/cli/toml.py: what is written is what is read."""

import tomllib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openpcc.cli import toml

SCALARS = st.booleans() | st.integers(-(2**62), 2**62) | st.text(
    st.characters(exclude_categories=["Cs"]), max_size=20
)  # fmt: skip
KEYS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
TABLES: st.SearchStrategy[dict[str, object]] = st.recursive(
    st.dictionaries(KEYS, SCALARS | st.lists(SCALARS, max_size=3), max_size=4),
    lambda inner: st.dictionaries(
        KEYS, SCALARS | inner | st.lists(inner, min_size=1, max_size=3), max_size=4
    ),
    max_leaves=12,
)


@given(TABLES)
@settings(deadline=None)
def test_any_table_is_read_as_it_was_written(table: dict[str, object]) -> None:
    assert tomllib.loads(toml.write(table, comment="two\nlines")) == table


def test_none_is_left_out_and_values_stand_before_tables() -> None:
    text = toml.write({"a": {"b": 1}, "c": None, "d": "x", "e": [{"f": []}]})
    assert text == 'd = "x"\n\n[a]\nb = 1\n\n[[e]]\nf = []\n'


def test_a_table_of_tables_alone_has_no_header() -> None:
    assert toml.write({"a": {"b": {"c": 1}}}) == "[a.b]\nc = 1\n"


def test_what_toml_has_not_is_refused() -> None:
    with pytest.raises(TypeError, match="bytes"):
        toml.write({"a": b"x"})
