"""The folder of signing keys: one PEM file (PKCS#8, mode 0600) for each live key.

    1790003600-9f3c…e1.pem       not before (Unix seconds), token key id
    1780000000-0a77…42.retired   a key that was: its private file is gone

At most two keys are live. The last bytes of their ids differ from each other and from those of
retired ones, because a token request names its key by that byte alone. A key is used from its
`not_before` on: until then the publisher has time to list it in service entries, without which no
client blinds to it. Nothing is ever overwritten, and a running issuer sees what changed here.
"""

import fcntl
import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from gateway.errors import ConfigurationError, PrivateKeyError
from gateway.issuer.errors import IssuanceRefusedError
from gateway.rsa_private import MAX_PEM, PrivateKey
from openpcc.protocol.errors import MalformedError
from openpcc.protocol.messages import WINDOW
from openpcc.protocol.privacypass import TOKEN_TYPE, DirectoryKey, IssuerDirectory, IssuerKey

MAX_LIVE = 2
"""Live keys: the one in use, and the next or the last."""

MIN_WAIT = 2 * WINDOW + 300
"""Seconds before a further key may be used: two windows in the service entry, and some time to get
there."""

WAIT = 3600
"""Seconds before a further key is used, where nothing else was said."""

MAX_FILES = 4096
"""Names looked at in the folder."""

MANY = 128
"""Last bytes kept free of retired keys: half of them, so that a key is found at the second try."""

REQUEST_URI = "/token-request"

NAME = re.compile(r"(0|[1-9][0-9]{0,11})-([0-9a-f]{64})\.(pem|retired)")


@dataclass(frozen=True, kw_only=True)
class SigningKey:
    """A live key."""

    path: Path
    not_before: int
    public: IssuerKey
    private: PrivateKey = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class KeyRing:
    """The live keys."""

    keys: tuple[SigningKey, ...]

    def ordered(self, now: int) -> tuple[SigningKey, ...]:
        """Give the key in use first, then the one it followed or the one to follow."""
        return tuple(sorted(self.keys, key=lambda one: (one.not_before > now, -one.not_before)))

    def in_use(self, now: int) -> SigningKey | None:
        """Give the newest key whose time has come."""
        first = next(iter(self.ordered(now)), None)
        return None if first is None or first.not_before > now else first

    def live(self, truncated_id: int, now: int) -> SigningKey:
        """Find the key that a token request names.

        Raises:
            IssuanceRefusedError: `unknown-token-key`, for which wallets give up what they asked
                for: so it is said only by who has other keys. `not-ready` if there is none, or if
                this one's time has not come: another process may have charged for it.
        """
        self._check_any()
        for one in self.keys:
            if one.public.truncated_id == truncated_id:
                if one.not_before > now:
                    raise IssuanceRefusedError("not-ready")
                return one
        raise IssuanceRefusedError("unknown-token-key")

    def directory(self, now: int) -> bytes:
        """Write the issuer's directory (RFC 9578, section 4).

        Raises:
            IssuanceRefusedError: `not-ready` without keys: whoever lists what stands here would
                take an empty list for the end of all tokens.
        """
        self._check_any()
        keys = tuple(
            DirectoryKey(
                token_type=TOKEN_TYPE, token_key=one.public.spki, not_before=one.not_before
            )
            for one in self.ordered(now)
        )
        return IssuerDirectory(request_uri=REQUEST_URI, keys=keys).encode()

    def _check_any(self) -> None:
        if not self.keys:
            raise IssuanceRefusedError("not-ready")


def load(folder: Path) -> KeyRing:
    """Read the live keys.

    Raises:
        ConfigurationError: no such folder, a file that is none of ours, readable by others or not
            the key it is named after, more than two, or two that a request could not tell apart.
    """
    keys = tuple(_read(path) for path in _files(folder) if path.suffix == ".pem")
    if len(keys) > MAX_LIVE:
        raise ConfigurationError(f"{folder}: more than {MAX_LIVE} live keys; retire one")
    if len({one.public.truncated_id for one in keys}) != len(keys):
        raise ConfigurationError(f"{folder}: the ids of two live keys end alike; retire one")
    return KeyRing(keys=keys)


def fingerprint(folder: Path) -> tuple[object, ...]:
    """Tell whether the folder has changed since another fingerprint.

    Raises:
        ConfigurationError: it cannot be read.
    """
    try:
        found = [(path.name, path.stat()) for path in _files(folder) if path.suffix == ".pem"]
    except OSError as error:
        raise ConfigurationError(f"{folder}: {error.strerror}") from error
    return tuple((name, one.st_mtime_ns, one.st_size, one.st_mode) for name, one in found)


def retired(folder: Path, *, before: float) -> frozenset[bytes]:
    """Give the ids of the keys that were retired before a time.

    Raises:
        ConfigurationError: the folder cannot be read.
    """
    try:
        found = [(path, path.stat().st_mtime) for path in _files(folder)]
    except OSError as error:
        raise ConfigurationError(f"{folder}: {error.strerror}") from error
    return frozenset(
        _named(path)[1] for path, when in found if path.suffix == ".retired" and when < before
    )


