"""What this client accepted before, so that nothing older is accepted later.

docs/formats.md section 6. The file holds no prompt, no token and no key; losing it costs the memory
of what was seen, deleting it is visible to the user alone. Several processes may share it: each
change is read, merged and replaced under a lock, and every number only grows.
"""

import fcntl
import hashlib
import os
import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from attestation import strict_json
from attestation.policy import NO_MARK, Mark
from openpcc.errors import ConfigurationError

MAX_STATE = 2**20
"""Bytes of a state file; more is refused, neither read nor written."""

SEED_SIZE = 32
"""Bytes of the seed that a client's shards follow from."""

PROOF = "equivocation-"
"""How the folders of kept proofs begin."""

SUSPICION = "suspicion-"
"""How the folders of kept pairs begin that prove nothing by themselves."""

MAX_SUSPICIONS = 16
"""Such folders that are kept: whoever serves the log's files can provoke one at each look."""


@dataclass(frozen=True, kw_only=True)
class Position:
    """Where in the log the newest accepted entry of a chain stands."""

    index: int
    sequence: int


@dataclass(frozen=True, kw_only=True)
class Draw:
    """What this client drew for a day; which shards follow from it, `openpcc.shards` says."""

    seed: bytes = field(repr=False)
    drawn: int
    sizes: Mapping[str, int] = field(default_factory=dict)
    """By model id, hex: leaves of its directory when it was first seen that day."""


@dataclass(frozen=True, kw_only=True)
class ClientState:
    """Everything remembered between runs."""

    checkpoint: bytes = b""
    """Newest witnessed checkpoint (signed note); empty before the first."""
    witnessed: int = 0
    """Newest witnessed time ever verified, Unix seconds."""
    service: Position | None = None
    status: Position | None = None
    draw: Draw | None = None
    """None before the first look."""
    marks: Mapping[bytes, Mark] = field(default_factory=dict)
    """How new the newest endorsement accepted was, by SHA-256 of the issuer's public key."""


