"""Which of an issuer's keys a service lists (docs/formats.md, 11; RFC 9578, section 4).

The publisher reads the issuer's directory, and everybody reads the publisher's entries: so nobody
gets a key of his own, and clients blind to no key that is not listed.

1. read      the directory, bounded; one that cannot be read changes nothing
2. choose    its keys of type 0x0002, but those that are for a time more than `AHEAD` away. None,
             more than two, or two that a token request cannot tell apart: it is refused as a whole,
             and changes nothing. Anything else would be our choice among keys that are not ours
3. list      the next service entry has those that were offered last
4. remember  in the publisher's state, with the end of the last entry that lists them: until then
             clients may pay with them. An issuer that is down changes nothing

Only the directory removes a key. One that comes back is listed again; its tokens that were spent
are remembered for `spent.RETIRED`.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from gateway.errors import UpstreamError
from gateway.outbound import Outbound
from gateway.telemetry import log
from openpcc.protocol.errors import ProtocolError
from openpcc.protocol.privacypass import (
    DIRECTORY_PATH,
    MAX_DIRECTORY,
    TOKEN_TYPE,
    DirectoryKey,
    IssuerDirectory,
    IssuerKey,
)
from transparency_log.service import MAX_ISSUER_KEYS

AHEAD = 24 * 3600
"""Seconds before its time that a key takes one of the two places, and no earlier."""

READ = 60.0
"""Seconds between looks at the directory."""

WITHIN = 5.0
"""Seconds that a look may take: a round of the publisher waits for it."""


@dataclass(frozen=True, kw_only=True)
class ListedKey:
    """An issuer's key, as a service knows it.

    Attributes:
        offered: it was in the issuer's directory at the last look.
        until: end of the last service entry that lists it; 0 if none does.
    """

    key: IssuerKey
    offered: bool
    until: int


ListedKeys = tuple[ListedKey, ...]


def choose(directory: IssuerDirectory, known: ListedKeys, *, now: float) -> ListedKeys:
    """Take the keys that a directory offers, in its order; keep what entries still list.

    Raises:
        UpstreamError: the directory's keys cannot be listed.
    """
    offered = [IssuerKey.parse(one.token_key) for one in directory.keys if _in_time(one, now)]
    if not 1 <= len(set(offered)) == len(offered) <= MAX_ISSUER_KEYS:
        raise UpstreamError("the issuer has no key, more than two, or one twice")
    until = {one.key: one.until for one in known}
    listed = tuple(ListedKey(key=key, offered=True, until=until.get(key, 0)) for key in offered)
    others = (one for one in known if one.key not in offered and one.until > now)
    everything = (*listed, *(replace(one, offered=False) for one in others))
    if len({one.key.truncated_id for one in everything}) != len(everything):
        raise UpstreamError("two keys of the issuer have one truncated id")
    return everything


def offered_keys(known: ListedKeys) -> tuple[IssuerKey, ...]:
    """Give the keys that the next entry lists."""
    return tuple(one.key for one in known if one.offered)


def after_listing(known: ListedKeys, *, until: int, now: float) -> ListedKeys:
    """Note that an entry lists the offered keys until then; drop those that no entry lists."""
    noted = (replace(one, until=until) if one.offered else one for one in known)
    return tuple(one for one in noted if one.until > now)


def paying_keys(known: ListedKeys, *, now: float, most: int) -> tuple[IssuerKey, ...]:
    """Give the keys that an entry lists which has not run out, at most so many; newest first."""
    live = sorted((one for one in known if one.until > now), key=lambda one: -one.until)
    return tuple(one.key for one in live[:most])


class IssuerReader:
    """Looks at the issuer's directory now and again."""

    def __init__(self, url: str, outbound: Outbound, clock: Callable[[], float]) -> None:
        """Read from the issuer at `url`; `clock` gives monotonic seconds."""
        self._url = url + DIRECTORY_PATH
        self._outbound = outbound
        self._clock = clock
        self._next = clock()
        self._failing = ""

    async def look(self, known: ListedKeys, *, now: float) -> ListedKeys:
        """Give the keys as of now; `known` itself if there is nothing to learn."""
        if self._clock() < self._next:
            return known
        self._next = self._clock() + READ
        try:
            directory = await self._read()
        except UpstreamError:
            return self._failed("issuer-not-read", known)
        try:
            found = choose(directory, known, now=now)
        except UpstreamError:
            return self._failed("issuer-keys-refused", known)
        self._failing = ""
        if _ids(found) != _ids(known):
            log("issuer-keys", count=len(offered_keys(found)))
        return found

    async def _read(self) -> IssuerDirectory:
        answer = await self._outbound.fetch("GET", self._url, limit=MAX_DIRECTORY, within=WITHIN)
        if answer.status != 200:
            raise UpstreamError("the issuer does not give its directory")
        try:
            return IssuerDirectory.parse(answer.body)
        except ProtocolError as error:
            raise UpstreamError("the issuer sent no directory") from error

    def _failed(self, event: str, known: ListedKeys) -> ListedKeys:
        if self._failing != event:  # a line when it begins, not one each minute
            log(event, count=len(offered_keys(known)))
        self._failing = event
        return known


def _in_time(one: DirectoryKey, now: float) -> bool:
    return one.token_type == TOKEN_TYPE and (one.not_before or 0) <= now + AHEAD


def _ids(known: Iterable[ListedKey]) -> list[bytes]:
    return [one.key.id for one in known if one.offered]
