"""The lock of an image: every file that it was made of, by its hash.

    {"version": 1, "packages": [PACKAGE…], "wheels": [WHEEL…], "tools": [PACKAGE…]}
    PACKAGE  {"name": "libc6", "version": "2.41-12", "architecture": "amd64", "sha256": "6105…"}
    WHEEL    {"name": "idna", "version": "3.11", "file": "idna-3.11-py3-none-any.whl", "sha256": …}

`packages` are in the image, `tools` made it, `wheels` are its Python, our own code among them. The
file is beside the image (`lock.json`), and `build.sh --lock` makes an image of exactly these files.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from attestation.strict_json import Members, StrictJSONError, parse_object

VERSION = 1
"""Of the format."""

MAX_LOCK = 4 << 20
"""Bytes of a lock; one of 150 packages, 250 tools and 30 wheels has 90,000."""

MAX_FILES = 8192
"""Packages, tools or wheels in a lock."""

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9+.-]*")
"""Names of packages and wheels, and architectures: a part of a file name, and never a path."""

VERSIONS = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+~:!-]*")
"""Versions, of Debian's (with `:`) and of Python's (with `!`)."""

WHEEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+!-]*\.whl")
"""File names of wheels (PEP 427)."""


class BuildError(Exception):
    """An image cannot be made, or described, of what is there; the text names the file."""


@dataclass(frozen=True, kw_only=True, order=True)
class Package:
    """A .deb."""

    name: str
    version: str
    architecture: str
    sha256: str

    @property
    def file(self) -> str:
        """Give the name under which apt keeps it."""
        return f"{self.name}_{self.version.replace(':', '%3a')}_{self.architecture}.deb"

    @property
    def purl(self) -> str:
        """Give its name as a package URL."""
        version = self.version.replace("+", "%2B")
        return f"pkg:deb/debian/{self.name}@{version}?arch={self.architecture}"


@dataclass(frozen=True, kw_only=True, order=True)
class Wheel:
    """A wheel."""

    name: str
    version: str
    file: str
    sha256: str

    @property
    def purl(self) -> str:
        """Give its name as a package URL."""
        return f"pkg:pypi/{self.name}@{self.version}"

    @classmethod
    def read(cls, path: Path) -> "Wheel":
        """Name a wheel by its file name (PEP 427) and its hash."""
        name, version = path.name.split("-")[:2]
        return cls(
            name=re.sub(r"[-_.]+", "-", name).lower(),
            version=version,
            file=path.name,
            sha256=sha256(path),
        )


@dataclass(frozen=True, kw_only=True)
class Lock:
    """All files of an image."""

    packages: tuple[Package, ...]
    wheels: tuple[Wheel, ...]
    tools: tuple[Package, ...]

    def document(self) -> dict[str, object]:
        """Give the lock as it is written."""
        parts: Mapping[str, Sequence[Package | Wheel]] = {
            "packages": self.packages,
            "wheels": self.wheels,
            "tools": self.tools,
        }
        return {"version": VERSION} | {
            name: [asdict(one) for one in sorted(part)] for name, part in parts.items()
        }

    @classmethod
    def parse(cls, data: bytes) -> "Lock":
        """Read a lock.

        Raises:
            BuildError: another spelling, or a name that is none.
        """
        try:
            members = parse_object(data, limit=MAX_LOCK, name="lock")
            members.integer("version", low=VERSION, high=VERSION)
            lock = cls(
                packages=tuple(map(_package, members.children("packages", limit=MAX_FILES))),
                wheels=tuple(map(_wheel, members.children("wheels", limit=MAX_FILES))),
                tools=tuple(map(_package, members.children("tools", limit=MAX_FILES))),
            )
            members.end()
        except StrictJSONError as error:
            raise BuildError(str(error)) from error
        return lock


def sha256(path: Path) -> str:
    """Give a file's digest."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _package(members: Members) -> Package:
    package = Package(
        name=_fits(members, "name", NAME),
        version=_fits(members, "version", VERSIONS),
        architecture=_fits(members, "architecture", NAME),
        sha256=members.hex("sha256", size=32).hex(),
    )
    members.end()
    return package


def _wheel(members: Members) -> Wheel:
    wheel = Wheel(
        name=_fits(members, "name", NAME),
        version=_fits(members, "version", VERSIONS),
        file=_fits(members, "file", WHEEL),
        sha256=members.hex("sha256", size=32).hex(),
    )
    members.end()
    return wheel


def _fits(members: Members, key: str, form: re.Pattern[str]) -> str:
    text = members.text(key, limit=256)
    if not form.fullmatch(text):
        raise StrictJSONError(f"{members.name}.{key}: {text[:32]!r} is none")
    return text
