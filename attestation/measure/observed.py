"""What is taken from a machine that ran: registers that no file of an image decides.

Firmware measures itself, its variables, and what the host gives it. For a machine of one kind an
event log of such a machine shows it. What is the same on each of them becomes a value, or a rule
with one digest; what the host chooses is left open, by a rule with any (`attestation.event_rules`).

What may be left open is a short list, and each has its price:

    memory-map       how much memory there is, and where: no code, and firmware checks it
    host-tables      ACPI tables: the host's code, which the guest's kernel interprets
    boot-variables   which boot options there are: what is booted stands in other registers
    boot-aggregate   Linux's digest over PCR 0 to 9, in PCR 10: nothing, each of them is judged

Everything else an image's signers name. A log is worth what its machine was: let several be read,
on a host that is one's own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby

from attestation.event_rules import EventRule
from attestation.eventlog import Event
from attestation.tpm.ima import EV_EVENT_TAG, IMA_PCR

MOST = 64
"""Events of one kind that a host may choose."""


class HostEvents(StrEnum):
    """Events whose digests a release may leave to the host."""

    MEMORY_MAP = "memory-map"
    HOST_TABLES = "host-tables"
    BOOT_VARIABLES = "boot-variables"
    BOOT_AGGREGATE = "boot-aggregate"


TYPES: Mapping[HostEvents, frozenset[int]] = {
    HostEvents.MEMORY_MAP: frozenset({0x8000000B}),  # EV_EFI_HANDOFF_TABLES2: the TD HOB
    HostEvents.HOST_TABLES: frozenset({0x0000000A}),  # EV_PLATFORM_CONFIG_FLAGS
    HostEvents.BOOT_VARIABLES: frozenset({0x80000002, 0x8000000C}),  # EV_EFI_VARIABLE_BOOT, …2
    HostEvents.BOOT_AGGREGATE: frozenset({EV_EVENT_TAG}),
}
"""Their types in the TCG's registry (PC Client Platform Firmware Profile 1.06, table 27)."""


@dataclass(frozen=True, kw_only=True)
class Observed:
    """What a log says of registers: values of some, rules of the others."""

    registers: Mapping[int, bytes]
    events: Mapping[int, tuple[EventRule, ...]]


def observe(
    events: Sequence[Event],
    replayed: Mapping[int, bytes],
    *,
    known: frozenset[int],
    open_to_host: frozenset[HostEvents],
) -> Observed:
    """Give what a log says of the registers that are not known otherwise.

    Args:
        events: of the log, in order.
        replayed: registers that it leads to.
        known: registers that files decide; what the log says of them is left aside.
        open_to_host: whose digests are not asked for.
    """
    touched = sorted({event.register for event in events} - known)
    by_register = {
        register: [event for event in events if event.register == register] for register in touched
    }
    types = {register: _open_types(register, open_to_host) for register in touched}
    ruled = {
        register
        for register, own in by_register.items()
        if any(event.type in types[register] for event in own)
    }
    return Observed(
        registers={register: replayed[register] for register in touched if register not in ruled},
        events={
            register: _rules(by_register[register], types[register]) for register in sorted(ruled)
        },
    )


def _open_types(register: int, open_to_host: frozenset[HostEvents]) -> frozenset[int]:
    """Give the types that are left open in a register: Linux's own are in one alone."""
    aggregate = register == IMA_PCR
    kinds = (one for one in open_to_host if (one is HostEvents.BOOT_AGGREGATE) is aggregate)
    return frozenset(kind for one in kinds for kind in TYPES[one])


def _rules(events: Sequence[Event], types: frozenset[int]) -> tuple[EventRule, ...]:
    """Write rules: one for each event, one for each run of open ones of a type."""
    rules: list[EventRule] = []
    for kind, run in groupby(events, key=lambda event: event.type):
        if kind in types:
            rules.append(EventRule(type=kind, digests=frozenset(), least=0, most=MOST))
        else:
            rules.extend(
                EventRule(type=kind, digests=frozenset({event.digest}), least=1, most=1)
                for event in run
            )
    return tuple(rules)
