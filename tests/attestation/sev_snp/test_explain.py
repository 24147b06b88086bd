"""The grounds of a check are the bytes it was about."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attestation.checks import CHECKS
from attestation.evidence import Endorsement
from attestation.sev_snp.authenticate import explain
from attestation.sev_snp.endorsements import ARC
from attestation.sev_snp.evidence import SIGNED_SIZE
from tests.fakes.amd import Amd, Leaf

AMD = Amd("Genoa")
CHIP = AMD.vcek()
QUOTE = AMD.report(CHIP, 5)


@pytest.mark.parametrize("leaf", [CHIP, AMD.vlek()])
def test_every_ground_is_where_it_says(leaf: Leaf):
    quote, crl = AMD.report(leaf), AMD.crl()
    parts = {"report": quote, "crl 0": crl}
    parts |= {f"certificate {depth}": der for depth, der in enumerate(leaf.chain)}
    grounds = explain(quote, AMD.context(AMD.endorsements(leaf, crls=(crl,))))
    assert {ground.part for ground in grounds} == parts.keys()
    for ground in grounds:
        data = parts[ground.part]
        assert ground.check in CHECKS
        assert ground.size == len(ground.value) > 0
        assert data[ground.offset : ground.offset + ground.size] == ground.value


def test_every_check_of_a_report_has_grounds():
    grounds = explain(QUOTE, AMD.context(AMD.endorsements(CHIP)))
    asked = {name for name in CHECKS if name.startswith("2.")} - {"2.collateral"}
    later = {"3.binding", "8.measurement", "8.debug", "8.migration", "8.guest"}
    assert {ground.check for ground in grounds} == asked | later | {"9.tcb", "9.machine"}


def test_shows_what_is_signed_and_by_which_key():
    grounds = explain(QUOTE, AMD.context(AMD.endorsements(CHIP)))
    shown = {one.field: one.value for one in grounds if one.check == "2.signature"}
    assert shown["signed bytes"] == QUOTE[:SIGNED_SIZE]
    point = CHIP.key.public_key().public_numbers().x.to_bytes(48, "big")
    assert point in shown["public key"]


def test_shows_what_the_leaf_names():
    grounds = explain(QUOTE, AMD.context(AMD.endorsements(CHIP)))
    shown = {one.field: one.value for one in grounds if one.check == "2.identity"}
    assert shown[f"{ARC}.4"] == CHIP.hardware_id == shown["chip_id"]
    assert shown[f"{ARC}.3.3"] == b"\x02\x01\x17"
    assert shown["reported_tcb"] == AMD.tcb()


@given(st.binary(max_size=64), st.binary(max_size=64))
def test_what_does_not_parse_has_no_grounds(quote: bytes, chain: bytes):
    stapled = (Endorsement(type="x509-chain", data=chain),)
    assert explain(quote, AMD.context(stapled)) == ()


def test_a_changed_certificate_never_stops_the_explanation():
    for depth, der in enumerate(CHIP.chain):
        for offset in range(0, len(der), 7):
            changed = CHIP.instead(depth, der[:offset] + b"\xff" + der[offset + 1 :])
            explain(QUOTE, AMD.context(AMD.endorsements(changed, crls=())))
