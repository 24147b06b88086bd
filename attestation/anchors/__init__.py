"""The roots that hardware vendors publish, pinned by digest. The README here says what each is.

A pin is a fact, not a file: the certificate arrives with the evidence and counts only if both of
its digests are these. A policy may pin one root of its own for a platform instead of the vendor's;
what it then accepts is vouched for by no vendor, and every surface says SIMULATED.
"""

from attestation.certificates import Anchor
from attestation.policy import AppraisalPolicy

VENDOR_ROOTS: tuple[Anchor, ...] = (
    Anchor(
        platform="sev-snp",
        name="ARK-Milan",
        certificate_sha256=bytes.fromhex(
            "69d063b45344d26a2e94e1f4210de49ef555308287d4c174445c95639a540bcd"
        ),
        spki_sha256=bytes.fromhex(
            "9f056bee44377e29308cb5ffa895bdfb62d18881fa6bed8d6f075b0204089cb9"
        ),
    ),
    Anchor(
        platform="sev-snp",
        name="ARK-Genoa",
        certificate_sha256=bytes.fromhex(
            "4c6598d19c18719c5dfd4a7d335f674e5bfe1d8f800cea2cf270c10d103db2f1"
        ),
        spki_sha256=bytes.fromhex(
            "429a69c9422aa258ee4d8db5fcda9c6470ef15f8cd5a9cebd6cbc7d90b863831"
        ),
    ),
    Anchor(
        platform="sev-snp",
        name="ARK-Turin",
        certificate_sha256=bytes.fromhex(
            "1f084161a44bb6d93778a904877d4819cafa5d05ef4193b2ded9dd9c73dd3f6a"
        ),
        spki_sha256=bytes.fromhex(
            "4f125410563a2ab9a50356f9243f6fe0b6f73de98603f53f90339c70e9d7ad08"
        ),
    ),
    Anchor(
        platform="tdx",
        name="Intel SGX Root CA",
        certificate_sha256=bytes.fromhex(
            "44a0196b2b99f889b8e149e95b807a350e7424964399e885a7cbb8ccfab674d3"
        ),
        spki_sha256=bytes.fromhex(
            "a0af031289f5d5d4132f9186068a7fc13628633ba235777472e29b6b6c67a49e"
        ),
    ),
    Anchor(
        platform="nvidia",
        name="NVIDIA Device Identity CA",
        certificate_sha256=bytes.fromhex(
            "102bf659d5419614c9d8e6aecebc80454eb26b1df6a769ac720b9a690b167b48"
        ),
        spki_sha256=bytes.fromhex(
            "a90c4eb5acfd3e3d03a25db6a26b84f720ad0503196c627c21ddd48dd85b06a4"
        ),
    ),
    Anchor(
        platform="nvidia-rim",
        name="NVIDIA CoRIM signing Root CA",
        certificate_sha256=bytes.fromhex(
            "12977b5115acb0381179279fffeb5a8c4d264971ebb32298023a465fa41df5d1"
        ),
        spki_sha256=bytes.fromhex(
            "dec1dc316477aa851eebdf51327ae9f864bc8d89254657ed1e7eb9168af1e1a3"
        ),
    ),
    Anchor(
        platform="tpm",
        name="Azure Virtual TPM Root Certificate Authority 2023",
        certificate_sha256=bytes.fromhex(
            "e6c596b17f8ffefba5c300f714cfb1260c6028704ecf7becc4ab5018efb00e95"
        ),
        spki_sha256=bytes.fromhex(
            "5cbc52672ae101263c2976736044a964c1182ce9412c39937183baddcccb8cdf"
        ),
    ),
    Anchor(
        platform="tpm",
        name="EK/AK CA Root",
        certificate_sha256=bytes.fromhex(
            "594759594b9b61524f6c8ef668f7177f7b9066bc0674f2f49fe9e052be78beb2"
        ),
        spki_sha256=bytes.fromhex(
            "56a613f57126a385dd6949294e93b0b566f96ab0573be0c2368e6f5ca779831f"
        ),
    ),
)
"""Every pinned vendor root."""


def anchors_of(platform: str, policy: AppraisalPolicy) -> tuple[Anchor, ...]:
    """Give the roots that count for a platform: the policy's own if it pins one, else the vendor's.

    Empty where there is neither, and then no chain is accepted.
    """
    own = policy.roots.get(platform)
    if own is not None:
        return (Anchor(platform=platform, name="", certificate_sha256=None, spki_sha256=own),)
    return tuple(anchor for anchor in VENDOR_ROOTS if anchor.platform == platform)
