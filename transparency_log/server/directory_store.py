"""A log's public files in a folder: durable by fsync, whole by rename, one writer by a lock.

Any web server may serve the folder; what does not belong to the public begins with a dot (the lock,
and what a crash left of a file that was being written).
"""

import errno
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from transparency_log.errors import ConfigurationError, StorageError
from transparency_log.server.durable import lock_file, make_folder, sync_folders, write_files

LOCK = ".lock"
"""Name of the file whose lock the writer holds."""

ABSENT = (FileNotFoundError, NotADirectoryError, IsADirectoryError)
"""What the system says of a name that is not a file's."""


class DirectoryStore:
    """An `ObjectStore` in a folder."""

    def __init__(self, folder: Path, lock: int) -> None:
        self.folder = folder
        self._lock = lock

    @classmethod
    def create(cls, folder: Path) -> None:
        """Make an empty folder.

        Raises:
            ConfigurationError: it exists and is not empty.
        """
        make_folder(folder)
        if any(folder.iterdir()):
            raise ConfigurationError(f"{folder}: not empty; a log is made in an empty folder")

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Take the folder for this process.

        Raises:
            ConfigurationError: there is none, or another process writes into it.
        """
        if not folder.is_dir():
            raise ConfigurationError(f"{folder}: no log here; make one with `openpcc-log init`")
        return cls(folder, lock_file(folder / LOCK, what=str(folder)))

    def read(self, name: str) -> bytes:
        """See `ObjectStore`."""
        try:
            return (self.folder / name).read_bytes()
        except ABSENT as error:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name) from error
        except OSError as error:
            raise _failure(name, error) from error

    def write_once(self, files: Sequence[tuple[str, bytes]]) -> None:
        """See `ObjectStore`."""
        new = [(self.folder / name, data) for name, data in files if not self._has(name, data)]
        with _explained("a tile"):
            write_files(new)
            # A file that was there may have been renamed by a process that ended before its fsync.
            written = {target.parent for target, _ in new}
            sync_folders({(self.folder / name).parent for name, _ in files} - written)

    def replace(self, name: str, data: bytes, *, old: bytes | None) -> None:
        """See `ObjectStore`."""
        if self._content(name) != old:
            raise StorageError(f"{name}: somebody else wrote it; see that one log writes here")
        with _explained(name):
            write_files([(self.folder / name, data)])

    def delete(self, names: Sequence[str]) -> None:
        """See `ObjectStore`; a folder that is empty then goes, too."""
        with _explained("a partial tile"):
            for name in names:
                (self.folder / name).unlink(missing_ok=True)
            for folder in {(self.folder / name).parent for name in names}:
                if folder.is_dir() and not any(folder.iterdir()):
                    folder.rmdir()

    def close(self) -> None:
        """Let another process write."""
        os.close(self._lock)

    def _has(self, name: str, data: bytes) -> bool:
        found = self._content(name)
        if found is not None and found != data:
            raise StorageError(f"{name}: exists with other bytes; restore the log from its backup")
        return found is not None

    def _content(self, name: str) -> bytes | None:
        try:
            return self.read(name)
        except FileNotFoundError:
            return None


@contextmanager
def _explained(name: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _failure(name, error) from error


def _failure(name: str, error: OSError) -> StorageError:
    """Say what the operator can do about a failure of the file system."""
    remedy = _REMEDIES.get(error.errno or 0, "mend the file system of the log's folder")
    return StorageError(f"{name}: {error.strerror}; {remedy}, and start again")


_REMEDIES = {
    errno.ENOSPC: "free space on the disk of the log's folder",
    errno.EDQUOT: "raise the disk quota of the log's user",
    errno.EFBIG: "raise the file size limit of the log's process",
    errno.EACCES: "let the log's user write its folder",
    errno.EPERM: "let the log's user write its folder",
    errno.EROFS: "mount the disk of the log's folder for writing",
    errno.EMFILE: "raise the limit on open files of the log's process",
    errno.EIO: "replace the disk of the log's folder",
}
