"""One appraisal of an EAR: a tier, and by category the numbers it comes from.

Tiers, categories and numbers are those of draft-ietf-rats-ar4si, sections 2 and 3; the claims
around them are of draft-ietf-rats-ear-03, section 3.1:

    {"ear_status":"warning","ear_trustworthiness_vector":{"hardware":2,"executables":33}}

An appraisal cannot say more than its parts: making one with a better tier is refused.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from attestation.errors import MalformedEvidenceError
from attestation.strict_json import Members, StrictJSONError

CATEGORIES = (
    "instance-identity",
    "configuration",
    "executables",
    "file-system",
    "hardware",
    "runtime-opaque",
    "storage-opaque",
    "sourced-data",
)
"""What a trustworthiness vector may speak of."""

MAX_POLICIES = 64
"""Policies of an appraisal."""

MAX_CHECKS = 64
"""Members of a claim of our own; there are fewer checks."""

CHECKS_CLAIM = "ear_openpcc_checks"
"""Our claim: every check the appraisal rests on, and how that ended."""


class Tier(IntEnum):
    """How far an attester may be trusted. A higher number is worse, but for NONE: no statement."""

    NONE = 0
    AFFIRMING = 2
    WARNING = 32
    CONTRAINDICATED = 96

    @classmethod
    def of(cls, value: int) -> "Tier":
        """Give the tier of an element of a trustworthiness vector."""
        for tier, low, high in (
            (cls.NONE, -1, 1),
            (cls.AFFIRMING, -32, 31),
            (cls.WARNING, -96, 95),
        ):
            if low <= value <= high:
                return tier
        return cls.CONTRAINDICATED

    @classmethod
    def take(cls, members: Members) -> "Tier":
        """Take `ear_status`. Raises: StrictJSONError."""
        word = members.choice("ear_status", frozenset(tier.word for tier in cls))
        return cls[word.upper()]

    @property
    def word(self) -> str:
        """Give its spelling in JSON."""
        return self.name.lower()

    def check_sums_up(self, parts: Iterable["Tier"]) -> None:
        """Check that this is no better than the worst part. To say nothing is no praise.

        Raises:
            MalformedEvidenceError: it is.
        """
        worst = max(parts)
        if self < worst and not (self is Tier.NONE and worst is Tier.AFFIRMING):
            raise MalformedEvidenceError(f"EAR: status {self.word}, and a part is {worst.word}")


@dataclass(frozen=True, kw_only=True)
class Appraisal:
    """What was found of one attester.

    Attributes:
        status: its tier; no better than the worst of the vector.
        vector: category to -128..127; None if the verifier gives no breakdown.
        policy_ids: of the appraisal policies, in the order they were applied.
        checks: check id to outcome; empty in results of others.

    Raises:
        MalformedEvidenceError: a category, number or status that the drafts do not allow.
    """

    status: Tier
    vector: Mapping[str, int] | None = None
    policy_ids: tuple[str, ...] = ()
    checks: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.vector is None:
            return
        if not self.vector or not self.vector.keys() <= set(CATEGORIES):
            raise MalformedEvidenceError("EAR: a vector of no or unknown categories")
        if not all(-128 <= value <= 127 for value in self.vector.values()):
            raise MalformedEvidenceError("EAR: an element of a vector is outside -128..127")
        self.status.check_sums_up(map(Tier.of, self.vector.values()))

    @classmethod
    def read(cls, members: Members) -> "Appraisal":
        """Read one. Raises: StrictJSONError, MalformedEvidenceError."""
        return cls(
            status=Tier.take(members),
            vector=_take_vector(members),
            policy_ids=_take_policies(members),
            checks=take_words(members, CHECKS_CLAIM),
        )

    def to_json(self) -> dict[str, object]:
        """Write its claims."""
        claims: dict[str, object] = {"ear_status": self.status.word}
        if self.vector is not None:
            claims["ear_trustworthiness_vector"] = dict(self.vector)
        if self.policy_ids:
            claims["ear_appraisal_policy_ids"] = list(self.policy_ids)
        if self.checks:
            claims[CHECKS_CLAIM] = dict(self.checks)
        return claims


def take_text(members: Members, key: str) -> str:
    """Take a text that can be shown. Raises: StrictJSONError."""
    text = members.text(key)
    if not text.isprintable():
        raise StrictJSONError(f"{members.name}.{key}: expected printable characters")
    return text


def take_words(members: Members, key: str) -> dict[str, str]:
    """Take a claim of our own: an object of texts; none in results of others.

    Raises:
        StrictJSONError: something else.
    """
    if key not in members:
        return {}
    words = members.child(key)
    if len(words.names()) > MAX_CHECKS:
        raise StrictJSONError(f"{words.name}: at most {MAX_CHECKS} members")
    return {name: take_text(words, name) for name in words.names()}


def _take_vector(members: Members) -> dict[str, int] | None:
    key = "ear_trustworthiness_vector"
    if key not in members:
        return None
    elements = members.child(key)
    return {name: elements.integer(name, low=-128, high=127) for name in elements.names()}


def _take_policies(members: Members) -> tuple[str, ...]:
    key = "ear_appraisal_policy_ids"
    if key not in members:
        return ()
    names = members.texts(key, limit=MAX_POLICIES)
    if not names or not all(name.isprintable() for name in names):
        raise StrictJSONError(f"{members.name}.{key}: expected at least one printable text")
    return tuple(names)
