"""TOML read strictly: every key is taken by name and type, and what is left over is an error."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Never

from transparency_log.errors import ConfigurationError

MAX_CONFIG = 65536
"""Bytes of a configuration file."""


def read_table(path: Path) -> "Table":
    """Read a file.

    Raises:
        ConfigurationError: missing, too long, or not TOML.
    """
    return Table(_read_toml(path), path)


def _read_toml(path: Path) -> dict[str, object]:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_CONFIG + 1)
        if len(data) > MAX_CONFIG:
            raise ConfigurationError(f"{path}: more than {MAX_CONFIG} bytes; shorten it")
        return tomllib.loads(data.decode())
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}; name a file that exists") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(f"{path}: not TOML: {error}") from error


class Table:
    """Keys of one TOML table, taken one by one; `end` refuses what is left.

    Every getter raises `ConfigurationError`, which names file, key and remedy.
    """

    def __init__(self, values: Mapping[str, object], path: Path) -> None:
        self._values = dict(values)
        self._path = path

    def text(self, key: str, default: str | None = None) -> str:
        """Take a text that is not empty."""
        value = self._take(key, default)
        if not isinstance(value, str) or not value:
            self._wrong(key, "a text")
        return value

    def optional_text(self, key: str) -> str | None:
        """Take a text, or None if the key is left out."""
        return self.text(key) if key in self._values else None

    def optional_path(self, key: str) -> Path | None:
        """Take a path, or None if the key is left out."""
        return self.path(key) if key in self._values else None

    def path(self, key: str) -> Path:
        """Take a path; a relative one is relative to the file."""
        return self._path.parent / self.text(key)

    def integer(self, key: str, default: int | None, low: int, high: int) -> int:
        """Take an integer of low to high; a default of None means that the key is required."""
        value = self._take(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            self._wrong(key, f"an integer of {low} to {high}")
        return value

    def optional_texts(self, key: str) -> list[str] | None:
        """Take a list of texts, or None if the key is left out."""
        if key not in self._values:
            return None
        value = self._take(key, None)
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            self._wrong(key, "a list of texts")
        return value

    def table(self, key: str) -> "Table":
        """Take a table."""
        value = self._take(key, None)
        if not isinstance(value, dict):
            self._wrong(key, f"a table [{key}]")
        return Table(value, self._path)

    def tables(self, key: str) -> "list[Table]":
        """Take a list of tables."""
        value = self._take(key, None)
        if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
            self._wrong(key, f"tables [[{key}]]")
        return [Table(one, self._path) for one in value]

    def end(self) -> None:
        """Refuse every key that was not taken."""
        if self._values:
            raise ConfigurationError(
                f"{self._path}: unknown key {sorted(self._values)[0]!r}; remove it"
            )

    def _take(self, key: str, default: object) -> object:
        value = self._values.pop(key, default)
        if value is None:
            raise ConfigurationError(f"{self._path}: {key} is missing; add it")
        return value

    def _wrong(self, key: str, expected: str) -> Never:
        raise ConfigurationError(f"{self._path}: {key} must be {expected}")
