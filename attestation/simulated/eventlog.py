r"""The event log of the simulated platform. docs/formats.md, 3.5.

    {"events":[{"register":0,"digest":"<96 hex digits>","text":"[\"software\", …]"}]}

Every digest is SHA-384 of its text, so a log cannot describe an event as another.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from attestation.errors import MalformedEvidenceError
from attestation.eventlog import MAX_EVENTS, MAX_TEXT, REGISTER_SIZE, UNTOUCHED, Event, extend
from attestation.sections import MAX_EVENT_LOG, printable
from attestation.strict_json import Members, StrictJSONError, dumps, parse_object

REGISTERS = 4
"""Registers of the simulated platform."""


@dataclass(frozen=True, kw_only=True)
class SimulatedEventLog:
    """The event log of the simulated platform, in the order of measuring."""

    events: tuple[Event, ...] = ()

    @classmethod
    def parse(cls, data: bytes) -> "SimulatedEventLog":
        """Read a log.

        Raises:
            MalformedEvidenceError: another spelling, or a digest that is not that of its text.
        """
        try:
            members = parse_object(data, limit=MAX_EVENT_LOG, name="event log")
            events = tuple(_event(one) for one in members.children("events", limit=MAX_EVENTS))
            members.end()
        except StrictJSONError as error:
            raise MalformedEvidenceError(str(error)) from error
        return cls(events=events)

    def encode(self) -> bytes:
        """Write the log."""
        return dumps({"events": [_event_json(event) for event in self.events]})

    def then(self, register: int, text: str) -> "SimulatedEventLog":
        """Give the log with one more event."""
        return SimulatedEventLog(events=(*self.events, Event.of(register, text)))

    def replay(self) -> tuple[bytes, ...]:
        """Give the registers after all events."""
        return replay([(event.register, event.digest) for event in self.events])


def replay(events: Sequence[tuple[int, bytes]]) -> tuple[bytes, ...]:
    """Give the simulated platform's registers after events of (register, digest)."""
    registers = [UNTOUCHED] * REGISTERS
    for register, digest in events:
        registers[register] = extend(registers[register], digest)
    return tuple(registers)


def _event(members: Members) -> Event:
    event = Event.of(
        members.integer("register", high=REGISTERS - 1), printable(members, "text", limit=MAX_TEXT)
    )
    if members.hex("digest", size=REGISTER_SIZE) != event.digest:
        raise StrictJSONError(f"{members.name}.digest: is not SHA-384 of the text")
    members.end()
    return event


def _event_json(event: Event) -> dict[str, object]:
    return {
        "register": event.register,
        "digest": event.digest.hex(),
        "text": event.data.decode("utf-8"),
    }
