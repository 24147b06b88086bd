"""The log as a service's gateway mirrors it, read through the relay as its clients do."""

from collections.abc import Iterator
from contextlib import contextmanager

from openpcc import clock
from openpcc.audit.log_files import OutOfTimeError, UnreachableError
from openpcc.carrier import Carrier
from openpcc.config import ClientConfig
from openpcc.errors import (
    DirectoryError,
    GatewayError,
    OpenPCCError,
    TransportError,
    TruncatedReplyError,
)
from openpcc.gateway_files import GatewayFiles
from openpcc.lookup import first_key
from transparency_log.client import Fetch
from transparency_log.errors import FetchError


@contextmanager
def mirrored(config: ClientConfig, *, service: str, seconds: float) -> Iterator[Fetch]:
    """Give what fetches files of the log from the gateway; all of them have so many seconds.

    Raises:
        TransportError, GatewayError, DirectoryError: relay or gateway do not offer their keys.
    """
    carrier = Carrier(config.relay, config.ca)
    try:
        with carrier.limited(seconds):
            files = GatewayFiles(carrier, first_key(carrier.keys()), service)
            yield _fetching(files, clock.ticks() + seconds)
    finally:
        carrier.close()


def _fetching(files: GatewayFiles, end: float) -> Fetch:
    def fetch(path: str, limit: int) -> bytes:
        try:
            return files.log(path, limit)
        except (TruncatedReplyError, DirectoryError, GatewayError) as error:
            raise FetchError(_text(path, error)) from error
        except TransportError as error:
            if clock.ticks() >= end:
                raise OutOfTimeError(f"{path}: the time for this audit is over") from error
            raise UnreachableError(_text(path, error)) from error

    return fetch


def _text(path: str, error: OpenPCCError) -> str:
    return f"{path}: {error}"
