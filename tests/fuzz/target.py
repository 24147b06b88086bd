"""What a fuzz target is, and what many of them do.

A target is a function that calls a parser and does something with what it gives. Its first line
says what must hold; whatever is raised other than the errors named there is a finding, and so is a
value that does not read back.

    @target(Report.parse, seeds=reports)
    def snp_report(data: bytes) -> None:
        \"""Any bytes give an SNP report that writes the same bytes, or MalformedEvidenceError.\"""
        assert Report.parse(data).encode() == data
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from attestation.errors import AttestationError, MalformedEvidenceError

Bytes = Iterable[bytes]
Call = Callable[[bytes], object]
Given = TypeVar("Given")
Value = TypeVar("Value")


@dataclass(frozen=True, kw_only=True)
class Target:
    """A function for any bytes.

    Attributes:
        parsers: the public functions it feeds.
        seeds: makes inputs to start from, good ones among them.
        refusals: what it may raise.
        longest: bytes of an input worth trying, where no seed is longer.
    """

    name: str
    call: Call
    parsers: tuple[Callable[..., Any], ...]
    seeds: Callable[[], Bytes]
    refusals: tuple[type[Exception], ...]
    longest: int

    def __call__(self, data: bytes) -> bool:
        """Say whether the bytes were accepted; anything but a value or a refusal is raised."""
        try:
            self.call(data)
        except self.refusals:
            return False
        return True


TARGETS: dict[str, Target] = {}
"""Name to target; complete once `tests.fuzz.targets` is imported."""


def target(
    *parsers: Callable[..., Any],
    seeds: Callable[[], Bytes],
    refusals: tuple[type[Exception], ...] = (MalformedEvidenceError,),
    longest: int = 2**12,
) -> Callable[[Call], Call]:
    """Enter a function into the table."""

    def enter(call: Call) -> Call:
        TARGETS[call.__name__] = Target(
            name=call.__name__,
            call=call,
            parsers=parsers,
            seeds=seeds,
            refusals=refusals,
            longest=longest,
        )
        return call

    return enter


def each(*readings: Callable[[], object]) -> None:
    """Try all; refused if all refuse, in the words of the last."""
    refused: list[AttestationError] = []
    for read in readings:
        try:
            read()
        except AttestationError as error:
            refused.append(error)
    if len(refused) == len(readings):
        raise refused[-1]


def or_none(read: Callable[[Given], Value], given: Given) -> Value | None:
    """Read, or give None for what is refused."""
    try:
        return read(given)
    except MalformedEvidenceError:
        return None


def reads_back(kind: Any, data: bytes) -> None:
    """Check that what was read, written and read again is the same."""
    value = kind.parse(data)
    assert kind.parse(value.encode()) == value


def writes(value: Any, data: bytes) -> None:
    """Check that a value has one spelling."""
    assert value.encode() == data
