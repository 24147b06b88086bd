"""Tools, tool choice and output format: what the answer may look like.

`tool_choice` decides as follows. `none`: text. `required`, or a named function: the prompt ends
with the tool token, and the grammar allows exactly one call. `auto`: the model's first token
decides; if it is the tool token the grammar takes over, otherwise the answer is plain text.
Parallel calls are not made: one answer is one call.
"""

from dataclasses import dataclass

from node_image.embedded.constrain import (
    Constraint,
    Grammars,
    object_grammar,
    schema_grammar,
    tool_opening,
    tools_grammar,
)
from node_image.embedded.fields import Fields, as_fields, refuse
from node_image.embedded.generation import Finish

MAX_TOOLS = 32
_NAME_LIMIT = 64


@dataclass(frozen=True, kw_only=True)
class Tool:
    """A function that the caller offers."""

    name: str
    description: str
    parameters: dict[str, object]

    def for_template(self) -> dict[str, object]:
        """The shape in which chat templates expect a tool."""
        return {
            "type": "function",
            "function": {
                "name": self.name,
                "description": self.description,
                "parameters": self.parameters,
            },
        }


@dataclass(frozen=True, kw_only=True)
class Shaping:
    """What limits the answer.

    Attributes:
        call: it is a tool call from its first token.
        may_call: its first token decides.
    """

    tools: tuple[Tool, ...] = ()
    constraint: Constraint | None = None
    call: bool = False
    may_call: bool = False


def read_function(fields: Fields) -> Tool:
    """The inner object of a function tool."""
    name = fields.needed_text("name", limit=_NAME_LIMIT)
    if not name or not all(c.isascii() and (c.isalnum() or c in "_-") for c in name):
        refuse("A function name is 1 to 64 of a-z, A-Z, 0-9, _ and -.", "tools")
    tool = Tool(
        name=name,
        description=fields.text("description", limit=4096) or "",
        parameters=fields.raw_object("parameters") or {},
    )
    fields.ignore("strict")  # arguments are always valid for the schema
    fields.end()
    if not isinstance(tool.parameters.get("properties", {}), dict):
        refuse("parameters.properties must be an object.", "tools", "invalid_type")
    return tool


def shape(
    *,
    tools: tuple[Tool, ...],
    choice: str | tuple[str],
    output: Constraint | None,
    grammars: Grammars,
) -> Shaping:
    """Combine tools, choice and output format.

    Args:
        tools: what is offered.
        choice: `none`, `auto`, `required`, or a tuple of one function name.
        output: the constraint of the output format.
        grammars: compiles the grammar of calls.

    Raises:
        RequestError: they do not go together, or a schema cannot be used.
    """
    if len({tool.name for tool in tools}) != len(tools):
        refuse("Two tools have one name.", "tools")
    if choice == "none" or not tools:
        if choice not in ("none", "auto"):
            refuse("tool_choice asks for a tool, and there is none.", "tool_choice")
        return Shaping(constraint=output, tools=tools if choice != "none" else ())
    if output is not None and choice == "auto":
        refuse(
            "A JSON output format together with tool_choice 'auto' is not supported here.",
            "response_format",
            "unsupported_parameter",
        )
    called = [tool for tool in tools if isinstance(choice, str) or tool.name == choice[0]]
    if not called:
        refuse("tool_choice names a function that is not among the tools.", "tool_choice")
    grammar = tools_grammar([(tool.name, tool.parameters) for tool in called])
    return Shaping(
        tools=tools,
        constraint=grammars.compile(grammar, param="tools"),
        call=choice != "auto",
        may_call=choice == "auto",
    )


def read_format(fields: Fields | None, grammars: Grammars, *, nested: bool) -> Constraint | None:
    """An output format: `text`, `json_object` or `json_schema`.

    Args:
        fields: the format's object, or None.
        grammars: compiles the schema.
        nested: whether the schema has an object of its own (chat) or stands beside the type.
    """
    if fields is None:
        return None
    match fields.word("type", ("text", "json_object", "json_schema")):
        case "json_object":
            fields.end()
            return grammars.compile(object_grammar(), param="response_format")
        case "json_schema":
            inner = as_fields(fields.value("json_schema"), "json_schema") if nested else fields
            schema = inner.raw_object("schema")
            inner.ignore("name", "description", "strict")
            inner.end()
            fields.end()
            grammar = object_grammar() if schema is None else schema_grammar(schema)
            return grammars.compile(grammar, param="response_format")
        case _:
            fields.end()
            return None


class CallReader:
    """Takes the text of a tool call apart while it arrives."""

    def __init__(self, names: list[str]) -> None:
        self._openings = {tool_opening(name): name for name in names}
        self._held = ""
        self.name: str | None = None

    def feed(self, text: str, finish: Finish | None) -> str:
        """More text in; what is new of the arguments out. `name` is set once it is known.

        The last character is held back: it may be the brace that closes the call itself.
        """
        self._held += text
        if self.name is None:
            for opening, name in self._openings.items():
                if self._held.startswith(opening):
                    self.name, self._held = name, self._held[len(opening) :]
            if self.name is None:
                return ""
        cut = len(self._held) if finish not in (None, Finish.TOOL_CALLS) else len(self._held) - 1
        shown, self._held = self._held[: max(cut, 0)], self._held[max(cut, 0) :]
        return shown
