"""Rules over an event log, for registers whose value a release cannot name.

Firmware measures what the host gives it: the memory map, ACPI tables, the order of boot options. No
release knows them. A release that left such a register open would say nothing of the events in it
that matter, such as whether Secure Boot's keys are the expected ones. So it gives rules (4.1 of
docs/formats.md): which events the register may have, in order, each with the digests it may have.

    type 0x80000001   one of 3 digests        exactly once
    type 0x0000000a   any digest              2 to 4 times

The log leads to the quoted register (8.eventlog), so these events happened and no others. What a
rule lets pass with any digest is the host's to choose: a release says so in public, and
`openpcc audit release` shows it. An event's type is no part of its digest; it is the word of the
agent that read the log, whose image the other registers name.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from attestation.errors import AppraisalError
from attestation.eventlog import Event


@dataclass(frozen=True, kw_only=True)
class EventRule:
    """Events of one kind, one after the other.

    Attributes:
        type: of the TCG's registry.
        digests: what each of them may be; empty: anything.
        least: how many there must be.
        most: how many there may be.
    """

    type: int
    digests: frozenset[bytes]
    least: int
    most: int

    def allows(self, event: Event) -> bool:
        """Say whether an event is one of these."""
        return event.type == self.type and (not self.digests or event.digest in self.digests)

    @property
    def text(self) -> str:
        """Say what is asked for."""
        digests = f"{len(self.digests)} digests" if self.digests else "any digest"
        return f"{self.least} to {self.most} events of type {self.type:#010x} with {digests}"


def judge(events: Sequence[Event], rules: Mapping[int, Sequence[EventRule]]) -> None:
    """Judge the events of every register that has rules.

    Each rule takes as many events as it allows, up to its most, before the next one begins. So
    there is one way to read them, and a release that wants another order is refused, not guessed.

    Raises:
        AppraisalError: an event that no rule allows where it stands, or one that is missing.
    """
    for register, asked in sorted(rules.items()):
        _judge_register(register, [one for one in events if one.register == register], asked)


def _judge_register(register: int, events: Sequence[Event], rules: Sequence[EventRule]) -> None:
    place = 0
    for rule in rules:
        begun = place
        while place < len(events) and place - begun < rule.most and rule.allows(events[place]):
            place += 1
        if place - begun < rule.least:
            raise AppraisalError(
                f"register {register}", expected=rule.text, actual=_shown(events, place)
            )
    if place < len(events):
        raise AppraisalError(
            f"register {register}", expected="no further event", actual=_shown(events, place)
        )


def _shown(events: Sequence[Event], place: int) -> str:
    if place == len(events):
        return f"the register's {place} events end there"
    event = events[place]
    return f"event {place + 1}: type {event.type:#010x}, digest {event.digest.hex()}"
