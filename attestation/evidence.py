"""The evidence bundle: everything a node says about itself, as it travels. docs/formats.md, 3.

Parsing gives fields; nothing is trusted yet. A bundle keeps its sections as the exact bytes that
arrived, because those are what the quote is bound to; that they parse is checked when it is made.
What the quote and device reports mean is for the platform folders.
"""

from dataclasses import dataclass, replace

from attestation.errors import MalformedEvidenceError
from attestation.sections import (
    MAX_SECTION,
    DeviceEvidence,
    DevicesSection,
    FreshnessSection,
    KeysSection,
    SoftwareSection,
)
from attestation.strict_json import Members, StrictJSONError, b64encode, dumps, parse_object

PLATFORMS = ("sev-snp", "tdx", "sev-snp-vtpm", "tdx-vtpm", "simulated", "simulated-vtpm")
"""Every platform the format names; `verifier.PLATFORMS` are those this version can verify."""

SIMULATED_PLATFORMS = frozenset({"simulated", "simulated-vtpm"})
"""Platforms that protect nothing."""

ENDORSEMENT_TYPES = (
    *("x509-chain", "x509-crl", "tdx-collateral", "rim", "ocsp"),
    *("log-entry", "sigstore-bundle"),
)
"""What may be stapled."""

MAX_BUNDLE = 4 * 2**20
"""Bytes of a bundle."""

MAX_QUOTE = 2**16
"""Bytes of a quote; the largest known, TDX with its chain, has about 8 KiB."""

MAX_ENDORSEMENTS = 64
"""Endorsements in a bundle."""

MAX_ENDORSEMENT = 2**20
"""Bytes of one endorsement; the largest known, a GPU's RIM, has about 200 KiB."""

__all__ = [
    "DeviceEvidence",
    "DevicesSection",
    "Endorsement",
    "EvidenceBundle",
    "FreshnessSection",
    "KeysSection",
    "SoftwareSection",
]


@dataclass(frozen=True, kw_only=True)
class Endorsement:
    """One stapled statement of a vendor or of the log; authentic by its own signature, or not.

    Attributes:
        type: one of `ENDORSEMENT_TYPES`.
        data: its bytes, in the format that the type names.
    """

    type: str
    data: bytes


@dataclass(frozen=True, kw_only=True)
class EvidenceBundle:
    """A parsed bundle; claims, not facts.

    Attributes:
        platform: one of `PLATFORMS`; decides how the quote is read.
        quote: the platform's signed report, raw.
        keys: exact bytes of `sections.keys`; read with `KeysSection.parse`.
        freshness: exact bytes of `sections.freshness`.
        devices: exact bytes of `sections.devices`; None if the machine names no devices.
        software: exact bytes of `sections.software`.
        endorsements: stapled statements, not covered by the quote.

    Raises:
        MalformedEvidenceError: a section does not parse.
    """

    platform: str
    quote: bytes
    keys: bytes
    freshness: bytes
    devices: bytes | None
    software: bytes
    endorsements: tuple[Endorsement, ...]

    def __post_init__(self) -> None:
        KeysSection.parse(self.keys)
        FreshnessSection.parse(self.freshness)
        if self.devices is not None:
            DevicesSection.parse(self.devices)
        SoftwareSection.parse(self.software)

    @classmethod
    def parse(cls, data: bytes) -> "EvidenceBundle":
        """Read a bundle.

        Raises:
            MalformedEvidenceError: not the one accepted spelling, or over a limit.
        """
        try:
            return _read(parse_object(data, limit=MAX_BUNDLE, name="bundle"))
        except StrictJSONError as error:
            raise MalformedEvidenceError(str(error)) from error

    def encode(self) -> bytes:
        """Write the bundle.

        Raises:
            MalformedEvidenceError: it would not be read back, for instance because it is too long.
        """
        data = dumps(
            {
                "version": 1,
                "platform": self.platform,
                "quote": b64encode(self.quote),
                "sections": {name: b64encode(data) for name, data in self._sections()},
                "endorsements": [endorsement_json(one) for one in self.endorsements],
            }
        )
        EvidenceBundle.parse(data)
        return data

    def with_endorsements(self, endorsements: tuple[Endorsement, ...]) -> "EvidenceBundle":
        """Give the same evidence with other endorsements; the quote does not cover them."""
        return replace(self, endorsements=endorsements)

    def _sections(self) -> list[tuple[str, bytes]]:
        named = [
            ("keys", self.keys),
            ("freshness", self.freshness),
            ("devices", self.devices),
            ("software", self.software),
        ]
        return [(name, data) for name, data in named if data is not None]


def endorsement_json(endorsement: Endorsement) -> dict[str, str]:
    """Write one endorsement as it stands in a bundle and in `PUT /endorsements`."""
    return {"type": endorsement.type, "data": b64encode(endorsement.data)}


def parse_endorsements(data: bytes) -> tuple[Endorsement, ...]:
    """Read the body of `PUT /endorsements`: `{"endorsements": [...]}`.

    Raises:
        MalformedEvidenceError: another spelling, or over a limit.
    """
    try:
        members = parse_object(data, limit=MAX_BUNDLE, name="endorsements")
        endorsements = _endorsements(members)
        members.end()
    except StrictJSONError as error:
        raise MalformedEvidenceError(str(error)) from error
    return endorsements


def _read(members: Members) -> EvidenceBundle:
    members.integer("version", low=1, high=1)
    sections = members.child("sections")
    devices = sections.data("devices", limit=MAX_SECTION) if "devices" in sections else None
    bundle = EvidenceBundle(
        platform=members.choice("platform", frozenset(PLATFORMS)),
        quote=members.data("quote", limit=MAX_QUOTE),
        keys=sections.data("keys", limit=MAX_SECTION),
        freshness=sections.data("freshness", limit=MAX_SECTION),
        devices=devices,
        software=sections.data("software", limit=MAX_SECTION),
        endorsements=_endorsements(members),
    )
    sections.end()
    members.end()
    return bundle


def _endorsements(members: Members) -> tuple[Endorsement, ...]:
    return tuple(
        _endorsement(one) for one in members.children("endorsements", limit=MAX_ENDORSEMENTS)
    )


def _endorsement(members: Members) -> Endorsement:
    endorsement = Endorsement(
        type=members.choice("type", frozenset(ENDORSEMENT_TYPES)),
        data=members.data("data", limit=MAX_ENDORSEMENT),
    )
    members.end()
    return endorsement
