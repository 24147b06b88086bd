"""Reading a file that holds a secret: only if nobody reads it whom its owner has not named.

1. owner alone   mode 0600 or 0400, whoever the owner is
2. one group     mode 0640 or 0440, where root owns the file, its group is one of ours, and we are
                 not root: somebody with power over the machine put it there for exactly this
                 group. So Kubernetes mounts Secrets for a pod with an `fsGroup`.
3. else refused  a group of ours may have other members, and only root is taken at its word about it

It stands low because every program has secrets in files, the client's credential among them.
"""

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from transparency_log.errors import ConfigurationError


def read_private(path: Path, limit: int) -> bytes:
    """Read a secret of at most `limit` bytes.

    Raises:
        ConfigurationError: missing, longer, or readable by others.
    """
    try:
        with path.open("rb") as file:  # judged once open: a name may come to mean another file
            require_private(path, os.fstat(file.fileno()))
            data = file.read(limit + 1)
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}; name a file that exists") from error
    if len(data) > limit:
        raise ConfigurationError(f"{path}: longer than {limit} bytes; is it the right file?")
    return data


@dataclass(frozen=True, kw_only=True)
class Reader:
    """Who reads: effective user, and all groups."""

    uid: int
    groups: frozenset[int]

    @classmethod
    def this_process(cls) -> "Reader":
        """Ask the system."""
        return cls(uid=os.geteuid(), groups=frozenset((os.getegid(), *os.getgroups())))


def require_private(path: Path, status: os.stat_result, reader: Reader | None = None) -> None:
    """Refuse a file that others can read.

    Args:
        path: its name.
        status: that of the open file.
        reader: who reads it; None: this process.

    Raises:
        ConfigurationError: see the module.
    """
    reader = reader or Reader.this_process()
    mode = stat.S_IMODE(status.st_mode)
    if mode & 0o077 == 0:  # 1
        return
    named = status.st_uid == 0 and reader.uid != 0 and status.st_gid in reader.groups
    if mode & 0o037 == 0 and named:  # 2
        return
    raise ConfigurationError(f"{path}: others can read this secret; run chmod 600 on it")  # 3
