"""Event logs: what was measured into which register, in words. What every platform shares.

A log is worth what its replay is worth: only if it gives the registers of an authentic quote did
these events happen, in this order, and no others. And what an event says of itself is worth what
its digest is worth, for the register holds the digest alone: `Event.text` is None unless the words
are what was measured. The formats are `attestation.tcg_log` (TPMs and TDX) and
`attestation.simulated.eventlog`.
"""

import hashlib
from dataclasses import dataclass

REGISTER_SIZE = 48
"""Bytes of a register: SHA-384."""

UNTOUCHED = bytes(REGISTER_SIZE)
"""A register that nothing was measured into."""

MAX_EVENTS = 1024
"""Events of a log; firmware, loader and kernel of a real machine come to about 120."""

MAX_TEXT = 2**16
"""Characters of an event; the longest names the engine's arguments."""

TEXT_HASHES = {32: "sha256", 48: "sha384", 64: "sha512"}
"""Digest size to hash. A SHA-1 digest vouches for no words: two texts may have the same."""


def extend(register: bytes, digest: bytes) -> bytes:
    """Give the register after one event."""
    return hashlib.sha384(register + digest).digest()


def text_digest(text: str) -> bytes:
    """Give what an event of this text extends its register with."""
    return hashlib.sha384(text.encode()).digest()


@dataclass(frozen=True, kw_only=True)
class Event:
    """One event, as its log has it.

    Attributes:
        register: index of the register it went into.
        digest: what that was extended with; the only part that a replay vouches for.
        data: what the log says was measured. Nothing by itself; see `text`.
        type: of the TCG's registry; 0 where the log's form has none. Not measured either.
    """

    register: int
    digest: bytes
    data: bytes
    type: int = 0

    @classmethod
    def of(cls, register: int, text: str) -> "Event":
        """Make the event that measures a text."""
        return cls(register=register, digest=text_digest(text), data=text.encode())

    @property
    def text(self) -> str | None:
        """Give the words that were measured; None if the data is not that, or no printable text."""
        name = TEXT_HASHES.get(len(self.digest))
        if name is None or hashlib.new(name, self.data).digest() != self.digest:
            return None
        try:
            text = self.data.decode("utf-8")
        except UnicodeDecodeError:
            return None
        return text if text.isprintable() and 0 < len(text) <= MAX_TEXT else None
