"""What lies behind the paths that every program has: certificate, key, and a further root."""

import ssl
from pathlib import Path

from gateway.config import ServerConfig
from gateway.config_file import read_bounded
from gateway.errors import ConfigurationError
from gateway.outbound import client_tls
from transparency_log.private_files import read_private
from transparency_log.server.problems import Problems, wrong

MAX_PEM = 1 << 18
"""Bytes of a certificate chain, or of a key."""


def server(config: ServerConfig, problems: Problems) -> None:
    """Look at what every program names."""
    check, certificate, key = problems.check, config.tls_certificate, config.tls_key
    check(lambda: client_tls(config.ca), "ca")
    if certificate is not None and key is not None:
        check(lambda: read_bounded(certificate, MAX_PEM), "tls_certificate")
        check(lambda: read_private(key, MAX_PEM), "tls_key")
        check(lambda: check_pair(certificate, key), "tls_certificate", "tls_key")


def check_pair(certificate: Path, key: Path) -> None:
    """Check that a certificate belongs to its key.

    Raises:
        ConfigurationError: it does not, or one of them is none.
    """
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(certificate, key)
    except ssl.SSLError as error:
        mismatch = error.reason == "KEY_VALUES_MISMATCH"
        text = wrong(
            expected="a certificate chain and its key in PEM",
            found="a key of another certificate" if mismatch else "something else",
            remedy="give both files",
        )
        raise ConfigurationError(f"tls_certificate, tls_key: {text}") from error
