"""Linux's configfs-tsm: how a guest asks its secure processor to sign 64 bytes.

Linux, Documentation/ABI/testing/configfs-tsm-report; kernel 6.7 or newer. Whatever the processor,
one question is one directory, made for it and removed after it:

    mkdir   openpcc-5f0c…      of our own, so that two who ask do not meet
    read    generation         g
    write   inblob             64 bytes, in one write          g + 1
    write   privlevel          only where asked for            g + 2
    read    auxblob, manifestblob, outblob, provider
    read    generation         must be g + what we wrote
    rmdir

Two traits of the kernel give it this form. It takes what was written to a binary file when that is
closed, and tells nobody if it then fails: that our bytes are the ones in the report is known by the
generation alone. And a report does not name its format: `provider` does.

Hosts limit how often they answer, so whatever may pass is asked again a few times, from the start.
"""

import errno
import os
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from attestation.errors import AttesterError, plain

REPORTS = Path("sys/kernel/config/tsm/report")
"""Where the kernel offers it, below the root of the file system."""

INBLOB_SIZE = 64
"""Bytes of a question. Shorter ones are padded by some providers and not by others."""

MAX_BLOB = 2**17
"""Bytes of an answer; the largest known, a host's certificate table, has 16 KiB."""

MAX_TEXT = 4096
"""Bytes of an attribute that is text: a page."""

ATTEMPTS = 6
"""How often a question is put; with the pauses, for about six seconds."""

FIRST_PAUSE = 0.2
"""Seconds before the second attempt; each further pause is twice as long."""

ABSENT = {
    errno.ENOENT: "mount configfs, and load sev-guest or tdx-guest (Linux 6.7 or newer)",
    errno.ENOTDIR: "mount configfs, and load sev-guest or tdx-guest (Linux 6.7 or newer)",
    errno.ENXIO: "no driver answers: this is no confidential guest, or sev-guest or tdx-guest is "
    "not loaded",
}
"""Why the kernel makes no directory: there is nobody to ask."""

FORBIDDEN = frozenset({errno.EACCES, errno.EPERM})
"""The same: this user may not."""

Pause = Callable[[float], None]


@dataclass(frozen=True, kw_only=True)
class TsmReport:
    """What came back.

    Attributes:
        outblob: the report, in the format of the provider.
        auxblob: with `sev_guest` the host's certificate table; empty where there is none.
        manifestblob: of services beside the guest; empty where there are none.
    """

    outblob: bytes
    auxblob: bytes
    manifestblob: bytes


class _AbsentError(AttesterError):
    """Nobody answers here."""


class _PassingError(Exception):
    """What may be otherwise at the next attempt."""


def read_report(
    inblob: bytes,
    *,
    provider: str,
    reports: Path,
    pause: Pause = time.sleep,
    privlevel: int | None = None,
) -> TsmReport:
    """Have 64 bytes signed.

    Args:
        inblob: the bytes.
        provider: whose format the caller reads, as `sev_guest`.
        reports: the kernel's directory.
        pause: waits, given seconds.
        privlevel: of the guest, 0 to 3, where the provider has such; None: the kernel's choice.

    Raises:
        AttesterError: no configfs, no or another provider, an answer beyond all bounds, or none
            after some attempts.
    """
    if len(inblob) != INBLOB_SIZE:
        raise AttesterError(f"{reports}: asked with {len(inblob)} bytes instead of {INBLOB_SIZE}")
    reason = ""
    for attempt in range(ATTEMPTS):
        if attempt:
            pause(FIRST_PAUSE * 2 ** (attempt - 1))
        try:
            with _Entry(reports) as entry:
                return _ask(entry, inblob, provider, privlevel)
        except _PassingError as error:
            reason = str(error)
    raise AttesterError(
        f"{reports}: no report in {ATTEMPTS} attempts ({reason}); ask less often, or see what the "
        "host says of its quoting service"
    )


