"""Where a log's public files lie: a folder, or a bucket of an S3-compatible store.

Two kinds of files, and nothing else is ever written:

- tiles and entry bundles   a function of the tree, written once; never changed
- `checkpoint`              replaced, and only by who knows what it replaces

A store promises that what a call has written is durable when the call returns, and that a reader
sees a whole file or none.
"""

from collections.abc import Sequence
from typing import Protocol


class ObjectStore(Protocol):
    """The public files of one log. Not thread-safe: one thread at a time, but for `read`."""

    def read(self, name: str) -> bytes:
        """Give a file.

        Raises:
            FileNotFoundError: there is none of that name.
            StorageError: the store does not answer, or not as it should.
        """
        ...

    def write_once(self, files: Sequence[tuple[str, bytes]]) -> None:
        """Write immutable files durably, in any order; one that is there with these bytes stays.

        Raises:
            StorageError: one is there with other bytes, or the store is full or does not answer.
        """
        ...

    def replace(self, name: str, data: bytes, *, old: bytes | None) -> None:
        """Replace a file durably, if its content is `old` (None: if there is none), at once.

        Raises:
            StorageError: its content is another: somebody else writes this log. Or as above.
        """
        ...

    def delete(self, names: Sequence[str]) -> None:
        """Delete files that full ones have replaced; those that are gone already are no error."""
        ...

    def close(self) -> None:
        """Let go of the store."""
        ...
