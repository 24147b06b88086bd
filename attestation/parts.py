"""Raw evidence without a bundle: the files a vendor's tools write, put in order for the verifier.

    sev-snp   report; leaf, intermediates, root (PEM or DER); crl (DER or PEM)
    tdx       quote; root; collateral (the JSON of docs/formats.md, 3.7)
    …-vtpm    what an Azure guest reads (`attestation.tpm.files`), beside the files of its hardware

Here bytes only find their place; what they are worth is for `verifier.verify_parts`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from attestation.certificates import armored, parse_certificate, parse_chain
from attestation.errors import MalformedEvidenceError
from attestation.evidence import MAX_ENDORSEMENT, MAX_QUOTE, Endorsement
from attestation.tpm.files import azure_quote
from attestation.x509 import X509_ERRORS

Files = Sequence[tuple[str, bytes]]


@dataclass(frozen=True, kw_only=True)
class Parts:
    """A quote and what was stapled to it, as in a bundle.

    Attributes:
        platform: as in a bundle.
        quote: raw.
        endorsements: as in a bundle.
    """

    platform: str
    quote: bytes
    endorsements: tuple[Endorsement, ...]


def read_parts(kind: str, files: Files) -> Parts:
    """Put files in order.

    Args:
        kind: one of `KINDS`.
        files: name and bytes; a chain's certificates in their order, leaf first.

    Raises:
        MalformedEvidenceError: an unknown kind or name, a name that must be there once and is not,
            or a certificate or list that does not parse.
    """
    reader = KINDS.get(kind)
    if reader is None:
        raise MalformedEvidenceError(f"kind {kind}: expected one of {', '.join(KINDS)}")
    return reader.read(files)


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What files a kind of evidence has.

    Attributes:
        platform: as in a bundle.
        quote: name of the file with the quote.
        others: names of the files that may stand beside it; those of `lists` more than once.
        lists: see `others`.
        endorsements: puts the others in order.
        together: makes the quote of several files; None: it is the one file.
    """

    platform: str
    quote: str
    others: tuple[str, ...]
    lists: tuple[str, ...]
    endorsements: Callable[[Mapping[str, list[bytes]]], tuple[Endorsement, ...]]
    together: Callable[[Mapping[str, list[bytes]]], bytes] | None = None

    def read(self, files: Files) -> Parts:
        """See `read_parts`."""
        self.check_names([name for name, _ in files])
        named: dict[str, list[bytes]] = {name: [] for name in (self.quote, *self.others)}
        for name, data in files:
            limit = self.limit(name)
            if len(data) > limit:
                raise MalformedEvidenceError(f"file {name}: larger than {limit} bytes")
            named[name].append(data)
        return Parts(
            platform=self.platform,
            quote=named[self.quote][0] if self.together is None else self.together(named),
            endorsements=self.endorsements(named),
        )

    def check_names(self, names: Sequence[str]) -> None:
        """Check that these are the names of one set of files.

        Raises:
            MalformedEvidenceError: an unknown name, or one that must be there once and is not.
        """
        known = (self.quote, *self.others)
        for index, name in enumerate(names):
            if name not in known:
                raise MalformedEvidenceError(f"file {name}: expected one of {', '.join(known)}")
            if name in names[:index] and name not in self.lists:
                raise MalformedEvidenceError(f"file {name}: given twice")
        if self.quote not in names:
            raise MalformedEvidenceError(f"file {self.quote}: must be given")

    def limit(self, name: str) -> int:
        """Give the greatest number of bytes that a file of this name may have."""
        return MAX_QUOTE if name == self.quote else MAX_ENDORSEMENT


def _of_snp(named: Mapping[str, list[bytes]]) -> tuple[Endorsement, ...]:
    chain = [*named["leaf"], *named["intermediates"], *named["root"]]
    found = []
    if named["leaf"]:
        found.append(Endorsement(type="x509-chain", data=_chain(chain)))
    found += [Endorsement(type="x509-crl", data=_crl(data)) for data in named["crl"]]
    return tuple(found)


def _of_tdx(named: Mapping[str, list[bytes]]) -> tuple[Endorsement, ...]:
    for root in named["root"]:
        parse_certificate(root)  # it stands in the quote as well; the pin decides, not this file
    return tuple(Endorsement(type="tdx-collateral", data=data) for data in named["collateral"])


def _chain(certificates: Sequence[bytes]) -> bytes:
    """Write certificates, PEM or DER, one or several to a file, as one chain."""
    found = []
    for data in certificates:
        if data.lstrip(b"\r\n").startswith(b"-----"):
            found += list(parse_chain(data))
        else:
            found.append(parse_certificate(data))
    return b"".join(armored(certificate.der) for certificate in found)


def _crl(data: bytes) -> bytes:
    if not data.startswith(b"-----"):
        return data
    try:
        return x509.load_pem_x509_crl(data).public_bytes(Encoding.DER)
    except X509_ERRORS as error:
        raise MalformedEvidenceError("file crl: does not parse") from error


KINDS: Mapping[str, Kind] = {
    "sev-snp": Kind(
        platform="sev-snp",
        quote="report",
        others=("leaf", "intermediates", "root", "crl"),
        lists=("intermediates", "crl"),
        endorsements=_of_snp,
    ),
    "tdx": Kind(
        platform="tdx",
        quote="quote",
        others=("root", "collateral"),
        lists=("collateral",),
        endorsements=_of_tdx,
    ),
    "sev-snp-vtpm": Kind(
        platform="sev-snp-vtpm",
        quote="quote_message",
        others=(
            *("hcl_report", "quote_signature", "pcrs"),
            *("leaf", "intermediates", "root", "crl"),
        ),
        lists=("intermediates", "crl"),
        endorsements=_of_snp,
        together=azure_quote,
    ),
    "tdx-vtpm": Kind(
        platform="tdx-vtpm",
        quote="quote_message",
        others=(
            *("hcl_report", "td_quote", "quote_signature", "pcrs"),
            *("root", "collateral"),
        ),
        lists=("collateral",),
        endorsements=_of_tdx,
        together=azure_quote,
    ),
}
"""The kinds of raw evidence this version can judge."""
