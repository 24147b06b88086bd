"""`KEY.signed`: the newest status a key has signed, so that it never signs another of that number.

Two statuses of one number make every client refuse the log's status for good. A log that hides the
newest status could trick a signer into it; so could two people at work at one time. Whatever the
log shows, a key that remembers does not take part.

The file lies beside the key (beside the real one, if the name is a link) and is written before the
key signs. A copy of the key elsewhere has a memory of its own: keep one. With thresholds of more
than half of the keys, two statuses of one number need a key that has signed both.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from transparency_log.cli import files
from transparency_log.cli.outcome import RefusedError
from transparency_log.errors import ConfigurationError
from transparency_log.status import StatusStatement
from transparency_log.strict_json import StrictJSONError, dumps, parse_object

MAX_GUARD = 2**16
"""Bytes of the file: some hundred logs."""


@dataclass(frozen=True, kw_only=True)
class Signed:
    """The newest status of one log that a key has signed: its number and SHA-256 of the payload."""

    sequence: int
    digest: bytes


def newest_signed(key: Path, log: str) -> Signed | None:
    """Give what a key has signed last for a log; None: nothing.

    Raises:
        ConfigurationError: the file is damaged. It is never ignored.
    """
    return _load(_place(key)).get(log)


def require_unsigned(key: Path, status: StatusStatement, digest: bytes) -> None:
    """Refuse what `remember` would refuse; notes nothing.

    Of several keys each is asked before the first one notes a number that it may then never sign.

    Raises:
        RefusedError: see `remember`.
        ConfigurationError: the file is damaged.
    """
    _refuse_second(key, newest_signed(key, status.log), status, digest)


def remember(key: Path, status: StatusStatement, digest: bytes) -> None:
    """Note that a key is about to sign a status, or refuse.

    Raises:
        RefusedError: it has signed another status of this number, or a later one.
        ConfigurationError: the file cannot be kept.
    """
    place = _place(key)
    with files.locked(place.parent):
        known = _load(place)
        _refuse_second(key, known.get(status.log), status, digest)
        known[status.log] = Signed(sequence=status.sequence, digest=digest)
        files.replace(place, _encode(known))


def _refuse_second(key: Path, known: Signed | None, status: StatusStatement, digest: bytes) -> None:
    if known is None or known.sequence < status.sequence:
        return
    if (known.sequence, known.digest) != (status.sequence, digest):
        raise RefusedError(
            f"{key}: has signed status {known.sequence} ({known.digest.hex()[:16]}…) and will not "
            f"sign another status {status.sequence}; publish the one it signed, or, if that is "
            f"lost for good, make the next with --abandon {known.sequence}"
        )


def _place(key: Path) -> Path:
    try:
        real = key.resolve(strict=True)
    except (OSError, RuntimeError) as error:
        raise ConfigurationError(f"{key}: no such file; name a key that exists") from error
    return real.with_name(f"{real.name}.signed")


def _load(place: Path) -> dict[str, Signed]:
    if not os.path.lexists(place):  # a link to a file that is not there now is no first time
        return {}
    try:
        members = parse_object(files.read(place, MAX_GUARD), limit=MAX_GUARD, name="signed")
        members.integer("version", low=1, high=1)
        logs = members.child("logs")
        members.end()
        found = {}
        for log in logs.names():
            one = logs.child(log)
            digest = one.hex("payload", size=32)
            found[log] = Signed(sequence=one.integer("sequence"), digest=digest)
            one.end()
    except StrictJSONError as error:
        raise ConfigurationError(f"{place}: damaged ({error}); restore it") from error
    return found


def _encode(known: Mapping[str, Signed]) -> bytes:
    logs = {
        log: {"sequence": one.sequence, "payload": one.digest.hex()} for log, one in known.items()
    }
    return dumps({"version": 1, "logs": logs})
