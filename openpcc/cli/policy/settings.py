"""Every setting of a policy with its value and what that means, in words. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from attestation.anchors import VENDOR_ROOTS
from attestation.policy import AppraisalPolicy
from attestation.strict_json import b64encode, dumps
from openpcc.cli.policy.file import PolicyFile
from openpcc.config import SUITES, ClientPolicy
from openpcc.decision import duration
from transparency_log.provenance.root import TrustRoot

Value = str | int | list[str] | Mapping[str, str] | Mapping[str, Mapping[str, int]] | None
"""What JSON shows of a setting."""

SIGNERS = {
    "release": "what a release is",
    "status": "which releases are still good",
    "service": "which nodes there are",
}
"""Kind of log entry to what it says, in the order of the policy."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One setting.

    Attributes:
        key: in the file, with dots.
        value: for programs; None: no limit.
        text: the value for people.
        meaning: what it does.
    """

    key: str
    value: Value
    text: str
    meaning: str


def settings_of(file: PolicyFile) -> list[Setting]:
    """Give every setting, in the order of docs/formats.md, 6."""
    attestation = [*_attestation(file.attestation)]
    if file.client is None:
        return attestation
    client = file.client
    return [
        *_service(client),
        *attestation,
        *_log(client),
        *_signers(client),
        *_provenance(client),
    ]


def _service(policy: ClientPolicy) -> Iterator[Setting]:
    names = [name for kem in policy.kems for name in SUITES if SUITES[name] == kem]
    if policy.rotated is not None:
        yield Setting(
            key="rotated",
            value=policy.rotated,
            text=f"index {policy.rotated} of the log",
            meaning="the announcement of new keys that was taken in last",
        )
    if policy.rotated_issued is not None:
        yield Setting(
            key="rotated_issued",
            value=policy.rotated_issued,
            text=f"{policy.rotated_issued} (Unix seconds)",
            meaning="when that announcement was issued; one of before is refused",
        )
    yield _text("service", policy.service, "the service whose nodes are believed")
    yield _list("suites", names, "how requests may be sealed; the first that a node offers is used")


def _attestation(policy: AppraisalPolicy) -> Iterator[Setting]:
    under = "attestation."
    yield _list(f"{under}platforms", policy.platforms, "platforms whose evidence is accepted")
    yield _seconds(f"{under}maximum_epoch", policy.maximum_epoch, "the longest life of node keys")
    yield _hexes(f"{under}machines", policy.machines, "machines that are accepted")
    yield _hexes(f"{under}models", policy.models, "model digests that are accepted")
    yield _list(
        f"{under}tcb_statuses",
        sorted(policy.tcb_statuses),
        "Intel's words for firmware that will do",
    )
    yield Setting(
        key=f"{under}tcb_evaluation",
        value=policy.tcb_evaluation,
        text=str(policy.tcb_evaluation) if policy.tcb_evaluation else "any",
        meaning="the lowest number of Intel's knowledge that will do",
    )
    yield _roots(policy)
    ages = policy.ages
    yield _seconds(f"{under}ages.crl", ages.crl, "how old a revocation list may be")
    yield _seconds(f"{under}ages.root_crl", ages.root_crl, "how old that of a root may be")
    yield _seconds(f"{under}ages.ocsp", ages.ocsp, "how old a revocation answer may be")
    yield _seconds(f"{under}ages.collateral", ages.collateral, "how old TCB data may be")
    yield _minimum(policy.minimum_tcb)
    yield _list(f"{under}checks.optional", sorted(policy.optional), "checks that may fail")
    yield _list(
        f"{under}checks.required",
        sorted(policy.required),
        "checks that must find something to test",
    )


def _log(policy: ClientPolicy) -> Iterator[Setting]:
    log = policy.log
    yield _text("log.origin", log.origin, "the public log that is believed")
    yield _text("log.key", log.log_vkey, "its key")
    yield _list(
        "log.overlap_keys", log.overlap_vkeys, "further keys it may sign with, in a rotation"
    )
    yield Setting(
        key="log.witnesses",
        value=[one.vkey for one in log.witnesses],
        text=", ".join(f"{one.vkey} ({one.operator})" for one in log.witnesses),
        meaning="keys of its witnesses, and who runs them",
    )
    yield Setting(
        key="log.quorum",
        value=log.quorum,
        text=f"{log.quorum} of {len(set(log.operators.values()))}",
        meaning="witnesses of how many operators must have seen the same log",
    )


def _signers(policy: ClientPolicy) -> Iterator[Setting]:
    signers = (policy.release_signers, policy.status_signers, policy.service_signers)
    for (name, task), one in zip(SIGNERS.items(), signers, strict=True):
        keys = [b64encode(key) for key in one.keys]
        yield Setting(
            key=f"signers.{name}.threshold",
            value=one.threshold,
            text=f"{one.threshold} of {len(keys)}",
            meaning=f"how many must sign {task}",
        )
        yield _list(f"signers.{name}.keys", keys, f"who may sign {task}")


def _provenance(policy: ClientPolicy) -> Iterator[Setting]:
    asked, under = policy.provenance, "release.provenance"
    if asked is None:
        meaning = "who must vouch for the build of a release"
        yield Setting(key=under, value=None, text="none is asked for", meaning=meaning)
        return
    signer = asked.signer
    yield _text(f"{under}.identity", signer.identity, "who must have signed how it was built")
    yield _text(f"{under}.issuer", signer.issuer, "who must know that identity")
    yield _trusted_root(f"{under}.trusted_root", signer.root)
    yield _text(f"{under}.builder", asked.builder, "where it must have been built")
    yield _text(f"{under}.build_type", asked.build_type, "what kind of build it must be")
    yield _text(f"{under}.source", asked.source, "the source it must have been built from")
    yield Setting(
        key=f"{under}.parameters",
        value=None if asked.parameters is None else dumps(asked.parameters).decode(),
        text="any" if asked.parameters is None else dumps(asked.parameters).decode(),
        meaning="what the builder must have been told, and nothing else",
    )


def _trusted_root(key: str, root: TrustRoot) -> Setting:
    text = ", ".join(
        f"{len(found)} {what}"
        for what, found in (
            ("authorities", root.authorities),
            ("certificate logs", root.certificate_logs),
            ("logs", root.logs),
            ("clocks", root.timestamp_authorities),
        )
    )
    return Setting(key=key, value=text, text=text, meaning="who vouches for that signature")


def _roots(policy: AppraisalPolicy) -> Setting:
    own = {name: digest.hex() for name, digest in policy.roots.items()}
    vendors = [root.name for root in VENDOR_ROOTS if root.platform in policy.platforms]
    shown = ", ".join(f"{name} {digest}" for name, digest in own.items())
    return Setting(
        key="attestation.roots",
        value=own or None,
        text=f"{shown}: no vendor's, so SIMULATED"
        if own
        else f"the vendors': {', '.join(vendors)}",
        meaning="who vouches for machines",
    )


def _minimum(minimum: Mapping[str, Mapping[str, int]]) -> Setting:
    value = {platform: dict(versions) for platform, versions in minimum.items()}
    shown = [
        f"{platform} {component} {version}"
        for platform, versions in value.items()
        for component, version in versions.items()
    ]
    return Setting(
        key="attestation.minimum_tcb",
        value=value,
        text=", ".join(shown) or "none",
        meaning="the lowest firmware versions, beside those of the status entry",
    )


def _text(key: str, value: str, meaning: str) -> Setting:
    return Setting(key=key, value=value, text=value, meaning=meaning)


def _list(key: str, values: "tuple[str, ...] | list[str]", meaning: str) -> Setting:
    return Setting(key=key, value=list(values), text=", ".join(values) or "none", meaning=meaning)


def _hexes(key: str, values: frozenset[bytes] | None, meaning: str) -> Setting:
    if values is None:
        return Setting(key=key, value=None, text="any", meaning=meaning)
    return _list(key, sorted(value.hex() for value in values), meaning)


def _seconds(key: str, value: int, meaning: str) -> Setting:
    return Setting(key=key, value=value, text=f"{value} s ({duration(value)})", meaning=meaning)
