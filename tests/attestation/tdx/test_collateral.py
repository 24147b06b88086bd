"""What Intel says of a machine counts if it is signed, for it, current and the newest there is."""

from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from attestation.claims import Context
from attestation.evidence import Endorsement
from attestation.policy import Ages, Floors, Mark, NewestAccepted
from attestation.tdx.documents import Collateral
from tests.fakes.intel import Intel, intel
from tests.fakes.intel_parts import (
    COMPONENTS,
    DAY,
    NOW,
    Holder,
    crl,
    issue,
    module,
    platform_level,
    stamp,
)

VENDOR = intel()
GOOD = VENDOR.quote()
OTHER = VENDOR.pck(ppid=b"\x99" * 16)
STRANGER = Intel()


def with_collateral(**values: Any) -> Context:
    return VENDOR.context(VENDOR.collateral(**values))


def with_crls(**texts: bytes) -> Context:
    return with_collateral(after={name: text.hex() for name, text in texts.items()})


def pck_by(**values: Any) -> bytes:
    return VENDOR.quote(machine=VENDOR.pck(**values))


MACHINE_SERIAL = VENDOR.machine.certificate.serial_number
CA_SERIAL = VENDOR.platform_ca.certificate.serial_number
SIGNER_SERIAL = VENDOR.tcb_signer.certificate.serial_number


@pytest.mark.parametrize(
    ("texts", "name"),
    [
        ({"pck_crl": crl(VENDOR.platform_ca, revoked=[MACHINE_SERIAL])}, "PCK Certificate"),
        ({"root_ca_crl": crl(VENDOR.root, revoked=[CA_SERIAL])}, "PCK Platform CA"),
        ({"root_ca_crl": crl(VENDOR.root, revoked=[SIGNER_SERIAL])}, "TCB Signing"),
    ],
)
def test_refuses_what_intel_has_revoked(texts: dict[str, bytes], name: str):
    assert VENDOR.not_passed(context=with_crls(**texts)) == {"2.revocation": "FAIL"}
    assert name in VENDOR.refusal("2.revocation", context=with_crls(**texts))


@pytest.mark.parametrize(
    "texts",
    [
        {"pck_crl": crl(VENDOR.processor_ca)},
        {"pck_crl": crl(STRANGER.platform_ca)},
        {"root_ca_crl": crl(STRANGER.root)},
        {"root_ca_crl": b"\x30\x00"},
        {"pck_crl": b"\x00"},
    ],
)
def test_cannot_judge_revocation_without_a_list_by_the_issuer(texts: dict[str, bytes]):
    assert VENDOR.not_passed(context=with_crls(**texts)) == {"2.revocation": "SKIP"}


def test_serials_listed_by_another_issuer_revoke_nothing():
    assert not VENDOR.not_passed(
        context=with_crls(pck_crl=crl(VENDOR.platform_ca, revoked=[CA_SERIAL, SIGNER_SERIAL]))
    )


def test_a_machine_of_the_processor_ca_needs_that_ones_list():
    quote = pck_by(by=VENDOR.processor_ca)
    assert VENDOR.not_passed(quote) == {"2.revocation": "SKIP"}
    assert not VENDOR.not_passed(quote, with_crls(pck_crl=crl(VENDOR.processor_ca)))
    stapled = Endorsement(type="x509-crl", data=crl(VENDOR.processor_ca))
    context = VENDOR.context()
    assert not VENDOR.not_passed(
        quote, replace(context, endorsements=(*context.endorsements, stapled))
    )


def ca_chain(by: Holder, **values: Any) -> str:
    """Write the chain of a PCK CA by anyone, with this root behind it."""
    issued = replace(
        issue("Intel SGX PCK Platform CA", by, **values), above=(VENDOR.root.certificate,)
    )
    return issued.pem.decode()


OTHER_CURVE = issue(
    "Intel SGX TCB Signing", VENDOR.root, key=ec.generate_private_key(ec.SECP384R1())
)

