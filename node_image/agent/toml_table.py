"""TOML whose keys are taken one by one, so that what nobody asked for can be refused."""

import re
import tomllib
from pathlib import Path
from typing import Never, cast

from node_image.agent.errors import ConfigurationError

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
        return TomlTable(tomllib.loads(data.decode()), str(path), path.parent), data
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read; check name and rights") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: not TOML: {error}") from error


class TomlTable:
    """One table. Every getter raises `ConfigurationError` with file, key and remedy."""

    def __init__(self, values: dict[str, object], name: str, base: Path) -> None:
        self._values = values
        self._name = name
        self._base = base

    def text(self, key: str, default: str = "") -> str:
        """Take a text; without a default it must be there."""
        value = self._values.pop(key, default)
        if not isinstance(value, str) or not 0 < len(value) <= MAX_TEXT:
            self.refuse(key, f"write a text of 1 to {MAX_TEXT} characters")
        return value

    def optional_text(self, key: str) -> str | None:
        """Take a text that may be left out."""
        return self.text(key) if key in self._values else None

    def choice(self, key: str, allowed: frozenset[str], default: str | None) -> str:
        """Take one of `allowed`; a default of None makes it mandatory."""
        value = self._values.pop(key, default)
        if not isinstance(value, str) or value not in allowed:
            self.refuse(key, "choose one of " + ", ".join(sorted(allowed)))
        return value

    def integer(self, key: str, default: int, low: int, high: int) -> int:
        """Take an integer of low..high."""
        value = self._values.pop(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            self.refuse(key, f"write an integer of {low} to {high}")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """Take a list of texts; left out, it is empty."""
        value = self._values.pop(key, [])
        if not isinstance(value, list) or len(value) > MAX_LIST:
            self.refuse(key, f"write a list of at most {MAX_LIST} texts")
        if not all(isinstance(item, str) and len(item) <= MAX_TEXT for item in value):
            self.refuse(key, f"write texts of at most {MAX_TEXT} characters")
        return tuple(cast("list[str]", value))

    def address(self, key: str, default: str) -> str:
        """Take host:port."""
        value = self.text(key, default)
        host, _, port = value.rpartition(":")
        if not host or not re.fullmatch(r"0|[1-9][0-9]{0,4}", port) or int(port) > 65535:
            self.refuse(key, 'write "host:port"')
        return value

    def folder(self, key: str) -> Path:
        """Take the path of a folder that is there."""
        path = self._base / self.text(key)
        if not path.is_dir():
            self.refuse(key, f"{path} is not a folder; make it or name another")
        return path.absolute()

    def file(self, key: str) -> Path:
        """Take the path of a file that is there."""
        path = self._base / self.text(key)
        if not path.is_file():
            self.refuse(key, f"{path} is not a file; make it or name another")
        return path.absolute()

    def child(self, key: str) -> "TomlTable":
        """Take a table; left out, it is empty."""
        value = self._values.pop(key, {})
        if not isinstance(value, dict):
            self.refuse(key, "write a table")
        name = f"{self._name}: [{key}]"
        return TomlTable(cast("dict[str, object]", value), name, self._base)

    def end(self) -> None:
        """Refuse every key that was not taken: a misspelt limit is not a limit."""
        for key in self._values:
            self.refuse(key[:64], "unknown key; remove it")

    def refuse(self, key: str, remedy: str) -> Never:
        """Say what is wrong with a key."""
        raise ConfigurationError(f"{self._name}: {key}: {remedy}")
