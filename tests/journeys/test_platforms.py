"""A whole bundle of every platform gives a node, and one broken thing is refused by its check.

Evidence of throw-away vendors, with its release, status, beacon and leaf, through
`trust.establish`: what `tests/attestation` shows of each part holds of all of them together.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from attestation.attester import PLATFORMS as COLLECTED
from attestation.checks import CHECKS, ONLY_WHERE_ASKED, Outcome
from attestation.evidence import PLATFORMS as NAMES
from attestation.evidence import SIMULATED_PLATFORMS
from attestation.policy import AppraisalPolicy, Mark
from attestation.tpm.document import Azure, TpmQuote
from attestation.verifier import PLATFORMS as VERIFIED
from openpcc import trust
from openpcc.errors import RefusedError
from openpcc.protocol import hpke, sealing
from openpcc.protocol.sealing import NodePrivateKey
from tests.fakes import simulated
from tests.fakes.nvidia import NONCE, nvidia
from tests.fakes.world import NOW
from tests.fakes.worlds import HOSTS, PLATFORMS, Host, PlatformWorld, references
from transparency_log.release import Devices, Model
from transparency_log.status import Floor

OF_THE_RELEASE = {"6.count", "8.measurement", "8.eventlog", "8.model"}
"""What can be judged against a release that counts, and against nothing else."""

HELD_TO_FLOORS = {"2.floors", "6.authentic", "6.measurements"}
OF_DEVICES = {"6.authentic", "6.nonce", "6.measurements", "6.mode"}
"""What can be judged where there are devices."""

AZURE_FORMS = {
    "sev-snp-vtpm": ("direct", "azure", "azure, certified"),
    "tdx-vtpm": ("direct", "azure"),
}
"""Platforms that have several forms; formats.md, 3.9."""

REAL = [name for name, make in HOSTS.items() if make().platform not in SIMULATED_PLATFORMS]
WITH_GPUS = [name for name, make in HOSTS.items() if "nvidia-gpu" in make().kinds]

each = pytest.mark.parametrize("world", HOSTS, indirect=True)
each_real = pytest.mark.parametrize("world", REAL, indirect=True)
each_with_gpus = pytest.mark.parametrize("world", WITH_GPUS, indirect=True)


@pytest.fixture
def world(request: pytest.FixtureRequest) -> PlatformWorld:
    return PlatformWorld(HOSTS[request.param]())


def refused(world: PlatformWorld, *args: Any, **changes: Any) -> list[str]:
    """Judge, expect a refusal, and give the ids of the checks that refused."""
    with pytest.raises(RefusedError) as caught:
        world.establish(*args, **changes)
    return [check.id for check in caught.value.report.failed]


def under(world: PlatformWorld, **changes: Any) -> dict[str, Any]:
    """Give the client's policy with another policy of attestation."""
    policy = world.policy
    return {"policy": replace(policy, attestation=replace(policy.attestation, **changes))}


def fleet() -> AppraisalPolicy:
    """Give a policy that accepts every real platform."""
    policies = [HOSTS[name]().machine.policy for name in REAL]
    platforms = tuple(dict.fromkeys(name for policy in policies for name in policy.platforms))
    roots = {name: root for policy in policies for name, root in policy.roots.items()}
    return AppraisalPolicy(platforms=platforms, roots=roots)


def test_no_platform_is_left_out():
    """A platform that the format, verifier or attester gains must have its row here."""
    assert set(PLATFORMS) == set(NAMES) == set(COLLECTED) == set(VERIFIED)
    assert all(make().platform == name for name, make in PLATFORMS.items())


def test_every_platform_goes_without_gpus_and_with_them_and_in_each_of_its_forms():
    table = {(host.platform, host.kinds, form_of(host)) for host in map(made, HOSTS)}
    for name in NAMES:
        for form in AZURE_FORMS.get(name, ("direct",)):
            assert (name, (), form) in table
            assert (name, ("nvidia-gpu", "nvidia-gpu"), form) in table
    assert {form for _name, _kinds, form in table} == {"direct", "azure", "azure, certified"}


def test_gpus_come_with_their_rims_and_answers():
    for host in map(made, WITH_GPUS):
        types = {one.type for one in host.machine.endorsements}
        assert {"rim", "ocsp"} <= types


def made(name: str) -> Host:
    return HOSTS[name]()


def form_of(host: Host) -> str:
    """Say in which form its hardware names the key of a TPM, if it does."""
    if not host.platform.endswith("-vtpm"):
        return "direct"
    quote = TpmQuote.parse(host.machine.quote(bytes(64)))
    if not isinstance(quote.hardware, Azure):
        return "direct"
    return "azure" if quote.ak_chain is None else "azure, certified"


@each
def test_an_honest_node_is_trusted_after_every_check(world: PlatformWorld):
    node = world.establish()
    found = {check.id: check.outcome for check in node.report.checks}
    assert list(found) == list(CHECKS)
    skipped = {name for name, outcome in found.items() if outcome is Outcome.SKIP}
    assert skipped <= ONLY_WHERE_ASKED - {"2.floors"}
    assert skipped.isdisjoint(OF_DEVICES) is not world.bare
    assert set(found.values()).isdisjoint({Outcome.FAIL})
    assert (node.report.platform, node.machine) == (world.host.platform, world.machine_id)
    assert node.report.release == world.release
    assert node.expires == world.not_after - 120


