"""One bucket of an S3-compatible store: four requests, their limits, and what their failures mean.

Nothing here decides. `s3_store` makes the promises of a log's store out of these requests, and no
request here writes without a condition. Importing this file needs boto3 (the `log` extra), so only
those import it who are told to use a bucket.

Credentials are the SDK's business: environment, shared credentials file, or the machine's role.
Errors of boto3 end here and are not chained (`s3_errors` says why).
"""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from boto3.session import Session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from transparency_log.errors import ConfigurationError, StorageError
from transparency_log.server.s3_errors import code, explain, status

Value = TypeVar("Value")

CONNECT_TIMEOUT = 5
"""Seconds for a connection to the store."""

READ_TIMEOUT = 20
"""Seconds without a byte of an answer. A write is durable when answered, which may take a while."""

ATTEMPTS = 5
"""Tries of a request that got no answer, or one that says it may be repeated."""

CONFLICT_PAUSES = (0.05, 0.2, 0.8)
"""Seconds before a write is repeated that met another one in flight (409)."""

CONNECTIONS = 64
"""Connections kept: for the writers of a batch, and for as many readers as a process has threads.
One more would make urllib3 warn, with the address."""

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", re.ASCII)
_PREFIX = re.compile(r"(?:[A-Za-z0-9_-][A-Za-z0-9._-]*/)*", re.ASCII)
_ENDPOINT = re.compile(
    r"https?://(?:[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::([0-9]{1,5}))?/?", re.ASCII
)


class ConditionFailedError(Exception):
    """The store did not write, because the condition did not hold; for `s3_store` alone."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """A file as the store has it.

    Attributes:
        data: its bytes.
        etag: what the store calls this content. Opaque: the MD5 of some files, but not of those
            that were uploaded in parts or encrypted under a key of the customer's.
    """

    data: bytes
    etag: str


class S3Bucket:
    """The files below one prefix of one bucket. Safe for any number of threads."""

    def __init__(self, client: Any, *, bucket: str, prefix: str) -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = prefix

    def __str__(self) -> str:
        """Name it as it stands in errors."""
        return f"bucket {self._bucket}"

    def get(self, name: str, limit: int) -> Found:
        """Read a file whole.

        Raises:
            FileNotFoundError: the store says that there is none of that name.
            StorageError: it says anything else, or more than `limit` bytes.
        """
        return self._ask(name, lambda: self._get(name, limit))

    def put_new(self, name: str, data: bytes, headers: dict[str, str]) -> None:
        """Write a file if there is none of that name.

        Raises:
            ConditionFailedError: there is one; perhaps our own, if an answer was lost on the way.
            StorageError: the store does not answer, or refuses.
        """
        self._put(name, data, headers, {"IfNoneMatch": "*"})

    def put_over(self, name: str, data: bytes, headers: dict[str, str], *, etag: str) -> None:
        """Replace a file if the store still calls its content `etag`.

        Raises:
            ConditionFailedError: it does not; perhaps because our own write arrived before.
            StorageError: the store does not answer, or refuses.
        """
        self._put(name, data, headers, {"IfMatch": etag})

    def delete(self, name: str) -> None:
        """Delete a file; one that is not there is no error.

        Raises:
            StorageError: the store does not answer, or refuses.
        """
        key = self._prefix + name
        self._ask(name, lambda: self._client.delete_object(Bucket=self._bucket, Key=key))

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _get(self, name: str, limit: int) -> Found:
        try:
            answer = self._client.get_object(Bucket=self._bucket, Key=self._prefix + name)
        except ClientError as error:
            # Only this code means a missing file: a bare 404 may come from what is no store at all.
            if code(error) == "NoSuchKey":
                raise FileNotFoundError(name) from None
            raise
        with answer["Body"] as body:
            length, etag = answer.get("ContentLength"), answer.get("ETag")
            if length is None or not etag:
                raise StorageError(f"{self}: {name}: answered without length or ETag")
            if length > limit:
                raise StorageError(f"{self}: {name}: has {length} bytes, more than {limit}")
            data: bytes = body.read(length + 1)
        if len(data) != length:
            raise StorageError(f"{self}: {name}: only {len(data)} of {length} bytes arrived")
        return Found(data=data, etag=etag)

    def _put(
        self, name: str, data: bytes, headers: dict[str, str], condition: dict[str, str]
    ) -> None:
        for pause in (*CONFLICT_PAUSES, None):
            done = self._ask(name, partial(self._try_put, name, data, headers | condition))
            if done:
                return
            if pause is None:
                raise StorageError(f"{self}: {name}: another write was in flight each time")
            time.sleep(pause)

    def _try_put(self, name: str, data: bytes, parameters: dict[str, str]) -> bool:
        """Give whether it was written; if not, another write was in flight."""
        key = self._prefix + name
        try:
            self._client.put_object(Bucket=self._bucket, Key=key, Body=data, **parameters)
        except ClientError as error:
            # 412, and for If-Match on a file that is gone 404; both wrote nothing.
            if status(error) == 412 or code(error) == "NoSuchKey":
                raise ConditionFailedError from None
            if status(error) == 409:
                return False
            raise
        return True

    def _ask(self, name: str, request: Callable[[], Value]) -> Value:
        try:
            return request()
        except (BotoCoreError, ClientError) as error:
            raise StorageError(f"{self}: {name}: {explain(error)}") from None


def open_bucket(
    *, bucket: str, prefix: str = "", endpoint: str | None = None, region: str | None = None
) -> S3Bucket:
    """Prepare requests to a bucket; none is sent yet.

    Args:
        bucket: its name.
        prefix: what the names of all files begin with: nothing, or folders with a slash at the end.
        endpoint: of a store that is not Amazon's; left out, the SDK's own choice.
        region: of the bucket; left out, the SDK's own choice.

    Raises:
        ConfigurationError: an argument is not of the accepted form.
    """
    if not _BUCKET.fullmatch(bucket):
        raise ConfigurationError("bucket: not the name of a bucket (a-z, 0-9, dots and hyphens)")
    if len(prefix) > 512 or not _PREFIX.fullmatch(prefix):
        raise ConfigurationError("prefix: expected folders with a slash at the end, as in `log/`")
    if endpoint is not None:
        _check_endpoint(endpoint)
    try:
        client = Session().client(
            "s3", endpoint_url=endpoint, region_name=region, config=_sdk_config(endpoint)
        )
    except (BotoCoreError, ValueError) as error:
        raise ConfigurationError(f"bucket {bucket}: {explain(error)}") from None
    return S3Bucket(client, bucket=bucket, prefix=prefix)


def _check_endpoint(endpoint: str) -> None:
    match = _ENDPOINT.fullmatch(endpoint)
    if match is None or int(match[1] or 0) > 65535:
        raise ConfigurationError("endpoint: expected https://HOST[:PORT] and nothing after it")


def _sdk_config(endpoint: str | None) -> Config:
    return Config(
        connect_timeout=CONNECT_TIMEOUT,
        read_timeout=READ_TIMEOUT,
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        max_pool_connections=CONNECTIONS,
        signature_version="s3v4",
        # The signature covers the body's SHA-256, so a store refuses one that was cut or changed;
        # the SDK's own checksums are trailers that many compatible stores do not know.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        s3={
            "payload_signing_enabled": True,
            "addressing_style": "auto" if endpoint is None else "path",
        },
    )
