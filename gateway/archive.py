"""Evidence bundles by leaf hash, kept 90 days in a folder.

Receipts name a binding, and whoever checks one later needs the bundle. Files are written whole and
never changed; the time that counts is when a bundle was last listed.
"""

import os
import re
from pathlib import Path

from gateway.config_file import read_bounded
from gateway.errors import ChainError, ConfigurationError
from gateway.mirror import MAX_EVIDENCE
from transparency_log.server.durable import write_file

_BUNDLE = re.compile(r"\.?[0-9a-f]{64}(\.new)?", re.ASCII)
"""A bundle's name, or that of one which a crash left half written. Others' files are not ours."""

RETENTION = 90 * 86400
"""Seconds a bundle is kept after it was last listed."""


class Archive:
    """The folder."""

    def __init__(self, folder: Path) -> None:
        """Use an existing folder.

        Raises:
            ConfigurationError: there is none.
        """
        if not folder.is_dir():
            raise ConfigurationError(f"archive: {folder}: no such folder; make it")
        self._folder = folder

    def put(self, leaf: bytes, bundle: bytes, *, now: int) -> None:
        """Keep a bundle, or note that it is still listed.

        Raises:
            ChainError: it cannot be written, so it must not be listed.
        """
        path = self._folder / leaf.hex()
        try:
            if not path.exists():
                write_file(path, bundle)
            os.utime(path, (now, now))
        except OSError as error:
            raise ChainError(f"{path}: {error.strerror}; no bundle is listed unarchived") from error

    def get(self, leaf: bytes) -> bytes | None:
        """Give a bundle; None if there is none."""
        path = self._folder / leaf.hex()
        return read_bounded(path, MAX_EVIDENCE) if path.is_file() else None

    def expire(self, *, now: int) -> int:
        """Remove what was last listed longer ago than the retention; give their number."""
        bundles = (one for one in self._folder.iterdir() if _BUNDLE.fullmatch(one.name))
        old = [one for one in bundles if one.stat().st_mtime < now - RETENTION]
        for path in old:
            path.unlink()
        return len(old)
