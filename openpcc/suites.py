"""Check 9.suite: the node's first sealing key that the policy allows."""

from attestation.errors import AppraisalError
from attestation.evidence import KeysSection
from openpcc.config import ClientPolicy
from openpcc.protocol import sealing


def choose_suite(keys: KeysSection, policy: ClientPolicy) -> sealing.NodeKey:
    """Take the first key the policy allows, in the node's order.

    Raises:
        AppraisalError: there is none.
        ProtocolError: a key config does not parse.
    """
    offered = [sealing.NodeKey.parse(config) for config in keys.hpke]
    for key in offered:
        if key.kem_id in policy.kems:
            return key
    raise AppraisalError(
        "suite",
        expected=", ".join(f"{kem:#06x}" for kem in policy.kems),
        actual=", ".join(f"{key.kem_id:#06x}" for key in offered),
    )
