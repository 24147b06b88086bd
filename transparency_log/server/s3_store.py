"""A log's public files in a bucket of an S3-compatible store.

Theory of operation. Two processes that both believe they run a log must not both change its files,
and a write whose answer was lost must not be taken for somebody else's. So every write has a
condition that the store itself checks, at once with the write:

- new file     `If-None-Match: *`   a tile is written once and never changed
- replacement  `If-Match: ETag`     of the very content that the caller wants to replace

Where the condition fails, the file is read back: with the bytes that were to be written, the write
is done (ours, its answer lost, or one of the same bytes); with others it is refused. A store that
takes such headers and ignores them would do none of this, so `open` tries it out first.

A bucket says nothing of order: `write_once` writes many files at once, and a crash leaves any of
them. That is the promise that `store.ObjectStore` makes, and no more.
"""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import suppress
from functools import partial
from typing import Self

from transparency_log.errors import ConfigurationError, StorageError
from transparency_log.note import MAX_NOTE
from transparency_log.server.s3_bucket import ConditionFailedError, S3Bucket, open_bucket
from transparency_log.tile import MAX_BUNDLE

WRITERS = 16
"""Requests of one batch at a time: a store answers each in tens of milliseconds."""

CHECKPOINT = "checkpoint"
"""Name of the one file that is replaced."""

CHECKPOINT_HEADERS = {"ContentType": "text/plain; charset=utf-8", "CacheControl": "max-age=5"}
"""As the log serves it: a checkpoint may be seconds old in a cache."""

TILE_HEADERS = {
    "ContentType": "application/octet-stream",
    "CacheControl": "max-age=31536000, immutable",
}
"""As the log serves them: tiles and bundles never change."""

PROBE = "openpcc-probe"
"""File that shows whether a store keeps conditions. It stays, and no log has a file of the name."""

ABSENT = "openpcc-probe-absent"
"""Name of a file that is never written."""

PROBE_HEADERS = {"ContentType": "text/plain; charset=utf-8", "CacheControl": "no-store"}

PROBE_DATA = b"openpcc-log tries here whether this store keeps the conditions of a write.\n"

PROBE_OTHER = b"This store does not keep the conditions of a write. openpcc-log refuses it.\n"
"""What must never be written."""

NO_ETAG = '"00000000000000000000000000000000"'
"""An ETag that names no content."""


class S3Store:
    """An `ObjectStore` in a bucket. One thread at a time writes; any may read."""

    def __init__(self, bucket: S3Bucket) -> None:
        self._bucket = bucket
        self._pool = ThreadPoolExecutor(max_workers=WRITERS, thread_name_prefix="s3")

    @classmethod
    def open(
        cls,
        *,
        bucket: str,
        prefix: str = "",
        endpoint: str | None = None,
        region: str | None = None,
    ) -> Self:
        """Open a bucket and try out that it keeps the conditions of a write.

        Args:
            bucket: its name; it must exist.
            prefix: what the names of all files begin with: nothing, or folders with a slash at the
                end. One log, one prefix.
            endpoint: of a store that is not Amazon's; left out, the SDK's own choice.
            region: of the bucket; left out, the SDK's own choice.

        Raises:
            ConfigurationError: it cannot be used; the text names the reason and the remedy.
        """
        try:
            opened = open_bucket(bucket=bucket, prefix=prefix, endpoint=endpoint, region=region)
            try:
                _probe(opened)
            except BaseException:
                opened.close()
                raise
        except StorageError as error:
            raise ConfigurationError(str(error)) from None
        return cls(opened)

    def read(self, name: str) -> bytes:
        """Give a file; see `store.ObjectStore.read`."""
        return self._bucket.get(name, _limit(name)).data

    def write_once(self, files: Sequence[tuple[str, bytes]]) -> None:
        """Write immutable files; see `store.ObjectStore.write_once`."""
        self._all(partial(self._write_new, name, data) for name, data in files)

    def replace(self, name: str, data: bytes, *, old: bytes | None) -> None:
        """Replace a file whose content is known; see `store.ObjectStore.replace`."""
        if old is None:
            self._write_new(name, data)
            return
        try:
            found = self._bucket.get(name, _limit(name))
        except FileNotFoundError:
            raise self._changed(name) from None
        if found.data != old:
            raise self._changed(name)
        try:
            self._bucket.put_over(name, data, _headers(name), etag=found.etag)
        except ConditionFailedError:
            self._read_back(name, data)

    def delete(self, names: Sequence[str]) -> None:
        """Delete files; see `store.ObjectStore.delete`."""
        self._all(partial(self._bucket.delete, name) for name in names)

    def close(self) -> None:
        """Let go of the store."""
        self._pool.shutdown()
        self._bucket.close()

    def _write_new(self, name: str, data: bytes) -> None:
        try:
            self._bucket.put_new(name, data, _headers(name))
        except ConditionFailedError:
            self._read_back(name, data)

    def _read_back(self, name: str, data: bytes) -> None:
        """Accept a write that was not made if the file has these bytes all the same."""
        try:
            found = self._bucket.get(name, _limit(name)).data
        except FileNotFoundError:
            raise self._changed(name) from None
        if found != data:
            raise self._changed(name)

    def _changed(self, name: str) -> StorageError:
        return StorageError(
            f"{self._bucket}: {name}: is not as this log left it: another process writes here, or "
            "an older state was restored; find out which before you start again"
        )

    def _all(self, tasks: Iterable[Callable[[], None]]) -> None:
        """Run all of them, and wait for all that began; the first failure stops the rest."""
        futures = [self._pool.submit(task) for task in tasks]
        done, waiting = wait(futures, return_when=FIRST_EXCEPTION)
        for future in waiting:
            future.cancel()
        wait(waiting)
        for future in done:
            future.result()


def _limit(name: str) -> int:
    return MAX_NOTE if name == CHECKPOINT else MAX_BUNDLE


def _headers(name: str) -> dict[str, str]:
    return CHECKPOINT_HEADERS if name == CHECKPOINT else TILE_HEADERS


def _probe(bucket: S3Bucket) -> None:
    """Try what the log relies on: a missing file is said to be, and conditions are kept.

    Raises:
        StorageError: not so, or the store cannot be used at all.
    """
    with suppress(FileNotFoundError):
        bucket.get(ABSENT, len(PROBE_DATA))
    with suppress(ConditionFailedError):  # it is there from an earlier start
        bucket.put_new(PROBE, PROBE_DATA, PROBE_HEADERS)
    found = bucket.get(PROBE, 2 * len(PROBE_DATA))
    try:
        bucket.put_over(PROBE, PROBE_DATA, PROBE_HEADERS, etag=found.etag)
    except ConditionFailedError:
        raise StorageError(
            f"{bucket}: the store does not know its own ETag again, or another log starts in this "
            "place; use a store that keeps conditional writes, and one prefix for each log"
        ) from None
    put_over = partial(bucket.put_over, PROBE, PROBE_OTHER, PROBE_HEADERS)
    _must_fail(bucket, "If-Match", partial(put_over, etag=NO_ETAG))
    put_new = partial(bucket.put_new, PROBE, PROBE_OTHER, PROBE_HEADERS)
    _must_fail(bucket, "If-None-Match", put_new)


def _must_fail(bucket: S3Bucket, header: str, write: Callable[[], None]) -> None:
    try:
        write()
    except ConditionFailedError:
        return
    raise StorageError(
        f"{bucket}: the store ignores {header}, so two logs could overwrite each other unseen; "
        "use a store that keeps conditional writes"
    )
