"""A whole bundle of a machine whose release rules a register, instead of giving its value."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from attestation.checks import refusing
from attestation.event_rules import EventRule
from attestation.measure.observed import HostEvents, observe
from attestation.verifier import JUDGED, PLATFORMS, Appraisal
from tests.fakes.real_bundles import Machine, tdx_machine
from tests.fakes.vtpm_bundles import azure_snp, direct_tdx

MACHINES: dict[str, Callable[[], Machine]] = {
    "tdx": tdx_machine,
    "sev-snp-vtpm": azure_snp,
    "tdx-vtpm": direct_tdx,
}
EACH = pytest.mark.parametrize("make", MACHINES.values(), ids=MACHINES)


def ruled(machine: Machine, **changed: object) -> Machine:
    """Rule the highest register that the machine's log leads to."""
    register = max(machine.registers)
    events = PLATFORMS[machine.platform].events(machine.event_log)
    rules = tuple(
        replace(
            EventRule(type=one.type, digests=frozenset({one.digest}), least=1, most=1),
            **changed,  # type: ignore[arg-type]
        )
        for one in events
        if one.register == register
    )
    assert rules
    values = {index: value for index, value in machine.registers.items() if index != register}
    return replace(machine, registers=values, events={register: rules})


def refused(appraisal: Appraisal) -> list[str]:
    return [check.id for check in refusing(appraisal.checks, JUDGED)]


@EACH
def test_accepts_a_register_whose_events_are_as_the_rules_say(make: Callable[[], Machine]) -> None:
    assert refused(ruled(make()).appraise()) == []
    assert refused(ruled(make(), digests=frozenset()).appraise()) == []


@EACH
@pytest.mark.parametrize(
    "changed", [{"digests": frozenset({bytes(48)})}, {"type": 77}, {"least": 9, "most": 9}]
)
def test_refuses_an_event_that_no_rule_allows(
    changed: dict[str, object], make: Callable[[], Machine]
) -> None:
    assert refused(ruled(make(), **changed).appraise()) == ["8.eventlog"]


@EACH
def test_refuses_a_log_that_does_not_lead_to_the_ruled_register(
    make: Callable[[], Machine],
) -> None:
    machine = ruled(make(), digests=frozenset(), least=0, most=64)
    other = replace(machine, event_log=b"")
    assert refused(other.appraise()) == ["8.eventlog"]


@EACH
def test_refuses_rules_for_a_register_that_the_platform_has_not(
    make: Callable[[], Machine],
) -> None:
    machine = make()
    absent = {23 if machine.platform == "tdx" else 17: ()}
    assert refused(replace(machine, events=absent).appraise()) == ["8.eventlog"]


@EACH
def test_what_is_observed_on_a_machine_is_accepted_there(make: Callable[[], Machine]) -> None:
    machine = make()
    platform = PLATFORMS[machine.platform]
    seen = observe(
        platform.events(machine.event_log),
        platform.replay(machine.event_log),
        known=frozenset(),
        open_to_host=frozenset(HostEvents),
    )
    found = replace(machine, registers=seen.registers, events=seen.events)
    assert refused(found.appraise()) == []
