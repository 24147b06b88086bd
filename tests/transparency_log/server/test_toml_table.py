"""transparency_log/server/toml_table.py: everything wrong is noted once, and nothing gets out."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transparency_log.errors import ConfigurationError
from transparency_log.server.problems import Problems
from transparency_log.server.toml_table import Table

VALUES = st.recursive(
    st.integers() | st.text(max_size=4) | st.booleans() | st.floats(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=8,
)
KEYS = st.sampled_from(["name", "mode", "size", "at", "file", "many", "inner", "rows", "other"])


def table(values: dict[str, object]) -> Table:
    return Table(values, Problems(Path("a.toml"), ConfigurationError, ConfigurationError))


def take(found: Table) -> list[object]:
    inner, rows = found.table("inner"), found.tables("rows")
    inner.text("name")
    taken: list[object] = [
        found.text("name"), found.choice("mode", ("on", "off")), found.integer("size", 3, 1, 9),
        found.address("at", "h:1"), found.optional_path("file"), found.optional_texts("many"),
        *(one.text("name") for one in rows),
    ]  # fmt: skip
    for one in (inner, *rows, found):
        one.end()
    return taken


@given(st.dictionaries(KEYS, VALUES))
@settings(deadline=None)
def test_any_table_is_read_whole_or_refused_with_a_line_for_each_key(
    values: dict[str, object],
) -> None:
    try:
        name, mode, size, *_ = take(table(values))
    except ConfigurationError as error:
        lines = str(error).splitlines()
        assert all(line.startswith("a.toml: ") and ";" in line for line in lines)
        assert "other" not in values or any(line.startswith("a.toml: other: ") for line in lines)
    else:
        assert name == values["name"]
        assert mode in ("on", "off")
        assert isinstance(size, int)
        assert 1 <= size <= 9
        assert "other" not in values


def test_as_many_mistakes_as_many_lines() -> None:
    values: dict[str, object] = {
        "name": "", "mode": "x", "size": True, "at": "h:65536", "file": 1, "many": [1],
        "inner": {}, "rows": [{"name": "a"}, {"nane": "b"}], "other": 0,
    }  # fmt: skip
    with pytest.raises(ConfigurationError) as caught:
        take(table(values))
    keys = sorted(line.split(": ")[1] for line in str(caught.value).splitlines())
    assert keys == sorted(
        ["name", "mode", "size", "at", "file", "many", "inner.name", "rows[1].name",
         "rows[1].nane", "other"]
    )  # fmt: skip


def test_of_a_table_that_is_missing_nothing_else_is_said() -> None:
    with pytest.raises(ConfigurationError) as caught:
        take(table({"name": "a", "mode": "on", "rows": []}))
    assert str(caught.value) == ("a.toml: inner: expected a table [inner], found nothing; add it")


def test_a_value_that_may_be_secret_is_not_repeated() -> None:
    with pytest.raises(ConfigurationError) as caught:
        take(table({"name": "a", "mode": "user:hunter2@host", "inner": {"name": "a"}, "rows": []}))
    assert "hunter2" not in str(caught.value)
