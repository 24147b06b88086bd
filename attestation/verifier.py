"""The verifier: evidence, policy and reference values in; every check with its outcome out.

The steps of DESIGN 5 that need no log; openpcc.trust adds 5 (beacon) and 7 (release):

1. parse          the bundle is the one accepted spelling, within limits
2. authenticate   quote signature, vendor chain to a pinned root, revocation, TCB; recent enough
3. bind           report data is the digest of the sections
4. epoch          keys are current, not for too long, and stay so long enough
6. devices        as many as the release says, each authentic, fresh, and as its RIM says
8. measure        launch measurement, event log and models are the release's; debug, migration off,
                  the guest's attributes as required
9. policy         platform, TCB, machine, model; the region is reported

Pure: no clock, no I/O, no logging. A failed check does not stop the later ones where these can
still be judged; what they find about a quote that step 2 refused is what the quote says, and the
verdict stays refused. This module alone makes an `Appraisal`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from attestation import appraise, event_rules
from attestation.binding import device_nonce, evidence_binding
from attestation.checks import CHECKS, OF_A_QUOTE, Check, Checks, given, refusing
from attestation.claims import Context, Ground, Platform, QuoteAppraisal, QuoteClaims
from attestation.devices import DevicesAppraisal, appraise_devices
from attestation.evidence import (
    DevicesSection,
    Endorsement,
    EvidenceBundle,
    KeysSection,
    SoftwareSection,
)
from attestation.policy import AppraisalPolicy, Floors, Mark, NewestAccepted
from attestation.reference_values import ReferenceValues
from attestation.sev_snp import authenticate as sev_snp
from attestation.simulated import authenticate as simulated
from attestation.tdx import authenticate as tdx
from attestation.tpm import authenticate as tpm

__all__ = [
    "Appraisal",
    "Floors",
    "NewestAccepted",
    "explain",
    "parse",
    "quoted",
    "verify",
    "verify_parts",
]

PLATFORMS: Mapping[str, Platform] = {
    "sev-snp": sev_snp,
    "tdx": tdx,
    "sev-snp-vtpm": tpm.SEV_SNP_VTPM,
    "tdx-vtpm": tpm.TDX_VTPM,
    "simulated": simulated,
    "simulated-vtpm": tpm.SIMULATED_VTPM,
}
"""The platforms this version can verify; others are refused by name."""

STEPS = ("2.", "3.", "4.", "6.", "8.", "9.")
"""The steps judged here; step 1 is `parse`."""

JUDGED = tuple(name for name in CHECKS if name.startswith(STEPS) and name != "9.suite")
"""The checks an acceptance needs; sealing suites are openpcc.trust's to know."""


@dataclass(frozen=True, kw_only=True)
class Appraisal:
    """What the verifier found. Only `verify` makes one.

    Attributes:
        checks: of the steps judged here, in the order of the table.
        keys: the node's keys; None unless a whole bundle was accepted, so that nothing else can be
            sealed to.
        machine: machine id as quoted; None if the platform names none or the quote does not parse.
        expires: Unix seconds until which the acceptance holds; None unless accepted.
        marks: how new the endorsements are that were signed by a pinned vendor and recent; worth
            remembering even where something else was refused.
    """

    checks: tuple[Check, ...]
    keys: KeysSection | None = field(repr=False)
    machine: bytes | None
    expires: int | None
    marks: Mapping[bytes, Mark]
    judged: tuple[str, ...] = JUDGED

    @property
    def accepted(self) -> bool:
        """Say whether every required check of these steps passed."""
        return not refusing(self.checks, self.judged)


def parse(data: bytes, checks: Checks) -> EvidenceBundle | None:
    """Judge 1.parse; give the bundle, or None if it is refused."""
    return checks.run("1.parse", lambda: EvidenceBundle.parse(data))


