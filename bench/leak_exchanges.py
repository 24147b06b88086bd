"""From what the recorder noted to one exchange per answer, and from exchanges to features. Pure.

An exchange has nothing but sizes and times of what passed on the wire; `topic` is what is to be
guessed. Time zero is the last byte of the request.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

NANO = 1e9
PACED_SECOND = 42_100
"""Bytes on the wire of twenty paced records, with what sealing and the hops add."""

NOTHING = -1.0
"""Stands where an answer had no further arrival."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One answer as the client had it; times are monotonic nanoseconds.

    Attributes:
        first: when its first content came; `ended`: its end.
        text: bytes of the content, as the caller's library got it.
    """

    way: str
    lane: int
    topic: str
    subject: str
    began: int
    first: int
    ended: int
    events: int
    text: int


@dataclass(frozen=True, kw_only=True)
class Noted:
    """One line of the recorder."""

    lane: int
    connection: int
    up: bool
    at: int
    size: int


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """One answer as the observer had it.

    Attributes:
        sizes: bytes of each arrival from the relay.
        times: seconds after the request's last byte.
    """

    asked: Asked
    request: int
    sizes: tuple[int, ...]
    times: tuple[float, ...]


def read_notes(lines: Iterable[str]) -> list[Noted]:
    """Read what the recorder wrote."""
    found = []
    for line in lines:
        lane, connection, way, at, size = line.split()
        found.append(
            Noted(
                lane=int(lane),
                connection=int(connection),
                up=way == "up",
                at=int(at),
                size=int(size),
            )
        )
    return found


def exchanges(asked: Iterable[Asked], notes: Sequence[Noted]) -> list[Exchange]:
    """Cut the recording into exchanges; one beside which anything else passed is left out."""
    by_lane: dict[int, list[Noted]] = {}
    for note in notes:
        by_lane.setdefault(note.lane, []).append(note)
    found = []
    for one in asked:
        inside = [n for n in by_lane.get(one.lane, []) if one.began <= n.at <= one.ended]
        exchange = _exchange(one, inside)
        if exchange is not None:
            found.append(exchange)
    return found


def _exchange(asked: Asked, notes: Sequence[Noted]) -> Exchange | None:
    ups = [note for note in notes if note.up]
    downs = [note for note in notes if not note.up]
    if not ups or not downs or len({note.connection for note in notes}) != 1:
        return None
    zero = ups[-1].at
    if downs[0].at < zero:  # a question that was put while an answer came: not one exchange
        return None
    return Exchange(
        asked=asked,
        request=sum(note.size for note in ups),
        sizes=tuple(note.size for note in downs),
        times=tuple((note.at - zero) / NANO for note in downs),
    )


def gaps(exchange: Exchange) -> tuple[float, ...]:
    """Give the seconds before each arrival but the first: those count from the request."""
    return tuple(b - a for a, b in zip(exchange.times, exchange.times[1:], strict=False))


def sequence(exchange: Exchange, length: int) -> list[float]:
    """Sizes and inter-arrival times of the first arrivals; `NOTHING` after its end."""
    sizes = [float(size) for size in exchange.sizes[:length]]
    waits = [0.0, *gaps(exchange)][:length]
    missing = [NOTHING] * (length - len(sizes))
    return [*sizes, *missing, *waits, *missing]


def total_time(exchange: Exchange) -> list[float]:
    """When the last byte came."""
    return [exchange.times[-1]]


def first_arrival(exchange: Exchange) -> list[float]:
    """When the first byte came, and the first after it: the head may come alone."""
    return [*exchange.times[:2], *[NOTHING] * (2 - len(exchange.times[:2]))]


def total_bytes(exchange: Exchange) -> list[float]:
    """How many bytes came, in how many arrivals."""
    return [float(sum(exchange.sizes)), float(len(exchange.sizes))]


def seconds(exchange: Exchange) -> int:
    """How many times twenty records came, which is how many seconds a paced answer took."""
    return round(sum(exchange.sizes) / PACED_SECOND)


def request_size(exchange: Exchange) -> list[float]:
    """How many bytes the request had."""
    return [float(exchange.request)]
