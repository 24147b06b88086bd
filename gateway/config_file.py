"""One TOML file into one frozen dataclass, with everything that is wrong in it said at once.

1. form     unknown and missing keys, wrong types: noted, and a value put in the place of each
2. values   what single settings and several together cannot be (`judge` of the dataclass)
3. files    what lies behind the paths, where the caller says (`gateway.files`)
4. end      one error with a line for each problem; nothing read is used before that

Files are named by path relative to the configuration file, and nothing is created because it is
missing.
"""

import dataclasses
import tomllib
from collections.abc import Callable
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Protocol, TypeVar, get_args, get_origin, get_type_hints

from gateway.errors import ConfigurationError, GatewayError
from transparency_log.errors import LogError
from transparency_log.server.problems import Problems, found, wrong

MAX_FILE = 1 << 20
"""Bytes of a configuration file: thousands of nodes fit."""

_NAMES = {str: "a text", int: "an integer", float: "a number", Path: "a path", bool: "a boolean"}


class Judged(Protocol):
    """Settings that know what they must not be."""

    def judge(self, problems: Problems) -> None:
        """Note what fits its type and still cannot be used."""
        ...


Settings = TypeVar("Settings", bound=Judged)
Behind = Callable[[Any, Problems], None]


def load(path: Path, kind: type[Settings], behind: Behind | None = None) -> Settings:
    """Read a configuration file; `behind` looks at the files it names.

    Raises:
        ConfigurationError: missing, not TOML, or a line for each problem.
    """
    problems = Problems(path, ConfigurationError, GatewayError, LogError)
    settings: Settings = _Reader(problems).build(_read(path), kind, "")
    settings.judge(problems)
    if behind is not None:
        behind(settings, problems)
    problems.require_none()
    return settings


def read_bounded(path: Path, limit: int) -> bytes:
    """Read one of our own files.

    Raises:
        ConfigurationError: it cannot be read, or is longer than such a file can be.
    """
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}; give the right path") from error
    if len(data) > limit:
        raise ConfigurationError(f"{path}: longer than {limit} bytes; is it the right file?")
    return data


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(read_bounded(path, MAX_FILE).decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigurationError(f"{path}: not TOML ({error}); correct it") from error


class _Reader:
    """Step 1 of the module text."""

    def __init__(self, problems: Problems) -> None:
        self._problems = problems
        self._base = problems.file.parent

    def build(self, table: dict[str, Any], kind: type[Any], prefix: str) -> Any:
        types = get_type_hints(kind)
        fields = {field.name: field for field in dataclasses.fields(kind)}
        for key in table.keys() - fields.keys():
            known = f"one of {', '.join(sorted(fields))}"
            name = prefix + (key if key.isascii() and key.isidentifier() else repr(key))[:64]
            self._note(name, expected=known, found="no such setting", remedy="remove it")
        values = {}
        for name, field in fields.items():
            if name in table:
                values[name] = self._value(table[name], types[name], prefix + name)
            elif field.default is dataclasses.MISSING:
                expected = _name(types[name])
                self._note(prefix + name, expected=expected, found="nothing", remedy="add it")
                values[name] = self._stand_in(types[name])
        return kind(**values)

    def _value(self, value: Any, kind: Any, name: str) -> Any:
        kind = _bare(kind)
        if get_origin(kind) is tuple and isinstance(value, list):
            inner = get_args(kind)[0]
            return tuple(self._value(one, inner, f"{name}[{n}]") for n, one in enumerate(value))
        if dataclasses.is_dataclass(kind) and isinstance(value, dict):
            return self.build(value, kind, f"{name}.")  # type: ignore[arg-type]
        if kind is float and type(value) is int:
            return float(value)
        if type(value) is (str if kind is Path else kind):
            return self._base / value if kind is Path else value
        self._note(name, expected=_name(kind), found=found(value), remedy="correct it")
        return self._stand_in(kind)

    def _stand_in(self, kind: Any) -> Any:
        """Give a value for what could not be read; it was noted, so it never leaves `load`."""
        kind = _bare(kind)
        if dataclasses.is_dataclass(kind):
            silent = Problems(self._problems.file, ConfigurationError)
            return _Reader(silent).build({}, kind, "")  # type: ignore[arg-type]
        return () if get_origin(kind) is tuple else self._base if kind is Path else kind()

    def _note(self, name: str, *, expected: str, found: str, remedy: str) -> None:
        self._problems.note(name, wrong(expected=expected, found=found, remedy=remedy))


def _bare(kind: Any) -> Any:
    """Give the type of a setting that may be left out."""
    if isinstance(kind, UnionType):
        (kind,) = (one for one in get_args(kind) if one is not NoneType)
    return kind


def _name(kind: Any) -> str:
    kind = _bare(kind)
    if get_origin(kind) is tuple:
        return "a list"
    return "a table" if dataclasses.is_dataclass(kind) else _NAMES[kind]