AFTER_COLLATERAL = {"2.identity": "SKIP", "2.collateral": "FAIL", "2.tcb": "SKIP"}
UNJUDGED = {"2.recency": "SKIP", "2.floors": "SKIP"}


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"tcb_info": {"fmspc": "90c06f000001"}}, "FMSPC 90c06f000000"),
        ({"tcb_info": {"pceId": "0001"}}, "PCE id 0000"),
        ({"tcb_info": {"id": "SGX"}}, "TCB info of TDX"),
        ({"qe_identity": {"id": "QE"}}, "QE identity of TD_QE"),
        ({"signer": STRANGER.tcb_signer}, "a pinned root"),
        ({"signer": VENDOR.machine}, "Intel SGX TCB Signing <"),
        (
            {"signer": issue("Intel SGX TCB Signing", VENDOR.platform_ca)},
            "Signing < Intel SGX Root",
        ),
        ({"signer": issue("Intel SGX TCB", VENDOR.root)}, "Intel SGX TCB Signing <"),
        (
            {"signer": issue("Intel SGX TCB Signing", VENDOR.root, not_after=NOW - 1)},
            "valid at",
        ),
        ({"after": {"tcb_info_signature": "00" * 64}}, "signed by Intel SGX TCB Signing"),
        ({"after": {"tcb_info_issuer_chain": OTHER_CURVE.pem.decode()}}, "a P-256 key of"),
        ({"after": {"qe_identity_signature": "11" * 64}}, "signed by Intel SGX TCB Signing"),
        ({"after": {"pck_crl_issuer_chain": STRANGER.platform_ca.pem.decode()}}, "a pinned root"),
        ({"after": {"pck_crl_issuer_chain": ca_chain(STRANGER.root, ca=0)}}, "signed by Intel SGX"),
        ({"after": {"pck_crl_issuer_chain": ca_chain(VENDOR.root, ca=None)}}, "a CA, valid at"),
        (
            {"after": {"pck_crl_issuer_chain": ca_chain(VENDOR.root, ca=0, not_after=NOW - 1)}},
            "a CA, valid at",
        ),
        ({"after": {"pck_crl_issuer_chain": VENDOR.tcb_signer.pem.decode()}}, "PCK Platform CA"),
    ],
)
def test_refuses_collateral_that_is_not_intels_for_this_machine(values: dict[str, Any], text: str):
    context = with_collateral(**values)
    assert VENDOR.not_passed(context=context) == AFTER_COLLATERAL | UNJUDGED
    assert text in VENDOR.refusal("2.collateral", context=context)


def test_refuses_edited_tcb_data():
    good = Collateral.parse(VENDOR.collateral())
    text = good.tcb_info.text.decode()
    for altered in (text.replace("OutOfDate", "UpToDate"), text + " ", text[:-1] + ',"x":1}'):
        after = {"tcb_info": altered, "tcb_info_signature": good.tcb_info.signature.hex()}
        assert VENDOR.not_passed(context=with_collateral(after=after))["2.collateral"] == "FAIL"


def test_the_case_of_hex_digits_does_not_matter():
    for fmspc in ("90c06f000000", "90C06F000000"):
        assert not VENDOR.not_passed(context=with_collateral(tcb_info={"fmspc": fmspc}))


@pytest.mark.parametrize("document", ["tcb_info", "qe_identity"])
@pytest.mark.parametrize(
    "dates",
    [{"nextUpdate": stamp(NOW - 1)}, {"issueDate": stamp(NOW + 1)}],
    ids=["over", "not yet"],
)
def test_refuses_tcb_data_outside_its_validity(document: str, dates: dict[str, str]):
    context = with_collateral(**{document: dates})
    assert VENDOR.not_passed(context=context) == {"2.collateral": "FAIL"}


@pytest.mark.parametrize("document", ["tcb_info", "qe_identity"])
def test_tcb_data_holds_on_its_last_and_first_second(document: str):
    for dates in ({"nextUpdate": stamp(NOW)}, {"issueDate": stamp(NOW)}):
        assert not VENDOR.not_passed(context=with_collateral(**{document: dates}))


def test_without_collateral_nothing_about_the_tcb_can_be_judged():
    context = VENDOR.context(endorsements=())
    assert VENDOR.not_passed(context=context) == dict.fromkeys(
        ["2.identity", "2.revocation", "2.collateral", "2.tcb", "2.recency", "2.floors"], "SKIP"
    )
    assert VENDOR.judge(GOOD, context)[1].expires is None


def svn(module_svn: int, major: int, third: int) -> bytes:
    """Quote a TD whose first three TDX components are these."""
    found = bytes((module_svn, major, third, *(0,) * 13))
    return VENDOR.quote(body={"tee_tcb_svn": found})


LESS = tuple(max(0, one - 1) for one in COMPONENTS)


@pytest.mark.parametrize(
    ("quote", "text"),
    [
        (pck_by(components=LESS), "platform OutOfDate; TDX module UpToDate"),
        (pck_by(components=(0,) * 16), "platform no matching level"),
        (pck_by(pcesvn=12), "platform OutOfDate"),
        (pck_by(pcesvn=4), "platform no matching level"),
        (svn(11, 1, 2), "platform OutOfDate"),
        (svn(5, 1, 4), "TDX module OutOfDate"),
        (svn(0, 1, 4), "TDX module no matching level"),
        (svn(9, 2, 4), "TDX module no matching module"),
        (svn(4, 0, 4), "platform OutOfDate; quoting"),
        (VENDOR.quote(qe_report={"isv_svn": 3}), "quoting enclave OutOfDate"),
        (VENDOR.quote(qe_report={"isv_svn": 1}), "quoting enclave no matching level"),
    ],
)  # fmt: skip
def test_refuses_versions_that_intel_no_longer_stands_by(quote: bytes, text: str):
    assert VENDOR.not_passed(quote) == {"2.tcb": "FAIL"}
    assert text in VENDOR.refusal("2.tcb", quote)


