"""Files that survive a crash: the old content or the whole new one, never something between."""

import os
from pathlib import Path


def write_file(target: Path, data: bytes) -> None:
    """Write or replace a file: temporary file, fsync, rename, fsync of the folder."""
    _make_folder(target.parent)
    temporary = target.with_name(f".{target.name}.new")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(target)
    sync_folder(target.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _make_folder(folder: Path) -> None:
    if not folder.is_dir():
        _make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        sync_folder(folder.parent)
