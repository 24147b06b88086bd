"""What a checker of one kind of evidence gives to the runner, and takes from it.

A checker is a module of this folder with, in the words of the format page:

    CHECKER   the value of `checker` in its cases
    EVIDENCE  the keys of `files` of which a case needs at least one
    FILES     every key of `files`, and whether it may name several files
    CHECKS    every name of `checks`, and the check of `attestation.checks` it is part of
    examine   judges the files of one case: what is found, whatever was expected

`examine` gets no expectation, so it cannot agree with one by other means than by judging. What it
raises fails the case. What is expected is compared in `tests.conformance.evidence_case`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from attestation.checks import Check

VALID, INVALID, UNKNOWN = "valid", "invalid", "unknown"
"""The verdicts."""


@dataclass(frozen=True, kw_only=True)
class Material:
    """What a case gives to judge.

    Attributes:
        files: key of `files` and content, in order; a key that names several comes several times.
        at: the time to judge at, Unix seconds.
        product: as the case says; information that some evidence lacks.
        roots: SHA-256 of the certificates that the index lists: a `root` among them is trusted.
    """

    files: tuple[tuple[str, bytes], ...]
    at: int
    product: str | None = None
    roots: frozenset[bytes] = frozenset()

    @property
    def names(self) -> frozenset[str]:
        """Give the keys that are there."""
        return frozenset(name for name, _data in self.files)

    def each(self, *names: str) -> tuple[bytes, ...]:
        """Give the files under these keys, key after key."""
        return tuple(data for wanted in names for name, data in self.files if name == wanted)

    def one(self, name: str) -> bytes:
        """Give the one file under a key."""
        (data,) = self.each(name)
        return data


@dataclass(frozen=True, kw_only=True)
class Found:
    """What was found about a case.

    Attributes:
        verdict: one of the verdicts above.
        malformed: why the evidence does not parse; None if it does. Without it, no more is found.
        fields: name to value.
        checks: name to whether it holds; None: the evidence lacks the input.
        refused_by: the checks by which the default policy refuses it; empty if it does not.
        results: `tcb`, `rim_mismatches`, `rim_active_overlap`, where the kind has them.
    """

    verdict: str
    malformed: str | None = None
    fields: Mapping[str, object] = field(default_factory=dict)
    checks: Mapping[str, bool | None] = field(default_factory=dict)
    refused_by: tuple[Check, ...] = ()
    results: Mapping[str, object] = field(default_factory=dict)


class Checker(Protocol):
    """A module of this folder."""

    CHECKER: str
    EVIDENCE: frozenset[str]
    FILES: Mapping[str, bool]
    CHECKS: Mapping[str, str]

    def examine(self, material: Material) -> Found:
        """Judge the files of one case."""
        ...
