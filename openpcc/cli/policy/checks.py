"""Every check of the argument, and what a policy makes of it. Pure but for printing."""

from attestation.checks import CHECKS, MAY_BE_OPTIONAL, ONLY_WHERE_ASKED
from attestation.policy import AppraisalPolicy
from openpcc.cli import output
from openpcc.decision import STEPS

INFO = frozenset({"9.region"})
"""Checks that report something and judge nothing."""


def show(policy: AppraisalPolicy | None) -> None:
    """Print the table of checks; without a policy, what policies may make of them."""
    rows = [(name, _rule(name, policy), text, _step(name)) for name, text in CHECKS.items()]
    output.table(("CHECK", "ASKED", "WHAT IS TESTED", "STEP"), rows)


def to_json(policy: AppraisalPolicy | None) -> list[dict[str, object]]:
    """Write the table; `required` is whether not being judged refuses."""
    return [
        {
            "id": name,
            "step": int(name.split(".")[0]),
            "text": text,
            "required": _required(name, policy),
            "only_where_asked": name in ONLY_WHERE_ASKED,
            "may_be_optional": name in MAY_BE_OPTIONAL,
        }
        for name, text in CHECKS.items()
    ]


def _required(name: str, policy: AppraisalPolicy | None) -> bool:
    if policy is not None and name in policy.optional | policy.required:
        return name in policy.required
    return name not in ONLY_WHERE_ASKED


def _rule(name: str, policy: AppraisalPolicy | None) -> str:
    if policy is not None and name in policy.required:
        return "always, by this policy"
    if policy is not None and name in policy.optional:
        return "shown only, by this policy"
    if name in INFO:
        return "reported, never judged"
    if name in ONLY_WHERE_ASKED:
        return "where there is something to test"
    return "always; a policy may make it optional" if name in MAY_BE_OPTIONAL else "always"


def _step(name: str) -> str:
    number = int(name.split(".")[0])
    return f"{number}. {STEPS[number]}"
