"""The grounds of a check are the bytes it was about."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attestation import verifier
from attestation.checks import CHECKS
from attestation.claims import Ground
from attestation.policy import AppraisalPolicy
from tests.fakes.real_bundles import Machine
from tests.fakes.tpm import cloud, rsa_ak
from tests.fakes.vtpm_bundles import EVERY, azure_snp, azure_tdx


def grounds_of(machine: Machine) -> tuple[Ground, ...]:
    bundle = machine.bundle()
    return verifier.explain(bundle.platform, bundle.quote, bundle.endorsements, machine.policy)


@pytest.mark.parametrize("make", EVERY.values(), ids=list(EVERY))
def test_every_ground_is_of_a_check_and_has_its_bytes(make):
    for ground in grounds_of(make()):
        assert ground.check in CHECKS
        assert ground.size == len(ground.value) > 0


def test_grounds_lie_where_they_say():
    machine = azure_snp(chain=cloud().chain(rsa_ak()))
    document = json.loads(machine.bundle().quote)
    parts = {
        "quote message": base64.b64decode(document["message"]),
        "hcl report": base64.b64decode(document["hardware"]["hcl_report"]),
        "PCRs": bytes.fromhex("".join(document["pcrs"]["sha384"].values())),
    }
    grounds = [one for one in grounds_of(machine) if one.part in parts]
    assert {one.part for one in grounds} == set(parts)
    for one in grounds:
        assert parts[one.part][one.offset : one.offset + one.size] == one.value
    assert {one.part for one in grounds_of(machine)} > {"ak certificate 0", "ak certificate 2"}


@pytest.mark.parametrize("make", EVERY.values(), ids=list(EVERY))
def test_the_binding_is_the_message_and_the_hardware_names_the_ak(make):
    machine = make()
    grounds = grounds_of(machine)
    binds = [one for one in grounds if one.check == "3.binding"]
    assert [(one.part, one.field) for one in binds] == [("quote message", "extra data")]
    assert any(
        one.check == "2.identity" and "report data" in one.field.replace("_", " ")
        for one in grounds
    )
    assert {one.part for one in grounds if one.check == "8.eventlog"} == {"quote message", "PCRs"}


def test_shows_the_runtime_data_that_names_the_ak():
    shown = [one for one in grounds_of(azure_tdx()) if one.field == "runtime data"]
    assert b"HCLAkPub" in shown[0].value


@given(st.sampled_from(("sev-snp-vtpm", "tdx-vtpm")), st.binary(max_size=100))
def test_what_does_not_parse_has_no_grounds(platform: str, quote: bytes):
    policy = AppraisalPolicy(platforms=(platform,))
    assert verifier.explain(platform, quote, (), policy) == ()
