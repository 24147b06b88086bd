"""A RIM counts if the RIM signer signed these bytes and their time has come."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attestation.certificates import parse_chain
from attestation.errors import AppraisalError, AttestationError, MalformedEvidenceError
from attestation.simulated.endorsements import (
    MACHINE_ID_OID,
    VERSION_OID,
    Rim,
    SignedRim,
    check_roles,
    machine_identity,
    rim_body,
)
from tests.fakes.simulated import MACHINE_ID, NOW, machine, vendor
from tests.fakes.simulated_parts import FUTURE, PAST, device_as_signer, leaf, rim

BODY = rim_body(name="simulated-gpu", not_before=1, not_after=2, measurements={0: [bytes(48)]})


def judge(signed: SignedRim, now: int = NOW) -> int:
    return signed.authenticate(anchors=[vendor().anchor], now=now)


def test_accepts_the_vendors_rim():
    assert judge(SignedRim.parse(rim())) == vendor().validity.not_after


def test_refuses_a_rim_outside_its_time_or_signed_by_others():
    for data in (rim(validity=PAST), rim(validity=FUTURE)):
        with pytest.raises(AppraisalError, match="valid"):
            judge(SignedRim.parse(data))
    for signer in (device_as_signer(), vendor().machine_ca, vendor().root):
        with pytest.raises(AppraisalError):
            judge(SignedRim.parse(rim(signer)))


def test_refuses_a_rim_signed_over_other_bytes():
    signed = SignedRim.parse(rim())
    with pytest.raises(AppraisalError, match="signature does not verify"):
        judge(replace(signed, body=signed.body + b" "))


def test_refuses_a_signer_that_does_not_parse():
    with pytest.raises(MalformedEvidenceError):
        judge(replace(SignedRim.parse(rim()), certificates=b"PEM chain"))


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"name": ""},
        {"measurements": {}},
        {"measurements": {"00": ["00" * 48]}},
        {"measurements": {"64": ["00" * 48]}},
        {"measurements": {"-1": ["00" * 48]}},
        {"measurements": {"0": []}},
        {"measurements": {"0": ["00" * 32]}},
        {"measurements": {"0": ["AA" * 48]}},
        {"measurements": {"0": "00" * 48}},
        {"more": 1},
    ],
)
def test_refuses_another_spelling_of_a_rim(change: dict[str, object]):
    with pytest.raises(MalformedEvidenceError):
        Rim.parse(json.dumps({**json.loads(BODY), **change}).encode())


@pytest.mark.parametrize("member", ["rim", "signature", "certificates"])
def test_refuses_a_signed_rim_without_a_member_or_with_another(member: str):
    document = json.loads(rim())
    for wrong in ({**document, member: 1}, {**document, "more": ""}):
        with pytest.raises(MalformedEvidenceError):
            SignedRim.parse(json.dumps(wrong).encode())
    del document[member]
    with pytest.raises(MalformedEvidenceError):
        SignedRim.parse(json.dumps(document).encode())


def test_a_certificate_names_machine_and_version():
    identity = machine_identity(parse_chain(machine().chain)[0])
    assert (identity.machine_id, identity.firmware, identity.microcode) == (MACHINE_ID, 1, 1)


@pytest.mark.parametrize("chain", [leaf(version=b"\x00"), leaf(machine_id=bytes(31))])
def test_refuses_a_certificate_that_names_less(chain: bytes):
    with pytest.raises(MalformedEvidenceError):
        machine_identity(parse_chain(chain)[0])


def test_refuses_a_certificate_with_an_endless_extension():
    """Found by fuzzing: a value longer than the shortest form of DER can say."""
    certificate = parse_chain(machine().chain)[0]
    long = dict.fromkeys((MACHINE_ID_OID, VERSION_OID), b"\x04" * 300)
    with pytest.raises(MalformedEvidenceError):
        machine_identity(replace(certificate, extensions=long))


def test_roles_are_names_in_order():
    chain = parse_chain(machine().chain)
    names = [one.name for one in chain]
    check_roles(chain, None, *names[1:])
    for wrong in ([None, *names[2:]], [*names, None], [None, names[2], names[1]]):
        with pytest.raises(AppraisalError):
            check_roles(chain, *wrong)


@given(st.binary())
def test_any_bytes_give_a_rim_or_this_packages_error(data: bytes):
    for parse in (Rim.parse, SignedRim.parse):
        try:
            parse(data)
        except AttestationError:
            continue
