"""Files of the simulated vendor and its machines: small, and private where they hold a key."""

import os
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from attestation.errors import AttesterError

MAX_FILE = 2**20
"""Bytes of any file of a machine."""


def read(path: Path) -> bytes:
    """Read a small file.

    Raises:
        AttesterError: missing, unreadable or too large.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE + 1)
    except OSError as error:
        reason = error.strerror or "unreadable"
        raise AttesterError(f"{path}: {reason}; make the machine with the vendor") from error
    if len(data) > MAX_FILE:
        raise AttesterError(f"{path}: larger than {MAX_FILE} bytes; not a file of a machine")
    return data


def save_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    """Write a private key that only its owner can read, whatever stood there before."""
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, 0o600)
        file.write(pem)


def load_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """Read a private key.

    Raises:
        AttesterError: missing, or not an elliptic curve key.
    """
    try:
        key = load_pem_private_key(read(path), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise AttesterError(f"{path}: not a private key; make it again") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise AttesterError(f"{path}: not an elliptic curve key; make it again")
    return key
