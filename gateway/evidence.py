"""What a node shows of itself, as far as it is listed.

The publisher does not judge evidence: clients do. It reads the few members that a directory leaf is
made of.
"""

from dataclasses import dataclass, field
from hashlib import sha256

from attestation.binding import evidence_binding
from attestation.errors import MalformedEvidenceError
from attestation.evidence import EvidenceBundle, KeysSection, SoftwareSection
from attestation.sections import NO_RELEASE
from attestation.strict_json import Members, StrictJSONError
from gateway.errors import UpstreamError
from gateway.places import Place
from openpcc.protocol.errors import ProtocolError
from openpcc.protocol.messages import DirectoryLeaf
from openpcc.protocol.sealing import NodeKey

MAX_MODELS = 8
"""Models of one node: a service entry has room for 64."""

MAX_NAME = 256
"""Bytes of a model's name: 64 of them fit into an entry of the log."""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """A node's newest evidence.

    Attributes:
        place: where the node is.
        bundle: the evidence as it came.
        leaf: its directory leaf.
        models: names of the models it serves.
        not_after: end of its key epoch, Unix seconds.
    """

    place: Place
    bundle: bytes = field(repr=False)
    leaf: DirectoryLeaf
    models: tuple[str, ...]
    not_after: int


def read_evidence(place: Place, bundle: bytes, machine: str) -> Evidence:
    """Read what a directory leaf is made of; nothing is verified.

    Raises:
        UpstreamError: not an evidence bundle, of an image that is in no release, or `machine` is
            not a digest.
    """
    try:
        parsed = EvidenceBundle.parse(bundle)
        keys = KeysSection.parse(parsed.keys)
        leaf = DirectoryLeaf(
            quote_digest=sha256(parsed.quote).digest(),
            binding=evidence_binding(
                parsed.keys, parsed.freshness, parsed.devices, parsed.software
            ),
            node_key_ids=tuple(NodeKey.parse(config).id for config in keys.hpke),
            machine=Members({"machine": machine}, "openpcc-machine").hex("machine", size=32),
        )
        software = SoftwareSection.parse(parsed.software)
    except (MalformedEvidenceError, StrictJSONError, ProtocolError) as error:
        raise UpstreamError(f"the node sent no evidence: {error}") from error
    if software.release == NO_RELEASE:
        raise UpstreamError("the node names no release: its image is for debugging")
    models = tuple(dict.fromkeys(name for name, _ in software.models))
    if not 1 <= len(models) <= MAX_MODELS or not all(map(_is_name, models)):
        raise UpstreamError("the node lists no models, too many, or one that has no plain name")
    return Evidence(place=place, bundle=bundle, leaf=leaf, models=models, not_after=keys.not_after)


def _is_name(text: str) -> bool:
    """Say whether a name fits into the entry: it is written there once, by us, for everybody."""
    return text.isprintable() and 1 <= len(text.encode()) <= MAX_NAME
