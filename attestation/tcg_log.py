"""The TCG event log, as firmware, loader and kernel write it on machines with a TPM.

TCG PC Client Platform Firmware Profile 1.06, sections 10.2 (records) and 10.4.5.1 (the header).
TDX guests keep the same form under ACPI's CCEL; `attestation.ccel` is about those.

A record of the older form (TCG_PCR_EVENT) comes first; its data names the banks, that is the hash
algorithms, with the size of their digests. All that follow (TCG_PCR_EVENT2) have a digest for each:

    register   type       digests                                    data
    00000000   03000000   00 (20 times)                              29000000 "Spec ID Event03" …
    01000000   07000080   02000000  0b00 <32 bytes>  0c00 <48 bytes>  1d000000 "Exit Boot Serv…

A log without that header is of the older form throughout: SHA-1, one digest per record.

Firmware reserves more room than it fills, and logs are copied while they grow. So a log ends at its
last byte, before register FFFFFFFFh, or before a record with no digests or more than there are
banks. Nothing here is trusted: what an end cuts off is missing from the replay, and what a log says
beyond its replay is worth nothing (`attestation.eventlog`).
"""

import hashlib
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum

from attestation.errors import AttesterError, MalformedEvidenceError
from attestation.eventlog import MAX_EVENTS, MAX_TEXT, Event
from attestation.sections import MAX_EVENT_LOG

EV_NO_ACTION = 3
"""Type of a record that tells something and extends nothing."""

HEADER_SIGNATURE = b"Spec ID Event03\0"

LOCALITY_SIGNATURE = b"StartupLocality\0"
"""Begins the record of the locality the TPM was started from: where PCR 0 does not begin at 0."""

EV_ACTION = 5
"""Type of the agent's records: an action in words, whose digest is that of the words, without a
NUL."""

END = 0xFFFFFFFF
"""Register of room that nobody has written to."""

MAX_BANKS = 8
"""Hash algorithms of a log; TPMs have at most four."""

MAX_DIGEST = 64
"""Bytes of a digest; no algorithm of the TCG's registry has more."""


class Bank(IntEnum):
    """Hash algorithms by their TCG id, as far as we can replay them."""

    SHA1 = 0x0004
    SHA256 = 0x000B
    SHA384 = 0x000C
    SHA512 = 0x000D

    @property
    def size(self) -> int:
        """Give the bytes of a digest."""
        return hashlib.new(self.name.lower()).digest_size

    def extend(self, register: bytes, digest: bytes) -> bytes:
        """Give the register after one event."""
        return hashlib.new(self.name.lower(), register + digest).digest()


@dataclass(frozen=True, kw_only=True)
class TcgEvent:
    """One record.

    Attributes:
        register: index, as the log counts.
        type: of the TCG's registry.
        digests: by algorithm id, also of algorithms that `Bank` lacks.
        data: as logged; its relation to the digests depends on the type.
        size: bytes that the data should have; less are there if the log was cut inside it.
    """

    register: int
    type: int
    digests: Mapping[int, bytes]
    data: bytes
    size: int

    @property
    def extends(self) -> bool:
        """Say whether the record stands for a measurement."""
        return self.type != EV_NO_ACTION

    @property
    def cut(self) -> bool:
        """Say whether the log ends inside this record's data."""
        return len(self.data) < self.size


@dataclass(frozen=True, kw_only=True)
class TcgLog:
    """A parsed log; claims, not facts.

    Attributes:
        banks: algorithm id to size of digest.
        events: every record in order, without the header that names the banks.
        legacy: whether it is of the older form, SHA-1 alone.
        end: offset after the last record; what follows is room, or a piece of a record.
        complete: whether it ends between two records.
    """

    banks: Mapping[int, int]
    events: tuple[TcgEvent, ...]
    legacy: bool
    end: int
    complete: bool

    @classmethod
    def parse(cls, data: bytes) -> "TcgLog":
        """Read a log; no bytes are a log without events.

        Raises:
            MalformedEvidenceError: over a limit, a header of another version, a digest of no bank.
        """
        if len(data) > MAX_EVENT_LOG:
            raise MalformedEvidenceError(f"event log: more than {MAX_EVENT_LOG} bytes")
        reader = _Reader(data)
        header = _read_header(reader)
        banks = {int(Bank.SHA1): Bank.SHA1.size} if header is None else header
        events = tuple(_read_events(reader, None if header is None else banks))
        cut = bool(events) and events[-1].cut
        return cls(
            banks=banks,
            events=events,
            legacy=header is None,
            end=reader.offset,
            complete=not cut and (reader.ended or _is_room(data[reader.offset :])),
        )

    def of_bank(self, bank: Bank) -> tuple[Event, ...]:
        """Give what extended the registers of one bank, in order."""
        return tuple(
            Event(
                register=event.register,
                digest=event.digests[bank],
                data=event.data,
                type=event.type,
            )
            for event in self.events
            if event.extends and bank in event.digests
        )


