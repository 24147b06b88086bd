"""TOML whose keys are taken one by one, so that what nobody asked for can be refused.

The log's reader (`transparency_log.server.toml_table`) with what a node's files have besides. What
is wrong is noted, and `end` of the whole file's table raises it all at once.
"""

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Self

from node_image.agent.errors import AgentError, ConfigurationError
from transparency_log.server.problems import Problems
from transparency_log.server.toml_table import Table

MAX_FILE = 65536
"""Bytes of a configuration file; a genuine one has some hundred."""

MAX_TEXT = 1024
"""Characters of one setting."""

MAX_LIST = 128
"""Items of one setting."""


def read_table(path: Path) -> "tuple[TomlTable, bytes]":
    """Read a file; give its top table and its exact bytes.

    Raises:
        ConfigurationError: unreadable, too long, or not TOML.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE + 1)
        if len(data) > MAX_FILE:
            raise ConfigurationError(f"{path}: more than {MAX_FILE} bytes; shorten it")
        values = tomllib.loads(data.decode())
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read; check name and rights") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigurationError(f"{path}: not TOML: {error}; correct it") from error
    return TomlTable(values, Problems(path, ConfigurationError, AgentError)), data


class TomlTable(Table):
    """One table of a node's file."""

    def text(self, key: str, default: str | None = None) -> str:
        """Take a text of bounded length; without a default it must be there."""
        value = super().text(key, default)
        self.check(lambda: _check_length(value), key)
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """Take a list of texts; left out, it is empty."""
        values = self.optional_texts(key) or []
        self.check(lambda: _check_list(values), key)
        return tuple(values)

    def folder(self, key: str) -> Path:
        """Take the path of a folder that is there."""
        return self.path(key, _require_folder).absolute()

    def file(self, key: str, check: Callable[[Path], object] | None = None) -> Path:
        """Take the path of a file that is there; `check` refuses its content."""

        def checked(path: Path) -> None:
            _require_file(path)
            if check is not None:
                check(path)

        return self.path(key, checked).absolute()

    def child(self, key: str) -> Self:
        """Take a table; left out, it is empty."""
        return self.table(key) if self._given(key) else self._below({}, f"{key}.")

    def refuse(self, key: str, remedy: str) -> None:
        """Note what is wrong with a key."""
        self.problems.note(self._prefix + key, remedy)


def _check_length(value: str) -> None:
    if len(value) > MAX_TEXT:
        raise ConfigurationError(
            f"expected at most {MAX_TEXT} characters, found {len(value)}; shorten it"
        )


def _check_list(values: list[str]) -> None:
    if len(values) > MAX_LIST:
        raise ConfigurationError(
            f"expected at most {MAX_LIST} texts, found {len(values)}; leave some out"
        )
    for value in values:
        _check_length(value)


def _require_folder(path: Path) -> None:
    if not path.is_dir():
        raise ConfigurationError(f"{path}: not a folder; make it or name another")


def _require_file(path: Path) -> None:
    if not path.is_file():
        raise ConfigurationError(f"{path}: not a file; make it or name another")