class StateFile:
    """The state file of one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / "state.json"
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigurationError(
                f"{folder}: cannot make the state folder ({error.strerror}); set 'state'"
            ) from error

    def load(self) -> ClientState:
        """Read the state; an absent file is a first run.

        Raises:
            ConfigurationError: the file is damaged. It is never ignored: that would forget what
                was accepted before.
        """
        try:
            with self._path.open("rb") as file:
                data = file.read(MAX_STATE + 1)
        except FileNotFoundError:
            return ClientState()
        except OSError as error:
            raise self._unusable(error) from error
        try:
            return decode(data)
        except strict_json.StrictJSONError as error:
            raise ConfigurationError(
                f"{self._path}: damaged ({error}); restore it, or remove it to start afresh"
            ) from error

    def update(self, change: Callable[[ClientState], ClientState]) -> ClientState:
        """Replace the state by `change(state)`, atomically and after every other process.

        Raises:
            ConfigurationError: the folder cannot be written, or the state is damaged.
        """
        try:
            with self._locked():
                state = change(self.load())
                data = encode(state)
                if len(data) > MAX_STATE:  # written, it could not be read again
                    raise ConfigurationError(f"{self._path}: would exceed {MAX_STATE} bytes")
                self._replace(data)
        except OSError as error:
            raise self._unusable(error) from error
        return state

    def save_proof(self, first: bytes, second: bytes) -> Path:
        """Keep two signed statements that contradict each other; gives the folder they are in.

        Raises:
            ConfigurationError: the folder cannot be written.
        """
        return self._save_pair(PROOF, first, second)

    def save_suspicion(self, first: bytes, second: bytes) -> Path | None:
        """Keep two checkpoints that were not shown to be of one history; None: enough are kept.

        Raises:
            ConfigurationError: the folder cannot be written.
        """
        kept = list(self._folder.glob(f"{SUSPICION}*"))
        if len(kept) >= MAX_SUSPICIONS and _pair(SUSPICION, first, second) not in {
            one.name for one in kept
        }:
            return None
        return self._save_pair(SUSPICION, first, second)

    def _save_pair(self, kind: str, first: bytes, second: bytes) -> Path:
        folder = self._folder / _pair(kind, first, second)
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            for name, data in (("first", first), ("second", second)):
                form = "json" if data.startswith(b"{") else "note"
                (folder / f"{name}.{form}").write_bytes(data)
        except OSError as error:
            raise self._unusable(error) from error
        return folder

    def proof(self) -> Path | None:
        """Give the folder of a kept proof; None if this service never contradicted itself."""
        return next(iter(sorted(self._folder.glob(f"{PROOF}*"))), None)

    def _replace(self, data: bytes) -> None:
        temporary = self._path.with_name(f".state-{secrets.token_hex(8)}")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self._path)
        finally:
            temporary.unlink(missing_ok=True)  # a full disk is not filled further

    def _unusable(self, error: OSError) -> ConfigurationError:
        reason = error.strerror or "unusable"
        return ConfigurationError(f"{self._folder}: cannot use the state folder ({reason})")

    @contextmanager
    def _locked(self) -> Iterator[None]:
        descriptor = os.open(self._folder / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _pair(kind: str, first: bytes, second: bytes) -> str:
    return f"{kind}{hashlib.sha256(first + second).hexdigest()[:16]}"


def newest(old: ClientState, new: ClientState) -> ClientState:
    """Merge two states so that no number goes back.

    Of two checkpoints the larger tree stays: a smaller one, even if it was cosigned later, would
    forget that the log was seen to have grown beyond it.
    """
    marks = dict(old.marks)
    for issuer, mark in new.marks.items():
        known = marks.get(issuer, NO_MARK)
        marks[issuer] = Mark(number=max(mark.number, known.number), time=max(mark.time, known.time))
    ahead = (_size(new), new.witnessed) >= (_size(old), old.witnessed)
    return replace(
        new,
        checkpoint=new.checkpoint if ahead else old.checkpoint,
        witnessed=max(old.witnessed, new.witnessed),
        service=_later(old.service, new.service),
        status=_later(old.status, new.status),
        draw=new.draw or old.draw,
        marks=marks,
    )


def encode(state: ClientState) -> bytes:
    """Write a state document."""
    return strict_json.dumps(
        {
            "version": 2,
            "checkpoint": strict_json.b64encode(state.checkpoint),
            "witnessed": state.witnessed,
            "service": _position(state.service),
            "status": _position(state.status),
            "draw": _draw(state.draw),
            "newest": {
                issuer.hex(): {"number": mark.number, "time": mark.time}
                for issuer, mark in state.marks.items()
            },
        }
    )


def decode(data: bytes) -> ClientState:
    """Read a state document.

    Raises:
        StrictJSONError: it is none.
    """
    members = strict_json.parse_object(data, limit=MAX_STATE, name="state")
    members.integer("version", low=2, high=2)
    marks = members.child("newest")
    state = ClientState(
        checkpoint=members.data("checkpoint"),
        witnessed=members.integer("witnessed"),
        service=_read_position(members, "service"),
        status=_read_position(members, "status"),
        draw=_read_draw(members.child_or_null("draw")),
        marks={_issuer(key): _read_mark(marks.child(key)) for key in marks.names()},
    )
    members.end()
    return state


def _later(old: Position | None, new: Position | None) -> Position | None:
    if old is None or new is None:
        return new or old
    return new if new.sequence >= old.sequence else old


def _size(state: ClientState) -> int:
    """Read the tree size of the checkpoint, verified before it was kept; -1: there is none."""
    lines = state.checkpoint.split(b"\n", 2)
    return int(lines[1]) if len(lines) == 3 and re.fullmatch(rb"[0-9]{1,19}", lines[1]) else -1


def _draw(draw: Draw | None) -> dict[str, object] | None:
    if draw is None:
        return None
    seed = strict_json.b64encode(draw.seed)
    return {"seed": seed, "drawn": draw.drawn, "sizes": dict(draw.sizes)}


def _position(position: Position | None) -> dict[str, int] | None:
    if position is None:
        return None
    return {"index": position.index, "sequence": position.sequence}


def _read_position(members: strict_json.Members, key: str) -> Position | None:
    child = members.child_or_null(key)
    if child is None:
        return None
    position = Position(index=child.integer("index"), sequence=child.integer("sequence"))
    child.end()
    return position


def _read_draw(members: strict_json.Members | None) -> Draw | None:
    if members is None:
        return None
    sizes = members.child("sizes")
    draw = Draw(
        seed=members.data("seed", size=SEED_SIZE),
        drawn=members.integer("drawn"),
        sizes={model: sizes.integer(model, low=1) for model in sizes.names()},
    )
    members.end()
    return draw


def _read_mark(members: strict_json.Members) -> Mark:
    mark = Mark(number=members.integer("number"), time=members.integer("time"))
    members.end()
    return mark


def _issuer(text: str) -> bytes:
    if len(text) != 64 or text.strip("0123456789abcdef"):
        raise strict_json.StrictJSONError("state.newest: expected 64 lower-case hex digits")
    return bytes.fromhex(text)
