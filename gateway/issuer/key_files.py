"""Files of the key folder: their names, their owners, and writing one whole or not at all."""

import fcntl
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway.errors import ConfigurationError
from gateway.rsa_private import MAX_PEM
from transparency_log.errors import PolicyError
from transparency_log.private_files import require_private

MAX_FILES = 4096
"""Names looked at in the folder."""

NAME = re.compile(r"(0|[1-9][0-9]{0,11})-([0-9a-f]{64})\.(pem|retired)")
"""Not before, token key id, and whether the key is live."""


def files(folder: Path) -> list[Path]:
    """Give the files of keys, live and retired, by name.

    Raises:
        ConfigurationError: the folder cannot be read, or a key's file has a name of its own.
    """
    try:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for _, entry in zip(range(MAX_FILES), entries, strict=False))
    except OSError as error:
        raise ConfigurationError(f"{folder}: {error.strerror}; make the folder") from error
    for name in names:
        if name.endswith((".pem", ".retired")) and not NAME.fullmatch(name):
            raise ConfigurationError(f"{folder / name}: not a name that `keys new` gives")
    return [folder / name for name in names if NAME.fullmatch(name)]


def named(path: Path) -> tuple[int, bytes]:
    """Take the time and the key id out of a name.

    Raises:
        ConfigurationError: it is no such name.
    """
    found = NAME.fullmatch(path.name)
    if found is None:
        raise ConfigurationError(f"{path}: not a name that `keys new` gives")
    return int(found[1]), bytes.fromhex(found[2])


def read_private(path: Path) -> bytes:
    """Read a file that only its owner may read, root or ourselves, or root's for our group.

    Raises:
        ConfigurationError: it cannot be read, others may read it, or it is another user's.
    """
    try:
        with path.open("rb") as file:  # judged once open: a name may come to mean another file
            _check_owned(path, os.fstat(file.fileno()))
            return file.read(MAX_PEM + 1)
    except PolicyError as error:
        raise ConfigurationError(str(error)) from error
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}") from error


def _check_owned(path: Path, status: os.stat_result) -> None:
    require_private(path, status)
    if status.st_uid not in (0, os.geteuid()):
        raise ConfigurationError(f"{path}: another user's key would be listed as ours; remove it")


def write_new(path: Path, data: bytes) -> None:
    """Write a file whole or not at all, and never over another one.

    Raises:
        ConfigurationError: there is one, or it cannot be written.
    """
    draft = path.with_name(f".new-{secrets.token_hex(8)}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}") from error
    finally:
        draft.unlink(missing_ok=True)
    sync(path.parent)


def erase(path: Path, *, now: int) -> None:
    """Delete a key's file, and leave an empty one that tells its name and this time.

    Raises:
        ConfigurationError: it cannot be deleted.
    """
    left = path.with_suffix(".retired")
    try:
        left.touch(mode=0o600)
        os.utime(left, (now, now))
        path.unlink()
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}; the key is live still") from error
    sync(path.parent)


def sync(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Let one command at a time change the folder.

    Raises:
        ConfigurationError: there is no such folder.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise ConfigurationError(f"{folder}: {error.strerror}; make the folder") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
