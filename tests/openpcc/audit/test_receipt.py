"""A kept receipt with the evidence beside it: each thing that is wrong is named, alone."""

import dataclasses
import json
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from attestation.strict_json import b64decode, b64encode
from openpcc.audit.receipt import ERASURE, TESTS, judge_receipt
from openpcc.audit.report import AuditKind, AuditReport, Outcome, Verdict
from tests.fakes.kept_receipt import KeptReceipt
from tests.fakes.world import MODELS, NOW, World

YEARS = 10**8
LATER = NOW + YEARS
Sign = Callable[..., str]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def kept(world: World) -> KeptReceipt:
    return KeptReceipt(world)


@pytest.fixture(scope="module")
def sign(kept: KeptReceipt) -> Sign:
    return kept.sign


@pytest.fixture(scope="module")
def judge(kept: KeptReceipt):
    def judged(
        field: str | bytes, beside: bytes = kept.bundle, at: int | None = None
    ) -> AuditReport:
        data = field if isinstance(field, bytes) else field.encode()
        policy = kept.world.policy
        return judge_receipt(data, beside, subject="r.json", policy=policy, now=LATER, at=at)

    return judged


def failed(report: AuditReport) -> set[str]:
    return {one.id for one in report.failed}


def test_a_receipt_holds_years_later(judge, sign: Sign):
    report = judge(sign())
    assert (report.verdict, report.kind, report.at) == (Verdict.PASS, AuditKind.RECEIPT, NOW)
    assert report.simulated
    assert [one.id for one in report.sections[0].findings] == list(TESTS)
    assert all(one.outcome is Outcome.PASS for one in report.sections[0].findings)


def test_the_document_and_the_field_are_the_same_receipt(judge, sign: Sign):
    field = sign()
    for data in (b64decode(field), b64decode(field) + b"\n", field.encode() + b"\n"):
        assert judge(data) == judge(field)


def test_what_it_says_is_told(judge, sign: Sign):
    facts = judge(sign()).sections[0].facts
    assert (facts["model"], facts["prompt_tokens"], facts["issued"]) == (MODELS[0][0], 3, NOW)


@pytest.mark.parametrize(
    ("said", "check"),
    [
        ({"binding": bytes(64)}, "receipt.binding"),
        ({"release": bytes(32)}, "receipt.release"),
        ({"model": "another"}, "receipt.model"),
        ({"model_digest": bytes(32)}, "receipt.model"),
        ({"not_before": NOW - 7}, "receipt.epoch"),
        ({"not_after": NOW + 7}, "receipt.epoch"),
        ({"issued": NOW - YEARS}, "receipt.time"),
        ({"issued": LATER}, "receipt.time"),
        ({"key": Ed25519PrivateKey.generate()}, "receipt.signature"),
    ],
)
def test_each_false_word_is_named_alone(judge, sign: Sign, said: dict[str, object], check: str):
    report = judge(sign(**said))
    assert failed(report) == {check}
    (found,) = report.failed
    assert found.remedy
    assert found.extracts


@pytest.mark.parametrize("late", [-1, 0, ERASURE - 1])
def test_a_reply_that_outlasts_the_epoch_has_its_receipt(
    judge, sign: Sign, world: World, late: int
):
    report = judge(sign(issued=world.not_after + late))
    assert report.verdict is Verdict.PASS


def test_a_key_that_was_erased_signs_nothing(judge, sign: Sign, world: World):
    assert failed(judge(sign(issued=world.not_after + ERASURE))) == {"receipt.time"}


def test_the_bytes_stand_where_they_are_said_to(judge, sign: Sign):
    field = sign()
    body = b64decode(json.loads(b64decode(field))["receipt"])
    for found in judge(field).sections[0].findings:
        for one in found.extracts:
            if one.part == "receipt":
                assert body[one.offset : one.offset + len(one.value)] == one.value
    names = {one.id: one for one in judge(field).findings}
    assert names["receipt.model"].extracts[0].value.startswith(b'"model":{"name":')


def test_bytes_that_are_no_receipt_fail_and_the_rest_is_not_judged(judge):
    report = judge("nonsense")
    assert failed(report) == {"receipt.parse"}
    assert {one.id for one in report.unjudged} >= set(TESTS) - {"receipt.parse"}


def test_a_bundle_that_is_none_is_named(judge, sign: Sign):
    report = judge(sign(), b"{}")
    assert "1.parse" in failed(report)
    assert {one.id for one in report.unjudged} >= set(TESTS) - {"receipt.parse"}


def test_evidence_that_does_not_hold_fails_the_receipt(kept: KeptReceipt):
    policy = kept.world.policy
    strangers = dataclasses.replace(policy.attestation, roots={"simulated": bytes(32)})
    report = judge_receipt(
        kept.sign().encode(),
        kept.bundle,
        subject="r",
        policy=dataclasses.replace(policy, attestation=strangers),
        now=LATER,
        at=None,
    )
    assert "2.chain" in failed(report)


def test_the_evidence_can_be_judged_as_of_another_time(judge, sign: Sign):
    assert "4.epoch" in failed(judge(sign(), at=LATER))


@pytest.mark.parametrize("size", [10**5, 10**7])
def test_a_file_that_is_too_long_is_not_read(judge, size: int):
    assert failed(judge(b"A" * size)) == {"receipt.parse"}


@given(data=st.binary(max_size=300), beside=st.binary(max_size=60))
def test_any_bytes_give_a_report(judge, data: bytes, beside: bytes):
    assert judge(data, beside).verdict is Verdict.FAIL


def test_how_the_document_is_laid_out_is_nothing_that_is_signed(judge, sign: Sign):
    field = sign()
    spaced = json.dumps(json.loads(b64decode(field)), indent=1).encode()
    assert judge(spaced).verdict is Verdict.PASS  # what is signed travels as base64
    assert failed(judge(b64encode(b"{}"))) == {"receipt.parse"}