def create(folder: Path, *, now: int, wait: int | None = None) -> SigningKey:
    """Make a key and its file.

    Args:
        folder: where it goes.
        now: the time of its making.
        wait: seconds until it is used; None is none for the first key of a folder, else `WAIT`.

    Raises:
        ConfigurationError: two keys are live, or the wait is too short for a further key.
    """
    with _alone(folder):
        live = load(folder).keys
        if len(live) >= MAX_LIVE:
            raise ConfigurationError(f"{folder}: {MAX_LIVE} keys are live; retire the older first")
        least = MIN_WAIT if live else 0
        if wait is not None and wait < least:
            raise ConfigurationError(f"wait: at least {least // 60} minutes for a further key")
        not_before = now + (wait if wait is not None else WAIT if live else 0)
        private, public = _fresh(_taken(folder))
        path = folder / f"{not_before}-{public.id.hex()}.pem"
        _write_new(path, private.pem())
        return SigningKey(path=path, not_before=not_before, public=public, private=private)


def retire(folder: Path, prefix: str, *, now: int, stolen: bool = False) -> KeyRing:
    """Erase a live key: nothing is signed with it any more, and its tokens end.

    Args:
        folder: where it is.
        prefix: first digits of its id, 8 at least.
        now: the time.
        stolen: retire it even if no other key is in use.

    Returns:
        The keys that stay.

    Raises:
        ConfigurationError: not one live key has such an id, or no other key is in use.
    """
    with _alone(folder):
        ring = load(folder)
        found = [one for one in ring.keys if one.public.id.hex().startswith(prefix)]
        if len(found) != 1 or len(prefix) < 8:
            raise ConfigurationError("name one live key by 8 or more digits; see `keys list`")
        rest = KeyRing(keys=tuple(one for one in ring.keys if one is not found[0]))
        if rest.in_use(now) is None and not stolen:
            raise ConfigurationError(
                "no other key is in use, and nothing could be issued; make one with `keys new` "
                "and wait for its time"
            )
        path = found[0].path
        path.with_suffix(".retired").touch(mode=0o600)
        os.utime(path.with_suffix(".retired"), (now, now))  # what `retired` goes by
        path.unlink()
        _sync(folder)
        return rest


def _taken(folder: Path) -> set[int]:
    """Give the last bytes of live keys, and of retired ones while most bytes are free."""
    files = _files(folder)
    live = {_named(path)[1][-1] for path in files if path.suffix == ".pem"}
    ever = {_named(path)[1][-1] for path in files}
    return ever if len(ever) <= MANY else live


def _fresh(taken: set[int]) -> tuple[PrivateKey, IssuerKey]:
    """Make a key whose id ends with a byte of its own."""
    while True:
        private = PrivateKey.generate()
        public = IssuerKey(n=private.n, e=private.e)
        if public.truncated_id not in taken:
            return private, public


def _files(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for _, entry in zip(range(MAX_FILES), entries, strict=False))
    except OSError as error:
        raise ConfigurationError(f"{folder}: {error.strerror}; make the folder") from error
    for name in names:
        if name.endswith((".pem", ".retired")) and not NAME.fullmatch(name):
            raise ConfigurationError(f"{folder / name}: not a name that `keys new` gives")
    return [folder / name for name in names if NAME.fullmatch(name)]


def _named(path: Path) -> tuple[int, bytes]:
    found = NAME.fullmatch(path.name)
    if found is None:
        raise ConfigurationError(f"{path}: not a name that `keys new` gives")
    return int(found[1]), bytes.fromhex(found[2])


def _read(path: Path) -> SigningKey:
    not_before, key_id = _named(path)
    try:
        with path.open("rb") as file:  # judged once open: a name may come to mean another file
            _check_owned(path, os.fstat(file.fileno()))
            private = PrivateKey.load(file.read(MAX_PEM + 1))
        public = IssuerKey(n=private.n, e=private.e)
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}") from error
    except (PrivateKeyError, MalformedError) as error:
        raise ConfigurationError(
            f"{path}: not a key of `keys new`; restore or retire it"
        ) from error
    if public.id != key_id:
        raise ConfigurationError(f"{path}: holds another key than its name says")
    return SigningKey(path=path, not_before=not_before, public=public, private=private)


def _check_owned(path: Path, status: os.stat_result) -> None:
    if stat.S_IMODE(status.st_mode) & 0o077:
        raise ConfigurationError(f"{path}: others may read this key; chmod 600 it")
    if status.st_uid not in (0, os.geteuid()):
        raise ConfigurationError(f"{path}: another user's key would be listed as ours; remove it")


def _write_new(path: Path, data: bytes) -> None:
    """Write a file whole or not at all, and never over another one."""
    draft = path.with_name(f".new-{secrets.token_hex(8)}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}") from error
    finally:
        draft.unlink(missing_ok=True)
    _sync(path.parent)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Let one command at a time change the folder."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise ConfigurationError(f"{folder}: {error.strerror}; make the folder") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
