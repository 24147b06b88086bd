"""Every byte counts: 2,000 places of a report and of a RIM are changed, and refused or listed.

Places and bytes are drawn from a digest, so they are the same at every run and on every machine.
"""

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from attestation.errors import AppraisalError, MalformedEvidenceError, UnjudgedError
from attestation.evidence import Endorsement
from attestation.nvidia.authenticate import (
    appraise_measurements,
    authenticate_device,
    read_device,
)
from attestation.nvidia.canonical import canonical
from attestation.nvidia.evidence import Report
from attestation.nvidia.rim import SignedRim
from tests.fakes.nvidia import nvidia

PLACES = 2000
VENDOR = nvidia()
CHIP = VENDOR.device()
REPORT = VENDOR.report(CHIP)
RIMS = VENDOR.rims()
CONTEXT = VENDOR.context(VENDOR.endorsements(CHIP, rims=RIMS))
SIGNATURE = slice(len(REPORT) - 96, len(REPORT))


def drawn(data: bytes, name: str) -> Iterator[tuple[int, bytes]]:
    """Give places and the data with another byte there: a flipped bit, or any other byte."""
    for number in range(PLACES):
        digest = hashlib.sha256(f"{name} {number}".encode()).digest()
        offset = int.from_bytes(digest[:4], "big") % len(data)
        other = 1 << digest[4] % 8 if number % 2 else digest[5] or 1
        yield offset, data[:offset] + bytes((data[offset] ^ other,)) + data[offset + 1 :]


def accepted(judge: Callable[[bytes], None], data: bytes, name: str) -> dict[int, bytes]:
    found = {}
    for offset, changed in drawn(data, name):
        try:
            judge(changed)
        except (AppraisalError, MalformedEvidenceError, UnjudgedError):
            continue
        found[offset] = changed
    return found


def judge_report(report: bytes) -> None:
    authenticate_device(CHIP.evidence(report), CONTEXT)


def judge_rim(rim: bytes) -> None:
    stapled = [Endorsement(type="rim", data=one) for one in (rim, RIMS[1])]
    answers = [one for one in CONTEXT.endorsements if one.type == "ocsp"]
    evidence = CHIP.evidence(REPORT)
    context = replace(CONTEXT, endorsements=(*stapled, *answers))
    appraise_measurements(evidence, read_device(evidence), context)


def test_what_is_changed_is_accepted_as_it_is():
    judge_report(REPORT)
    judge_rim(RIMS[0])


def test_no_changed_byte_of_a_report_is_accepted():
    assert accepted(judge_report, REPORT, "report") == {}


def test_no_missing_tail_of_a_report_is_accepted():
    for size in (*range(0, len(REPORT), 97), *range(len(REPORT) - 100, len(REPORT))):
        with pytest.raises(MalformedEvidenceError):
            judge_report(REPORT[:size])


def test_a_changed_rim_is_accepted_only_where_it_is_the_same_rim():
    """Tolerated are spaces that canonical XML does not keep, and those inside base64."""
    original = SignedRim.parse(RIMS[0])
    for offset, changed in accepted(judge_rim, RIMS[0], "rim").items():
        assert re.match(rb"\s", RIMS[0][offset : offset + 1]), offset
        assert re.match(rb"\s", changed[offset : offset + 1]), offset
        found = SignedRim.parse(changed)
        assert canonical(found.signed.payload) == canonical(original.signed.payload)
        assert found.signed.signed_info == original.signed.signed_info
        assert found.signed.certificates == original.signed.certificates


def test_spaces_between_attributes_and_in_base64_are_what_is_tolerated():
    start = RIMS[0].index(b"<ds:X509Certificate>")
    places = {RIMS[0].index(b' name="GH100"'), RIMS[0].index(b"\n", start)}
    for offset in places:
        for space in (b"\t", b"\n", b" "):
            judge_rim(RIMS[0][:offset] + space + RIMS[0][offset + 1 :])


def test_spaces_between_elements_are_signed():
    text = RIMS[0].index(b">\n    <ns0:Payload>") + 1
    with pytest.raises(AppraisalError, match="digest"):
        judge_rim(RIMS[0][:text] + b" " + RIMS[0][text + 1 :])


def test_a_changed_report_that_reads_is_another_report():
    for _offset, changed in drawn(REPORT, "reads"):
        try:
            report = Report.parse(changed)
        except MalformedEvidenceError:
            continue
        assert report.signed + report.signature == changed