def test_the_refusal_lists_every_status_and_the_advisories():
    assert VENDOR.refusal("2.tcb", pck_by(components=LESS)).endswith(
        "found platform OutOfDate; TDX module UpToDate; quoting enclave UpToDate; "
        "advisories: INTEL-SA-00960, INTEL-SA-00982)"
    )


def test_a_policy_may_accept_more_statuses_but_never_no_level():
    lenient = VENDOR.policy_with(tcb_statuses=frozenset({"UpToDate", "OutOfDate"}))
    context = VENDOR.context(policy=lenient)
    assert not VENDOR.not_passed(pck_by(components=LESS), context)
    assert VENDOR.not_passed(pck_by(pcesvn=4), context) == {"2.tcb": "FAIL"}


def test_refuses_a_machine_whose_level_is_revoked():
    context = with_collateral(tcb_info={"tcbLevels": [platform_level(status="Revoked")]})
    assert VENDOR.not_passed(context=context) == {"2.tcb": "FAIL"}


@pytest.mark.parametrize(
    "collateral",
    [
        {"after": {"pck_crl": crl(VENDOR.platform_ca, next_update=NOW - 1).hex()}},
        {"after": {"root_ca_crl": crl(VENDOR.root, this_update=NOW + 1).hex()}},
        {"after": {"pck_crl": crl(VENDOR.platform_ca, this_update=NOW - 31 * DAY).hex()}},
        {"tcb_info": {"issueDate": stamp(NOW - 31 * DAY)}},
        {"qe_identity": {"issueDate": stamp(NOW - 31 * DAY)}},
    ],
)
def test_refuses_endorsements_that_are_not_recent(collateral: dict[str, Any]):
    assert VENDOR.not_passed(context=with_collateral(**collateral)) == {"2.recency": "FAIL"}


def test_the_policys_age_is_what_counts():
    ages = Ages(collateral=DAY - 1)
    context = VENDOR.context(policy=VENDOR.policy_with(ages=ages))
    assert VENDOR.not_passed(context=context) == {"2.recency": "FAIL"}


def test_refuses_what_is_below_the_floors():
    for floors in (
        Floors(tcb_evaluation=19),
        Floors(crl={VENDOR.root.spki_sha256: Mark(number=2)}),
        Floors(crl={VENDOR.platform_ca.spki_sha256: Mark(number=1, time=NOW)}),
    ):
        assert VENDOR.not_passed(context=VENDOR.context(floors=floors)) == {"2.floors": "FAIL"}
    assert not VENDOR.not_passed(context=VENDOR.context(floors=Floors(tcb_evaluation=18)))
    low = VENDOR.collateral(qe_identity={"tcbEvaluationDataNumber": 17})
    context = VENDOR.context(low, floors=Floors(tcb_evaluation=18))
    assert VENDOR.not_passed(context=context) == {"2.floors": "FAIL"}


@pytest.mark.parametrize("document", ["tcb_info", "qe_identity"])
@pytest.mark.parametrize(
    "older",
    [{"tcbEvaluationDataNumber": 17}, {"issueDate": stamp(NOW - 3 * DAY)}],
    ids=["number", "date"],
)
def test_refuses_what_is_older_than_what_was_accepted(document: str, older: dict[str, Any]):
    seen = NewestAccepted(marks=VENDOR.judge(GOOD)[1].marks)
    assert not VENDOR.not_passed(context=VENDOR.context(newest=seen))
    values: dict[str, Any] = {document: older}
    context = VENDOR.context(VENDOR.collateral(**values), newest=seen)
    assert VENDOR.not_passed(context=context) == {"2.floors": "FAIL"}


def test_data_for_another_kind_of_machine_is_remembered_apart():
    seen = NewestAccepted(marks=VENDOR.judge(GOOD)[1].marks)
    fmspc = bytes.fromhex("b0c06f000000")
    older = {"fmspc": fmspc.hex(), "tcbEvaluationDataNumber": 17}
    context = VENDOR.context(VENDOR.collateral(tcb_info=older), newest=seen)
    assert not VENDOR.not_passed(pck_by(fmspc=fmspc), context)


def test_nothing_is_remembered_of_what_no_pinned_root_vouches_for():
    stranger_context = replace(STRANGER.context(), policy=VENDOR.policy)
    assert VENDOR.judge(STRANGER.quote(), stranger_context)[1].marks == {}
    assert VENDOR.judge(GOOD, VENDOR.context(endorsements=()))[1].marks == {}


