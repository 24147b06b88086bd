"""The digest that names a model: every file of its folder, by name and content.

docs/formats.md section 1. A release lists it, a node measures it before the engine starts,
a receipt repeats it.
"""

import hashlib
from pathlib import Path

from attestation.errors import AttesterError


def model_digest(folder: Path) -> bytes:
    """Digest a model's folder: for each file in order of name, lp(name) and SHA-256(content).

    Raises:
        AttesterError: the folder cannot be read, or holds nothing.
    """
    digest = hashlib.sha256()
    try:
        files = sorted(folder.iterdir())
        for path in files:
            _check_file(path)
            name = path.name.encode()
            digest.update(len(name).to_bytes(8, "big") + name)
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    except OSError as error:
        raise AttesterError(f"{folder}: cannot be read ({error.strerror}); name a model") from error
    if not files:
        raise AttesterError(f"{folder}: no file of a model is there; name a model's folder")
    return digest.digest()


def _check_file(path: Path) -> None:
    """Judge that the digest covers it: an engine might read what lies in a folder, too."""
    if not path.is_file():
        raise AttesterError(f"{path}: is no file, and no digest covers it; remove it")
