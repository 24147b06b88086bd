"""A provider that knows every argument of the resources we use, and makes nothing.

Terraform's real one cannot be had everywhere. This one speaks its protocol and takes names and
types of arguments from `schemas/NAME.json`, so Terraform itself refuses a misspelt argument, a
wrong type or a missing one, and plans, applies and destroys for real. What a cloud would say it
cannot know: values are not checked, and whatever a cloud would compute is made up from the
resource's own name.

Runs in `.venv-deploy`: python standin.py google
"""

import json
import sys
from pathlib import Path
from typing import Any

from tf import runner, schema  # type: ignore[import-not-found]
from tf.gen import tfplugin_pb2 as pb  # type: ignore[import-not-found]
from tf.iface import DataSource, Provider, Resource  # type: ignore[import-not-found]
from tf.types import Unknown  # type: ignore[import-not-found]

SCHEMAS = Path(__file__).parent / "schemas"
NESTING = pb.Schema.NestedBlock.NestingMode


class Native:
    """A type as the schema's file spells it; values travel as they are."""

    def __init__(self, spelled: Any):
        self._spelled = spelled

    def encode(self, value: Any) -> Any:
        return value

    def decode(self, value: Any) -> Any:
        return value

    def semantically_equal(self, a: Any, b: Any) -> bool:
        return a is b or a == b

    def tf_type(self) -> bytes:
        return json.dumps(self._spelled, separators=(",", ":")).encode()


class Nested(schema.NestedBlock):  # type: ignore[misc]
    """A block inside a block: one, or a list of them."""

    def __init__(self, name: str, spelled: dict[str, Any]):
        super().__init__(
            name, schema.NestMode.Single, _block(spelled), spelled["min"], spelled["max"]
        )
        self._single = spelled["nesting"] == "single"

    def to_pb(self) -> pb.Schema.NestedBlock:
        nested = super().to_pb()
        nested.nesting = NESTING.SINGLE if self._single else NESTING.LIST
        if self._single:
            nested.min_items = nested.max_items = 0
        return nested

    def encode(self, value: Any) -> Any:
        return value

    def decode(self, value: Any) -> Any:
        return value

    def semantically_equal(self, a: Any, b: Any) -> bool:
        return bool(a == b)


def _attributes(spelled: dict[str, Any]) -> list[schema.Attribute]:
    return [
        schema.Attribute(name, Native(kind), **{how: True})
        for name, (kind, how) in spelled["attributes"].items()
    ]


def _nested(spelled: dict[str, Any]) -> list[schema.NestedBlock]:
    return [Nested(name, one) for name, one in spelled["blocks"].items()]


def _block(spelled: dict[str, Any]) -> schema.Block:
    return schema.Block(attributes=_attributes(spelled), block_types=_nested(spelled))


def _schema(spelled: dict[str, Any]) -> schema.Schema:
    return schema.Schema(attributes=_attributes(spelled), block_types=_nested(spelled), version=0)


class Made(Resource):  # type: ignore[misc]
    """A resource of one type; `_kinds` makes a class for each."""

    name: str
    prefix: str
    spelled: dict[str, Any]

    def __init__(self, provider: Provider):
        pass

    @classmethod
    def get_name(cls) -> str:
        return cls.name.removeprefix(cls.prefix)

    @classmethod
    def get_schema(cls) -> schema.Schema:
        return _schema(cls.spelled)

    def create(self, ctx: Any, planned: dict[str, Any]) -> dict[str, Any]:
        kinds = {name: kind for name, (kind, _) in self.spelled["attributes"].items()}
        own = planned.get("name", "one")
        made: dict[str, Any] = {"string": f"{self.name}/{own}", "number": 7, "bool": False}
        return {
            key: made.get(str(kinds.get(key))) if value is Unknown else value
            for key, value in planned.items()
        }

    def read(self, ctx: Any, current: dict[str, Any]) -> dict[str, Any]:
        return current

    def update(self, ctx: Any, current: Any, planned: dict[str, Any]) -> dict[str, Any]:
        return self.create(ctx, planned)

    def delete(self, ctx: Any, current: dict[str, Any]) -> None:
        return None


class StandIn(Provider):  # type: ignore[misc]
    """The provider of one cloud."""

    def __init__(self, name: str):
        self._name = name
        self._spelled = json.loads((SCHEMAS / f"{name}.json").read_text())

    def get_model_prefix(self) -> str:
        return f"{self._name}_"

    def get_provider_schema(self, diags: Any) -> schema.Schema:
        return _schema(self._spelled["provider"])

    def full_name(self) -> str:
        return self._name

    def validate_config(self, diags: Any, config: Any) -> None:
        return None

    def configure_provider(self, diags: Any, config: Any) -> None:
        return None

    def get_data_sources(self) -> list[type[DataSource]]:
        return []

    def get_resources(self) -> list[type[Resource]]:
        prefix = self.get_model_prefix()
        return [
            type(name, (Made,), {"name": name, "prefix": prefix, "spelled": spelled})
            for name, spelled in self._spelled["resources"].items()
        ]


if __name__ == "__main__":
    runner.run_provider(StandIn(sys.argv[1]), sys.argv)
