"""Reference values: what a machine that runs one release measures to.

Made by openpcc.trust from a release entry it has verified; the verifier compares and asks nobody.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from attestation.event_rules import EventRule


@dataclass(frozen=True, kw_only=True)
class ReferenceValues:
    """What one release says of one platform. docs/formats.md, 4.1.

    Attributes:
        measurement: launch measurement.
        registers: index to value. A register the platform quotes and neither this nor `events`
            names must be untouched: nothing the release does not name may have been measured.
        device_count: confidential devices of the machine.
        device_kinds: kinds these may have.
        models: name to digest; a node has all of them and no other.
        events: index to the rules of a register whose value is not known.
    """

    measurement: bytes
    registers: Mapping[int, bytes]
    device_count: int
    device_kinds: tuple[str, ...]
    models: Mapping[str, bytes]
    events: Mapping[int, tuple[EventRule, ...]] = field(default_factory=dict)
