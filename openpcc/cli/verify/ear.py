"""The signed result of `openpcc verify evidence --ear`: key and nonce in, a token out."""

import argparse
import base64
import binascii
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from attestation import ear_report, ear_token
from attestation.ear_token import PrivateKey, algorithm_of
from attestation.errors import PolicyError
from attestation.result import Report
from openpcc import __version__
from openpcc.audit.ear import from_audit
from openpcc.audit.report import AuditReport
from openpcc.cli.verify.judged import read
from openpcc.errors import ConfigurationError

LIFETIME = 300
"""Seconds a result is good for, unless what it rests on ends before."""

MAX_KEY = 2**16
"""Bytes of a key file; a private key has some hundreds."""

DEVELOPER = "https://openpcc.org"
"""Who made this verifier, as docs/formats.md 8.1 names them."""

BUILD = f"openpcc {__version__}"


@dataclass(frozen=True, kw_only=True)
class Signer:
    """Signs results of one run."""

    key: PrivateKey = field(repr=False)
    audience: str
    nonce: bytes | None
    now: int

    @classmethod
    def load(cls, args: argparse.Namespace, *, at: int, now: int) -> "Signer":
        """Read key and nonce, before anything is judged.

        Raises:
            ConfigurationError: one of them is not what it should be, the result would be written
                over the key, or the time to judge at is yet to come: a result is issued now, and
                would be taken for one about now.
        """
        if at > now:
            raise ConfigurationError(
                "--ear with an --at to come: nobody can sign now what will hold; leave out one"
            )
        if args.ear_out is not None and args.ear_out.resolve() == args.ear.resolve():
            raise ConfigurationError(
                f"{args.ear_out}: is the key, which the result would replace; name another file "
                "with --ear-out"
            )
        nonce = None if args.ear_nonce is None else nonce_of(args.ear_nonce)
        return cls(key=_key(args.ear), audience=args.ear_audience, nonce=nonce, now=now)

    def sign(self, report: Report) -> str:
        """Give the token of a report, accepted or not."""
        return ear_token.sign(
            ear_report.from_report(
                report,
                developer=DEVELOPER,
                build=BUILD,
                nonce=self.nonce,
                issued=self.now,
                audience=self.audience,
                lifetime=LIFETIME,
            ),
            self.key,
        )

    def sign_audit(self, report: AuditReport) -> str:
        """Give the token of an audit's report, whatever its verdict."""
        return ear_token.sign(
            from_audit(
                report,
                developer=DEVELOPER,
                build=BUILD,
                nonce=self.nonce,
                issued=self.now,
                audience=self.audience,
                lifetime=LIFETIME,
            ),
            self.key,
        )


def nonce_of(text: str) -> bytes:
    """Read a nonce: 8 to 64 bytes in the one spelling of base64url, with or without padding.

    Raises:
        ConfigurationError: another spelling or length.
    """
    bare = text.rstrip("=")
    try:
        nonce = base64.urlsafe_b64decode(bare + "=" * (-len(bare) % 4))
    except (binascii.Error, ValueError):
        nonce = b""
    same = base64.urlsafe_b64encode(nonce).rstrip(b"=").decode() == bare
    if not same or not ear_report.MIN_NONCE <= len(nonce) <= ear_report.MAX_NONCE:
        raise ConfigurationError(
            f"--ear-nonce {text[:100]!r}: not base64url of {ear_report.MIN_NONCE} to "
            f"{ear_report.MAX_NONCE} bytes; repeat it as who asked gave it"
        )
    return nonce


def write(path: Path, token: str) -> None:
    """Write a token to a file, replacing what was there.

    Raises:
        ConfigurationError: it cannot be written.
    """
    try:
        path.write_text(f"{token}\n", encoding="ascii")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "no such path"
        raise ConfigurationError(
            f"{path}: cannot be written ({reason}); name another file with --ear-out"
        ) from error


def _key(path: Path) -> PrivateKey:
    remedy = "name an Ed25519, P-256 or P-384 key in PEM, without a password"
    try:
        key = load_pem_private_key(read(path, MAX_KEY), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ConfigurationError(f"{path}: not a private key that can be read; {remedy}") from error
    try:
        algorithm_of(key)
    except PolicyError as error:
        raise ConfigurationError(f"{path}: {error}") from error
    return cast("PrivateKey", key)  # as algorithm_of has just said
