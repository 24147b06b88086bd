"""The appraisal policy: which evidence this relying party accepts. docs/formats.md, 6.

It comes with the signed wheel or from the deployer, never from a gateway or a bundle. `Floors` and
`NewestAccepted` are the other two limits from below: what the status entry asks, and what this
client has already seen. What a policy may leave open is `checks.MAY_BE_OPTIONAL`, and no more.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from attestation.checks import MAY_BE_OPTIONAL, ONLY_WHERE_ASKED
from attestation.errors import PolicyError
from attestation.evidence import PLATFORMS, SIMULATED_PLATFORMS
from attestation.policy_table import MAX_COMPONENT, PolicyTable

MAX_EPOCH = 86400
"""Seconds of the longest epoch any policy may allow: 24 h."""

DAY = 86400
"""Seconds."""

MAX_AGE = 731 * DAY
"""Seconds of the greatest age a policy may allow; more is a typing mistake."""

MACHINE_SIZES = (16, 32, 64)
"""Bytes of a machine id: TDX 16 (PPID), simulated 32, SEV-SNP 64 (chip id)."""

DEVICE_ROOTS = frozenset({"nvidia", "nvidia-rim", "tpm"})
"""Names of roots beside the platforms' own: of GPUs, of their RIMs, of TPM keys."""

TCB_STATUSES = (
    "UpToDate",
    "SWHardeningNeeded",
    "ConfigurationNeeded",
    "ConfigurationAndSWHardeningNeeded",
    "OutOfDate",
    "OutOfDateConfigurationNeeded",
)
"""Statuses a policy may accept, in the vendor's words. Revoked is never acceptable."""


@dataclass(frozen=True, kw_only=True)
class Mark:
    """How new an endorsement by one issuer is; both only grow.

    Attributes:
        number: CRL number, or tcbEvaluationDataNumber of TCB data.
        time: when it was made, Unix seconds.
    """

    number: int = 0
    time: int = 0


NO_MARK = Mark()
"""Nothing is known of an issuer."""


@dataclass(frozen=True, kw_only=True)
class Floors:
    """The lowest acceptable endorsements, from the newest status entry. docs/formats.md, 4.2.

    Attributes:
        crl: SHA-256 of an issuer's SubjectPublicKeyInfo to the oldest acceptable mark.
        tcb_evaluation: lowest tcbEvaluationDataNumber of TDX collateral.
        minimum_tcb: platform to component to its lowest version.
    """

    crl: Mapping[bytes, Mark] = field(default_factory=dict)
    tcb_evaluation: int = 0
    minimum_tcb: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class NewestAccepted:
    """The newest endorsements this client has accepted before; empty at first use.

    Attributes:
        marks: SHA-256 of an issuer's SubjectPublicKeyInfo to its newest mark.
    """

    marks: Mapping[bytes, Mark] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Ages:
    """Greatest age of endorsements, seconds, whatever their own validity says.

    A root's list has an age of its own: roots are kept offline, and AMD and Intel publish theirs
    once a year.
    """

    crl: int = 30 * DAY
    root_crl: int = 400 * DAY
    ocsp: int = DAY
    collateral: int = 30 * DAY