def replay(log: TcgLog, bank: Bank) -> Mapping[int, bytes]:
    """Give the registers of one bank that the log names; one that is missing was not extended.

    Raises:
        MalformedEvidenceError: the log has no such bank, or tells PCR 0's start after its use.
    """
    if bank not in log.banks:
        raise MalformedEvidenceError(f"event log: no bank {bank.name}")
    registers: dict[int, bytes] = {}
    for event in log.events:
        if event.extends and bank in event.digests:
            before = registers.get(event.register, bytes(bank.size))
            registers[event.register] = bank.extend(before, event.digests[bank])
        elif (locality := _startup_locality(event)) is not None:
            if 0 in registers:
                raise MalformedEvidenceError("event log: startup locality after PCR 0 was used")
            registers[0] = bytes(bank.size - 1) + locality
    return registers


def append_text(data: bytes, register: int, text: str) -> bytes:
    """Give a log with one more record: SHA-384 of a text, extended into a register.

    Room behind the last record is left out. No bytes are a log without records, of SHA-384 alone.

    Raises:
        MalformedEvidenceError: the log does not parse.
        AttesterError: a text that no log can have, or a log that is full.
    """
    if not 0 < len(text) <= MAX_TEXT or not text.isprintable():
        raise AttesterError(f"event: expected 1 to {MAX_TEXT} printable characters")
    return append_event(data, register, EV_ACTION, text.encode())


def append_event(data: bytes, register: int, kind: int, content: bytes) -> bytes:
    """Give a log with one more record: SHA-384 of some data, extended into a register.

    Room behind the last record is left out. No bytes are a log without records, of SHA-384 alone.

    Raises:
        MalformedEvidenceError: the log does not parse.
        AttesterError: a log that is full.
    """
    before = data[: TcgLog.parse(data).end] if data else _header(Bank.SHA384)
    digest = hashlib.sha384(content).digest()
    record = struct.pack("<IIIH", register, kind, 1, Bank.SHA384) + digest
    after = before + record + struct.pack("<I", len(content)) + content
    if len(after) > MAX_EVENT_LOG:
        raise AttesterError(f"event log: over {MAX_EVENT_LOG} bytes; measure less into it")
    return after


def _header(bank: Bank) -> bytes:
    """Write the header of a log of one bank: version 2.00, 64-bit, nothing of a vendor's."""
    names = HEADER_SIGNATURE + struct.pack("<IBBBBI", 0, 0, 2, 0, 2, 1)
    names += struct.pack("<HHB", bank, bank.size, 0)
    return struct.pack("<II20sI", 0, EV_NO_ACTION, bytes(20), len(names)) + names


def _startup_locality(event: TcgEvent) -> bytes | None:
    """Give the byte that PCR 0 begins with, if this record tells it (10.4.5.3)."""
    size = len(LOCALITY_SIGNATURE) + 1
    tells = not event.extends and event.register == 0 and len(event.data) == size
    return event.data[-1:] if tells and event.data.startswith(LOCALITY_SIGNATURE) else None


class _CutError(Exception):
    """The log ends inside a record, before its data."""


