"""Files that survive a crash: the old content or the whole new one, never something between."""

import fcntl
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from transparency_log.errors import ConfigurationError


def write_file(target: Path, data: bytes) -> None:
    """Write or replace a file: temporary file, fsync, rename, fsync of the folder."""
    write_files([(target, data)])


def write_files(files: Sequence[tuple[Path, bytes]]) -> None:
    """Write or replace files, as `write_file` does, with one fsync for each folder.

    A crash may leave some of them written and others not.
    """
    folders = {target.parent for target, _ in files}
    for folder in folders:
        make_folder(folder)
    for target, data in files:
        with _temporary(target).open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    for target, _ in files:
        _temporary(target).replace(target)
    sync_folders(folders)


def _temporary(target: Path) -> Path:
    """Name what a crash may leave behind: the next attempt to write the file overwrites it."""
    return target.with_name(f".{target.name}.new")


def sync_folders(folders: Iterable[Path]) -> None:
    """Make the names in folders durable."""
    for folder in folders:
        sync_folder(folder)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, durably; it may be there."""
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        sync_folder(folder.parent)


def lock_file(path: Path, *, what: str) -> int:
    """Take a file for this process, until the descriptor is closed or the process ends.

    Raises:
        ConfigurationError: another process has it.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise ConfigurationError(f"{what}: in use; stop the other openpcc-log") from error
    return descriptor