@dataclass(frozen=True, kw_only=True)
class AppraisalPolicy:
    """Which evidence is accepted.

    Attributes:
        platforms: accepted platforms; a simulated one stands alone.
        maximum_epoch: seconds between not_before and not_after.
        machines: accepted machine ids; None: any machine.
        models: accepted model digests; None: any model of an accepted release.
        roots: platform to SHA-256 of its root's SubjectPublicKeyInfo: for a simulated platform,
            or instead of the vendor's published root, and then for every platform; beside these,
            of `DEVICE_ROOTS`. What is accepted under such a root is vouched for by no vendor, so it
            counts as simulated.
        ages: see `Ages`.
        tcb_statuses: of `TCB_STATUSES`, for platforms whose vendor gives a status.
        tcb_evaluation: lowest tcbEvaluationDataNumber of TDX collateral: Intel keeps old ones
            signed and dated for those who update late.
        minimum_tcb: platform, or platform/line as `sev-snp/milan`, to component to its lowest
            version.
        optional: checks that need not pass, of `checks.MAY_BE_OPTIONAL`.
        required: checks that must not find nothing to test, of `checks.ONLY_WHERE_ASKED`.

    Raises:
        PolicyError: the parts contradict each other.
    """

    platforms: tuple[str, ...]
    maximum_epoch: int = MAX_EPOCH
    machines: frozenset[bytes] | None = None
    models: frozenset[bytes] | None = None
    roots: Mapping[str, bytes] = field(default_factory=dict)
    ages: Ages = field(default_factory=Ages)
    tcb_statuses: frozenset[str] = frozenset({"UpToDate"})
    tcb_evaluation: int = 0
    minimum_tcb: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    optional: frozenset[str] = frozenset()
    required: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        _check_platforms(self.platforms)
        _check_roots(self)
        _check_minimum(self)
        _check_named("tcb_statuses", self.tcb_statuses, frozenset(TCB_STATUSES))
        _check_named("checks.optional", self.optional, MAY_BE_OPTIONAL)
        _check_named("checks.required", self.required, ONLY_WHERE_ASKED)

    @property
    def simulated(self) -> bool:
        """Say whether no vendor vouches for what this policy accepts, so that it protects nothing.

        So it is on a simulated platform, and under any root that is not the vendor's own.
        """
        return bool(self.roots)

    @classmethod
    def parse(cls, table: Mapping[str, object]) -> "AppraisalPolicy":
        """Read the TOML table `[attestation]`.

        Raises:
            PolicyError: an unknown key, a wrong type, or parts that contradict each other.
        """
        reader = PolicyTable(table, "attestation")
        checks = reader.table("checks")
        policy = cls(
            platforms=tuple(reader.texts("platforms")),
            maximum_epoch=reader.integer("maximum_epoch", default=MAX_EPOCH, high=MAX_EPOCH),
            machines=reader.digests("machines", sizes=MACHINE_SIZES),
            models=reader.digests("models", sizes=(32,)),
            roots=_roots(reader.table("roots")),
            ages=_ages(reader.table("ages")),
            tcb_statuses=frozenset(reader.texts("tcb_statuses", default=("UpToDate",))),
            tcb_evaluation=reader.integer("tcb_evaluation", default=0, low=0, high=MAX_COMPONENT),
            minimum_tcb=_minimum(reader.table("minimum_tcb")),
            optional=frozenset(checks.texts("optional", default=())),
            required=frozenset(checks.texts("required", default=())),
        )
        checks.end()
        reader.end()
        return policy


def _roots(reader: PolicyTable) -> dict[str, bytes]:
    return {name: reader.digest(name, size=32) for name in reader.names()}


def _ages(reader: PolicyTable) -> Ages:
    default = Ages()
    ages = Ages(
        crl=reader.integer("crl", default=default.crl, high=MAX_AGE),
        root_crl=reader.integer("root_crl", default=default.root_crl, high=MAX_AGE),
        ocsp=reader.integer("ocsp", default=default.ocsp, high=MAX_AGE),
        collateral=reader.integer("collateral", default=default.collateral, high=MAX_AGE),
    )
    reader.end()
    return ages


def _minimum(reader: PolicyTable) -> dict[str, dict[str, int]]:
    return {name: reader.table(name).integers() for name in reader.names()}


def _check_platforms(platforms: tuple[str, ...]) -> None:
    if not platforms or len(set(platforms)) != len(platforms):
        raise PolicyError(
            "attestation.platforms",
            expected="at least one platform, each once",
            found=", ".join(platforms) or "none",
            remedy="list the platforms this client may trust",
        )
    for name in platforms:
        if name not in PLATFORMS:
            raise PolicyError(
                "attestation.platforms",
                expected=f"some of {', '.join(PLATFORMS)}",
                found=name,
                remedy="correct the name",
            )
    if len(platforms) > 1 and not SIMULATED_PLATFORMS.isdisjoint(platforms):
        raise PolicyError(
            "attestation.platforms",
            expected="a simulated platform alone",
            found=", ".join(platforms),
            remedy="keep simulated and real machines in policies of their own",
        )


def _check_roots(policy: AppraisalPolicy) -> None:
    simulated = SIMULATED_PLATFORMS.intersection(policy.platforms)
    needed = set(policy.platforms) if policy.roots else simulated
    for name in sorted(needed.symmetric_difference(set(policy.roots) - DEVICE_ROOTS)):
        raise PolicyError(
            f"attestation.roots.{name}",
            expected="a root for each accepted platform, or none at all for the vendors' own",
            found="no root" if name in needed else "a root",
            remedy="copy the digest that set-up printed" if name in simulated else "remove it",
        )
    for name, digest in policy.roots.items():
        if len(digest) != 32:
            raise PolicyError(
                f"attestation.roots.{name}",
                expected="SHA-256 of the root's SubjectPublicKeyInfo, 32 bytes",
                found=f"{len(digest)} bytes",
                remedy="copy the digest that set-up printed",
            )


def _check_minimum(policy: AppraisalPolicy) -> None:
    for name in policy.minimum_tcb:
        if name.partition("/")[0] not in policy.platforms:
            raise PolicyError(
                f"attestation.minimum_tcb.{name}",
                expected="a platform of attestation.platforms, or one of its lines",
                found=name,
                remedy="correct the name, or accept the platform",
            )


def _check_named(key: str, named: frozenset[str], known: frozenset[str]) -> None:
    for name in sorted(named - known):
        raise PolicyError(
            f"attestation.{key}",
            expected=f"some of {', '.join(sorted(known))}",
            found=name,
            remedy="correct the name, or leave it out",
        )
