"""What a node answered: of now, about the listed keys, from the listed machine. Pure."""

from attestation.errors import AttestationError
from attestation.evidence import EvidenceBundle, FreshnessSection, KeysSection
from attestation.result import Report
from openpcc.audit.node_tests import NODE
from openpcc.audit.report import Finding
from openpcc.protocol.errors import ProtocolError
from openpcc.protocol.messages import Challenge, DirectoryLeaf, machine_digest
from openpcc.protocol.sealing import NodeKey


def answer_findings(
    data: bytes, challenge: Challenge, leaf: DirectoryLeaf, report: Report
) -> list[Finding]:
    """Judge what an answer is about: this nonce, these keys, this machine; and the checks."""
    nonce, ids = _said(data)
    machine = machine_digest(report.machine)
    failed = [check.id for check in report.failed]
    return [
        _equal("node.challenge", nonce, challenge.nonce),
        _equal("node.keys", b"".join(ids), b"".join(leaf.node_key_ids)),
        _equal("node.machine", machine, leaf.machine),
        NODE.judged("node.evidence", failed, actual=f"platform {report.platform}"),
    ]


def _said(data: bytes) -> tuple[bytes, tuple[bytes, ...]]:
    """Read nonce and key ids of a bundle; nothing where it does not parse, as 1.parse says."""
    try:
        bundle = EvidenceBundle.parse(data)
        freshness = FreshnessSection.parse(bundle.freshness)
        keys = KeysSection.parse(bundle.keys)
        return freshness.challenge or b"", tuple(NodeKey.parse(one).id for one in keys.hpke)
    except (AttestationError, ProtocolError):
        return b"", ()


def _equal(name: str, found: bytes, expected: bytes) -> Finding:
    if found == expected:
        return NODE.passed(name, expected.hex())
    return NODE.failed(name, found.hex() or "none", expected=expected.hex())
