"""Raw evidence without a bundle: the files that tools write, put in order for whoever judges them.

    sev-snp   report; leaf, intermediates, root (PEM or DER); crl (DER or PEM)
    tdx       quote; root; collateral (the JSON of docs/formats.md, 3.7)
    …-vtpm    what an Azure guest reads (`attestation.tpm.files`), beside the files of its hardware
    nvidia    report, chain, rims, ocsp of one GPU or switch; or rim and ocsp: a RIM by itself
    tpm       a quote with what vouches for its AK (`attestation.tpm.alone`); with an HCL report it
              is judged as the platform that this names

Here bytes only find their place; what they are worth is for `verifier.verify_parts`,
`devices.appraise_one`, `devices.appraise_rim` and `tpm.alone.appraise_files`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from attestation.errors import MalformedEvidenceError
from attestation.evidence import (
    MAX_ENDORSEMENT,
    MAX_QUOTE,
    SIMULATED_PLATFORMS,
    DeviceEvidence,
    Endorsement,
)
from attestation.evidence import PLATFORMS as NAMES
from attestation.nvidia.files import endorsements_of, read_device_files
from attestation.raw_files import Named, all_of, certificates, chain, one_of, revocation_list
from attestation.result import Scope
from attestation.tpm.alone import TpmFiles
from attestation.tpm.files import azure_quote
from attestation.tpm.hardware import AZURE
from attestation.tpm.hcl import HclReport
from attestation.tpm.public import spki

Files = Sequence[tuple[str, bytes]]

QUOTES = frozenset({"report", "quote", "hcl_report", "td_quote", "quote_message"})
"""Names of files that hold what is signed; they are no larger than a bundle's quote."""

LISTS = ("intermediates", "crl", "collateral")
OF_THE_HARDWARE = {
    "sev-snp": ("leaf", "intermediates", "root", "crl"),
    "tdx": ("root", "collateral"),
}
"""Names of the files that endorse hardware."""


@dataclass(frozen=True, kw_only=True)
class Parts:
    """A quote and what was stapled to it, as in a bundle.

    Attributes:
        platform: as in a bundle.
        quote: raw.
        endorsements: as in a bundle.
        tpm: the files of a TPM whose event log was given; None if none was.
    """

    platform: str
    quote: bytes
    endorsements: tuple[Endorsement, ...]
    tpm: TpmFiles | None = field(repr=False, default=None)


@dataclass(frozen=True, kw_only=True)
class DeviceParts:
    """One GPU or switch and what was stapled for it."""

    device: DeviceEvidence
    endorsements: tuple[Endorsement, ...]


@dataclass(frozen=True, kw_only=True)
class RimParts:
    """A RIM without a device, and OCSP answers."""

    rim: bytes = field(repr=False)
    endorsements: tuple[Endorsement, ...]


@dataclass(frozen=True, kw_only=True)
class TpmParts:
    """A TPM without its hardware."""

    files: TpmFiles


AnyParts = Parts | DeviceParts | RimParts | TpmParts


