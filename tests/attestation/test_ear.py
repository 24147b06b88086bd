"""An attestation result cannot say more than its parts, and is read as the draft says."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attestation.ear import MAX_EAR, PROFILE, Appraisal, Ear, Tier
from attestation.ear_appraisal import CATEGORIES
from attestation.errors import MalformedEvidenceError

ABSENT = object()


def appraisal(**changes: object) -> dict[str, Any]:
    return changed(
        {"ear_status": "affirming", "ear_trustworthiness_vector": {"hardware": 2}}, changes
    )


def claims(**changes: object) -> dict[str, Any]:
    members = {
        "eat_profile": PROFILE,
        "iat": 1_666_529_184,
        "ear_verifier_id": {"developer": "https://verifier.example", "build": "1.0"},
        "submods": {"one": appraisal()},
    }
    return changed(members, changes)


def changed(members: dict[str, Any], changes: dict[str, object]) -> dict[str, Any]:
    return {name: value for name, value in {**members, **changes}.items() if value is not ABSENT}


def parse(document: dict[str, Any]) -> Ear:
    return Ear.parse(json.dumps(document).encode())


def test_reads_a_result():
    ear = parse(
        claims(exp=1_666_529_999, aud="me", eat_nonce="AAAAAAAAAAA", ear_status="affirming")
    )
    assert ear == Ear(
        developer="https://verifier.example",
        build="1.0",
        issued=1_666_529_184,
        expires=1_666_529_999,
        audience=("me",),
        nonces=("AAAAAAAAAAA",),
        status=Tier.AFFIRMING,
        submods={"one": Appraisal(status=Tier.AFFIRMING, vector={"hardware": 2})},
    )


def test_reads_decoded_claims():
    assert Ear.parse(claims()) == parse(claims())


@pytest.mark.parametrize(
    "more",
    [
        {"x": 1.5},
        {"location": {"latitude": 1.5, "longitude": [None, 2**80]}},
        {"ear_raw_evidence": "NzQ3MjY5NzM2NTYzNzQK"},
        {"aud": ["me", "you"], "eat_nonce": ["A" * 8, "A" * 88]},
        {"nbf": 5, "exp": 0},
        {"ear_verifier_id": {"developer": "d", "build": "b", "more": 1}},
        {"submods": {"one": appraisal(ear_teep_claims={"ueid": "AQ"}, eat_nonce="A" * 8)}},
        {"submods": {"one": appraisal(eat_profile="tag:a.example,2026:b")}},
        {"submods": {"one": appraisal(ear_appraisal_policy_ids=["https://a.example/1"])}},
        {"submods": {"one": appraisal(ear_trustworthiness_vector=ABSENT)}},
    ],
)
def test_ignores_what_it_need_not_know(more: dict[str, object]):
    assert list(parse(claims(**more)).submods) == ["one"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, ABSENT) for name in ("eat_profile", "iat", "ear_verifier_id", "submods")),
        ("eat_profile", "tag:github.com,2023:veraison/ear"),
        ("eat_profile", [PROFILE]),
        *((name, value) for name in ("iat", "exp", "nbf") for value in (1.0, 1e9, "1", None, True)),
        ("ear_verifier_id", {"developer": "d"}),
        ("ear_verifier_id", {"build": "b"}),
        ("ear_verifier_id", {"developer": "d", "build": 1}),
        ("ear_verifier_id", "d"),
        ("ear_status", "good"),
        ("ear_status", 2),
        ("ear_raw_evidence", "a+b/"),
        ("ear_raw_evidence", 7),
        ("eat_nonce", "A" * 7),
        ("eat_nonce", "A" * 89),
        ("eat_nonce", "not base64url!"),
        ("eat_nonce", []),
        ("eat_nonce", ["A" * 8, 7]),
        ("aud", 7),
        ("submods", {}),
        ("submods", []),
        ("submods", {"one": "JWT"}),
        ("submods", {"one": {}}),
        ("submods", {"two\nlines": appraisal()}),
        ("submods", {str(number): appraisal() for number in range(65)}),
    ],
)
def test_refuses_another_claim(name: str, value: object):
    with pytest.raises(MalformedEvidenceError):
        parse(claims(**{name: value}))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ear_status", ABSENT),
        ("ear_status", "unknown"),
        ("ear_status", 2),
        ("ear_trustworthiness_vector", {}),
        ("ear_trustworthiness_vector", {"software": 2}),
        ("ear_trustworthiness_vector", {"hardware": 128}),
        ("ear_trustworthiness_vector", {"hardware": -129}),
        ("ear_trustworthiness_vector", {"hardware": 2.0}),
        ("ear_trustworthiness_vector", {"hardware": True}),
        ("ear_trustworthiness_vector", {"hardware": "affirming"}),
        ("ear_trustworthiness_vector", [2]),
        ("ear_appraisal_policy_ids", []),
        ("ear_appraisal_policy_ids", "https://a.example/1"),
        ("ear_openpcc_checks", {"2.chain": 1}),
    ],
)
def test_refuses_another_appraisal(name: str, value: object):
    with pytest.raises(MalformedEvidenceError):
        parse(claims(submods={"one": appraisal(**{name: value})}))


@pytest.mark.parametrize(
    ("value", "tier"),
    [
        *((value, Tier.NONE) for value in (-1, 0, 1)),
        *((value, Tier.AFFIRMING) for value in (2, 31, -2, -32)),
        *((value, Tier.WARNING) for value in (32, 95, -33, -96)),
        *((value, Tier.CONTRAINDICATED) for value in (96, 127, -97, -128)),
    ],
)
def test_numbers_fall_into_tiers_as_the_sheet_says(value: int, tier: Tier):
    assert Tier.of(value) is tier


@pytest.mark.parametrize("worst", [0, 2, 32, 96])
def test_no_status_is_better_than_its_parts(worst: int):
    for status in Tier:
        document = claims(
            submods={
                "one": appraisal(
                    ear_status=status.word,
                    ear_trustworthiness_vector={"executables": 1, "hardware": worst},
                )
            }
        )
        if status >= worst or worst == 2:  # to say nothing is allowed of what would be affirmed
            parse(document)
        else:
            with pytest.raises(MalformedEvidenceError, match="a part is"):
                parse(document)


def test_the_whole_is_no_better_than_any_submodule():
    parts = {"one": appraisal(), "two": appraisal(ear_status="contraindicated")}
    parse(claims(submods=parts, ear_status="contraindicated"))
    for better in ("warning", "affirming", "none"):
        with pytest.raises(MalformedEvidenceError, match="a part is contraindicated"):
            parse(claims(submods=parts, ear_status=better))


def test_nobody_can_make_a_result_that_is_too_good():
    with pytest.raises(MalformedEvidenceError):
        Appraisal(status=Tier.AFFIRMING, vector={"hardware": 96})
    bad = Appraisal(status=Tier.CONTRAINDICATED)
    with pytest.raises(MalformedEvidenceError):
        Ear(developer="d", build="b", issued=0, submods={"one": bad}, status=Tier.WARNING)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"\xff",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        json.dumps(claims()).encode()[:-1] + b', "iat": 5}',
        json.dumps(claims()).replace("1666529184", "NaN").encode(),
        json.dumps(claims()).replace("1666529184", "1" * 10_000).encode(),
        b" " * (MAX_EAR + 1),
    ],
)
def test_refuses_what_is_no_plain_json(data: bytes):
    with pytest.raises(MalformedEvidenceError):
        Ear.parse(data)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=6,
)


@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_give_a_result_or_this_packages_error(data: bytes):
    with pytest.raises(MalformedEvidenceError):
        Ear.parse(data)


@given(st.sampled_from(sorted({*claims(), "exp", "aud", "eat_nonce", "ear_status"})), JSON)
def test_any_claim_is_read_or_refused(name: str, value: object):
    try:
        Ear.parse(claims(**{name: value}))
    except MalformedEvidenceError:
        return


@given(st.dictionaries(st.sampled_from(CATEGORIES), st.integers(-128, 127), min_size=1))
def test_what_is_written_is_read(vector: dict[str, int]):
    worst = max(map(Tier.of, vector.values()))
    one = Appraisal(
        status=worst, vector=vector, policy_ids=("https://a.example/1",), checks={"a": "PASS"}
    )
    ear = Ear(
        developer="d",
        build="b",
        issued=5,
        expires=9,
        not_before=6,
        audience=("me", "you"),
        nonces=("AAAAAAAAAAA",),
        status=worst,
        submods={"one": one, "two": Appraisal(status=Tier.NONE)},
        about={"platform": "tdx"},
    )
    assert Ear.parse(ear.encode()) == ear
