"""Step 2 on SEV-SNP: valid evidence, one thing broken, and the check that is about it refuses."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attestation.errors import MalformedEvidenceError
from attestation.evidence import Endorsement
from attestation.policy import Floors, Mark, NewestAccepted
from attestation.sev_snp.authenticate import replay, report_data
from attestation.sev_snp.evidence import Policy
from tests.fakes.amd import DAY, NOW, TCBS, Amd, Leaf, pem, rsa_key

PRODUCTS = ("Milan", "Genoa", "Turin")
LINES = {name: Amd(name) for name in PRODUCTS}
MILAN = LINES["Milan"]
CHIPS = {name: amd.vcek() for name, amd in LINES.items()}
CHIP = CHIPS["Milan"]
HOST = MILAN.vlek()
COMPONENTS = [(name, component) for name in PRODUCTS for component in TCBS[name]]
STEP_2 = {
    "2.signature": "PASS",
    "2.chain": "PASS",
    "2.identity": "PASS",
    "2.revocation": "PASS",
    "2.collateral": "SKIP",
    "2.tcb": "PASS",
    "2.recency": "PASS",
    "2.floors": "PASS",
}


def refused(amd: Amd, quote: bytes, stapled: tuple[Endorsement, ...], **changes) -> dict[str, str]:
    """Give the checks that ended otherwise than for a valid report."""
    outcomes = amd.appraise(quote, stapled, **changes)[1]
    assert outcomes.keys() == STEP_2.keys()
    return {name: found for name, found in outcomes.items() if found != STEP_2[name]}


def of_report(amd: Amd, leaf: Leaf, version: int = 3, **changes) -> dict[str, str]:
    return refused(amd, amd.report(leaf, version, **changes), amd.endorsements(leaf))


def of_chain(leaf: Leaf, *chain: bytes, amd: Amd = MILAN, **changes) -> dict[str, str]:
    stapled = (
        Endorsement(type="x509-chain", data=pem(*(chain or leaf.chain))),
        Endorsement(type="x509-crl", data=amd.crl()),
    )
    return refused(amd, amd.report(leaf), stapled, **changes)


@pytest.mark.parametrize("version", [2, 3, 4, 5])
@pytest.mark.parametrize("product", PRODUCTS)
def test_accepts_valid_reports_by_chip_and_by_host(product: str, version: int):
    amd = LINES[product]
    for leaf in (CHIPS[product], amd.vlek()):
        assert of_report(amd, leaf, version) == {}


def test_claims_are_what_the_report_says():
    quote = MILAN.report(CHIP, report_data=b"d" * 64, measurement=b"m" * 48)
    claims = MILAN.appraise(quote, MILAN.endorsements(CHIP))[0].claims
    assert claims is not None
    assert (claims.report_data, claims.measurement) == (b"d" * 64, b"m" * 48)
    assert (claims.registers, claims.machine) == ({}, CHIP.hardware_id)
    assert (claims.debug, claims.migratable, claims.faults) == (False, False, ())
    assert claims.tcb == TCBS["Milan"]


@pytest.mark.parametrize("bit", [Policy.DEBUG, Policy.MIGRATE_MA])
def test_debug_and_migration_are_claims_of_their_own(bit: int):
    quote = MILAN.report(CHIP, policy=Policy.ALWAYS_ONE | bit)
    claims = MILAN.appraise(quote, MILAN.endorsements(CHIP))[0].claims
    assert claims is not None
    assert (claims.debug, claims.migratable) == (bit == Policy.DEBUG, bit == Policy.MIGRATE_MA)
    assert claims.faults == ()


@pytest.mark.parametrize(("product", "component"), COMPONENTS)
def test_the_claimed_tcb_is_what_the_guest_was_launched_under_too(product: str, component: str):
    amd, chip = LINES[product], CHIPS[product]
    quote = amd.report(chip, launch_tcb=amd.tcb(**{component: 0}))
    claims = amd.appraise(quote, amd.endorsements(chip))[0].claims
    assert claims is not None
    assert claims.tcb == {**TCBS[product], component: 0}


@pytest.mark.parametrize(("product", "component"), COMPONENTS)
def test_the_claimed_tcb_is_no_higher_than_the_host_can_go_back_to(product: str, component: str):
    amd, chip = LINES[product], CHIPS[product]
    quote = amd.report(chip, committed_tcb=amd.tcb(**{component: 0}))
    claims = amd.appraise(quote, amd.endorsements(chip))[0].claims
    assert claims is not None
    assert claims.tcb == {**TCBS[product], component: 0}


def test_a_host_that_masks_its_chip_ids_names_no_machine():
    quote = MILAN.report(HOST, chip_id=bytes(64))
    appraisal, outcomes = MILAN.appraise(quote, MILAN.endorsements(HOST))
    assert outcomes == STEP_2
    assert appraisal.claims is not None
    assert appraisal.claims.machine is None


# 2.signature


@pytest.mark.parametrize("product", PRODUCTS)
def test_refuses_the_signature_of_another_chip(product: str):
    amd = LINES[product]
    quote = amd.report(CHIPS[product], key=amd.vcek("stranger").key)
    assert refused(amd, quote, amd.endorsements(CHIPS[product])) == {"2.signature": "FAIL"}


def test_refuses_a_report_that_is_not_signed():
    assert of_report(MILAN, CHIP, signature_algo=0) == {"2.signature": "FAIL"}
    zero = {0x2A0: bytes(48), 0x2E8: bytes(48)}
    assert of_report(MILAN, CHIP, after=zero) == {"2.signature": "FAIL"}


@pytest.mark.parametrize("quote", [b"", bytes(1184), MILAN.report(CHIP)[:-1]])
def test_refuses_what_is_no_report(quote: bytes):
    found = {"2.signature": "FAIL", "2.identity": "SKIP", "2.tcb": "SKIP"}
    assert refused(MILAN, quote, MILAN.endorsements(CHIP)) == found
    assert MILAN.appraise(quote, MILAN.endorsements(CHIP))[0].claims is None


# 2.chain


def test_refuses_another_vendor():
    assert refused(
        Amd("Milan", root="another ARK"), MILAN.report(CHIP), MILAN.endorsements(CHIP)
    ) == {"2.chain": "FAIL"}


def test_refuses_throw_away_roots_where_none_is_pinned():
    policy = replace(MILAN.policy(), roots={})
    found = refused(MILAN, MILAN.report(CHIP), MILAN.endorsements(CHIP), policy=policy)
    assert found == {"2.chain": "FAIL"}


@pytest.mark.parametrize(
    "changes",
    [
        {"signer": rsa_key("ARK")},
        {"not_after": NOW - 1},
        {"not_before": NOW + 1},
        {"is_ca": True},
        {"critical": ("1.3.6.1.4.1.3704.1.2",)},
    ],
)
def test_refuses_a_leaf_that_is_not_validly_issued(changes: dict[str, Any]):
    assert of_chain(MILAN.vcek(**changes)) == {"2.chain": "FAIL"}


@pytest.mark.parametrize(
    "changes",
    [
        {"signer": rsa_key("ASK")},
        {"not_after": NOW - 1},
        {"not_before": NOW + 1},
        {"is_ca": False},
    ],
)
def test_refuses_an_ask_that_is_not_validly_issued(changes: dict[str, Any]):
    ask = MILAN.authority("SEV-Milan", "ASK", by=MILAN.ark, serial=9, **changes)
    assert of_chain(CHIP, CHIP.chain[0], ask.der, MILAN.ark.der) == {"2.chain": "FAIL"}


def test_refuses_an_ark_that_is_not_signed_by_itself():
    ark = MILAN.authority("ARK-Milan", "ARK", serial=1, signer=rsa_key("ASK"))
    assert of_chain(CHIP, *CHIP.chain[:2], ark.der) == {"2.chain": "FAIL"}


def test_refuses_an_expired_ark():
    ark = MILAN.authority("ARK-Milan", "ARK", serial=1, not_after=NOW - 1)
    assert of_chain(CHIP, *CHIP.chain[:2], ark.der) == {"2.chain": "FAIL"}


def test_refuses_a_chain_that_is_not_complete_and_in_order():
    leaf, ask, ark = CHIP.chain
    # The last certificate is whom the lists are looked for; without the ARK there are none.
    orphan = {"2.revocation": "SKIP", "2.recency": "SKIP", "2.floors": "SKIP"}
    product = {"2.chain": "FAIL", "2.identity": "FAIL"}
    assert of_chain(CHIP, leaf, ark) == product
    assert of_chain(CHIP, leaf, ask) == {**product, **orphan}
    assert of_chain(CHIP, leaf) == {**product, **orphan}
    assert of_chain(CHIP, leaf, ask, ark, ark) == product
    # A CA that is listed by nobody is not one that is not listed.
    assert of_chain(CHIP, leaf, ask, ask, ark) == {**product, "2.revocation": "SKIP"}


@pytest.mark.parametrize(
    "leaf",
    [
        MILAN.vcek(by=MILAN.asvk),
        MILAN.vlek(by=MILAN.ask),
        MILAN.vcek(by=MILAN.ark),
        MILAN.vcek(common_name="SEV-VCEK-2"),
    ],
)
def test_each_authority_vouches_for_its_own_kind_of_key(leaf: Leaf):
    assert of_chain(leaf)["2.chain"] == "FAIL"


def test_no_chip_or_host_can_issue_certificates():
    made = MILAN.vcek("made", by=replace(MILAN.ask, name="SEV-VCEK"))
    assert of_chain(made, made.chain[0], *CHIP.chain)["2.chain"] == "FAIL"


@pytest.mark.parametrize("other", ["Genoa", "Turin"])
def test_refuses_authorities_of_another_product_line(other: str):
    # All lines share their keys here, so only the names tell.
    amd = LINES[other]
    ask = MILAN.authority("SEV-Milan", "ASK", by=amd.ark, serial=9)
    assert of_chain(CHIP, CHIP.chain[0], ask.der, amd.ark.der, amd=amd) == {
        "2.chain": "FAIL",
        "2.identity": "FAIL",
    }


def test_without_a_chain_nothing_is_judged():
    lists = (Endorsement(type="x509-crl", data=MILAN.crl()),)
    skipped = {name: "SKIP" for name in STEP_2 if name not in ("2.tcb", "2.collateral")}
    assert refused(MILAN, MILAN.report(CHIP), lists) == skipped


def test_a_chain_that_does_not_parse_fails():
    stapled = (Endorsement(type="x509-chain", data=b"chain"),)
    assert refused(MILAN, MILAN.report(CHIP), stapled)["2.chain"] == "FAIL"


def test_of_two_chains_the_one_with_the_newer_leaf_counts():
    renewed = MILAN.vcek(spl={"snp": 25}, not_before=NOW - 10)
    old, new = MILAN.endorsements(CHIP), MILAN.endorsements(renewed)
    for stapled in ((*old, *new), (*new, *old)):
        assert refused(MILAN, MILAN.report(renewed), stapled) == {}


# 2.identity


@pytest.mark.parametrize(("product", "component"), COMPONENTS)
def test_refuses_a_leaf_for_another_tcb(product: str, component: str):
    amd = LINES[product]
    chip = amd.vcek(spl={component: TCBS[product][component] + 1})
    quote = amd.report(CHIPS[product], key=chip.key)
    assert refused(amd, quote, amd.endorsements(chip)) == {"2.identity": "FAIL"}


def test_refuses_a_leaf_of_another_chip():
    assert of_report(MILAN, CHIP, chip_id=b"c" * 64) == {"2.identity": "FAIL"}


def test_refuses_a_masked_chip_id():
    assert of_report(MILAN, CHIP, chip_id=bytes(64)) == {"2.identity": "FAIL"}


def test_refuses_a_turin_chip_id_that_is_longer_than_its_own():
    turin, chip = LINES["Turin"], CHIPS["Turin"]
    longer = chip.hardware_id[:8] + b"\1" + bytes(55)
    assert of_report(turin, chip, chip_id=longer) == {"2.identity": "FAIL"}


@pytest.mark.parametrize("signing_key", range(1, 8))
def test_refuses_a_chip_key_where_the_report_names_another_kind(signing_key: int):
    assert of_report(MILAN, CHIP, signer_info=signing_key << 2) == {"2.identity": "FAIL"}


@pytest.mark.parametrize("signing_key", [0, *range(2, 8)])
def test_refuses_a_host_key_where_the_report_names_another_kind(signing_key: int):
    assert of_report(MILAN, HOST, signer_info=signing_key << 2) == {"2.identity": "FAIL"}


@pytest.mark.parametrize("cpuid", [(0x19, 0x11), (0x1A, 0x02), (0x19, 0x30), (0, 0)])
def test_refuses_a_report_of_another_processor(cpuid: tuple[int, int]):
    found = of_report(MILAN, CHIP, cpuid_family=cpuid[0], cpuid_model=cpuid[1])
    assert found["2.identity"] == "FAIL"


@pytest.mark.parametrize("product", PRODUCTS)
def test_refuses_a_reserved_byte_in_a_reported_tcb(product: str):
    amd, chip = LINES[product], CHIPS[product]
    assert of_report(amd, chip, before={0x184: b"\1"}) == {"2.identity": "FAIL", "2.tcb": "FAIL"}


# 2.revocation, 2.recency, 2.floors


@pytest.mark.parametrize("leaf", [CHIP, HOST])
def test_refuses_a_revoked_authority(leaf: Leaf):
    serial = MILAN.ask.serial if leaf is CHIP else MILAN.asvk.serial
    other = MILAN.asvk.serial if leaf is CHIP else MILAN.ask.serial
    quote = MILAN.report(leaf)
    for revoked, found in ((serial, {"2.revocation": "FAIL"}), (other, {})):
        stapled = MILAN.endorsements(leaf, crls=(MILAN.crl(revoked=(revoked,)),))
        assert refused(MILAN, quote, stapled) == found


def test_refuses_a_revoked_root():
    stapled = MILAN.endorsements(CHIP, crls=(MILAN.crl(revoked=(MILAN.ark.serial,)),))
    assert refused(MILAN, MILAN.report(CHIP), stapled) == {"2.revocation": "FAIL"}


@pytest.mark.parametrize(
    "crls",
    [
        (),
        (MILAN.crl(key=rsa_key("ASK")),),
        (MILAN.crl(by=MILAN.ask),),
        (LINES["Genoa"].crl(),),
        (b"no list",),
    ],
)
def test_without_a_list_by_the_root_revocation_is_not_judged(crls: tuple[bytes, ...]):
    skipped = {"2.revocation": "SKIP", "2.recency": "SKIP", "2.floors": "SKIP"}
    stapled = MILAN.endorsements(CHIP, crls=crls)
    assert refused(MILAN, MILAN.report(CHIP), stapled) == skipped


def test_of_two_lists_the_newer_counts():
    old, new = MILAN.crl(number=6), MILAN.crl(number=7, revoked=(MILAN.ask.serial,))
    for crls in ((old, new), (new, old)):
        stapled = MILAN.endorsements(CHIP, crls=crls)
        assert refused(MILAN, MILAN.report(CHIP), stapled) == {"2.revocation": "FAIL"}


STALE = [
    {"next_update": NOW - 1},
    {"this_update": NOW + 1},
    {"this_update": NOW - 401 * DAY},
]


@pytest.mark.parametrize("dates", STALE)
def test_refuses_a_list_that_is_not_recent(dates: dict[str, Any]):
    stapled = MILAN.endorsements(CHIP, crls=(MILAN.crl(**dates),))
    assert refused(MILAN, MILAN.report(CHIP), stapled) == {"2.recency": "FAIL"}


@pytest.mark.parametrize("dates", STALE)
def test_a_stale_list_still_revokes_where_recency_is_optional(dates: dict[str, Any]):
    policy = MILAN.policy(optional=frozenset({"2.recency"}))
    crl = MILAN.crl(**dates, revoked=(MILAN.ask.serial,))
    found = refused(MILAN, MILAN.report(CHIP), MILAN.endorsements(CHIP, crls=(crl,)), policy=policy)
    assert found == {"2.recency": "FAIL", "2.revocation": "FAIL"}


def test_refuses_a_list_below_the_floors_or_what_was_accepted_before():
    mark = {MILAN.root_spki_sha256: Mark(number=8)}
    for changes in ({"floors": Floors(crl=mark)}, {"newest": NewestAccepted(marks=mark)}):
        found = refused(MILAN, MILAN.report(CHIP), MILAN.endorsements(CHIP), **changes)
        assert found == {"2.floors": "FAIL"}


def test_holds_until_the_first_of_list_age_and_certificate_ends():
    quote = MILAN.report(CHIP)
    for crl, end in (
        (MILAN.crl(next_update=NOW + 5), NOW + 5),
        (MILAN.crl(this_update=NOW - 390 * DAY), NOW + 10 * DAY),
    ):
        appraisal = MILAN.appraise(quote, MILAN.endorsements(CHIP, crls=(crl,)))[0]
        assert appraisal.expires == end
        assert appraisal.marks.keys() == {MILAN.root_spki_sha256}
    short = MILAN.vcek(not_after=NOW + 3)
    assert MILAN.appraise(MILAN.report(short), MILAN.endorsements(short))[0].expires == NOW + 3


def test_holds_as_long_as_the_chain_where_recency_is_optional():
    policy = MILAN.policy(optional=frozenset({"2.recency"}))
    stapled = MILAN.endorsements(CHIP, crls=(MILAN.crl(next_update=NOW - 1),))
    appraisal = MILAN.appraise(MILAN.report(CHIP), stapled, policy=policy)[0]
    assert appraisal.expires == NOW + 365 * DAY
    assert appraisal.marks == {}


def test_holds_not_at_all_without_a_pinned_chain():
    stranger = Amd("Milan", root="another ARK")
    appraisal = stranger.appraise(MILAN.report(CHIP), MILAN.endorsements(CHIP))[0]
    assert (appraisal.expires, appraisal.marks) == (None, {})


# 2.tcb


@pytest.mark.parametrize("version", ["committed_tcb", "reported_tcb", "launch_tcb"])
@pytest.mark.parametrize(("product", "component"), COMPONENTS)
def test_refuses_a_platform_that_runs_less_than_it_says(product: str, component: str, version: str):
    amd = LINES[product]
    higher = {component: TCBS[product][component] + 1}
    chip = amd.vcek(spl=higher) if version == "reported_tcb" else CHIPS[product]
    now: dict[str, Any] = {
        "current_tcb": amd.tcb(),
        "committed_tcb": amd.tcb(),
        "launch_tcb": amd.tcb(),
    }
    quote = amd.report(chip, **{**now, version: amd.tcb(**higher)})
    assert refused(amd, quote, amd.endorsements(chip)) == {"2.tcb": "FAIL"}


@pytest.mark.parametrize("offset", [0x038, 0x1E0, 0x1F0])
def test_refuses_a_reserved_byte_in_any_tcb(offset: int):
    assert of_report(MILAN, CHIP, before={offset + 3: b"\1"}) == {"2.tcb": "FAIL"}


def test_a_platform_may_run_more_than_it_reports():
    more = MILAN.tcb(bootloader=9, tee=9, snp=99, microcode=255)
    assert of_report(MILAN, CHIP, current_tcb=more) == {}


# All of it


@pytest.mark.parametrize(("product", "version"), [("Milan", 2), ("Genoa", 3), ("Turin", 5)])
def test_no_byte_of_a_report_is_free_to_change(product: str, version: int):
    amd, chip = LINES[product], CHIPS[product]
    quote, stapled = bytearray(amd.report(chip, version)), amd.endorsements(chip)
    free = []
    for offset in range(len(quote)):
        quote[offset] ^= 0x01 << offset % 8
        if amd.appraise(bytes(quote), stapled)[1]["2.signature"] == "PASS":
            free.append(hex(offset))
        quote[offset] ^= 0x01 << offset % 8
    assert free == []


def test_no_byte_of_a_leaf_is_free_to_change():
    der, quote = bytearray(CHIP.chain[0]), MILAN.report(CHIP)
    free = []
    for offset in range(len(der)):
        der[offset] ^= 0x01 << offset % 8
        changed = CHIP.instead(0, bytes(der))
        if MILAN.appraise(quote, MILAN.endorsements(changed))[1]["2.chain"] == "PASS":
            free.append(hex(offset))
        der[offset] ^= 0x01 << offset % 8
    assert free == []


@settings(deadline=None, max_examples=80)
@given(
    st.one_of(st.binary(max_size=64), st.binary(min_size=1184, max_size=1184)),
    st.lists(st.tuples(st.sampled_from(["x509-chain", "x509-crl"]), st.binary()), max_size=3),
)
def test_any_quote_and_endorsements_give_a_refusal(quote: bytes, stapled):
    endorsements = tuple(Endorsement(type=kind, data=data) for kind, data in stapled)
    assert MILAN.appraise(quote, endorsements)[1]["2.signature"] != "PASS"


def test_a_report_carries_the_binding_itself():
    assert report_data(b"b" * 64) == b"b" * 64


def test_there_is_no_event_log():
    assert replay(b"") == {}
    with pytest.raises(MalformedEvidenceError, match="no runtime registers"):
        replay(b"log")
