"""A world whose release was built in public: its policy asks for provenance, and it is stapled."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from attestation.evidence import Endorsement, EvidenceBundle
from openpcc.config import ClientPolicy
from tests.fakes import sigstore
from tests.fakes.sigstore import Sigstore
from tests.fakes.world import World
from transparency_log.provenance import ProvenancePolicy
from transparency_log.provenance.root import TrustRoot
from transparency_log.provenance.signed import Signer

ASKED = """
[release.provenance]
identity = "https://example.org/release.yml@refs/heads/main"
issuer = "https://token.example.org"
trusted_root = "root.json"
builder = "https://example.org/runner"
build_type = "https://example.org/workflow/v1"
source = "https://example.org/openpcc"
"""


class BuiltWorld(World):
    """A service whose policy asks for provenance. `stapled` may be replaced before `bundle`."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.sigstore = Sigstore()
        self.asked: ProvenancePolicy | None = ProvenancePolicy(
            signer=Signer(
                root=TrustRoot.parse(self.sigstore.trusted_root()),
                identity=sigstore.IDENTITY,
                issuer=sigstore.ISSUER,
            ),
            builder=sigstore.BUILDER,
            build_type=sigstore.BUILD_TYPE,
            source=sigstore.SOURCE,
        )
        self.stapled = [self.provenance()]

    def provenance(self, **changes: Any) -> bytes:
        """Build the image of the release, in public."""
        document = sigstore.statement(self.statement().image, **changes)
        return json.dumps(self.sigstore.envelope_bundle(document)).encode()

    @property
    def policy(self) -> ClientPolicy:
        return replace(super().policy, provenance=self.asked)

    def bundle(self, **changes: Any) -> EvidenceBundle:
        quoted = super().bundle(**changes)
        more = [Endorsement(type="sigstore-bundle", data=data) for data in self.stapled]
        return quoted.with_endorsements((*quoted.endorsements, *more))
