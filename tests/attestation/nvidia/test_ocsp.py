"""An answer counts if the issuer's own responder signed it, and it is recent and good."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from hypothesis import given, settings
from hypothesis import strategies as st

from attestation.certificates import Certificate
from attestation.errors import AppraisalError, MalformedEvidenceError, UnjudgedError
from attestation.nvidia.ocsp import (
    MAX_ANSWER,
    Answer,
    Standing,
    check_status,
    is_responder,
    signed_answers,
)
from attestation.policy import Ages, Floors, Mark, NewestAccepted
from tests.fakes.amd import NOW
from tests.fakes.nvidia import DAY, Holder, Nvidia, key_of, nvidia

VENDOR = nvidia()
ABOUT, BY = VENDOR.provisioner, VENDOR.identity
PAIR = (Certificate.parse(ABOUT.der), Certificate.parse(BY.der))
GOOD = VENDOR.answer(ABOUT, BY)
CONTEXT = VENDOR.context(())


def check(*answers: bytes, **changes: Any) -> Standing:
    return check_status((PAIR,), answers, replace(CONTEXT, **changes))


def answer(**changes: Any) -> bytes:
    return VENDOR.answer(ABOUT, BY, **changes)


def test_reads_an_answer():
    read = Answer.parse(GOOD)
    assert read.serial == PAIR[0].serial
    assert read.status is ocsp.OCSPCertStatus.GOOD
    assert (read.this_update, read.next_update) == (NOW - 3600, NOW + DAY - 3600)
    assert read.names(*PAIR)
    assert not read.names(PAIR[1], PAIR[0])


def test_a_good_answer_counts_until_it_is_old():
    standing = check(GOOD)
    assert standing.expires == NOW + DAY - 3600
    assert standing.marks == {PAIR[1].spki_sha256: Mark(time=NOW - 3600)}
    ages = replace(CONTEXT.policy, ages=Ages(ocsp=7200))
    assert check(GOOD, policy=ages).expires == NOW + 3600


@pytest.mark.parametrize("naming", [hashes.SHA1(), hashes.SHA256(), hashes.SHA512()])
def test_the_issuer_may_be_named_by_other_hashes(naming):
    check(answer(naming=naming))


def test_rejects_no_answer():
    with pytest.raises(UnjudgedError, match="no OCSP answer about NVIDIA GH100 Provisioner"):
        check()


def test_rejects_an_answer_about_another_certificate():
    with pytest.raises(UnjudgedError):
        check(VENDOR.answer(BY, VENDOR.root))


@pytest.mark.parametrize(
    ("reason", "text"),
    [
        (x509.ReasonFlags.certificate_hold, "revoked .certificateHold."),
        (x509.ReasonFlags.key_compromise, "revoked .keyCompromise."),
        (None, "found revoked"),
    ],
)
def test_rejects_a_revoked_certificate_also_where_it_is_only_on_hold(reason, text):
    with pytest.raises(AppraisalError, match=text):
        check(answer(status=ocsp.OCSPCertStatus.REVOKED, reason=reason))


def test_rejects_an_unknown_certificate():
    with pytest.raises(AppraisalError, match="unknown"):
        check(answer(status=ocsp.OCSPCertStatus.UNKNOWN))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"this_update": NOW + 1}, "valid at"),
        ({"next_update": NOW - 1}, "valid at"),
        ({"this_update": NOW - DAY - 1, "next_update": NOW + DAY}, "at most 86400 s old"),
    ],
)
def test_rejects_an_answer_that_is_not_recent(changes, why):
    with pytest.raises(AppraisalError, match=why):
        check(answer(**changes))


def test_rejects_an_answer_that_never_ends():
    with pytest.raises(MalformedEvidenceError, match="next update"):
        Answer.parse(answer(next_update=None))
    with pytest.raises(UnjudgedError):
        check(answer(next_update=None))


def test_rejects_an_answer_below_a_floor():
    floors = Floors(crl={PAIR[1].spki_sha256: Mark(time=NOW)})
    with pytest.raises(AppraisalError, match="date"):
        check(GOOD, floors=floors)


def test_rejects_an_answer_much_older_than_one_accepted_before():
    newest = NewestAccepted(marks={PAIR[1].spki_sha256: Mark(time=NOW + DAY)})
    with pytest.raises(AppraisalError, match="date"):
        check(GOOD, newest=newest)
    same_day = NewestAccepted(marks={PAIR[1].spki_sha256: Mark(time=NOW)})
    check(GOOD, newest=same_day)


def test_of_several_answers_the_newest_counts():
    revoked = answer(status=ocsp.OCSPCertStatus.REVOKED, this_update=NOW - 60)
    with pytest.raises(AppraisalError, match="revoked"):
        check(GOOD, revoked)
    older = answer(status=ocsp.OCSPCertStatus.REVOKED, this_update=NOW - 7200)
    check(GOOD, older)


def test_a_revoked_certificate_is_told_even_where_another_answer_is_missing():
    pairs = (PAIR, (Certificate.parse(BY.der), Certificate.parse(VENDOR.root.der)))
    with pytest.raises(AppraisalError, match="revoked"):
        check_status(pairs, [answer(status=ocsp.OCSPCertStatus.REVOKED)], CONTEXT)
    with pytest.raises(UnjudgedError, match="Identity"):
        check_status(pairs, [GOOD], CONTEXT)


def test_remembers_the_oldest_answer_under_an_issuer():
    chip, other = VENDOR.device("one"), VENDOR.device("two")
    holders = (chip.holders[1], other.holders[1])
    ders = [
        VENDOR.answer(one, VENDOR.provisioner, this_update=NOW - age)
        for one, age in zip(holders, (60, 600), strict=True)
    ]
    issuer = Certificate.parse(VENDOR.provisioner.der)
    pairs = [(Certificate.parse(one.der), issuer) for one in holders]
    assert check_status(pairs, ders, CONTEXT).marks == {issuer.spki_sha256: Mark(time=NOW - 600)}


RESPONDERS = {
    "of another issuer": lambda: VENDOR.responder(VENDOR.root),
    "of another vendor": lambda: Nvidia(root="other").responder(Nvidia(root="other").identity),
    "signed by another key": lambda: VENDOR.responder(BY, signer=key_of("other")),
    "without the purpose": lambda: VENDOR.responder(BY, answers=False),
    "a CA": lambda: VENDOR.responder(BY, is_ca=True, digital_signature=True),
    "with a key that may not sign": lambda: VENDOR.responder(BY, digital_signature=False),
    "expired": lambda: VENDOR.responder(BY, not_after=NOW - 1),
    "not yet valid": lambda: VENDOR.responder(BY, not_before=NOW + 1),
    "with an unknown critical extension": lambda: VENDOR.responder(
        BY, extensions={"1.2.3": b"\5\0"}, critical=("1.2.3",)
    ),
    "the issuer itself": lambda: BY,
    "the certificate itself": lambda: ABOUT,
}


@pytest.mark.parametrize("name", RESPONDERS)
def test_an_answer_of_another_responder_is_no_answer(name):
    with pytest.raises(UnjudgedError):
        check(answer(responder=RESPONDERS[name]()))


def test_the_purpose_of_a_responder_need_not_be_critical():
    check(answer(responder=VENDOR.responder(BY, usage_critical=False)))


def test_an_answer_signed_by_another_key_is_no_answer():
    other = VENDOR.authority("other", by=BY, is_ca=False)
    with pytest.raises(UnjudgedError):
        check(answer(responder=other, inside=[VENDOR.responder(BY)]))


@pytest.mark.parametrize("inside", [[], [BY], [VENDOR.responder(BY)] * 5])
def test_an_answer_without_its_one_responder_is_no_answer(inside: Sequence[Holder]):
    with pytest.raises(UnjudgedError):
        check(answer(inside=inside))


def test_the_responder_may_stand_among_others():
    responder = VENDOR.responder(BY)
    check(answer(responder=responder, inside=[VENDOR.responder(VENDOR.root), responder]))


def test_every_changed_byte_of_an_answer_makes_it_none():
    """But for an answer that says the same: the outer name of the responder decides nothing."""
    for offset in range(len(GOOD)):
        changed = bytearray(GOOD)
        changed[offset] ^= 1
        found = signed_answers((PAIR,), [bytes(changed)], NOW).get(PAIR)
        assert found is None or found.status is ocsp.OCSPCertStatus.GOOD, offset
        if found is not None:
            original = Answer.parse(GOOD)
            assert (found.signed, found.this_update) == (original.signed, original.this_update)


def test_a_refusal_of_the_responder_is_no_answer():
    refusal = ocsp.OCSPResponseBuilder.build_unsuccessful(ocsp.OCSPResponseStatus.TRY_LATER)
    with pytest.raises(MalformedEvidenceError, match="no answer"):
        Answer.parse(refusal.public_bytes(Encoding.DER))


@pytest.mark.parametrize("data", [b"", b"\x30", GOOD[:-1], GOOD + b"\0", b"\x30\x80" * 999])
def test_rejects_what_is_no_answer(data):
    with pytest.raises(MalformedEvidenceError):
        Answer.parse(data)


def test_rejects_an_answer_that_is_too_long():
    with pytest.raises(MalformedEvidenceError, match="more than"):
        Answer.parse(bytes(MAX_ANSWER + 1))


@settings(deadline=None)
@given(st.binary(max_size=100), st.integers(0, len(GOOD)))
def test_any_bytes_are_an_answer_or_refused(data, offset):
    for changed in (data, GOOD[:offset] + data + GOOD[offset:], GOOD[:offset] + data):
        try:
            Answer.parse(changed)
        except MalformedEvidenceError:
            continue


def test_only_a_certificate_with_the_purpose_is_a_responder():
    assert is_responder(Certificate.parse(VENDOR.responder(BY).der))
    assert not is_responder(PAIR[0])


def test_published_answers_are_of_the_responders_of_published_chains(shared):
    folder = shared / "vectors" / "nvidia" / "ocsp"
    answers = [Answer.parse(path.read_bytes()) for path in sorted(folder.iterdir())]
    assert answers
    for one in answers:
        assert one.status is ocsp.OCSPCertStatus.GOOD
        assert one.next_update - one.this_update == DAY
        assert all(is_responder(responder) for responder in one.responders)