def verify(
    bundle: EvidenceBundle,
    *,
    now: int,
    policy: AppraisalPolicy,
    reference_values: ReferenceValues | None,
    floors: Floors = Floors(),  # noqa: B008 - frozen and empty
    newest: NewestAccepted = NewestAccepted(),  # noqa: B008 - frozen and empty
) -> Appraisal:
    """Judge a bundle; raises nothing, every finding is in the checks.

    Args:
        bundle: parsed, otherwise unknown.
        now: Unix seconds.
        policy: of this relying party.
        reference_values: of the release that openpcc.trust has verified; None if there is none,
            which skips what needs them, and so refuses.
        floors: of the newest status entry.
        newest: what this client accepted before.
    """
    checks = Checks(optional=policy.optional, required=policy.required)
    context = Context(
        now=now,
        endorsements=bundle.endorsements,
        policy=policy,
        floors=floors,
        newest=newest,
    )
    quote = _authenticate(bundle.platform, bundle.quote, context, checks)
    _bind(bundle, quote.claims, checks)
    _judge_epoch(bundle, context, checks)
    devices = _judge_devices(bundle, reference_values, context, checks)
    _measure(bundle, quote.claims, reference_values, checks)
    _judge_guest(quote.claims, checks)
    _apply_policy(bundle.platform, quote.claims, context, checks)
    _judge_models(bundle, policy, checks)
    checks.info("9.region", "not asserted")
    return _appraisal(bundle, quote, devices, checks)


def verify_parts(
    platform: str,
    quote: bytes,
    endorsements: tuple[Endorsement, ...],
    *,
    now: int,
    policy: AppraisalPolicy,
    floors: Floors = Floors(),  # noqa: B008 - frozen and empty
    newest: NewestAccepted = NewestAccepted(),  # noqa: B008 - frozen and empty
) -> Appraisal:
    """Judge a quote with its endorsements alone: what `OF_A_QUOTE` names, and nothing else.

    That a machine is authentic says nothing about what it runs or whose keys it holds, so this
    gives no keys. Arguments as for `verify`.
    """
    checks = Checks(optional=policy.optional, required=policy.required)
    context = Context(
        now=now, endorsements=endorsements, policy=policy, floors=floors, newest=newest
    )
    found = _authenticate(platform, quote, context, checks)
    _judge_guest(found.claims, checks)
    _apply_policy(platform, found.claims, context, checks)
    done = checks.done()
    accepted = not refusing(done, OF_A_QUOTE)
    return Appraisal(
        checks=done,
        keys=None,
        machine=None if found.claims is None else found.claims.machine,
        expires=found.expires if accepted else None,
        marks=found.marks,
        judged=OF_A_QUOTE,
    )


def quoted(bundle: EvidenceBundle, policy: AppraisalPolicy, *, now: int) -> QuoteClaims | None:
    """Give what the quote of a bundle says, in common words; None if it does not parse.

    For whoever reports on bundles that `verify` has accepted: what a refused one says is worth
    nothing.
    """
    context = Context(
        now=now,
        endorsements=bundle.endorsements,
        policy=policy,
        floors=Floors(),
        newest=NewestAccepted(),
    )
    return _authenticate(bundle.platform, bundle.quote, context, Checks()).claims


def explain(
    platform: str, quote: bytes, endorsements: tuple[Endorsement, ...], policy: AppraisalPolicy
) -> tuple[Ground, ...]:
    """Give the very bytes behind the checks of a quote, in the order of the table."""
    module = PLATFORMS.get(platform)
    if module is None:
        return ()
    context = Context(
        now=0, endorsements=endorsements, policy=policy, floors=Floors(), newest=NewestAccepted()
    )
    order = list(CHECKS)
    return tuple(sorted(module.explain(quote, context), key=lambda one: order.index(one.check)))


def _authenticate(name: str, quote: bytes, context: Context, checks: Checks) -> QuoteAppraisal:
    # 2. authenticate: signature, chain, identity, revocation, collateral, TCB status, recency
    platform = PLATFORMS.get(name)
    if platform is not None:
        return platform.authenticate(quote, context, checks)
    checks.fail(
        "2.signature",
        expected=f"a platform this version can verify: {', '.join(PLATFORMS)}",
        actual=name,
    )
    for check in CHECKS:
        if check.startswith("2.") and check != "2.signature":
            checks.skip(check, f"this version cannot verify {name}")
    return QuoteAppraisal()


def _bind(bundle: EvidenceBundle, claims: QuoteClaims | None, checks: Checks) -> None:
    # 3. bind: what was signed is the digest of exactly these sections
    binding = evidence_binding(bundle.keys, bundle.freshness, bundle.devices, bundle.software)
    checks.run(
        "3.binding",
        lambda: appraise.binding(
            given(claims, "quote").report_data, PLATFORMS[bundle.platform].report_data(binding)
        ),
    )