class _Reader:
    """Takes integers and bytes off a log.

    Attributes:
        offset: of the next byte; set back to a record's first where that is not whole.
        ended: whether a record said that the log ends before it.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.offset = 0
        self.ended = False

    def take(self, size: int) -> bytes:
        """Take exactly `size` bytes. Raises: _CutError."""
        if size > len(self._data) - self.offset:
            raise _CutError
        return self.take_up_to(size)

    def take_up_to(self, size: int) -> bytes:
        """Take `size` bytes, or what is left."""
        taken = self._data[self.offset : self.offset + size]
        self.offset += len(taken)
        return taken

    def integers(self, form: str) -> tuple[int, ...]:
        """Take little-endian integers, spelled as `struct` does."""
        return struct.unpack("<" + form, self.take(struct.calcsize("<" + form)))


def _read_header(reader: _Reader) -> dict[int, int] | None:
    """Read the header that names the banks; without one, None, and nothing is taken."""
    try:
        header = _read_old_event(reader)
    except _CutError:
        header = None
    if header is None or header.extends or not header.data.startswith(HEADER_SIGNATURE):
        reader.offset, reader.ended = 0, False
        return None
    if header.cut:
        raise MalformedEvidenceError("event log: its header is cut")
    try:
        return _read_banks(_Reader(header.data[len(HEADER_SIGNATURE) :]))
    except _CutError as error:
        raise MalformedEvidenceError("event log: its header is cut") from error


def _read_banks(reader: _Reader) -> dict[int, int]:
    """Read the banks; class, revision and the vendor's bytes around them say nothing we use."""
    *_, count = reader.integers("IBBBBI")
    if not 1 <= count <= MAX_BANKS:
        raise MalformedEvidenceError(f"event log: {count} banks, 1 to {MAX_BANKS} are accepted")
    banks: dict[int, int] = {}
    for _ in range(count):
        algorithm, size = reader.integers("HH")
        known = Bank(algorithm).size if algorithm in set(Bank) else size
        if algorithm in banks or size != known or not 1 <= size <= MAX_DIGEST:
            raise MalformedEvidenceError(f"event log: bank {algorithm:#06x} of {size} bytes")
        banks[algorithm] = size
    return banks


def _read_events(reader: _Reader, banks: Mapping[int, int] | None) -> Iterator[TcgEvent]:
    """Read records up to the end, of the older form if there are no banks."""
    for _ in range(MAX_EVENTS + 1):
        start = reader.offset
        try:
            event = _read_old_event(reader) if banks is None else _read_event(reader, banks)
        except _CutError:
            event = None
        if event is None:
            reader.offset = start
            return
        yield event
        if event.cut:
            return
    raise MalformedEvidenceError(f"event log: more than {MAX_EVENTS} events")


def _read_event(reader: _Reader, banks: Mapping[int, int]) -> TcgEvent | None:
    """Read a record of the newer form; None where the log ends before it."""
    if reader.integers("I") == (END,):
        reader.ended = True
        return None
    reader.offset -= 4
    register, kind, count = reader.integers("III")
    if not 1 <= count <= len(banks):
        reader.ended = True
        return None
    digests: dict[int, bytes] = {}
    for _ in range(count):
        (algorithm,) = reader.integers("H")
        if algorithm not in banks or algorithm in digests:
            raise MalformedEvidenceError(f"event log: a digest of bank {algorithm:#06x}")
        digests[algorithm] = reader.take(banks[algorithm])
    return _with_data(reader, register, kind, digests)


def _read_old_event(reader: _Reader) -> TcgEvent | None:
    """Read a record of the older form; None where the log ends before it."""
    if reader.integers("I") == (END,):
        reader.ended = True
        return None
    reader.offset -= 4
    register, kind = reader.integers("II")
    digests = {int(Bank.SHA1): reader.take(Bank.SHA1.size)}
    event = _with_data(reader, register, kind, digests)
    if register == kind == event.size == 0 and not any(digests[Bank.SHA1]):
        reader.ended = True  # this form has no count of digests to say that nothing was written
        return None
    return event


def _with_data(reader: _Reader, register: int, kind: int, digests: Mapping[int, bytes]) -> TcgEvent:
    (size,) = reader.integers("I")
    data = reader.take_up_to(size)
    return TcgEvent(register=register, type=kind, digests=digests, data=data, size=size)


def _is_room(rest: bytes) -> bool:
    """Say whether these bytes, too few for a record, are what fills unwritten room."""
    return not rest.strip(b"\xff") or not rest.strip(b"\0")
