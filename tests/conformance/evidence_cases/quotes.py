"""What the checkers of quotes share: every verdict comes from `attestation.verifier.verify_parts`.

That is what clients run. Two things are set for it: the trusted root is the case's own, where the
index lists it, and 2.recency need not pass (format page, 2.2: the dates of revocation lists are
left aside). The single rules, which give the values of `checks`, are called one by one as well; a
rule that does not hold while the check it is part of passed is a contradiction, and an exception.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from attestation.anchors import VENDOR_ROOTS
from attestation.certificates import Anchor, Certificate, parse_certificate
from attestation.checks import Check, Outcome, refusing
from attestation.errors import AppraisalError, MalformedEvidenceError, UnjudgedError
from attestation.parts import read_parts
from attestation.policy import AppraisalPolicy
from attestation.verifier import Appraisal, verify_parts
from tests.conformance.evidence_cases.contract import INVALID, UNKNOWN, VALID, Found, Material

NOT_REQUIRED = frozenset({"2.recency"})
"""The one check of the verdict's policy that need not pass."""

NOBODY = bytes(32)
"""Pinned where a case's root is not trusted: the digest of no key."""

Subject = TypeVar("Subject")


@dataclass(frozen=True, kw_only=True)
class Rule(Generic[Subject]):
    """One rule of ours under its name on the format page.

    Attributes:
        check: the check of the table that it is part of.
        judge: raises if it does not hold, `UnjudgedError` if the evidence lacks the input; None:
            it is the whole check, and holds if that passed.
        needs: inputs without which it is not applicable; see `QuoteKind`.
    """

    check: str
    judge: Callable[[Subject], None] | None
    needs: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class QuoteKind(Generic[Subject]):
    """A kind of evidence that is one quote with endorsements.

    Attributes:
        platform: as in a bundle, and as `read_parts` names the kind.
        parse: reads the evidence; raises `MalformedEvidenceError` if it is none.
        inputs: what is there to judge: keys of `files`, or what the evidence holds within.
        authenticity: the checks that make the verdict, and the inputs each needs. Without its
            inputs a check is not applicable; with them it must pass.
        rules: name on the format page to rule.
        fields: gives every field by name.
        results: gives `tcb` and the like, of a valid case.
    """

    platform: str
    parse: Callable[[Material], Subject]
    inputs: Callable[[Subject, Material], frozenset[str]]
    authenticity: Mapping[str, frozenset[str]]
    rules: Mapping[str, Rule[Subject]]
    fields: Callable[[Subject], Mapping[str, object]]
    results: Callable[[Subject], Mapping[str, object]]


def examine(kind: QuoteKind[Subject], material: Material) -> Found:
    """Judge one case."""
    checks = _appraise(kind, material, _policy(kind, material))
    refused_by = _refused_by_default(kind, material)
    try:
        subject = kind.parse(material)
    except MalformedEvidenceError as error:
        if checks.get("2.signature") is Outcome.PASS:
            raise ContradictionError("malformed, yet 2.signature passed") from error
        return Found(verdict=INVALID, malformed=str(error), refused_by=refused_by)
    inputs = kind.inputs(subject, material)
    held = {
        name: _holds(name, rule, subject, checks) if rule.needs <= inputs else None
        for name, rule in kind.rules.items()
    }
    verdict = _verdict(kind, inputs, checks, held)
    return Found(
        verdict=verdict,
        fields=kind.fields(subject),
        checks=held,
        refused_by=refused_by,
        results=kind.results(subject) if verdict == VALID else {},
    )


class ContradictionError(Exception):
    """A part does not hold, and the whole was accepted."""


def check_pinned(certificate: Certificate, root: Certificate) -> None:
    """Judge that a certificate is the given root, byte for byte.

    Raises:
        AppraisalError: it is not.
    """
    if certificate != root:
        raise AppraisalError("root", expected=root.sha256.hex(), actual=certificate.sha256.hex())


def anchor(platform: str, root: Certificate) -> Anchor:
    """Make the case's root the only one that counts."""
    return Anchor(
        platform=platform,
        name=root.name,
        certificate_sha256=root.sha256,
        spki_sha256=root.spki_sha256,
    )


def _appraise(
    kind: QuoteKind[Subject], material: Material, policy: AppraisalPolicy
) -> dict[str, Outcome]:
    """Run what clients run; gives check to outcome, nothing if the parts do not even parse."""
    try:
        appraisal = _verify(kind, material, policy)
    except MalformedEvidenceError:
        return {}
    return {check.id: check.outcome for check in appraisal.checks}


def _refused_by_default(kind: QuoteKind[Subject], material: Material) -> tuple[Check, ...]:
    """Give the checks by which the default policy refuses, under the vendors' own roots."""
    try:
        appraisal = _verify(kind, material, AppraisalPolicy(platforms=(kind.platform,)))
    except MalformedEvidenceError as error:
        return (Check(id="1.parse", outcome=Outcome.FAIL, actual=str(error)),)
    return refusing(appraisal.checks, appraisal.judged)


def _verify(kind: QuoteKind[Subject], material: Material, policy: AppraisalPolicy) -> Appraisal:
    parts = read_parts(kind.platform, material.files)
    return verify_parts(
        parts.platform, parts.quote, parts.endorsements, now=material.at, policy=policy
    )


def _policy(kind: QuoteKind[Subject], material: Material) -> AppraisalPolicy:
    """Give the verdict's policy; a root that is neither published nor listed counts for nothing."""
    root = _pin(kind.platform, material)
    return AppraisalPolicy(
        platforms=(kind.platform,),
        roots={} if root is None else {kind.platform: root},
        optional=NOT_REQUIRED,
    )


def _pin(platform: str, material: Material) -> bytes | None:
    """Give the key to pin; None where the vendor's published roots are the right ones."""
    if "root" not in material.names:
        return None
    try:
        root = parse_certificate(material.one("root"))
    except MalformedEvidenceError:
        return NOBODY
    if any(one.platform == platform and one.is_certificate(root) for one in VENDOR_ROOTS):
        return None
    return root.spki_sha256 if root.sha256 in material.roots else NOBODY


def _verdict(
    kind: QuoteKind[Subject],
    inputs: frozenset[str],
    checks: Mapping[str, Outcome],
    held: Mapping[str, bool | None],
) -> str:
    """Give the verdict; where a check lacks an input, a rule of it that is broken still counts."""
    applicable = {name for name, needs in kind.authenticity.items() if needs <= inputs}
    broken = {rule.check for name, rule in kind.rules.items() if held[name] is False}
    if broken.intersection(kind.authenticity):
        return INVALID
    if any(checks.get(name) is not Outcome.PASS for name in applicable):
        return INVALID
    return VALID if {"2.signature", "2.chain"} <= applicable else UNKNOWN


def _holds(
    name: str, rule: Rule[Subject], subject: Subject, checks: Mapping[str, Outcome]
) -> bool | None:
    """Call one rule; gives the value of `checks`."""
    passed = checks.get(rule.check) is Outcome.PASS
    if rule.judge is None:
        return passed
    try:
        rule.judge(subject)
    except UnjudgedError:
        return None
    except (AppraisalError, MalformedEvidenceError) as error:
        if passed:
            raise ContradictionError(f"{name}: {error}; yet {rule.check} passed") from error
        return False
    return True
