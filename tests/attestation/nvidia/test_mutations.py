"""Every byte counts: 2,000 places of a report and of a RIM are changed, and refused or listed.

Places and bytes are drawn from a seed, so they are the same at every run and on every machine.
"""

import random
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
    """Give different places and the data with another byte there: a flipped bit, or any other."""
    chance = random.Random(name)
    for number, offset in enumerate(chance.sample(range(len(data)), PLACES)):
        other = 1 << chance.randrange(8) if number % 2 else chance.randrange(1, 256)
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


LINE_END = (b"\n", b"\r")
"""Tolerated anywhere: XML reads both as the same end of a line (XML 1.0, section 2.11)."""


def tolerated_places(rim: bytes) -> frozenset[int]:
    """List where a RIM has spaces that nothing signs: in tags outside quotes, and in base64."""
    found = set()
    for tag in re.finditer(rb"""<(?:[^<>"']|"[^"]*"|'[^']*')*>""", rim):
        bare = re.sub(rb""""[^"]*"|'[^']*'""", lambda quoted: b"q" * len(quoted[0]), tag[0])
        found |= {tag.start() + space.start() for space in re.finditer(rb"\s", bare)}
    for text in re.finditer(rb":(SignatureValue|X509Certificate)>([^<]*)<", rim):
        found |= {text.start(2) + space.start() for space in re.finditer(rb"\s", text[2])}
    return frozenset(found)


def test_every_listed_place_is_tolerated_and_few_are():
    listed = tolerated_places(RIMS[0])
    assert len(listed) < len(RIMS[0]) // 20
    for offset in listed:
        other = b"\t" if RIMS[0][offset : offset + 1] == b" " else b" "
        judge_rim(RIMS[0][:offset] + other + RIMS[0][offset + 1 :])


def test_a_line_end_in_text_may_be_spelled_otherwise_and_no_other_way():
    text = RIMS[0].index(b">\n    <ns0:Payload>") + 1
    judge_rim(RIMS[0][:text] + b"\r" + RIMS[0][text + 1 :])
    for other in (b"\t", b" ", b"\x85", b"", b"\n\n"):
        with pytest.raises((AppraisalError, MalformedEvidenceError, UnjudgedError)):
            judge_rim(RIMS[0][:text] + other + RIMS[0][text + 1 :])


def test_2000_places_of_each_are_changed():
    for data, name in ((REPORT, "report"), (RIMS[0], "rim")):
        places = [offset for offset, _changed in drawn(data, name)]
        assert len(set(places)) == len(places) == 2000
        assert all(changed != data for _offset, changed in drawn(data, name))


def test_a_changed_rim_is_accepted_only_where_it_is_the_same_rim():
    """Tolerated are spaces that canonical XML does not keep, and those inside base64."""
    original = SignedRim.parse(RIMS[0])
    for offset, changed in accepted(judge_rim, RIMS[0], "rim").items():
        is_line_end = (RIMS[0][offset : offset + 1], changed[offset : offset + 1]) == LINE_END
        assert is_line_end or offset in tolerated_places(RIMS[0])
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
