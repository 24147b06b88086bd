"""Private keys and tokens, from files that nobody else can read (`private_files`)."""

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from transparency_log.errors import ConfigurationError
from transparency_log.private_files import read_private
from transparency_log.strict_json import StrictJSONError, b64decode

SEED_SIZE = 32
"""Bytes of a seed, of an Ed25519 key as of an ML-DSA-44 key (FIPS 204, "private seed")."""

MAX_SECRET = 4096
"""Bytes read of a file that should hold a secret."""


def read_seed(path: Path) -> Ed25519PrivateKey:
    """Read an Ed25519 private key: a 32-byte seed in base64, in a private file.

    Raises:
        ConfigurationError: missing, readable by others, or not a seed.
    """
    return Ed25519PrivateKey.from_private_bytes(_seed(path))


def read_ml_dsa_seed(path: Path) -> MLDSA44PrivateKey:
    """Read an ML-DSA-44 private key: a 32-byte seed in base64, in a private file.

    Raises:
        ConfigurationError: missing, readable by others, or not a seed.
    """
    return MLDSA44PrivateKey.from_seed_bytes(_seed(path))


def _seed(path: Path) -> bytes:
    try:
        seed = b64decode(_read_secret(path))
    except StrictJSONError as error:
        raise ConfigurationError(f"{path}: not a base64 seed; make one with `keygen`") from error
    if len(seed) != SEED_SIZE:
        raise ConfigurationError(f"{path}: not a {SEED_SIZE}-byte seed; make one with `keygen`")
    return seed


def read_token(path: Path) -> str:
    """Read a bearer token of 16 to 128 printable characters, from a private file.

    Raises:
        ConfigurationError: missing, readable by others, or not such a token.
    """
    token = _read_secret(path)
    if not 16 <= len(token) <= 128 or not all("!" <= one <= "~" for one in token):
        raise ConfigurationError(f"{path}: expected a token of 16 to 128 printable characters")
    return token


def read_dsn(path: Path) -> str:
    """Read a database's connection string, which may hold a password, from a private file.

    Raises:
        ConfigurationError: missing, readable by others, or not one line.
    """
    dsn = _read_secret(path)
    if not dsn.strip() or "\n" in dsn:
        raise ConfigurationError(f"{path}: expected a connection string, in one line")
    return dsn


def _read_secret(path: Path) -> str:
    try:
        return read_private(path, MAX_SECRET).decode("ascii").removesuffix("\n")
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path}: not a text file") from error
