"""Writing the folder of a deployment: whole, under its name, or not at all.

1. beside   everything is written into a new folder beside the one to be, which only we can enter
2. private  folders 0700, secrets 0600, the rest 0644, whatever the umask
3. durable  every file and folder is synced
4. rename   over nothing, or over an empty folder: the system refuses another one

What a kill leaves is the folder of 1, whose name begins with a dot; nothing ever reads it.
"""

import os
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from openpcc.errors import ConfigurationError
from transparency_log.server.durable import sync_folder


@dataclass(frozen=True, kw_only=True)
class File:
    """A file to be, by its path below the folder."""

    path: str
    data: str | bytes = field(repr=False)
    secret: bool = False

    @property
    def bytes(self) -> bytes:
        """Give the content."""
        return self.data.encode() if isinstance(self.data, str) else self.data


class Draft:
    """The folder while it is being written."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, file: File) -> None:
        """Write a new file, and the folders above it."""
        path = self.path / file.path
        self.make(str(Path(file.path).parent))
        mode = 0o600 if file.secret else 0o644
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "wb") as out:
            os.fchmod(descriptor, mode)
            out.write(file.bytes)

    def open(self, paths: Iterable[Path]) -> None:
        """Let everybody read files that another program made: nothing in them is secret."""
        for path in paths:
            path.chmod(0o644)

    def make(self, name: str) -> None:
        """Make a folder and those above it."""
        path = self.path
        for part in Path(name).parts:
            path /= part
            if not path.is_dir():
                path.mkdir(mode=0o700)
                path.chmod(0o700)


@contextmanager
def new_folder(target: Path) -> Iterator[Draft]:
    """Lend a draft; leaving the block without an error gives it its name.

    Raises:
        ConfigurationError: there is something at the target, or it cannot be written.
    """
    _refuse(target)
    draft = Draft(target.with_name(f".{target.name}.new-{secrets.token_hex(4)}"))
    try:
        draft.path.mkdir(mode=0o700)
        yield draft
        _sync(draft.path)
        draft.path.rename(target)
        sync_folder(target.parent)
    except OSError as error:
        raise ConfigurationError(
            f"{error.filename or target}: {error.strerror}; name a new folder with rights to write"
        ) from error
    finally:
        shutil.rmtree(draft.path, ignore_errors=True)


def _refuse(target: Path) -> None:
    if not target.parent.is_dir():
        raise ConfigurationError(f"{target.parent}: no such folder; make it, or name another")
    if target.is_symlink() or (target.exists() and not target.is_dir()):
        raise ConfigurationError(f"{target}: is no folder; name a new one")
    try:
        full = target.is_dir() and any(target.iterdir())
    except OSError as error:
        raise ConfigurationError(f"{target}: {error.strerror}; name another folder") from error
    if full:
        raise ConfigurationError(f"{target}: not empty; keys are never overwritten: name a new one")


def _sync(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
        else:
            sync_folder(path)
    sync_folder(folder)
