"""The folder of signing keys: one PEM file (PKCS#8, mode 0600) for each live key.

    1790003600-9f3c…e1.pem       not before (Unix seconds), token key id
    1780000000-0a77…42.retired   a key that was: its private file is gone

At most two keys are live. The last bytes of their ids differ from each other and from those of
retired ones, because a token request names its key by that byte alone. A key is used from its
`not_before` on: until then the publisher has time to list it in service entries, without which no
client blinds to it. Nothing is ever overwritten, and a running issuer sees what changed here.
"""

from dataclasses import dataclass, field
from pathlib import Path

from gateway.errors import ConfigurationError, PrivateKeyError
from gateway.issuer import key_files
from gateway.issuer.errors import IssuanceRefusedError
from gateway.rsa_private import PrivateKey
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

MANY = 128
"""Last bytes kept free of retired keys: half of them, so that a key is found at the second try."""

REQUEST_URI = "/token-request"


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
    keys = tuple(_read(path) for path in key_files.files(folder) if path.suffix == ".pem")
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
        found = [
            (path.name, path.stat()) for path in key_files.files(folder) if path.suffix == ".pem"
        ]
    except OSError as error:
        raise ConfigurationError(f"{folder}: {error.strerror}") from error
    return tuple((name, one.st_mtime_ns, one.st_size, one.st_mode) for name, one in found)


def retired(folder: Path, *, before: float) -> frozenset[bytes]:
    """Give the ids of the keys that were retired before a time, and of which no file is left.

    Raises:
        ConfigurationError: the folder cannot be read.
    """
    try:
        found = [(path, path.stat().st_mtime) for path in key_files.files(folder)]
    except OSError as error:
        raise ConfigurationError(f"{folder}: {error.strerror}") from error
    gone = {key_files.named(path)[1] for path, when in found if _retired(path) and when < before}
    return frozenset(gone - {key_files.named(path)[1] for path, _ in found if not _retired(path)})


def create(folder: Path, *, now: int, wait: int | None = None) -> SigningKey:
    """Make a key and its file.

    Args:
        folder: where it goes.
        now: the time of its making.
        wait: seconds until it is used; None is none for the first key of a folder, else `WAIT`.

    Raises:
        ConfigurationError: two keys are live, or the wait is too short for a further key.
    """
    with key_files.alone(folder):
        live = load(folder).keys
        if len(live) >= MAX_LIVE:
            raise ConfigurationError(f"{folder}: {MAX_LIVE} keys are live; retire the older first")
        least = MIN_WAIT if live else 0
        if wait is not None and wait < least:
            raise ConfigurationError(f"wait: at least {least // 60} minutes for a further key")
        not_before = now + (wait if wait is not None else WAIT if live else 0)
        private, public = _fresh(_taken(folder))
        path = folder / f"{not_before}-{public.id.hex()}.pem"
        key_files.write_new(path, private.pem())
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
    with key_files.alone(folder):
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
        key_files.erase(found[0].path, now=now)
        return rest


def _retired(path: Path) -> bool:
    return path.suffix == ".retired"


def _taken(folder: Path) -> set[int]:
    """Give the last bytes of live keys, and of retired ones while most bytes are free."""
    files = key_files.files(folder)
    live = {key_files.named(path)[1][-1] for path in files if path.suffix == ".pem"}
    ever = {key_files.named(path)[1][-1] for path in files}
    return ever if len(ever) <= MANY else live


def _fresh(taken: set[int]) -> tuple[PrivateKey, IssuerKey]:
    """Make a key whose id ends with a byte of its own."""
    while True:
        private = PrivateKey.generate()
        public = IssuerKey(n=private.n, e=private.e)
        if public.truncated_id not in taken:
            return private, public


def _read(path: Path) -> SigningKey:
    not_before, key_id = key_files.named(path)
    try:
        private = PrivateKey.load(key_files.read_private(path))
        public = IssuerKey(n=private.n, e=private.e)
    except (PrivateKeyError, MalformedError) as error:
        raise ConfigurationError(
            f"{path}: not a key of `keys new`; restore or retire it"
        ) from error
    if public.id != key_id:
        raise ConfigurationError(f"{path}: holds another key than its name says")
    return SigningKey(path=path, not_before=not_before, public=public, private=private)
