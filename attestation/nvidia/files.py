"""Raw files of a GPU or switch, put in order for the verifier.

Names as in the sets of evidence: `report`, `chain` (PEM, leaf first), `rims`, `ocsp`; `root` stands
in the chain as well. Or `rim`: a RIM by itself. Which kind of device it is the chain says.
"""

from collections.abc import Sequence

from attestation.certificates import Certificate, armored
from attestation.errors import AppraisalError, MalformedEvidenceError
from attestation.evidence import DeviceEvidence, Endorsement
from attestation.nvidia.endorsements import CHIPS, GPU, identify
from attestation.nvidia.evidence import Report
from attestation.raw_files import Named, all_of, certificates, one_of

UNTOLD = "on"
"""Mode of a device whose files nobody's agent comes with: nothing judges it there."""


def read_device_files(named: Named) -> DeviceEvidence:
    """Give the device that the files show; without a chain it has no certificates.

    What follows the report is cut off: no signature is over it, and buffers are longer.

    Raises:
        MalformedEvidenceError: report, chain or root do not parse, or the root is another.
    """
    data = one_of(named, "report")
    if data is None:
        raise MalformedEvidenceError("file report: must be given")
    _report, rest = Report.split(data)
    chain = certificates(all_of(named, "chain"))
    for root in certificates(all_of(named, "root")):  # the pin decides, not this file
        if root not in chain[-1:]:
            raise MalformedEvidenceError("file root: not the certificate that the chain ends in")
    return DeviceEvidence(
        kind=kind_of(chain),
        report=data[: len(data) - len(rest)],
        certificates=b"".join(armored(one.der) for one in chain),
        mode=UNTOLD,
    )


def kind_of(chain: Sequence[Certificate]) -> str:
    """Give the kind of device whose chip a chain names; a GPU, if it names none of either kind.

    That it is one is for `authenticate_device` to say.
    """
    for kind in CHIPS:
        try:
            identify(chain, kind)
        except (AppraisalError, MalformedEvidenceError):
            continue
        return kind
    return GPU


def endorsements_of(named: Named) -> tuple[Endorsement, ...]:
    """Give RIMs and OCSP answers as they are stapled to a bundle."""
    return (
        *(Endorsement(type="rim", data=data) for data in all_of(named, "rims", "rim")),
        *(Endorsement(type="ocsp", data=data) for data in all_of(named, "ocsp")),
    )
