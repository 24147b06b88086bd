"""The signature of a Sigstore bundle, verified by the package `sigstore` without a network.

Imported only where a policy asks for provenance, because the package is an extra. Sigstore client
specification; the numbers are those of the library's own argument, which this runs in full:

0. times      signed timestamps over the signature, or the log's own with its promise     both
1. chain      certificate to an authority, valid at each of these times                   library
2. SCT        a certificate log has promised to publish the certificate                   library
3. identity   key usage; the expected identity and issuer                                 both
4. inclusion  the entry is in the log, under a checkpoint that the log signed             library
5. promise    the log's signature over entry and time, where there is one                 library
6. validity   the certificate was valid at each of these times                            library
7. signature  over the artifact or envelope, by the certificate's key                     library
8. entry      the log's entry is about this signature                                     both

What is ours: nothing vouches outside its validity in the trusted root, whose ends are included
(the library takes the end as excluded, and asks nothing of logs and certificate authorities); a log
is the one that the entry or SCT names, not any of the root; the checkpoint is of the proof's tree
size; entries of kind intoto 0.0.2 (0 and 8). The library's private methods used here are those of
the one version that the extra pins; any other is refused before it could leave one out.
"""

import warnings
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.utils import CryptographyDeprecationWarning
from rfc3161_client import TimeStampResponse
from sigstore import dsse
from sigstore._internal.timestamp import TimestampSource, TimestampVerificationResult
from sigstore.errors import Error as SigstoreError
from sigstore.hashes import Hashed
from sigstore.models import Bundle
from sigstore.verify import Verifier
from sigstore_models.common.v1 import HashAlgorithm

from transparency_log.checkpoint import parse_checkpoint
from transparency_log.errors import ProvenanceError
from transparency_log.note import parse_note
from transparency_log.provenance.bundle import BundledEnvelope, LogEntry, SigstoreBundle
from transparency_log.provenance.certificate import (
    SOURCE_DIGEST,
    SOURCE_URI,
    Expected,
    check_signer,
    logged_at,
    text,
)
from transparency_log.provenance.entry import check_intoto, is_intoto
from transparency_log.provenance.models import library_bundle, library_root
from transparency_log.provenance.root import TrustedLog, TrustRoot, at, named
from transparency_log.provenance.signed import Signed, Signer

PROMISED = frozenset({"dsse 0.0.1", "hashedrekord 0.0.1", "intoto 0.0.2"})
"""Entries whose log says, and promises, when it took them: those of Rekor's first version."""

LIBRARY_ERRORS = (
    SigstoreError,
    ValueError,
    TypeError,
    AttributeError,
    KeyError,
    OverflowError,
    InvalidSignature,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.ExtensionNotFound,
    x509.UnsupportedGeneralNameType,
)
"""What the libraries raise for bundles that are not what they should be."""

MAX_REASON = 200
"""Characters kept of what a library says."""

KEPT = 16
"""Verified bundles remembered. All that counts is in the arguments: no time, and no revocation."""


@lru_cache(maxsize=KEPT)
def verify_bundle(bundle: SigstoreBundle, signer: Signer, sha256: bytes | None) -> Signed:
    """Run the argument.

    Args:
        bundle: parsed.
        signer: who must have signed, and the roots that vouch for that.
        sha256: of the artifact; None: whatever the envelope holds.

    Raises:
        ProvenanceError: the bundle does not verify, or names somebody else.
    """
    _check_tree_size(bundle.entry)
    try:
        with warnings.catch_warnings():  # of serial numbers, which check_signer judges
            warnings.simplefilter("ignore", CryptographyDeprecationWarning)
            signed = _verify(bundle, signer, sha256)
    except LIBRARY_ERRORS as error:
        raise ProvenanceError(
            "signature", expected="a bundle that verifies", actual=_reason(error)
        ) from error
    if is_intoto(bundle.entry) and isinstance(bundle.content, BundledEnvelope):  # 8
        check_intoto(bundle.entry, bundle.content, bundle.certificate)
    return signed


def _verify(bundle: SigstoreBundle, signer: Signer, sha256: bytes | None) -> Signed:
    certificate = x509.load_der_x509_certificate(bundle.certificate)
    check_signer(certificate)
    verifier = _OfflineVerifier(bundle, _narrowed(signer.root, bundle.entry, certificate))
    expected = Expected(identity=signer.identity, issuer=signer.issuer)
    verifier.verify_content(library_bundle(bundle), expected, sha256)
    return Signed(
        time=int(min(verifier.times).timestamp()),
        log_index=bundle.entry.log_index,
        source_uri=text(certificate, SOURCE_URI),
        source_commit=text(certificate, SOURCE_DIGEST),
    )


