"""Files as vendors' tools write them: certificates and lists in either spelling, PEM or DER.

In a bundle everything has one spelling; here is where files become that one.
"""

from collections.abc import Iterable, Mapping, Sequence

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from attestation.certificates import Certificate, armored, parse_certificate, parse_chain
from attestation.errors import MalformedEvidenceError
from attestation.x509 import X509_ERRORS

Named = Mapping[str, Sequence[bytes]]
"""Name to the files of that name, in their order."""


def one_of(named: Named, name: str) -> bytes | None:
    """Give the one file of a name; None if it was not given."""
    return next(iter(named.get(name, ())), None)


def all_of(named: Named, *names: str) -> tuple[bytes, ...]:
    """Give the files of these names, name after name."""
    return tuple(data for name in names for data in named.get(name, ()))


def certificates(files: Iterable[bytes]) -> tuple[Certificate, ...]:
    """Read certificates, PEM or DER, one or several to a file.

    Raises:
        MalformedEvidenceError: a file is neither.
    """
    return tuple(one for data in files for one in _certificates(data))


def chain(files: Iterable[bytes]) -> bytes:
    """Write certificates as one chain, PEM. Raises: MalformedEvidenceError."""
    return b"".join(armored(one.der) for one in certificates(files))


def revocation_list(data: bytes) -> bytes:
    """Give a revocation list as DER; what is not PEM is passed on for its reader to judge.

    Raises:
        MalformedEvidenceError: PEM of something else.
    """
    if not data.startswith(b"-----"):
        return data
    try:
        return x509.load_pem_x509_crl(data).public_bytes(Encoding.DER)
    except X509_ERRORS as error:
        raise MalformedEvidenceError("file crl: does not parse") from error


def _certificates(data: bytes) -> tuple[Certificate, ...]:
    if data.lstrip(b"\r\n").startswith(b"-----"):
        return parse_chain(data)
    return (parse_certificate(data),)
