"""What clouds say of the AKs of their virtual TPMs: certificates. TCG EK Credential Profile, 3.2.

No decision of ours needs one: the hardware's report names the AK, and a cloud's word for it adds a
second signer, not a stronger one. So a chain may be left out; one that is there must hold, to a
root under the name `tpm` (`attestation.anchors`). Revocation is not asked: Azure's intermediates
sign no lists, and what the hardware's vendor revokes is judged with the hardware's report.

As found: Google's AK certificates name no extended key usage, Microsoft's name that of an AK.
"""

from collections.abc import Sequence

from cryptography.x509 import OID_EXTENDED_KEY_USAGE

from attestation import der
from attestation.certificates import Anchor, Certificate, check_path
from attestation.errors import AppraisalError
from attestation.tpm.public import AkKey, accepted, spki

ANCHORS = "tpm"
"""Name of the roots of AK certificates."""

AIK_CERTIFICATE = "2.23.133.8.3"
"""tcg-kp-AIKCertificate: the key attests for a TPM."""


def check_ak_chain(chain: Sequence[Certificate], *, anchors: Sequence[Anchor], now: int) -> None:
    """Judge that a chain leads from the certificate of an AK to a pinned root.

    Raises:
        AppraisalError: to another root, or it is not valid now, or of another kind of key.
        MalformedEvidenceError: the key or its usage does not parse.
    """
    check_path(chain, anchors=anchors, now=now)
    usages = extended_usages(chain[0])
    if usages is not None and AIK_CERTIFICATE not in usages:
        raise AppraisalError(
            "extended key usage", expected=f"{AIK_CERTIFICATE}, or none", actual=", ".join(usages)
        )
    accepted(chain[0].public_key)


def check_certified(chain: Sequence[Certificate], ak: AkKey) -> None:
    """Judge that a chain is of this AK.

    Raises:
        AppraisalError: of another key.
    """
    certified = accepted(chain[0].public_key)
    if spki(certified) != spki(ak):
        raise AppraisalError(
            "AK", expected=f"the key of {chain[0].name}", actual="another key signs the quote"
        )


def extended_usages(certificate: Certificate) -> tuple[str, ...] | None:
    """Give what a certificate restricts its key to; None if it does not.

    Raises:
        MalformedEvidenceError: the extension does not parse.
    """
    value = certificate.extensions.get(OID_EXTENDED_KEY_USAGE)
    if value is None:
        return None
    return tuple(der.oid(one) for one in der.children(der.whole(value, der.SEQUENCE)))