def read_parts(kind: str, files: Files) -> Parts:
    """Put the files of a platform's kind in order; see `Kind.read`.

    Raises:
        MalformedEvidenceError: as there, or the kind is that of a device.
    """
    if kind not in KINDS:
        raise MalformedEvidenceError(f"kind {kind}: expected one of {', '.join(KINDS)}")
    parts = KINDS[kind].read(files)
    if not isinstance(parts, Parts):
        raise MalformedEvidenceError(f"kind {kind}: not a quote of a platform")
    return parts


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What files a kind of evidence has.

    Attributes:
        name: of the kind.
        platforms: those that a policy of nobody's accepts, to judge it by.
        evidence: names of the files of which at least one must be given.
        others: names of the files that may stand beside it.
        lists: names, of `others`, that may be given more than once.
        put: puts the files in order.
        scopes: name of a file to what is judged where it is given; the first that is counts.
    """

    name: str
    platforms: tuple[str, ...]
    evidence: tuple[str, ...]
    others: tuple[str, ...]
    lists: tuple[str, ...]
    put: Callable[[Named], AnyParts]
    scopes: Mapping[str, Scope]

    @property
    def names(self) -> tuple[str, ...]:
        """Give the names of all files."""
        return (*self.evidence, *self.others)

    def read(self, files: Files) -> AnyParts:
        """Put files in order.

        Args:
            files: name and bytes; a chain's certificates in their order, leaf first.

        Raises:
            MalformedEvidenceError: an unknown name, a name that must be there once and is not, a
                file over its limit, or one that does not parse.
        """
        self.check_names([name for name, _ in files])
        named: dict[str, list[bytes]] = {name: [] for name in self.names}
        for name, data in files:
            limit = self.limit(name)
            if len(data) > limit:
                raise MalformedEvidenceError(f"file {name}: larger than {limit} bytes")
            named[name].append(data)
        return self.put(named)

    def check_names(self, names: Sequence[str]) -> None:
        """Check that these are the names of one set of files.

        Raises:
            MalformedEvidenceError: an unknown name, or one that must be there once and is not.
        """
        for index, name in enumerate(names):
            if name not in self.names:
                raise MalformedEvidenceError(
                    f"file {name}: expected one of {', '.join(self.names)}"
                )
            if name in names[:index] and name not in self.lists:
                raise MalformedEvidenceError(f"file {name}: given twice")
        if set(names).isdisjoint(self.evidence):
            raise MalformedEvidenceError(f"file {' or '.join(self.evidence)}: must be given")

    def limit(self, name: str) -> int:
        """Give the greatest number of bytes that a file of this name may have."""
        return MAX_QUOTE if name in QUOTES else MAX_ENDORSEMENT

    def scope(self, names: Sequence[str]) -> Scope:
        """Say what is judged where these files are given."""
        return next(scope for name, scope in self.scopes.items() if name in names)


def _of_snp(named: Named) -> tuple[Endorsement, ...]:
    found = []
    if named["leaf"]:
        whole = chain(all_of(named, "leaf", "intermediates", "root"))
        found.append(Endorsement(type="x509-chain", data=whole))
    lists = map(revocation_list, all_of(named, "crl"))
    return (*found, *(Endorsement(type="x509-crl", data=data) for data in lists))


def _of_tdx(named: Named) -> tuple[Endorsement, ...]:
    certificates(all_of(named, "root"))  # it stands in the quote; the pin decides, not this file
    return tuple(
        Endorsement(type="tdx-collateral", data=data) for data in all_of(named, "collateral")
    )


ENDORSEMENTS = {"sev-snp": _of_snp, "tdx": _of_tdx}
"""Hardware to what puts its endorsements in order."""


def _of_hardware(platform: str, quote: str) -> Kind:
    def put(named: Named) -> Parts:
        endorsements = ENDORSEMENTS[platform](named)
        return Parts(platform=platform, quote=named[quote][0], endorsements=endorsements)

    return Kind(
        name=platform,
        platforms=(platform,),
        evidence=(quote,),
        others=OF_THE_HARDWARE[platform],
        lists=LISTS,
        put=put,
        scopes={quote: Scope.PARTS},
    )


def _of_azure(hardware: str, more: tuple[str, ...]) -> Kind:
    platform = f"{hardware}-vtpm"

    def put(named: Named) -> Parts:
        return Parts(
            platform=platform,
            quote=azure_quote(named),
            endorsements=ENDORSEMENTS[hardware](named),
        )

    return Kind(
        name=platform,
        platforms=(platform,),
        evidence=("quote_message",),
        others=("hcl_report", *more, "quote_signature", "pcrs", *OF_THE_HARDWARE[hardware]),
        lists=LISTS,
        put=put,
        scopes={"quote_message": Scope.PARTS},
    )


def _put_device(named: Named) -> DeviceParts | RimParts:
    rim = one_of(named, "rim")
    endorsements = endorsements_of(named)
    if rim is None:
        return DeviceParts(device=read_device_files(named), endorsements=endorsements)
    if all_of(named, "report", "chain", "rims"):
        raise MalformedEvidenceError("file rim: stands alone; beside a report they are rims")
    certificates(all_of(named, "root"))  # it stands in the RIM; the pin decides, not this file
    return RimParts(rim=rim, endorsements=endorsements)


def _put_tpm(named: Named) -> Parts | TpmParts:
    data = one_of(named, "hcl_report")
    if data is None:
        for name in ("td_quote", "leaf", "crl", "collateral"):
            if named[name]:
                raise MalformedEvidenceError(
                    f"file {name}: of hardware, which needs an hcl_report to vouch for the AK"
                )
        return TpmParts(files=TpmFiles.read(named))
    hcl = HclReport.parse(data)
    # The certificates beside an HCL report are the hardware's: of the AK's only the key is read.
    tpm = TpmFiles.read({**named, "intermediates": [], "root": []})
    if tpm.ak is not None and spki(tpm.ak) != spki(hcl.runtime.ak()):
        raise MalformedEvidenceError("the AK's own file: of another key than the HCL report names")
    hardware = AZURE[hcl.report_type]
    return Parts(
        platform=f"{hardware}-vtpm",
        quote=azure_quote(named),
        endorsements=ENDORSEMENTS[hardware](named),
        tpm=None if tpm.event_log is None else tpm,
    )


REAL = tuple(name for name in NAMES if name not in SIMULATED_PLATFORMS)

KINDS: Mapping[str, Kind] = {
    "sev-snp": _of_hardware("sev-snp", "report"),
    "tdx": _of_hardware("tdx", "quote"),
    "sev-snp-vtpm": _of_azure("sev-snp", ()),
    "tdx-vtpm": _of_azure("tdx", ("td_quote",)),
    "nvidia": Kind(
        name="nvidia",
        platforms=REAL,
        evidence=("report", "rim"),
        others=("chain", "root", "rims", "ocsp"),
        lists=("rims", "ocsp"),
        put=_put_device,
        scopes={"rim": Scope.RIM, "report": Scope.DEVICE},
    ),
    "tpm": Kind(
        name="tpm",
        platforms=("sev-snp-vtpm", "tdx-vtpm"),
        evidence=(
            *("hcl_report", "td_quote", "quote_message", "event_log"),
            *("ak_cert", "ak_public"),
        ),
        others=("quote_signature", "pcrs", "leaf", "intermediates", "root", "crl", "collateral"),
        lists=LISTS,
        put=_put_tpm,
        scopes={
            "hcl_report": Scope.PARTS,
            **dict.fromkeys(
                ("td_quote", "quote_message", "event_log", "ak_cert", "ak_public"), Scope.TPM
            ),
        },
    ),
}
"""The kinds of raw evidence this version can judge."""
