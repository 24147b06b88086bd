"""Everything that is wrong with a configuration, said at once.

    log.toml: quorum: expected an integer of 1 to 32, found 0; correct it
    log.toml: witnesses[1].url: expected a text, found nothing; add it

One line for each problem: the file, the key, what was expected, what was found, the remedy. Whoever
reads a configuration notes problems here, goes on with values that stand for what could not be
read, and calls `require_none` before anybody else sees one of them.

It lives with the log because that package is the one which every server may import.
"""

from collections.abc import Callable
from pathlib import Path

MAX_SHOWN = 64
"""Characters of a value that are shown."""


def wrong(*, expected: str, found: str, remedy: str = "correct it") -> str:
    """Say what is wrong with one value; who notes it names the key."""
    return f"expected {expected}, found {found}; {remedy}"


def found(value: object) -> str:
    """Say what stands there. Texts may be long, or hold a password that belongs elsewhere."""
    match value:
        case None:
            return "nothing"
        case bool():
            return str(value).lower()
        case int() | float():
            return str(value)[:MAX_SHOWN]
        case str() if "@" in value or len(value) > MAX_SHOWN:
            return f"a text of {len(value)} characters"
        case str():
            return repr(value)
        case list():
            return f"a list of {len(value)}"
        case dict():
            return "a table"
        case _:
            return "a time"


class Problems:
    """What was found so far in one file.

    Args:
        file: the configuration.
        error: makes the error to raise of its text.
        caught: errors of checks, whose text is noted.
    """

    def __init__(
        self,
        file: Path,
        error: Callable[[str], Exception],
        *caught: type[Exception],
    ) -> None:
        self.file = file
        self._error = error
        self._caught = caught
        self._noted: list[tuple[str, str]] = []

    def note(self, key: str, text: str) -> None:
        """Note a problem of a key, with the text of an error that may name it already."""
        line = " ".join(text.split())
        line = line if line.startswith(key) else f"{key}: {line}"
        line = line if ";" in line else f"{line}; correct it"
        self._noted.append((key, line))

    def check(self, run: Callable[[], object], *keys: str) -> None:
        """Run a check of what these keys say, unless one of them could not be read."""
        if any(map(self.about, keys)):
            return
        try:
            run()
        except self._caught as error:
            for line in str(error).splitlines():
                self.note(keys[0], line)

    def about(self, key: str) -> bool:
        """Say whether something is wrong with a key, or with what is in it."""
        return any(
            noted == key or noted.startswith((f"{key}.", f"{key}[")) for noted, _ in self._noted
        )

    def require_none(self) -> None:
        """Raise one error with all problems, a line each, if there are any."""
        if self._noted:
            raise self._error("\n".join(f"{self.file}: {line}" for _, line in self._noted))
