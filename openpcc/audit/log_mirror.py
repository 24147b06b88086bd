"""The log as a service's gateway mirrors it, read through the relay as its clients do."""

from collections.abc import Iterator
from contextlib import contextmanager

from openpcc import clock, relays
from openpcc.audit.log_files import OutOfTimeError, UnreachableError
from openpcc.carrier import Carrier
from openpcc.config import ClientConfig
from openpcc.errors import DirectoryError, GatewayError, TransportError, TruncatedReplyError
from openpcc.gateway_files import GatewayFiles
from openpcc.lookup import first_key
from transparency_log.client import Fetch
from transparency_log.errors import FetchError


@contextmanager
def mirrored(config: ClientConfig, *, service: str, seconds: float) -> Iterator[Fetch]:
    """Give what fetches files of the log from the gateway; all of them have so many seconds."""
    carrier = Carrier(relays.of_process(config.relays), config.ca)
    try:
        with carrier.limited(seconds):
            yield _Mirror(carrier, service, clock.ticks() + seconds).fetch
    finally:
        carrier.close()


class _Mirror:
    """Asks for the gateway's key when the first file is asked for."""

    def __init__(self, carrier: Carrier, service: str, end: float) -> None:
        self._carrier = carrier
        self._service = service
        self._end = end
        self._files: GatewayFiles | None = None

    def fetch(self, path: str, limit: int) -> bytes:
        """See `transparency_log.client.Fetch`, with the errors of `log_files`."""
        try:
            if self._files is None:
                key = first_key(self._carrier.keys())
                self._files = GatewayFiles(self._carrier, key, self._service)
            return self._files.log(path, limit)
        except (TruncatedReplyError, DirectoryError, GatewayError) as error:
            raise FetchError(f"{path}: {error}") from error
        except TransportError as error:
            if clock.ticks() >= self._end:
                raise OutOfTimeError(f"{path}: the time for this audit is over") from error
            raise UnreachableError(f"{path}: {error}") from error