# Several collaterals: an extra one is read as what a hostile gateway adds to a good one.

OLD = {"tcbEvaluationDataNumber": 17, "tcbLevels": [platform_level(LESS, (0,) * 16)]}


@pytest.mark.parametrize(
    "extra",
    [
        b"{}",
        b"",
        VENDOR.collateral(after={"more": ""}),
        VENDOR.collateral(signer=STRANGER.tcb_signer),
        VENDOR.collateral(signer=VENDOR.machine, tcb_info={"tcbEvaluationDataNumber": 99}),
        VENDOR.collateral(tcb_info={"fmspc": "b0c06f000000", "tcbEvaluationDataNumber": 99}),
        VENDOR.collateral(tcb_info=OLD, qe_identity={"tcbEvaluationDataNumber": 17}),
        VENDOR.collateral(tcb_info={"issueDate": stamp(NOW - 9 * DAY), "tcbLevels": []}),
        VENDOR.collateral(after={"root_ca_crl": crl(VENDOR.root, this_update=NOW - 9 * DAY).hex()}),
        VENDOR.collateral(after={"pck_crl": crl(STRANGER.root, revoked=[MACHINE_SERIAL]).hex()}),
    ],
)
def test_an_extra_collateral_changes_nothing(extra: bytes):
    good = VENDOR.collateral()
    outdated = pck_by(components=LESS)
    for order in ((good, extra), (extra, good)):
        assert not VENDOR.not_passed(context=VENDOR.context(*order))
        assert VENDOR.not_passed(outdated, VENDOR.context(*order)) == {"2.tcb": "FAIL"}


def test_old_parts_cannot_be_hidden_behind_new_ones():
    mixed = VENDOR.collateral(
        tcb_info={"tcbEvaluationDataNumber": 19},
        qe_identity={"tcbEvaluationDataNumber": 17, "tcbLevels": [], "mrsigner": "00" * 32},
    )
    for order in ((VENDOR.collateral(), mixed), (mixed, VENDOR.collateral())):
        assert not VENDOR.not_passed(context=VENDOR.context(*order))


def test_what_intel_knew_counts_before_when_it_said_so():
    known = {"tcbEvaluationDataNumber": 19, "issueDate": stamp(NOW - 2 * DAY)}
    revoked = {"tcbLevels": [platform_level(status="Revoked")]}
    extra = VENDOR.collateral(tcb_info={**known, **revoked})
    for order in ((VENDOR.collateral(), extra), (extra, VENDOR.collateral())):
        assert VENDOR.not_passed(context=VENDOR.context(*order)) == {"2.tcb": "FAIL"}


SOON = NOW + DAY


@pytest.mark.parametrize(
    ("machine", "collateral"),
    [
        ({"not_after": SOON}, {}),
        ({}, {"tcb_info": {"nextUpdate": stamp(SOON)}}),
        ({}, {"qe_identity": {"nextUpdate": stamp(SOON)}}),
        ({}, {"tcb_info": {"issueDate": stamp(SOON - 30 * DAY)}}),
        ({}, {"signer": issue("Intel SGX TCB Signing", VENDOR.root, not_after=SOON)}),
        ({}, {"after": {"pck_crl": crl(VENDOR.platform_ca, next_update=SOON).hex()}}),
        ({}, {"after": {"pck_crl": crl(VENDOR.platform_ca, this_update=SOON - 30 * DAY).hex()}}),
        ({}, {"after": {"root_ca_crl": crl(VENDOR.root, this_update=SOON - 400 * DAY).hex()}}),
    ],
)
def test_what_ends_first_ends_the_acceptance(machine: dict[str, Any], collateral: dict[str, Any]):
    context = with_collateral(**collateral)
    checks, appraisal = VENDOR.judge(pck_by(**machine), context)
    assert all(one.outcome == "PASS" for one in checks.done())
    assert appraisal.expires == SOON


def test_a_newer_list_of_revoked_machines_counts_wherever_it_is():
    newer = crl(VENDOR.platform_ca, this_update=NOW - 1, revoked=[MACHINE_SERIAL])
    extra = VENDOR.collateral(after={"pck_crl": newer.hex()})
    for order in ((VENDOR.collateral(), extra), (extra, VENDOR.collateral())):
        assert VENDOR.not_passed(context=VENDOR.context(*order)) == {"2.revocation": "FAIL"}


def test_module_identities_are_found_in_either_case():
    identities = [module("tdx_01", 6)]
    assert not VENDOR.not_passed(
        context=with_collateral(tcb_info={"tdxModuleIdentities": identities})
    )