def read_provider(reports: Path) -> str | None:
    """Name who would answer; None where nobody would.

    Raises:
        AttesterError: the kernel offers it and refuses this user, or the name cannot be read.
    """
    try:
        with _Entry(reports) as entry:
            return entry.text("provider")
    except _AbsentError:
        return None
    except _PassingError as error:
        raise AttesterError(f"{reports}: {error}; start again") from error


def _ask(entry: "_Entry", inblob: bytes, provider: str, privlevel: int | None) -> TsmReport:
    expected = entry.generation() + 1
    entry.write("inblob", inblob)
    if privlevel is not None:
        entry.write("privlevel", str(privlevel).encode())
        expected += 1
    report = TsmReport(
        auxblob=entry.optional("auxblob"),
        manifestblob=entry.optional("manifestblob"),
        outblob=entry.read("outblob", MAX_BLOB),
    )
    found = entry.text("provider")
    if found != provider:
        raise AttesterError(
            f"{entry.path.parent}: answered by {plain(found)}, expected {provider}; name this "
            "machine's platform in the image's configuration"
        )
    generation = entry.generation()
    if generation != expected:
        raise _PassingError(f"generation {generation} instead of {expected}")
    return report


class _Entry:
    """One directory below the kernel's, for as long as a question takes.

    Raises:
        AttesterError: the kernel makes none, and will make none.
        _PassingError: another failure of the kernel's, here or inside.
    """

    def __init__(self, reports: Path) -> None:
        self.path = reports / f"openpcc-{secrets.token_hex(8)}"

    def __enter__(self) -> "_Entry":
        try:
            self.path.mkdir()
        except OSError as error:
            said = f"{self.path.parent}: {error.strerror}"
            if error.errno in ABSENT:
                raise _AbsentError(f"{said}; {ABSENT[error.errno]}") from error
            if error.errno in FORBIDDEN:
                raise AttesterError(f"{said}; run as root, or let this user write there") from error
            raise _PassingError(f"mkdir: {error.strerror}") from error
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.path.rmdir()
        except OSError as error:
            raise _PassingError(f"rmdir: {error.strerror}") from error

    def write(self, name: str, data: bytes) -> None:
        """Write an attribute in one write; more than one would be more than one generation."""
        try:
            descriptor = os.open(self.path / name, os.O_WRONLY)
            try:
                written = os.write(descriptor, data)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise _PassingError(f"{name}: {error.strerror}") from error
        if written != len(data):
            raise _PassingError(f"{name}: {written} of {len(data)} bytes were taken")

    def read(self, name: str, limit: int) -> bytes:
        """Read an attribute to its end.

        By the system's own read: a buffered one takes EWOULDBLOCK for the end of the file.
        """
        data = b""
        try:
            descriptor = os.open(self.path / name, os.O_RDONLY)
            try:
                while len(data) <= limit and (piece := os.read(descriptor, limit + 1)):
                    data += piece
            finally:
                os.close(descriptor)
        except OSError as error:
            if error.errno == errno.EFBIG:
                raise self._too_large(name, "the kernel takes") from error
            raise _PassingError(f"{name}: {error.strerror}") from error
        if len(data) > limit:
            raise self._too_large(name, f"{limit} bytes")
        return data

    def optional(self, name: str) -> bytes:
        """Read what not every kernel and provider has; nothing where it is not there."""
        try:
            return self.read(name, MAX_BLOB)
        except _PassingError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                return b""
            raise

    def text(self, name: str) -> str:
        """Read an attribute that is one line."""
        return self.read(name, MAX_TEXT).decode("ascii", "replace").removesuffix("\n")

    def generation(self) -> int:
        """Read how often this entry was written to."""
        text = self.text("generation")
        if not re.fullmatch(r"0|[1-9][0-9]{0,19}", text):
            raise AttesterError(f"{self.path.parent}: generation {plain(text)!r} is no number")
        return int(text)

    def _too_large(self, name: str, bound: str) -> AttesterError:
        return AttesterError(
            f"{self.path.parent}: {name} is longer than {bound}; this host speaks another format"
        )
