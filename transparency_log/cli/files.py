"""Reading and writing the files that people name; every failure names the file and the remedy."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from transparency_log.errors import ConfigurationError
from transparency_log.server.durable import make_folder, write_file


def read(path: Path, limit: int) -> bytes:
    """Read a file of at most `limit` bytes.

    Raises:
        ConfigurationError: missing, unreadable or longer.
    """
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}; name a file that exists") from error
    if len(data) > limit:
        raise ConfigurationError(f"{path}: more than {limit} bytes; name another file")
    return data


def replace(path: Path, data: bytes) -> None:
    """Write or replace a file, whole or not at all.

    Raises:
        ConfigurationError: it cannot be written.
    """
    try:
        write_file(path, data)
    except OSError as error:
        raise _unwritable(path, error) from error


def create(path: Path, data: bytes, *, mode: int = 0o666) -> None:
    """Write a new file.

    Raises:
        ConfigurationError: it is there already, or cannot be written.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise _unwritable(path, error) from error


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Let one process at a time look and write; the lock is on the folder, which is made.

    Raises:
        ConfigurationError: it cannot be made or read.
    """
    try:
        make_folder(folder)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise ConfigurationError(f"{folder}: {error.strerror}; make it readable") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _unwritable(path: Path, error: OSError) -> ConfigurationError:
    return ConfigurationError(f"{path}: {error.strerror}; name a file that can be written")
