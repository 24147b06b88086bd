"""What a machine can judge of its own GPUs before it lets them take work.

The driver hands out a report for whatever sits behind the bus; until somebody has looked, the GPUs
take no work. A machine has no network and no policy, so this is what stands in the reports and
chains themselves:

- they answer this nonce, and the key of each chain's leaf signed the report, which names the
  firmware that the leaf names;
- each certificate is issued by the next;
- they are different chips that belong together.

The mode, which no report has, is judged as everybody does (`attestation.devices.check_modes`).
Left to clients, who judge it before they seal anything: that the chains end in the pinned root,
what the vendor says of them today, and that every measurement is a RIM's. So a GPU that works here
and is not genuine gets a model's weights, and never a prompt.
"""

from collections.abc import Sequence
from itertools import pairwise

from attestation.certificates import check_issued, parse_chain
from attestation.errors import AppraisalError
from attestation.evidence import DeviceEvidence
from attestation.nvidia.endorsements import CHIPS, check_fwid, identify
from attestation.nvidia.evidence import Report
from attestation.nvidia.signatures import check_signature
from attestation.nvidia.topology import check_set


def check_own(devices: Sequence[DeviceEvidence], nonce: bytes) -> None:
    """Judge devices of this machine; those of other kinds are left aside.

    Args:
        devices: as collected.
        nonce: that they were asked with.

    Raises:
        AppraisalError: one of them is not in order.
        MalformedEvidenceError: report or chain do not parse.
    """
    own = [device for device in devices if device.kind in CHIPS]
    for device in own:
        _check_report(device, nonce)
    check_set(own)


def _check_report(device: DeviceEvidence, nonce: bytes) -> None:
    report, chain = Report.parse(device.report), parse_chain(device.certificates)
    if report.nonce != nonce:
        raise AppraisalError("nonce", expected=nonce.hex(), actual=report.nonce.hex())
    identify(chain, device.kind)
    check_signature(report, chain[0].public_key, signer=chain[0].name)
    check_fwid(report, chain[0])
    for certificate, issuer in pairwise(chain):
        check_issued(certificate, issuer)