@each
def test_what_is_sealed_to_it_the_node_opens(world: PlatformWorld):
    node = world.establish()
    body = trust.seal([node], b"a prompt", model="demo", now=NOW).body
    opened = sealing.Prefix.parse(body).unwrap(world.node_key).open_content(body)
    assert opened == b"a prompt"


@each
def test_trust_under_throw_away_roots_is_called_simulated(world: PlatformWorld):
    assert world.establish().report.simulated


# 1. parse


@each
def test_refuses_evidence_of_another_leaf(world: PlatformWorld):
    bundle = world.bundle()
    other = replace(world.leaf(bundle), machine=bytes(32))
    assert refused(world, bundle, leaf=other) == ["1.leaf"]


# 2. authenticate


@each
def test_refuses_a_machine_of_another_vendor(world: PlatformWorld):
    roots = {**world.attestation.roots, world.host.platform: bytes(32)}
    assert "2.chain" in refused(world, **under(world, roots=roots))


@each_real
def test_the_vendors_own_roots_vouch_for_none_of_these(world: PlatformWorld):
    assert "2.chain" in refused(world, **under(world, roots={}))


@each
def test_refuses_a_quote_under_the_name_of_another_platform(world: PlatformWorld):
    for name in set(NAMES) - {world.host.platform}:
        bundle = replace(world.bundle(), platform=name)
        assert {"2.signature", "9.platform"} <= set(refused(world, bundle))


@each
def test_refuses_endorsements_below_the_floors_of_the_status(world: PlatformWorld):
    for issuer, mark in world.marks():
        honest = world.asked.crl
        for floor in (
            Floor(number=mark.number + 1, time=mark.time),
            Floor(number=mark.number, time=mark.time + 1),
        ):
            world.ask(crl={**honest, issuer: floor})
            found = refused(world)
            assert found
            assert set(found) <= ({"2.floors"} if world.bare else HELD_TO_FLOORS)
        world.ask(crl=honest)
    assert not world.establish().report.failed


@each
def test_holds_a_node_to_what_was_accepted_before(world: PlatformWorld):
    marks = dict(world.marks())
    assert world.establish(newest=marks).expires
    for issuer, mark in marks.items():
        newer = {**marks, issuer: Mark(number=mark.number + 1, time=mark.time)}
        assert refused(world, newest=newer)[0] in HELD_TO_FLOORS


@pytest.mark.parametrize("world", ["tdx", "tdx-vtpm", "tdx-vtpm on Azure"], indirect=True)
def test_refuses_older_tcb_data_than_the_status_asks(world: PlatformWorld):
    world.ask(tcb_evaluation=world.asked.tcb_evaluation + 1)
    assert refused(world) == ["2.floors"]


# 3. bind


@each
def test_refuses_sections_that_the_quote_is_not_bound_to(world: PlatformWorld):
    honest = world.bundle()
    world.not_after += 60
    other = world.bundle()
    assert refused(world, replace(other, quote=honest.quote)) == ["3.binding"]
    found = refused(world, replace(other, quote=honest.quote, devices=honest.devices))
    assert found == ["3.binding", *([] if world.bare else ["6.nonce"])]


# 4. epoch


@each
def test_refuses_a_key_that_is_about_to_be_erased(world: PlatformWorld):
    assert refused(world, now=world.not_after - 119) == ["4.margin"]


# 5. beacon


@each
def test_refuses_a_beacon_far_from_the_epochs_begin(world: PlatformWorld):
    world.beacon = world.log.note(times=(NOW - 661, NOW - 661))
    assert refused(world) == ["5.order"]


# 6. devices


@each
def test_refuses_a_device_less_than_the_release_names(world: PlatformWorld):
    kinds = world.host.reference.devices.kinds or ("nvidia-gpu",)
    world.name(devices=Devices(count=len(world.host.kinds) + 1, kinds=kinds))
    found = refused(world)
    assert found[0] == "6.count"
    assert set(found[1:]) == (OF_DEVICES if world.bare else set())


@each_with_gpus
def test_refuses_a_gpu_that_was_taken_out(world: PlatformWorld):
    ask = world.host.devices
    world.host = replace(world.host, devices=lambda nonce: ask(nonce)[1:])
    assert refused(world) == ["6.count"]


@each_with_gpus
def test_refuses_one_gpu_shown_twice(world: PlatformWorld):
    ask = world.host.devices
    world.host = replace(world.host, devices=lambda nonce: ask(nonce)[:1] * 2)
    assert refused(world) == ["6.authentic"]


@each_with_gpus
def test_refuses_gpus_that_were_asked_in_another_epoch(world: PlatformWorld):
    ask = world.host.devices
    world.host = replace(world.host, devices=lambda nonce: ask(NONCE))
    assert refused(world) == ["6.nonce"]


