"""One TOML table of a policy, taken key by key; what nobody asked for is refused.

Every refusal names the key with its table, what was expected, what was found and what to do.
"""

import re
from collections.abc import Mapping
from typing import Never, cast

from attestation.errors import PolicyError

MAX_COMPONENT = 2**32 - 1
"""The highest version of a TCB component."""

MAX_BITS = 64
"""Of an integer that is shown in full."""


class PolicyTable:
    """A table under the name that errors give it."""

    def __init__(self, table: Mapping[str, object], name: str) -> None:
        self._values = dict(table)
        self._name = name

    def texts(self, key: str, *, default: tuple[str, ...] | None = None) -> list[str]:
        """Take a list of texts; left out means `default`, unless that is None."""
        if key not in self._values:
            if default is not None:
                return list(default)
            self._refuse(key, "a list of texts", "nothing", "add it")
        value = self._values.pop(key)
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            self._wrong(key, "a list of texts", value)
        return cast("list[str]", value)

    def integer(self, key: str, *, default: int | None, high: int, low: int = 1) -> int:
        """Take an integer of low..high; left out means `default`, unless that is None."""
        value = self._values.pop(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            self._wrong(key, f"an integer of {low}..{high}", value)
        return value

    def integers(self) -> dict[str, int]:
        """Take everything left as versions of TCB components."""
        return {
            key: self.integer(key, default=None, low=0, high=MAX_COMPONENT) for key in self.names()
        }

    def digest(self, key: str, *, size: int) -> bytes:
        """Take `size` bytes of lower-case hex."""
        return self._hex(key, self._values.pop(key), (size,))

    def digests(self, key: str, *, sizes: tuple[int, ...]) -> frozenset[bytes] | None:
        """Take a list of hex values of one of `sizes` bytes; left out means None."""
        if key not in self._values:
            return None
        texts = self.texts(key)
        if not texts:
            self._refuse(key, "at least one value", "none", "leave the key out to allow any")
        return frozenset(self._hex(key, text, sizes) for text in texts)

    def table(self, key: str) -> "PolicyTable":
        """Take a table; left out is an empty one."""
        value = self._values.pop(key, {})
        if not isinstance(value, dict):
            self._wrong(key, "a table", value)
        return PolicyTable(cast("dict[str, object]", value), f"{self._name}.{key}")

    def names(self) -> list[str]:
        """List the keys not yet taken, for tables whose keys are data."""
        return list(self._values)

    def end(self) -> None:
        """Refuse every key that was not taken."""
        for key in sorted(self._values):
            self._refuse(key, "only keys of docs/formats.md, 6", "an unknown key", "remove it")

    def _hex(self, key: str, value: object, sizes: tuple[int, ...]) -> bytes:
        if isinstance(value, str) and re.fullmatch(r"(?:[0-9a-f]{2})+", value, re.ASCII):
            data = bytes.fromhex(value)
        else:
            data = b""
        if len(data) not in sizes:
            lengths = " or ".join(str(2 * size) for size in sizes)
            self._wrong(key, f"{lengths} lower-case hex digits", value)
        return data

    def _wrong(self, key: str, expected: str, value: object) -> Never:
        self._refuse(key, expected, _shown(value), "correct the value")

    def _refuse(self, key: str, expected: str, found: str, remedy: str) -> Never:
        raise PolicyError(f"{self._name}.{key}", expected=expected, found=found, remedy=remedy)


def _shown(value: object) -> str:
    """Name a value for an error; of a number that Python will not write, how long it is."""
    if value is None:
        return "nothing"
    if isinstance(value, int) and value.bit_length() > MAX_BITS:
        return f"an integer of {value.bit_length()} bits"
    return f"{type(value).__name__} {value!r}"
