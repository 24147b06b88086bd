"""What is remembered saves work and nothing else: the same bytes are refused once their time is up.

Every test judges the very bytes it was given before, so that whatever can be remembered is.
"""

import cProfile
from collections.abc import Callable
from dataclasses import replace

import pytest

from attestation.certificates import Certificate
from attestation.claims import Context
from attestation.errors import AppraisalError, UnjudgedError
from attestation.nvidia.authenticate import (
    appraise_measurements,
    authenticate_device,
    read_device,
)
from attestation.nvidia.evidence import Report
from attestation.nvidia.ocsp import check_status
from attestation.nvidia.signatures import check_raw_signature
from attestation.policy import Ages, AppraisalPolicy, Floors, Mark, NewestAccepted
from tests.fakes.amd import NOW
from tests.fakes.nvidia import DAY, Nvidia, nvidia

VENDOR = nvidia()
CHIPS = VENDOR.device("first"), VENDOR.device("second")
EVIDENCE = tuple(chip.evidence(VENDOR.report(chip)) for chip in CHIPS)
CONTEXT = VENDOR.context(VENDOR.endorsements(*CHIPS))
ISSUER = Certificate.parse(VENDOR.provisioner.der).spki_sha256
RIM_ISSUER = Certificate.parse(VENDOR.rim_chain[1].der).spki_sha256


def judge(context: Context = CONTEXT) -> None:
    for one in EVIDENCE:
        authenticate_device(one, context)
        measure(context)


def measure(context: Context = CONTEXT) -> None:
    appraise_measurements(EVIDENCE[0], read_device(EVIDENCE[0]), context)


def verifications(way: Callable[[], object]) -> int:
    """Count the library's verifications of signatures in one call."""
    profile = cProfile.Profile()
    profile.enable()
    way()
    profile.disable()
    names = [(str(entry.code), entry.callcount) for entry in profile.getstats()]
    return sum(count for name, count in names if "'verify' of 'cryptography" in name)


def test_no_signature_is_verified_twice():
    vendor = Nvidia("GB100", root="judged nowhere else ")
    chips = vendor.device("one"), vendor.device("two")
    context = vendor.context(vendor.endorsements(*chips))
    evidence = [chip.evidence(vendor.report(chip)) for chip in chips]

    def both() -> None:
        for one in evidence:
            authenticate_device(one, context)
            appraise_measurements(one, read_device(one), context)

    # Two of each: reports, leaves, chips; of both together two CAs and the root. Signatures and
    # signers of two RIMs, two CAs and the root. Eight answers, under six issuers.
    assert verifications(both) == (3 * 2 + 3) + (2 * 2 + 3) + (8 + 6)
    assert verifications(both) == 0


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"now": NOW + DAY}, "OCSP"),
        ({"now": NOW - 7200}, "OCSP"),
        ({"now": NOW - 401 * DAY}, "validity"),
        ({"policy": replace(CONTEXT.policy, ages=Ages(ocsp=60))}, "OCSP"),
        ({"floors": Floors(crl={ISSUER: Mark(time=NOW)})}, "date"),
        ({"newest": NewestAccepted(marks={ISSUER: Mark(time=NOW + DAY)})}, "date"),
        ({"policy": AppraisalPolicy(platforms=("sev-snp",))}, "root"),
    ],
)
def test_what_was_accepted_is_refused_when_time_or_policy_say_so(changes, why):
    judge()
    changed = replace(CONTEXT, **changes)
    with pytest.raises(AppraisalError, match=why):
        authenticate_device(EVIDENCE[0], changed)
    judge()


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"now": NOW + DAY}, "OCSP"),
        ({"now": NOW + 366 * DAY}, "validity"),
        ({"floors": Floors(crl={RIM_ISSUER: Mark(time=NOW)})}, "date"),
        ({"newest": NewestAccepted(marks={RIM_ISSUER: Mark(time=NOW + DAY)})}, "date"),
        ({"policy": AppraisalPolicy(platforms=("sev-snp",))}, "root"),
    ],
)
def test_rims_that_were_accepted_are_refused_when_time_or_policy_say_so(changes, why):
    measure()
    with pytest.raises(AppraisalError, match=why):
        measure(replace(CONTEXT, **changes))
    measure()


def test_an_answer_counts_no_longer_than_its_responder():
    about, by = VENDOR.provisioner, VENDOR.identity
    responder = VENDOR.responder(by, not_before=NOW - 60, not_after=NOW + 60)
    answers = [VENDOR.answer(about, by, responder=responder)]
    pairs = ((Certificate.parse(about.der), Certificate.parse(by.der)),)
    with pytest.raises(UnjudgedError):
        check_status(pairs, answers, replace(CONTEXT, now=NOW - 61))
    check_status(pairs, answers, CONTEXT)
    check_status(pairs, answers, replace(CONTEXT, now=NOW + 60))
    with pytest.raises(UnjudgedError):
        check_status(pairs, answers, replace(CONTEXT, now=NOW + 61))


def test_an_accepted_signature_vouches_for_no_other_bytes_and_no_other_key():
    key, report = CHIPS[0].key.public_key(), Report.parse(EVIDENCE[0].report)
    check_raw_signature(key, report.signature, report.signed, signer="leaf")
    for changed in (b"\1" + report.signature[1:], report.signature[:-1] + b"\0"):
        with pytest.raises(AppraisalError):
            check_raw_signature(key, changed, report.signed, signer="leaf")
    with pytest.raises(AppraisalError):
        check_raw_signature(key, report.signature, report.signed + b"\0", signer="leaf")
    other = CHIPS[1].key.public_key()
    with pytest.raises(AppraisalError):
        check_raw_signature(other, report.signature, report.signed, signer="leaf")


def test_a_refused_signature_is_refused_again():
    key = CHIPS[0].key
    for _ in range(2):
        with pytest.raises(AppraisalError, match="does not verify"):
            check_raw_signature(key.public_key(), bytes(95) + b"\1", b"said", signer="leaf")


def test_what_is_remembered_of_a_report_cannot_be_changed():
    report = Report.parse(EVIDENCE[0].report)
    assert Report.parse(EVIDENCE[0].report) is report
    with pytest.raises(TypeError):
        report.opaque[3] = b""  # type: ignore[index]
    with pytest.raises(TypeError):
        report.measurements[1] = b""  # type: ignore[index]
