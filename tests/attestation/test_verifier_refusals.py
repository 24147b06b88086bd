"""Each check refuses exactly what it says: valid but for one thing, and only that id fails."""

import hashlib
from collections.abc import Callable
from dataclasses import replace

import pytest

from attestation import verifier
from attestation.checks import refusing
from attestation.evidence import SoftwareSection
from attestation.policy import Floors, Mark, NewestAccepted
from attestation.simulated.eventlog import SimulatedEventLog
from attestation.simulated.evidence import DEBUG, MIGRATABLE, device_blocks
from attestation.simulated.issuing import new_key, revocation_list
from tests.fakes.simulated import (
    LOG,
    MACHINE_ID,
    MODELS,
    NOW,
    Scene,
    failures,
    keys_section,
    machine,
    policy,
    reference_values,
    scene,
    software_section,
    vendor,
)
from tests.fakes.simulated_parts import (
    FUTURE,
    PAST,
    crl,
    device_as_signer,
    edited,
    leaf,
    newer_rim,
    revoked,
    rim,
    serial,
    spki,
    stranger,
    with_chain,
    with_crl,
    with_rim,
)

OTHER = hashlib.sha256(b"another").digest()


def with_log(log: SimulatedEventLog) -> SoftwareSection:
    return replace(software_section(), event_log=log.encode())


def with_more_measured() -> Scene:
    log = LOG.then(2, "debugger loaded")
    return scene(software=with_log(log), registers=log.replay())


BROKEN: list[tuple[str, str, Callable[[], Scene]]] = [
    ("2.signature", "another key signed", lambda: scene(machine=replace(machine(), key=new_key()))),
    ("2.chain", "expired leaf", lambda: scene(endorsements=with_chain(leaf(validity=PAST)))),
    (
        "2.chain",
        "leaf of the future",
        lambda: scene(endorsements=with_chain(leaf(validity=FUTURE))),
    ),
    (
        "2.chain",
        "leaf by the device CA",
        lambda: scene(endorsements=with_chain(leaf(by=vendor().device_ca))),
    ),
    (
        "2.chain",
        "leaf by the root itself",
        lambda: scene(endorsements=with_chain(leaf(by=vendor().root))),
    ),
    (
        "2.identity",
        "certificate of another machine",
        lambda: scene(endorsements=with_chain(leaf(machine_id=OTHER))),
    ),
    (
        "2.identity",
        "certificate of another version",
        lambda: scene(endorsements=with_chain(leaf(version=bytes((0, 1, 0, 2))))),
    ),
    (
        "2.identity",
        "certificate without a version",
        lambda: scene(endorsements=with_chain(leaf(version=b""))),
    ),
    (
        "2.revocation",
        "machine revoked",
        lambda: scene(endorsements=revoked(serial(machine().chain))),
    ),
    (
        "2.tcb",
        "microcode withdrawn",
        lambda: scene(machine=vendor().machine(MACHINE_ID, microcode=0)),
    ),
    (
        "2.recency",
        "list expired",
        lambda: scene(endorsements=with_crl("machine-ca", crl("machine-ca", PAST))),
    ),
    (
        "2.recency",
        "list of the future",
        lambda: scene(endorsements=with_crl("machine-ca", crl("machine-ca", FUTURE))),
    ),
    (
        "2.floors",
        "list below the status entry's floor",
        lambda: scene(floors=Floors(crl={spki(vendor().machine_ca): Mark(number=2)})),
    ),
    (
        "2.floors",
        "list older than one accepted before",
        lambda: scene(newest=NewestAccepted(marks={spki(vendor().machine_ca): Mark(number=2)})),
    ),
    ("4.epoch", "not begun", lambda: scene(keys=replace(keys_section(), not_before=NOW + 1))),
    ("4.length", "too long", lambda: scene(policy=policy(maximum_epoch=3599))),
    ("4.margin", "about to end", lambda: scene(keys=replace(keys_section(), not_after=NOW + 119))),
    ("6.count", "one device too few", lambda: scene(reference=reference_values(device_count=2))),
    (
        "6.count",
        "another kind",
        lambda: scene(reference=reference_values(device_kinds=("nvidia-gpu",))),
    ),
    (
        "6.authentic",
        "another key signed",
        lambda: scene(machine=replace(machine(), device_key=new_key())),
    ),
    (
        "6.authentic",
        "device revoked",
        lambda: scene(endorsements=revoked(serial(machine().device_chain))),
    ),
    (
        "6.authentic",
        "device CA's list below the floor",
        lambda: scene(floors=Floors(crl={spki(vendor().device_ca): Mark(number=2)})),
    ),
    (
        "6.authentic",
        "a machine poses as a device",
        lambda: scene(
            machine=replace(machine(), device_key=machine().key, device_chain=machine().chain)
        ),
    ),
    (
        "6.authentic",
        "one device shown twice",
        lambda: scene(device_count=2, reference=reference_values(device_count=2)),
    ),
    ("6.nonce", "another nonce", lambda: scene(nonce=bytes(32))),
    ("6.mode", "developers' tools", lambda: scene(mode="devtools")),
    ("6.mode", "not confidential", lambda: scene(mode="off")),
    ("6.measurements", "another firmware", lambda: scene(blocks=(bytes(48), bytes(48)))),
    ("6.measurements", "a block more", lambda: scene(blocks=(*device_blocks(), bytes(48)))),
    ("6.measurements", "a block less", lambda: scene(blocks=device_blocks()[:1])),
    (
        "6.measurements",
        "RIM by another vendor",
        lambda: scene(endorsements=with_rim(rim(stranger("rim-signer")))),
    ),
    (
        "6.measurements",
        "RIM signed by a device",
        lambda: scene(endorsements=with_rim(rim(device_as_signer()))),
    ),
    ("6.measurements", "RIM expired", lambda: scene(endorsements=with_rim(rim(validity=PAST)))),
    ("6.measurements", "RIM edited", lambda: scene(endorsements=with_rim(edited(rim())))),
    (
        "6.measurements",
        "a newer RIM no longer lists it",
        lambda: scene(endorsements=with_rim(rim(), newer_rim())),
    ),
    ("8.measurement", "other software", lambda: scene(measurement=bytes(48))),
    (
        "8.eventlog",
        "another release",
        lambda: scene(reference=reference_values(registers={0: bytes(48)})),
    ),
    (
        "8.eventlog",
        "an event left out of the log",
        lambda: scene(software=with_log(replace(LOG, events=LOG.events[:1]))),
    ),
    ("8.eventlog", "something measured that the release does not name", with_more_measured),
    (
        "8.eventlog",
        "log does not parse",
        lambda: scene(software=replace(software_section(), event_log=b"{}")),
    ),
    (
        "8.eventlog",
        "the release names a register nobody quotes",
        lambda: scene(
            reference=reference_values(registers={**reference_values().registers, 9: bytes(48)})
        ),
    ),
    ("8.model", "another model", lambda: scene(reference=reference_values(models={"demo": OTHER}))),
    (
        "8.model",
        "a model more",
        lambda: scene(software=replace(software_section(), models=(*MODELS, ("more", OTHER)))),
    ),
    ("8.debug", "debug on", lambda: scene(flags=DEBUG)),
    ("8.migration", "migration on", lambda: scene(flags=MIGRATABLE)),
    (
        "9.platform",
        "a policy for real machines",
        lambda: scene(policy=policy(platforms=("sev-snp",), roots={}, minimum_tcb={})),
    ),
    (
        "9.tcb",
        "below the policy's minimum",
        lambda: scene(policy=policy(minimum_tcb={"simulated": {"firmware": 2}})),
    ),
    (
        "9.tcb",
        "below the status entry's minimum",
        lambda: scene(floors=Floors(minimum_tcb={"simulated": {"microcode": 2}})),
    ),
    (
        "9.tcb",
        "a component nobody reports",
        lambda: scene(policy=policy(minimum_tcb={"simulated": {"bios": 0}})),
    ),
    ("9.machine", "not on the list", lambda: scene(policy=policy(machines=frozenset({OTHER})))),
    ("9.model", "not on the list", lambda: scene(policy=policy(models=frozenset({OTHER})))),
]


