"""Boot event logs: what was measured into which register, in words. docs/formats.md, 3.5.

A log is worth what its replay is worth: only if it gives the registers of an authentic quote did
these events happen, in this order, and no others. The logs of real firmware come with their
platforms.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from attestation.errors import MalformedEvidenceError
from attestation.sections import MAX_EVENT_LOG, printable
from attestation.strict_json import Members, StrictJSONError, dumps, parse_object

REGISTER_SIZE = 48
"""Bytes of a register: SHA-384."""

UNTOUCHED = bytes(REGISTER_SIZE)
"""A register that nothing was measured into."""

MAX_EVENTS = 1024
"""Events of a log."""

MAX_TEXT = 2**16
"""Characters of an event; the longest names the engine's arguments."""

SIMULATED_REGISTERS = 4
"""Registers of the simulated platform."""


def extend(register: bytes, digest: bytes) -> bytes:
    """Give the register after one event."""
    return hashlib.sha384(register + digest).digest()


@dataclass(frozen=True, kw_only=True)
class SimulatedEvent:
    """One event; its digest is SHA-384 of its text, so a log cannot describe it as another."""

    register: int
    text: str

    @property
    def digest(self) -> bytes:
        """Give what the event extends its register with."""
        return hashlib.sha384(self.text.encode()).digest()


@dataclass(frozen=True, kw_only=True)
class SimulatedEventLog:
    """The event log of the simulated platform, in the order of measuring."""

    events: tuple[SimulatedEvent, ...] = ()

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
        return SimulatedEventLog(
            events=(*self.events, SimulatedEvent(register=register, text=text))
        )

    def replay(self) -> tuple[bytes, ...]:
        """Give the registers after all events."""
        return replay([(event.register, event.digest) for event in self.events])


def replay(events: Sequence[tuple[int, bytes]]) -> tuple[bytes, ...]:
    """Give the simulated platform's registers after events of (register, digest)."""
    registers = [UNTOUCHED] * SIMULATED_REGISTERS
    for register, digest in events:
        registers[register] = extend(registers[register], digest)
    return tuple(registers)


def _event(members: Members) -> SimulatedEvent:
    event = SimulatedEvent(
        register=members.integer("register", high=SIMULATED_REGISTERS - 1),
        text=printable(members, "text", limit=MAX_TEXT),
    )
    if members.hex("digest", size=REGISTER_SIZE) != event.digest:
        raise StrictJSONError(f"{members.name}.digest: is not SHA-384 of the text")
    members.end()
    return event


def _event_json(event: SimulatedEvent) -> dict[str, object]:
    return {"register": event.register, "digest": event.digest.hex(), "text": event.text}
