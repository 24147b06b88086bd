"""A policy that contradicts itself or the format is refused, naming key, finding and remedy."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attestation.errors import AttestationError, PolicyError
from attestation.policy import Ages, AppraisalPolicy

ROOT = "48" * 32
VALID = {"platforms": ["simulated"], "roots": {"simulated": ROOT}}
FULL = f"""
platforms = ["simulated"]
maximum_epoch = 3600
machines = ["{"ab" * 32}"]
models = ["{"cd" * 32}"]
tcb_statuses = ["UpToDate", "SWHardeningNeeded"]

[roots]
simulated = "{ROOT}"

[ages]
crl = 10
root_crl = 15
ocsp = 20
collateral = 30

[minimum_tcb.simulated]
firmware = 1

[checks]
optional = ["2.recency"]
required = ["6.authentic", "7.provenance"]
"""


@pytest.mark.parametrize("number", ["-1", "0x" + "f" * 5000])
def test_a_number_of_any_length_is_refused_by_name(number: str):
    table = {**VALID, **tomllib.loads(f"maximum_epoch = {number}")}
    with pytest.raises(PolicyError, match="maximum_epoch"):
        AppraisalPolicy.parse(table)


def test_reads_every_key():
    assert AppraisalPolicy.parse(tomllib.loads(FULL)) == AppraisalPolicy(
        platforms=("simulated",),
        maximum_epoch=3600,
        machines=frozenset({b"\xab" * 32}),
        models=frozenset({b"\xcd" * 32}),
        roots={"simulated": b"\x48" * 32},
        ages=Ages(crl=10, root_crl=15, ocsp=20, collateral=30),
        tcb_statuses=frozenset({"UpToDate", "SWHardeningNeeded"}),
        minimum_tcb={"simulated": {"firmware": 1}},
        optional=frozenset({"2.recency"}),
        required=frozenset({"6.authentic", "7.provenance"}),
    )


def test_what_is_left_out_has_the_documented_default():
    policy = AppraisalPolicy.parse(VALID)
    assert policy.maximum_epoch == 86400
    assert policy.ages == Ages(crl=2592000, root_crl=34560000, ocsp=86400, collateral=2592000)
    assert policy.machines is None
    assert policy.models is None
    assert policy.simulated
    assert policy.tcb_statuses == {"UpToDate"}
    assert not policy.optional
    assert not policy.required


@pytest.mark.parametrize("size", [16, 32, 64])
def test_a_machine_id_has_a_length_that_some_platform_gives(size: int):
    listed = AppraisalPolicy.parse({**VALID, "machines": ["ab" * size]}).machines
    assert listed == frozenset({b"\xab" * size})


def test_a_root_of_ones_own_replaces_the_vendors_for_every_platform():
    own = {"platforms": ["sev-snp", "tdx"], "roots": {"sev-snp": ROOT, "tdx": ROOT}}
    assert AppraisalPolicy.parse(own).simulated
    with pytest.raises(PolicyError, match=r"roots\.tdx"):
        AppraisalPolicy.parse({**own, "roots": {"sev-snp": ROOT}})


def test_device_roots_stand_beside_the_platforms_own_and_never_alone():
    own = {"sev-snp": ROOT, "nvidia": ROOT, "nvidia-rim": ROOT}
    assert AppraisalPolicy.parse({"platforms": ["sev-snp"], "roots": own}).simulated
    with pytest.raises(PolicyError, match=r"roots\.sev-snp"):
        AppraisalPolicy.parse({"platforms": ["sev-snp"], "roots": {"nvidia": ROOT}})


@pytest.mark.parametrize(
    "check", ["2.signature", "2.chain", "2.revocation", "2.tcb", "2.floors", "8.debug", "7.fresh"]
)
def test_no_policy_makes_what_matters_optional(check: str):
    with pytest.raises(PolicyError, match=r"checks\.optional"):
        AppraisalPolicy.parse({**VALID, "checks": {"optional": [check]}})


def test_a_policy_for_real_machines_pins_no_root():
    policy = AppraisalPolicy.parse({"platforms": ["sev-snp", "tdx"]})
    assert not policy.simulated


@pytest.mark.parametrize("other", ["sev-snp", "tdx", "sev-snp-vtpm", "tdx-vtpm", "simulated-vtpm"])
def test_simulated_stands_alone(other: str):
    for platforms in (["simulated", other], [other, "simulated"]):
        with pytest.raises(PolicyError, match="alone"):
            AppraisalPolicy.parse({**VALID, "platforms": platforms})


def test_simulated_stands_alone_however_the_policy_is_made():
    with pytest.raises(PolicyError, match="alone"):
        AppraisalPolicy(platforms=("simulated", "tdx"), roots={"simulated": bytes(32)})


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"platforms": []}, "attestation.platforms"),
        ({"platforms": ["simulated", "simulated"]}, "attestation.platforms"),
        ({"platforms": ["sgx"]}, "attestation.platforms"),
        ({"platforms": "simulated"}, "attestation.platforms"),
        ({"platforms": [1]}, "attestation.platforms"),
        ({"tcb_statuses": ["Revoked"]}, "attestation.tcb_statuses"),
        ({"tcb_statuses": "UpToDate"}, "attestation.tcb_statuses"),
        ({"checks": {"required": ["8.debug"]}}, "attestation.checks.required"),
        ({"checks": {"optional": ["10.luck"]}}, "attestation.checks.optional"),
        ({"checks": {"skip": []}}, "attestation.checks.skip"),
        ({"checks": ["2.recency"]}, "attestation.checks"),
        ({"machines": ["ab" * 20]}, "attestation.machines"),
        ({"maximum_epoch": 0}, "attestation.maximum_epoch"),
        ({"maximum_epoch": 86401}, "attestation.maximum_epoch"),
        ({"maximum_epoch": True}, "attestation.maximum_epoch"),
        ({"maximum_epoch": 60.0}, "attestation.maximum_epoch"),
        ({"machines": []}, "attestation.machines"),
        ({"machines": ["00"]}, "attestation.machines"),
        ({"machines": ["AB" * 32]}, "attestation.machines"),
        ({"models": ["zz" * 32]}, "attestation.models"),
        ({"models": "ab" * 32}, "attestation.models"),
        ({"roots": {}}, "attestation.roots.simulated"),
        ({"roots": {"simulated": "00"}}, "attestation.roots.simulated"),
        ({"roots": {"simulated": 5}}, "attestation.roots.simulated"),
        ({"roots": {"simulated": ROOT, "tdx": ROOT}}, "attestation.roots.tdx"),
        ({"roots": []}, "attestation.roots"),
        ({"ages": {"crl": 0}}, "attestation.ages.crl"),
        ({"ages": {"crl": "1 day"}}, "attestation.ages.crl"),
        ({"ages": {"rim": 1}}, "attestation.ages.rim"),
        ({"minimum_tcb": {"tdx": {"svn": 1}}}, "attestation.minimum_tcb.tdx"),
        ({"minimum_tcb": {"simulated": 1}}, "attestation.minimum_tcb.simulated"),
        ({"minimum_tcb": {"simulated": {"x": -1}}}, "attestation.minimum_tcb.simulated.x"),
        ({"allow_debug": True}, "attestation.allow_debug"),
    ],
)
def test_refuses_and_names_the_key(change: dict[str, object], key: str):
    with pytest.raises(PolicyError) as refusal:
        AppraisalPolicy.parse({**VALID, **change})
    assert refusal.value.key == key
    assert "expected" in str(refusal.value)
    assert "found" in str(refusal.value)


def test_refuses_a_policy_without_platforms():
    with pytest.raises(PolicyError, match=r"attestation\.platforms"):
        AppraisalPolicy.parse({"roots": {"simulated": ROOT}})


toml_values = st.recursive(
    st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
KEYS = ("platforms", "maximum_epoch", "machines", "models", "roots", "ages", "minimum_tcb")


@given(st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=4), toml_values))
def test_any_table_gives_a_policy_or_this_packages_error(table: dict[str, object]):
    try:
        AppraisalPolicy.parse({**VALID, **table})
    except AttestationError:
        return
