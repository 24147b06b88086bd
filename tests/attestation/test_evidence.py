"""A bundle has one spelling, and keeps the exact bytes of its sections."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attestation.errors import AttestationError, MalformedEvidenceError
from attestation.evidence import (
    MAX_BUNDLE,
    DevicesSection,
    Endorsement,
    EvidenceBundle,
    FreshnessSection,
    KeysSection,
    SoftwareSection,
    endorsement_json,
    parse_endorsements,
)
from tests.fakes.simulated import MODELS, keys_section, scene, software_section

SECTIONS: dict[str, Any] = {
    "keys": KeysSection,
    "freshness": FreshnessSection,
    "devices": DevicesSection,
    "software": SoftwareSection,
}
VALID = scene().bundle()
DOCUMENT = json.loads(VALID.encode())


def section(name: str) -> bytes:
    data = getattr(VALID, name)
    assert isinstance(data, bytes)
    return data


def test_a_bundle_survives_the_wire():
    assert EvidenceBundle.parse(VALID.encode()) == VALID
    alone = replace(VALID, devices=None)
    assert EvidenceBundle.parse(alone.encode()) == alone


def test_sections_keep_their_exact_bytes():
    spaced = section("keys").replace(b",", b", ")
    bundle = EvidenceBundle.parse(replace(VALID, keys=spaced).encode())
    assert bundle.keys == spaced
    assert KeysSection.parse(bundle.keys) == keys_section()


@pytest.mark.parametrize("name", sorted(SECTIONS))
def test_a_section_survives_the_wire(name: str):
    parsed = SECTIONS[name].parse(section(name))
    assert SECTIONS[name].parse(parsed.encode()) == parsed


def test_a_challenge_survives_the_wire():
    freshness = FreshnessSection(checkpoint=b"checkpoint", challenge=bytes(32))
    assert FreshnessSection.parse(freshness.encode()) == freshness


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"version": True},
        {"platform": "sgx"},
        {"quote": "T1BTUR=="},
        {"quote": 1},
        {"endorsements": [{"type": "letter", "data": ""}]},
        {"endorsements": [{"type": "rim", "data": "", "more": 1}]},
        {"endorsements": [{"type": "rim", "data": ""}] * 65},
        {"sections": {}},
        {"sections": {**DOCUMENT["sections"], "more": ""}},
        {"sections": {**DOCUMENT["sections"], "keys": "e30="}},
        {"more": 1},
    ],
)
def test_refuses_another_spelling_of_a_bundle(change: dict[str, object]):
    with pytest.raises(MalformedEvidenceError):
        EvidenceBundle.parse(json.dumps({**DOCUMENT, **change}).encode())


@pytest.mark.parametrize("member", sorted(DOCUMENT))
def test_refuses_a_bundle_without_a_member(member: str):
    partial = {name: value for name, value in DOCUMENT.items() if name != member}
    with pytest.raises(MalformedEvidenceError, match=member):
        EvidenceBundle.parse(json.dumps(partial).encode())


def test_refuses_a_bundle_over_the_limit():
    with pytest.raises(MalformedEvidenceError, match="at most"):
        EvidenceBundle.parse(b" " * (MAX_BUNDLE + 1))


def test_refuses_to_write_what_would_not_be_read():
    big = (Endorsement(type="rim", data=bytes(2**20)),) * 4
    with pytest.raises(MalformedEvidenceError):
        VALID.with_endorsements(big).encode()


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("keys", {"hpke": []}),
        ("keys", {"hpke": ["AA=="] * 2}),
        ("keys", {"hpke": [str(n) + "A==" for n in range(9)]}),
        ("keys", {"hpke": [""]}),
        ("keys", {"hpke": ["AB=="]}),
        ("keys", {"receipt": "AAAA"}),
        ("keys", {"not_after": 0}),
        ("keys", {"not_before": 1.5}),
        ("freshness", {"challenge": "AAAA"}),
        ("freshness", {"challenge": None}),
        ("devices", {"devices": [{}]}),
        ("devices", {"devices": None}),
        ("software", {"release": "00"}),
        ("software", {"release": "AA" * 32}),
        ("software", {"models": [{"name": "a\u202eb", "digest": "00" * 32}]}),
        ("software", {"models": [{"name": "\ud800", "digest": "00" * 32}]}),
        ("software", {"models": [{"name": "", "digest": "00" * 32}]}),
        ("software", {"models": [{"name": "a", "digest": "00" * 32}] * 2}),
    ],
)
def test_refuses_another_spelling_of_a_section(name: str, change: dict[str, object]):
    members = {**json.loads(section(name)), **change}
    with pytest.raises(MalformedEvidenceError):
        SECTIONS[name].parse(json.dumps(members).encode())


def test_refuses_unknown_devices_and_modes():
    device = json.loads(section("devices"))["devices"][0]
    for change in ({"kind": "abacus"}, {"mode": "perhaps"}, {"more": 1}):
        with pytest.raises(MalformedEvidenceError):
            DevicesSection.parse(json.dumps({"devices": [{**device, **change}]}).encode())


def test_pushed_endorsements_survive_the_wire():
    document = {"endorsements": [endorsement_json(one) for one in VALID.endorsements]}
    assert parse_endorsements(json.dumps(document).encode()) == VALID.endorsements
    wrongs: list[dict[str, object]] = [{}, {**document, "more": 1}, {"endorsements": {}}]
    for wrong in wrongs:
        with pytest.raises(MalformedEvidenceError):
            parse_endorsements(json.dumps(wrong).encode())


def test_a_section_holds_what_it_was_made_with():
    software = SoftwareSection.parse(software_section().encode())
    assert software.models == MODELS
    assert software.settings == software_section().settings


@given(st.binary())
def test_any_bytes_give_a_bundle_or_this_packages_error(data: bytes):
    for parse in (
        EvidenceBundle.parse,
        parse_endorsements,
        *(one.parse for one in SECTIONS.values()),
    ):
        try:
            parse(data)
        except AttestationError:
            continue


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)


@given(st.sampled_from(sorted(DOCUMENT)), json_values)
def test_any_member_gives_a_bundle_or_this_packages_error(member: str, value: object):
    try:
        EvidenceBundle.parse(json.dumps({**DOCUMENT, member: value}).encode())
    except AttestationError:
        return


@given(st.sampled_from(sorted(SECTIONS)), st.data())
def test_any_section_member_gives_a_section_or_this_packages_error(name: str, data):
    members = json.loads(section(name))
    members[data.draw(st.sampled_from(sorted(members)))] = data.draw(json_values)
    try:
        parsed = SECTIONS[name].parse(json.dumps(members).encode())
    except AttestationError:
        return
    assert SECTIONS[name].parse(parsed.encode()) == parsed
