"""What a node shows of itself, as far as it is listed.

The publisher does not judge evidence: clients do. It reads the few members that a directory leaf is
made of.
"""

from dataclasses import dataclass, field
from hashlib import sha256

from attestation.binding import evidence_binding
from attestation.errors import MalformedEvidenceError
from attestation.evidence import EvidenceBundle, KeysSection, SoftwareSection
from attestation.strict_json import Members, StrictJSONError
from gateway.errors import UpstreamError
from gateway.places import Place
from openpcc.protocol.errors import ProtocolError
from openpcc.protocol.messages import DirectoryLeaf
from openpcc.protocol.sealing import NodeKey

MAX_MODELS = 8
"""Models of one node: a service entry has room for a few hundred in all."""


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
        UpstreamError: not an evidence bundle, or `machine` is not a digest.
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
        names = (name for name, _ in SoftwareSection.parse(parsed.software).models)
    except (MalformedEvidenceError, StrictJSONError, ProtocolError) as error:
        raise UpstreamError(f"the node sent no evidence: {error}") from error
    models = tuple(dict.fromkeys(names))
    if len(models) > MAX_MODELS:
        raise UpstreamError("the node lists more models than one node may")
    return Evidence(place=place, bundle=bundle, leaf=leaf, models=models, not_after=keys.not_after)