@each_with_gpus
@pytest.mark.parametrize("mode", ["devtools", "off"])
def test_refuses_gpus_that_the_agent_says_are_open(world: PlatformWorld, mode: str):
    ask = world.host.devices
    world.host = replace(
        world.host,
        devices=lambda nonce: tuple(replace(one, mode=mode) for one in ask(nonce)),
    )
    assert refused(world) == ["6.mode"]


@each_with_gpus
def test_refuses_gpus_of_another_firmware(world: PlatformWorld):
    chips = [nvidia().device(name) for name in ("first", "second")]
    world.host = replace(
        world.host,
        devices=lambda nonce: tuple(
            chip.evidence(nvidia().report(chip, nonce=nonce, blocks={5: bytes(48)}))
            for chip in chips
        ),
    )
    assert refused(world) == ["6.measurements"]


@each_with_gpus
@pytest.mark.parametrize(
    ("kind", "checks"),
    [("rim", ["6.measurements"]), ("ocsp", ["6.authentic", "6.measurements"])],
)
def test_refuses_gpus_that_nobody_vouches_for(
    world: PlatformWorld, kind: str, checks: Sequence[str]
):
    stapled = tuple(one for one in world.host.machine.endorsements if one.type != kind)
    world.be(endorsements=stapled)
    assert refused(world) == checks


@each_real
def test_a_simulated_device_counts_on_no_real_machine(world: PlatformWorld):
    world.host = replace(world.host, devices=simulated.machine().devices)
    world.be(
        endorsements=(*world.host.machine.endorsements, *simulated.machine().endorsements()[1:])
    )
    world.name(devices=Devices(count=1, kinds=("simulated-gpu",)))
    assert set(refused(world)) == {"6.authentic", "6.measurements"}


# 7. release


@each
def test_refuses_a_release_that_was_withdrawn(world: PlatformWorld):
    world.status = world.add_status([])
    found = refused(world)
    assert found[0] == "7.status"
    assert set(found[1:]) == OF_THE_RELEASE | (OF_DEVICES if world.bare else set())


# 8. measure


@each
def test_refuses_a_release_of_another_measurement(world: PlatformWorld):
    world.name(measurement=bytes(48))
    assert refused(world) == ["8.measurement"]


@each
def test_refuses_a_release_of_another_register(world: PlatformWorld):
    world.name(registers={**world.host.machine.registers, 1: b"\1" * 48})
    assert refused(world) == ["8.eventlog"]


@each
def test_refuses_an_event_log_that_does_not_lead_to_the_quote(world: PlatformWorld):
    world.be(event_log=world.event_log() + b"and more")
    assert refused(world) == ["8.eventlog"]


@each
def test_refuses_a_release_of_another_model(world: PlatformWorld):
    world.publish(world.platforms(), models=(Model(name="demo", digest=bytes(32)),))
    assert refused(world) == ["8.model"]


@each
def test_refuses_the_reference_values_of_every_other_platform(world: PlatformWorld):
    for name in set(NAMES) - {world.host.platform}:
        world.publish({**world.platforms(), world.host.platform: references()[name]})
        found = set(refused(world))
        assert "8.measurement" in found
        assert found <= {"8.measurement", "8.eventlog", "6.count"} | OF_DEVICES


@each
def test_refuses_a_release_that_does_not_name_the_platform(world: PlatformWorld):
    others = dict(world.platforms())
    others.pop(world.host.platform)
    world.publish(others)
    found = set(refused(world))
    assert found == OF_THE_RELEASE | (OF_DEVICES if world.bare else set())


# 9. policy


@each
def test_refuses_a_tcb_below_the_floors_of_the_status(world: PlatformWorld):
    component, version = world.host.tcb
    world.ask(minimum_tcb={world.host.platform: {component: version + 1}})
    assert refused(world) == ["9.tcb"]


@each
def test_refuses_a_machine_that_the_policy_does_not_list(world: PlatformWorld):
    own = world.machine_id
    assert world.establish(**under(world, machines=frozenset({own}))).expires
    other = frozenset({bytes(len(own))})
    assert refused(world, **under(world, machines=other)) == ["9.machine"]


@each
def test_refuses_a_suite_that_the_policy_does_not_name(world: PlatformWorld):
    world.node_key = NodePrivateKey.generate(kem_id=hpke.KEM_X25519, key_id=1)
    assert refused(world) == ["9.suite"]


@each_real
def test_one_policy_may_accept_a_fleet_of_all_real_platforms(world: PlatformWorld):
    everything = replace(world.policy, attestation=fleet())
    assert world.establish(policy=everything).report.platform == world.host.platform


@each_real
def test_refuses_a_platform_that_the_policy_does_not_name(world: PlatformWorld):
    whole, name = fleet(), world.host.platform
    others = replace(
        whole,
        platforms=tuple(one for one in whole.platforms if one != name),
        roots={one: root for one, root in whole.roots.items() if one != name},
    )
    found = refused(world, policy=replace(world.policy, attestation=others))
    assert "9.platform" in found
    assert world.establish(policy=replace(world.policy, attestation=whole)).expires