@pytest.mark.parametrize(
    ("check_id", "make"),
    [pytest.param(one, make, id=f"{one} {name}") for one, name, make in BROKEN],
)
def test_exactly_this_check_refuses(check_id: str, make):
    appraisal = make().appraise()
    assert failures(appraisal) == {check_id}
    assert not appraisal.accepted
    assert appraisal.keys is None
    assert appraisal.expires is None


MISSING = [
    ("2.revocation", lambda: scene(endorsements=with_crl("machine-ca"))),
    (
        "2.revocation",
        lambda: scene(
            endorsements=with_crl(
                "machine-ca",
                revocation_list(stranger("machine-ca"), number=1, validity=vendor().validity),
            )
        ),
    ),
    ("6.authentic", lambda: scene(endorsements=with_crl("device-ca"))),
    ("6.measurements", lambda: scene(endorsements=with_rim())),
    (
        "6.measurements",
        lambda: scene(endorsements=with_rim(rim(name="nvidia-gpu"))),
    ),
]


@pytest.mark.parametrize(("check_id", "make"), MISSING)
def test_an_endorsement_that_is_not_there_cannot_be_judged_and_refuses(check_id: str, make):
    appraisal = make().appraise()
    assert not failures(appraisal)
    assert [check.id for check in refusing(appraisal.checks, verifier.JUDGED)] == [check_id]
    assert not appraisal.accepted


def test_refuses_sections_the_quote_is_not_bound_to():
    bundle = scene().bundle()
    software = replace(software_section(), settings=b'listen = "0.0.0.0:0"\n').encode()
    assert failures(scene().appraise(replace(bundle, software=software))) == {"3.binding"}


def test_every_judged_check_has_a_test_that_breaks_it():
    broken = {check_id for check_id, _, _ in BROKEN} | {"3.binding"}
    informing = {"9.region"}
    elsewhere = {"2.collateral", "8.guest"}  # this platform has neither: sev_snp, tdx
    assert broken | informing | elsewhere == set(verifier.JUDGED)