def _judge_epoch(bundle: EvidenceBundle, context: Context, checks: Checks) -> None:
    # 4. epoch: current, no longer than allowed, and not about to end
    keys, now = KeysSection.parse(bundle.keys), context.now
    checks.run("4.epoch", lambda: appraise.epoch(keys, now))
    checks.run("4.length", lambda: appraise.length(keys, context.policy.maximum_epoch))
    checks.run("4.margin", lambda: appraise.margin(keys, now))


def _judge_devices(
    bundle: EvidenceBundle, release: ReferenceValues | None, context: Context, checks: Checks
) -> DevicesAppraisal:
    # 6. devices: count, authenticity, nonce, measurements; the mode is reported
    section = None if bundle.devices is None else DevicesSection.parse(bundle.devices)
    return appraise_devices(
        () if section is None else section.devices,
        nonce=device_nonce(bundle.keys, bundle.freshness),
        release=release,
        context=context,
        checks=checks,
    )


def _measure(
    bundle: EvidenceBundle,
    claims: QuoteClaims | None,
    release: ReferenceValues | None,
    checks: Checks,
) -> None:
    # 8. measure: what was launched and what it loaded since are the release's; nobody looks in
    software = SoftwareSection.parse(bundle.software)

    def replay_log() -> None:
        quoted, values = given(claims, "quote"), given(release, "verified release")
        platform = PLATFORMS[bundle.platform]
        replayed = platform.replay(software.event_log)
        appraise.registers(quoted.registers, replayed, values.registers, values.events.keys())
        event_rules.judge(platform.events(software.event_log), values.events)

    checks.run(
        "8.measurement",
        lambda: appraise.measurement(
            given(claims, "quote").measurement, given(release, "verified release").measurement
        ),
    )
    checks.run("8.eventlog", replay_log)
    checks.run(
        "8.model",
        lambda: appraise.models(software.models, given(release, "verified release").models),
    )


def _judge_guest(claims: QuoteClaims | None, checks: Checks) -> None:
    # 8. measure: and nobody can look in, move it away, or stand above it
    checks.run("8.debug", lambda: appraise.off("debug", on=given(claims, "quote").debug))
    checks.run(
        "8.migration", lambda: appraise.off("migration", on=given(claims, "quote").migratable)
    )
    checks.run("8.guest", lambda: appraise.guest(given(claims, "quote").faults))


def _apply_policy(
    platform: str, claims: QuoteClaims | None, context: Context, checks: Checks
) -> None:
    # 9. policy: what this relying party asks of the machine
    policy = context.policy
    checks.run("9.platform", lambda: appraise.platform(platform, policy))
    line = "" if claims is None else claims.line
    minimum = appraise.minimum_tcb(platform, line, policy, context.floors)
    checks.run("9.tcb", lambda: appraise.tcb(given(claims, "quote").tcb, minimum))
    if policy.machines is None:
        checks.not_asked("9.machine", "the policy lists no machines")
    else:
        listed = policy.machines
        checks.run("9.machine", lambda: appraise.machine(given(claims, "quote").machine, listed))


def _judge_models(bundle: EvidenceBundle, policy: AppraisalPolicy, checks: Checks) -> None:
    # 9. policy: and of what it serves
    software = SoftwareSection.parse(bundle.software)
    if policy.models is None:
        checks.not_asked("9.model", "the policy lists no models")
    else:
        allowed = policy.models
        checks.run("9.model", lambda: appraise.allowed_models(software.models, allowed))


def _appraisal(
    bundle: EvidenceBundle, quote: QuoteAppraisal, devices: DevicesAppraisal, checks: Checks
) -> Appraisal:
    done = checks.done()
    keys = KeysSection.parse(bundle.keys)
    limits = (keys.not_after - appraise.EPOCH_MARGIN, quote.expires, devices.expires)
    accepted = not refusing(done, JUDGED)
    return Appraisal(
        checks=done,
        keys=keys if accepted else None,
        machine=None if quote.claims is None else quote.claims.machine,
        expires=min(one for one in limits if one is not None) if accepted else None,
        marks={**devices.marks, **quote.marks},
    )
