"""The chart's page says what the chart has."""

import re
from typing import Any

import pytest

from tests.deploy.helm.charting import CHART, Object, engine
from tests.deploy.helm.values import MATRIX

pytestmark = pytest.mark.deploy

FILES = (".key", ".token", ".crt")
"""Of Secrets: no values."""

PAGE = (CHART / "README.md").read_text()


@pytest.fixture(scope="module")
def values() -> Object:
    found: Object = engine("read", CHART / "values.yaml", None)
    return found


def test_the_table_has_every_value(values: Object):
    table = PAGE.partition("## Values")[2].partition("### Secrets")[0]
    named = {name for row in table.splitlines() if row.startswith("| `")
             for name in re.findall(r"`(\w+)`", row.split("|")[1])}  # fmt: skip
    assert named == values.keys()


def test_commands_set_values_that_there_are(values: Object):
    names = re.findall(r"--set(?:-file)? \"?([\w.]+?)(?:\\\.\w+)?=", PAGE)
    assert names
    for name in names:
        found: Any = values
        for part in name.removesuffix(".release").split("."):
            assert part in found, name
            found = found[part]


def test_values_that_are_named_are_there(values: Object):
    roots = "|".join(values)
    named = set(re.findall(rf"`((?:{roots})(?:\.[a-z]\w+)+)", PAGE))
    for name in {one for one in named if not one.endswith(FILES)}:
        found: Any = values
        for part in name.split("."):
            assert part in found, name
            found = found[part]


def test_every_value_has_a_schema_and_no_schema_is_without(values: Object):
    schema = engine("read", CHART / "values.schema.json", None)
    assert schema["properties"].keys() - {"global"} == values.keys()
    for name, value in values.items():
        if isinstance(value, dict):
            assert schema_of(schema, name)["properties"].keys() == value.keys(), name


def schema_of(schema: Object, name: str) -> Object:
    found: Object = schema["properties"][name]
    if "$ref" in found:
        found = schema["definitions"][found["$ref"].rpartition("/")[2]]
    return found


def test_the_metric_is_the_one_that_is_scaled_by(values: Object):
    assert f"seriesQuery: '{values['gateway']['autoscaling']['metric']}{{" in PAGE


def test_the_number_of_shapes_is_right():
    assert len(MATRIX) == 17
    assert "seventeen shapes" in PAGE
