"""A log's public files in a bucket of an S3-compatible store.

Theory of operation. Two processes that both believe they run a log must not both change its files,
and a write whose answer was lost must not be taken for somebody else's. So every write has a
condition that the store itself checks, at once with the write:

- new file     `If-None-Match: *`   a tile is written once and never changed
- replacement  `If-Match: ETag`     of the very content that the caller wants to replace

Where the condition fails, the file is read back: with the bytes that were to be written, the write
is done (ours, its answer lost, or one of the same bytes); with others it is refused. A store that
takes such headers and ignores them, or checks them in one step and writes in another, would do none
of this, so `open` tries it out first.

A bucket says nothing of order: `write_once` writes many files at once, and a crash leaves any of
them. That is the promise that `store.ObjectStore` makes, and no more.
"""

import secrets
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

PROBE = "openpcc-probe-"
"""Begins the name of a file that is written and deleted while a store is opened."""

PROBE_HEADERS = {"ContentType": "text/plain; charset=utf-8", "CacheControl": "no-store"}

PROBE_SIZE = 64
"""Bytes that such a file may have."""

RIVALS = 8
"""Writes at once, of which a store must let one through: some check a condition and write only
then, so that two may pass the check before either has written."""


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
    """Try all that the log relies on, in a file that is gone afterwards.

    1. a missing file is said to be missing    not forbidden, and not a web page
    2. of many first writes one goes through   `If-None-Match`
    3. of many replacements one goes through   `If-Match`
    4. a file can be deleted

    Raises:
        StorageError: not so, or the store cannot be used at all.
    """
    name = PROBE + secrets.token_hex(8)
    with suppress(FileNotFoundError):
        bucket.get(name, PROBE_SIZE)  # 1
    try:
        _race(bucket, "If-None-Match", lambda data: bucket.put_new(name, data, PROBE_HEADERS))  # 2
        etag = bucket.get(name, PROBE_SIZE).etag
        put_over = partial(bucket.put_over, name, headers=PROBE_HEADERS, etag=etag)
        _race(bucket, "If-Match", lambda data: put_over(data=data))  # 3
    finally:
        bucket.delete(name)  # 4


def _race(bucket: S3Bucket, header: str, write: Callable[[bytes], None]) -> None:
    """Write at once what only one may write; never bytes that were there, which keep an ETag."""

    def wins(number: int) -> bool:
        try:
            write(f"{header}, writer {number}\n".encode())
        except ConditionFailedError:
            return False
        return True

    with ThreadPoolExecutor(max_workers=RIVALS) as pool:
        winners = sum(pool.map(wins, range(RIVALS)))
    if winners > 1:
        raise StorageError(
            f"{bucket}: the store does not keep {header} ({winners} of {RIVALS} writes at once "
            "went through), so two logs could overwrite each other unseen; use a store that does"
        )
    if winners == 0:
        raise StorageError(
            f"{bucket}: of {RIVALS} writes with {header} none went through; start again, and if it "
            "stays so use another store"
        )
