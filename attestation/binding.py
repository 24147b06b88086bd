"""The digests that tie the sections to the quote and the devices to the sections.

docs/formats.md, 1. All three take the exact bytes of sections as they travel. An absent section
counts as an empty one; a present section is never empty, so the two cannot be confused.
"""

import hashlib

EVIDENCE_LABEL = b"openpcc evidence v1\x00"
"""Domain of the binding."""

TPM_LABEL = b"openpcc tpm binding v1\x00"
"""Domain of a TPM quote's qualifying data."""

DEVICE_LABEL = b"openpcc device nonce v1\x00"
"""Domain of the device nonce."""


def evidence_binding(
    keys: bytes, freshness: bytes, devices: bytes | None, software: bytes
) -> bytes:
    """Give the 64 bytes that the quote must carry as report data."""
    sections = (keys, freshness, devices or b"", software)
    return hashlib.sha512(EVIDENCE_LABEL + b"".join(map(lp, sections))).digest()


def tpm_binding(binding: bytes) -> bytes:
    """Give the 32 bytes that a TPM quote must carry as qualifying data."""
    return hashlib.sha256(TPM_LABEL + binding).digest()


def device_nonce(keys: bytes, freshness: bytes) -> bytes:
    """Give the 32 bytes that every device report must carry: it is as fresh as the quote."""
    return hashlib.sha256(DEVICE_LABEL + lp(keys) + lp(freshness)).digest()


def lp(data: bytes) -> bytes:
    """Prefix bytes with their length, 8 bytes big endian."""
    return len(data).to_bytes(8, "big") + data
