"""Rotation statements: one spelling, keys of their role, and something that changes."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.transparency_log.memory_log import NOW, ORIGIN, key
from transparency_log.cosignature import CosignatureSigner
from transparency_log.note import NoteSigner
from transparency_log.rotation import Role, RotationStatement, parse_rotation, public_keys
from transparency_log.strict_json import Members, StrictJSONError, b64encode, dumps, parse_object

SIGNERS = [b64encode(key(number).public_key().public_bytes_raw()) for number in (1, 2, 3)]
LOGS = [str(NoteSigner(name=ORIGIN, private_key=key(number)).key) for number in (1, 2)]
WITNESSES = [str(CosignatureSigner(name="w.example", private_key=key(n)).key) for n in (1, 2)]
KEYS = {Role.LOG: LOGS, Role.WITNESS: WITNESSES}


def document(role: Role = Role.STATUS, **changes: Any) -> dict[str, Any]:
    keys = KEYS.get(role, SIGNERS)
    names = {Role.WITNESS: "w.example", Role.SERVICE: "demo.example"}
    found = {
        "role": role.value,
        "name": names.get(role, ORIGIN),
        "old": {"threshold": 1, "keys": keys[:1]},
        "new": {"threshold": 1, "keys": keys[1:2]},
        "not_before": NOW,
        "issued": NOW,
    }
    return found | changes


def parse(value: dict[str, Any]) -> RotationStatement:
    return parse_rotation(parse_object(dumps(value), limit=10**5, name="p"), log=ORIGIN)


@pytest.mark.parametrize("role", list(Role))
def test_a_rotation_reads_back(role: Role):
    found = parse(document(role))
    assert found.predicate() == document(role)
    assert [len(one) for one in public_keys(role, found.new.keys)] == [32]


CHANGES: dict[str, dict[str, Any]] = {
    "an unknown role": {"role": "monitor"},
    "an unknown member": {"more": 1},
    "the same keys": {"new": {"threshold": 1, "keys": SIGNERS[:1]}},
    "no key": {"new": {"threshold": 1, "keys": []}},
    "a threshold of none": {"new": {"threshold": 0, "keys": SIGNERS[1:]}},
    "a threshold too high": {"new": {"threshold": 3, "keys": SIGNERS[1:]}},
    "a key twice": {"new": {"threshold": 1, "keys": SIGNERS[1:2] * 2}},
    "too many keys": {"new": {"threshold": 1, "keys": SIGNERS * 6}},
    "a short key": {"new": {"threshold": 1, "keys": [b64encode(bytes(31))]}},
    "no base64": {"new": {"threshold": 1, "keys": ["=" * 44]}},
    "a log's key": {"new": {"threshold": 1, "keys": LOGS[:1]}},
    "another name": {"name": "log.example/else"},
    "in force before it was issued": {"not_before": NOW - 1},
    "an unknown member inside": {"old": {"threshold": 1, "keys": SIGNERS[:1], "more": 1}},
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_contradicts_itself_is_refused(name: str):
    parse(document())
    with pytest.raises(StrictJSONError):
        parse(document() | CHANGES[name])


def test_the_same_keys_with_another_threshold_are_a_change():
    both = {"keys": SIGNERS[:2]}
    parse(document(old=both | {"threshold": 1}, new=both | {"threshold": 2}))


@pytest.mark.parametrize(
    ("role", "keys"),
    [
        (Role.LOG, WITNESSES),
        (Role.WITNESS, LOGS),
        (Role.LOG, LOGS),
        (Role.WITNESS, SIGNERS[:1]),
        (Role.LOG, [LOGS[1].replace("log.example/test", "log.example/else")]),
    ],
)
def test_keys_of_another_role_or_name_are_refused(role: Role, keys: list[str]):
    if keys == LOGS:
        keys = LOGS[1:] * 2
    with pytest.raises(StrictJSONError):
        parse(document(role, new={"threshold": 1, "keys": keys}))


def test_a_witness_keeps_its_name():
    other = str(CosignatureSigner(name="other.example", private_key=key(2)).key)
    with pytest.raises(StrictJSONError):
        parse(document(Role.WITNESS, new={"threshold": 1, "keys": [other]}))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from(SIGNERS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(sorted(document())), VALUES))
def test_any_members_give_a_rotation_or_a_refusal(changes: dict[str, Any]):
    try:
        parse_rotation(Members(document() | changes, "p"), log=ORIGIN)
    except StrictJSONError:
        pass