class _OfflineVerifier(Verifier):
    """The library's verifier of one bundle, without its clients of logs.

    Attributes:
        times: when the bundle was signed at the latest, by each clock that was believed.
    """

    def __init__(self, bundle: SigstoreBundle, root: TrustRoot) -> None:
        # Not the library's own: that makes a client for the log, and nothing here may have one.
        self._bundle = bundle
        self._root = root
        self._trusted_root = library_root(root)
        self._fulcio_certificate_chain = []
        self.times: list[datetime] = []

    def verify_content(self, bundle: Bundle, expected: Expected, sha256: bytes | None) -> None:
        """Verify signature, log entry and everything they rest on; not 8 of an intoto entry."""
        content = self._bundle.content
        if not isinstance(content, BundledEnvelope):
            if sha256 is None:
                raise ProvenanceError("bundle", expected="an envelope", actual="a bare signature")
            hashed = Hashed(algorithm=HashAlgorithm.SHA2_256, digest=sha256)
            self.verify_artifact(hashed, bundle, expected)
        elif is_intoto(self._bundle.entry):
            self._verify_common_signing_cert(bundle, expected)  # 0 to 6
            self._verify_envelope(bundle)  # 7
        else:
            self.verify_dsse(bundle, expected)

    @staticmethod
    def _verify_envelope(bundle: Bundle) -> None:
        envelope = bundle._dsse_envelope  # noqa: SLF001 - the library has no public way to it
        key = bundle.signing_certificate.public_key()
        dsse._verify(key, envelope)  # type: ignore[arg-type] # noqa: SLF001 - check_signer has looked

    def _establish_time(self, bundle: Bundle) -> list[TimestampVerificationResult]:
        """Give the times that count: 0. The promise itself is verified with the entry."""
        found = []
        if self._bundle.timestamps:
            if not self._root.timestamp_authorities:  # as the library says: none could be judged
                raise ProvenanceError(
                    "timestamp", expected="none", actual="one, and no authority in the trusted root"
                )
            found += self._verify_timestamp_authority(bundle)
        entry = self._bundle.entry
        if entry.promise is not None and entry.integrated_time:
            if entry.type not in PROMISED:
                raise ProvenanceError(
                    "time", expected="a timestamp", actual=f"that of {entry.type}"
                )
            time = datetime.fromtimestamp(entry.integrated_time, tz=UTC)
            source = TimestampSource.TRANSPARENCY_SERVICE
            found.append(TimestampVerificationResult(source=source, time=time))
        self.times = [one.time for one in found]
        self._root = replace(self._root, logs=_in_use(self._root.logs, self.times))
        self._trusted_root = library_root(self._root)
        return found

    def _verify_signed_timestamp(
        self, timestamp_response: TimeStampResponse, message: bytes
    ) -> TimestampVerificationResult | None:
        """Hold a timestamp to those authorities that count when it says it was made."""
        time = timestamp_response.tst_info.gen_time
        whole = self._trusted_root
        counting = at(self._root.timestamp_authorities, time)
        self._trusted_root = library_root(replace(self._root, timestamp_authorities=counting))
        try:
            return super()._verify_signed_timestamp(timestamp_response, message)
        finally:
            self._trusted_root = whole

    def _verify_chain_at_time(
        self, certificate: x509.Certificate, timestamp_result: TimestampVerificationResult
    ) -> list[x509.Certificate]:
        """Verify the chain to those authorities that count at that time."""
        self._fulcio_certificate_chain = [
            x509.load_der_x509_certificate(der)
            for authority in at(self._root.authorities, timestamp_result.time)
            for der in authority.certificates
        ]
        if not self._fulcio_certificate_chain:
            raise ProvenanceError(
                "certificate authority",
                expected=f"one that counts at {timestamp_result.time}",
                actual="none in the trusted root",
            )
        return super()._verify_chain_at_time(certificate, timestamp_result)


def _narrowed(root: TrustRoot, entry: LogEntry, certificate: x509.Certificate) -> TrustRoot:
    """Keep, of all logs, those that entry and SCT name; the library would try any other as well."""
    sct = logged_at(certificate)
    promised = named(root.certificate_logs, sct.log_id)
    promised = tuple(one for one in promised if one.window.covers(sct.time))
    if not promised:
        raise _unknown("certificate log", sct.log_id)
    logs = named(root.logs, entry.log_id)
    if not logs:
        raise _unknown("log", entry.log_id)
    return replace(root, logs=logs, certificate_logs=promised)


def _in_use(logs: tuple[TrustedLog, ...], times: list[datetime]) -> tuple[TrustedLog, ...]:
    """A log that was retired when the bundle was signed shows nothing, whatever its key signs."""
    found = tuple(one for one in logs if all(one.window.covers(time) for time in times))
    if not found:
        raise ProvenanceError(
            "log",
            expected=f"one that counts at {times[0]}",
            actual=", ".join(one.url for one in logs),
        )
    return found


def _check_tree_size(entry: LogEntry) -> None:
    """The checkpoint must be a note as everywhere, of the tree that the proof is for.

    The library reads notes more generously, and compares roots but not sizes.
    """
    note = parse_note(entry.proof.checkpoint.encode())
    size = parse_checkpoint(note.unverified_text).size
    if size != entry.proof.tree_size:
        raise ProvenanceError(
            "checkpoint", expected=f"tree size {entry.proof.tree_size}", actual=str(size)
        )


def _unknown(what: str, log_id: bytes) -> ProvenanceError:
    return ProvenanceError(
        what, expected="one of the trusted root, that counts", actual=f"id {log_id.hex()}"
    )


def _reason(error: Exception) -> str:
    """Keep the beginning of what a library says: no line ends, no content at length."""
    said = str(error).split("\n", 1)[0]
    plain = "".join(one if one.isprintable() else " " for one in said)
    return f"{type(error).__name__}: {plain[:MAX_REASON]}"
