"""One way to a service, and what comes along it: bounded in bytes, time and patience.

A stall, a drip, a flood or a cut is a fault of whoever stands on that way, noted here; the audit
goes on with the other ways. What comes is not judged here.
"""

from collections.abc import Callable, Sequence

from openpcc import clock
from openpcc.carrier import Carrier
from openpcc.config import ClientPolicy
from openpcc.errors import (
    DirectoryError,
    GatewayError,
    OpenPCCError,
    TransportError,
    TruncatedReplyError,
)
from openpcc.gateway_files import GatewayFiles
from openpcc.lookup import first_key
from openpcc.protocol.messages import Challenge
from transparency_log.client import LogClient
from transparency_log.errors import FetchError, NotFoundError

FILE_SECONDS = 60.0
"""Seconds that one file may take."""

CHALLENGE_SECONDS = 75.0
"""Seconds that the answer to a challenge may take: a gateway gives a node 60."""

MOST_SILENT = 3
"""Files in a row that did not come, before nothing more is asked for on this way."""

MOST_TOLD = 16
"""Troubles that are kept in words; the others are counted."""


class PathError(Exception):
    """It did not come; `ServicePath.troubles` says why."""


class MissingError(PathError):
    """The gateway says that there is no such file."""


class OutOfTimeError(PathError):
    """The time for the whole audit is over; that is nobody's fault."""


class Deadline:
    """When the whole audit ends, by a clock that nobody can set."""

    def __init__(self, seconds: float) -> None:
        self._end = clock.ticks() + seconds

    def left(self) -> float:
        """Give the seconds that are left.

        Raises:
            OutOfTimeError: none.
        """
        left = self._end - clock.ticks()
        if left <= 0:
            raise OutOfTimeError("the time for this audit is over")
        return left


def unreached(paths: "Sequence[ServicePath]") -> OpenPCCError | None:
    """Give why nobody answered on any way; None: somebody did, so something can be said."""
    errors = [path.first_error for path in paths]
    silent = all(isinstance(one, TransportError) for one in errors)
    return errors[0] if silent and not any(path.reached for path in paths) else None


class ServicePath:
    """A way to a service: directly to its gateway, or through a relay.

    Attributes:
        name: for people.
        keys: the OHTTP keys that came along it; empty before `fetch_keys`.
        log: the log's files, as the gateway copies them; use it after `fetch_keys`.
        troubles: what did not come, in words; the first `MOST_TOLD`.
        trouble_count: how many there were.
        first_error: why the first of them did not come.
        reached: whether anything came.
    """

    def __init__(
        self, name: str, carrier: Carrier, policy: ClientPolicy, deadline: Deadline
    ) -> None:
        self.name = name
        self.keys = b""
        self.log = LogClient(policy.log, self._log_file)
        self.troubles: list[str] = []
        self.trouble_count = 0
        self.first_error: OpenPCCError | None = None
        self.reached = False
        self._carrier = carrier
        self._policy = policy
        self._deadline = deadline
        self._silent = 0
        self._files: GatewayFiles | None = None

    def fetch_keys(self) -> None:
        """Fetch the OHTTP keys; everything else needs them.

        Raises:
            PathError: they did not come, or none of them can be used.
        """
        self.keys = self._within("the OHTTP keys", self._carrier.keys, FILE_SECONDS)
        try:
            key = first_key(self.keys)
        except DirectoryError as error:
            raise self._trouble("the OHTTP keys", error) from error
        self._files = GatewayFiles(self._carrier, key, self._policy.service)

    def get(self, path: str, limit: int) -> bytes:
        """Fetch a file.

        Raises:
            MissingError: the gateway says that it does not exist.
            PathError: it did not come.
        """
        files = self._opened()
        return self._within(path, lambda: files.get(path, limit), FILE_SECONDS)

    def challenge(self, challenge: Challenge, limit: int) -> bytes:
        """Ask a node for new evidence.

        Raises:
            GatewayError: the gateway, or the node through it, refused.
            PathError: no answer came.
        """
        files = self._opened()
        try:
            with self._carrier.limited(min(self._deadline.left(), CHALLENGE_SECONDS)):
                return files.challenge(challenge, limit)
        except (TransportError, TruncatedReplyError, DirectoryError) as error:
            raise self._trouble("the answer to a challenge", error) from error

    def close(self) -> None:
        """Close the connections."""
        self._carrier.close()

    def _opened(self) -> GatewayFiles:
        if self._files is None:
            raise PathError(f"{self.name}: without keys nothing can be asked for")
        return self._files

    def _within(self, what: str, fetch: Callable[[], bytes], seconds: float) -> bytes:
        if self._silent >= MOST_SILENT:
            raise PathError(f"{what}: not asked for, after {MOST_SILENT} that did not come")
        left = self._deadline.left()
        try:
            with self._carrier.limited(min(left, seconds)):
                data = fetch()
        except GatewayError as error:
            if error.status == 404:
                self.reached, self._silent = True, 0
                raise MissingError(f"{what} is not served") from error
            raise self._trouble(what, error) from error
        except (TransportError, TruncatedReplyError, DirectoryError) as error:
            self._deadline.left()
            raise self._trouble(what, error) from error
        self.reached, self._silent = True, 0
        return data

    def _trouble(self, what: str, error: OpenPCCError) -> PathError:
        self._silent += 1
        self.trouble_count += 1
        self.first_error = self.first_error or error
        text = f"{what}: {error}"
        if len(self.troubles) < MOST_TOLD:
            self.troubles.append(text)
        return PathError(text)

    def _log_file(self, path: str, limit: int) -> bytes:
        try:
            return self.get(f"/log/{path}", limit)
        except MissingError as error:
            raise NotFoundError(f"log file {path}") from error
        except OutOfTimeError:
            raise
        except PathError as error:
            raise FetchError(str(error)) from error
