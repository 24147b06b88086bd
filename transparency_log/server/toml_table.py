"""TOML read strictly: every key is taken by name and type, and what is left over is an error."""

import re
import tomllib
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Self

from transparency_log.errors import ConfigurationError, LogError
from transparency_log.server.problems import Problems, found, wrong

MAX_CONFIG = 65536
"""Bytes of a configuration file."""


_BARE = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
"""A key that is shown as it stands; another one could hold what a terminal obeys."""

_ADDRESS = re.compile(r"(?:\[[0-9a-fA-F:]+\]|[^:\[\]]+):(0|[1-9][0-9]{0,4})", re.ASCII)


def is_address(text: str) -> bool:
    """Say whether a text is HOST:PORT."""
    match = _ADDRESS.fullmatch(text)
    return match is not None and int(match[1]) <= 65535


def read_table(path: Path) -> "Table":
    """Read a file.

    Raises:
        ConfigurationError: missing, too long, or not TOML.
    """
    return Table(_read_toml(path), Problems(path, ConfigurationError, LogError))


def _read_toml(path: Path) -> dict[str, object]:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_CONFIG + 1)
        if len(data) > MAX_CONFIG:
            raise ConfigurationError(f"{path}: more than {MAX_CONFIG} bytes; shorten it")
        return tomllib.loads(data.decode())
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}; name a file that exists") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigurationError(f"{path}: not TOML: {error}; correct it") from error


class Table:
    """Keys of one TOML table, taken one by one.

    A getter that finds something wrong notes it in `problems` and gives a value in its place, so
    that the other keys are looked at too. No such value gets out: `end` of the whole file's table
    raises if anything was noted, and must be called before what was read is used.

    Args:
        values: the table.
        problems: where problems of the file are noted.
        prefix: what keys are named with; "" for the whole file.
        silent: it stands for a table that could not be read, which was noted: nothing more is.
    """

    def __init__(
        self,
        values: Mapping[str, object],
        problems: Problems,
        *,
        prefix: str = "",
        silent: bool = False,
    ) -> None:
        self._values = dict(values)
        self._known: list[str] = []
        self._prefix = prefix
        self._silent = silent
        self.problems = problems

    def text(self, key: str, default: str | None = None) -> str:
        """Take a text that is not empty."""
        value = self._take(key, default)
        if isinstance(value, str) and value:
            return value
        self._wrong(key, "a text", value)
        return ""

    def choice(self, key: str, allowed: Collection[str], default: str | None = None) -> str:
        """Take one of `allowed`; gives "" if it is none of them."""
        value = self._take(key, default)
        if isinstance(value, str) and value in allowed:
            return value
        self._wrong(key, f"one of {', '.join(sorted(allowed))}", value)
        return ""

    def optional_text(self, key: str) -> str | None:
        """Take a text, or None if the key is left out."""
        return self.text(key) if self._given(key) else None

    def path(self, key: str, check: Callable[[Path], object] | None = None) -> Path:
        """Take a path, relative to the file; `check` refuses what lies there."""
        text = self.text(key)
        path = self.problems.file.parent / text
        if text and check is not None:
            self.problems.check(lambda: check(path), self._prefix + key)
        return path

    def optional_path(self, key: str, check: Callable[[Path], object] | None = None) -> Path | None:
        """Take a path, or None if the key is left out."""
        return self.path(key, check) if self._given(key) else None

    def address(self, key: str, default: str | None = None) -> str:
        """Take HOST:PORT, an IPv6 host in brackets."""
        value = self._take(key, default)
        if isinstance(value, str) and is_address(value):
            return value
        self._wrong(key, "HOST:PORT, an IPv6 host in brackets", value)
        return ""

    def optional_address(self, key: str) -> str | None:
        """Take HOST:PORT, or None if the key is left out."""
        return self.address(key) if self._given(key) else None

    def integer(self, key: str, default: int | None, low: int, high: int) -> int:
        """Take an integer of low to high; a default of None means that the key is required."""
        value = self._take(key, default)
        if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
            return value
        self._wrong(key, f"an integer of {low} to {high}", value)
        return low

    def optional_texts(self, key: str) -> list[str] | None:
        """Take a list of texts, or None if the key is left out."""
        if not self._given(key):
            return None
        value = self._take(key, None)
        if isinstance(value, list) and all(isinstance(one, str) for one in value):
            return value
        self._wrong(key, "a list of texts", value)
        return []

    def table(self, key: str) -> Self:
        """Take a table."""
        value = self._take(key, None)
        if isinstance(value, dict):
            return self._below(value, f"{key}.")
        self._wrong(key, f"a table [{self._prefix}{key}]", value)
        return self._below({}, f"{key}.", silent=True)

    def tables(self, key: str) -> list[Self]:
        """Take a list of tables."""
        value = self._take(key, None)
        if isinstance(value, list) and all(isinstance(one, dict) for one in value):
            return [self._below(one, f"{key}[{n}].") for n, one in enumerate(value)]
        self._wrong(key, f"tables [[{self._prefix}{key}]]", value)
        return []

    def check(self, run: Callable[[], object], *keys: str) -> None:
        """Run a check of what these keys of this table say, unless one could not be read."""
        if not self._silent:
            self.problems.check(run, *(self._prefix + key for key in keys))

    def rest(self) -> None:
        """Leave what was not taken: it is somebody else's."""
        self._values.clear()

    def end(self) -> None:
        """Note every key that was not taken; of the whole file's table, raise what was noted.

        Raises:
            ConfigurationError: a line for each problem.
        """
        for key in sorted(self._values):
            name = self._prefix + (key if _BARE.fullmatch(key) else repr(key))[:64]
            known = f"one of {', '.join(sorted(self._known))}"
            text = wrong(expected=known, found="an unknown key", remedy="remove it")
            self.problems.note(name, text)
        if not self._prefix:
            self.problems.require_none()

    def _given(self, key: str) -> bool:
        self._known.append(key)
        return key in self._values

    def _below(self, values: Mapping[str, object], prefix: str, *, silent: bool = False) -> Self:
        name = self._prefix + prefix
        return type(self)(values, self.problems, prefix=name, silent=silent or self._silent)

    def _take(self, key: str, default: object) -> object:
        self._known.append(key)
        return self._values.pop(key, default)

    def _wrong(self, key: str, expected: str, value: object) -> None:
        if not self._silent:
            name, remedy = self._prefix + key, "add it" if value is None else "correct it"
            text = wrong(expected=expected, found=found(value), remedy=remedy)
            self.problems.note(name, text)
