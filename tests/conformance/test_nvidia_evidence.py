"""The checker of NVIDIA evidence finds what the format page says, in made-up cases."""

import hashlib

import pytest

from attestation.nvidia.evidence import Opaque
from tests.conformance.evidence_cases.contract import INVALID, UNKNOWN, VALID, Found, Material
from tests.conformance.evidence_cases.nvidia import examine
from tests.fakes.amd import NOW, pem
from tests.fakes.nvidia import DAY, DRIVER, Chip, Holder, Nvidia, key_of, nvidia

VENDOR = nvidia()
CHIP = VENDOR.device()
REPORT = VENDOR.report(CHIP)
ACTIVE = range(1, 64, 2)


def listed(*holders: Holder) -> frozenset[bytes]:
    return frozenset(hashlib.sha256(one.der).digest() for one in holders)


def judge(
    report: bytes = REPORT,
    *,
    chip: Chip = CHIP,
    rims: tuple[bytes, ...] = (),
    without: tuple[str, ...] = (),
    root: Holder = VENDOR.root,
    trusted: Holder = VENDOR.root,
    at: int = NOW,
) -> Found:
    files = [("report", report), ("chain", chip.pem), ("root", pem(root.der))]
    kept = [one for one in files if one[0] not in without]
    stapled = [("rims", one) for one in rims]
    return examine(Material(files=(*kept, *stapled), at=at, roots=listed(trusted)))


def judge_rim(rim: bytes, *, at: int = NOW, root: Holder | None = None) -> Found:
    given = root or VENDOR.rim_chain[-1]
    files = (("rim", rim), ("root", pem(given.der)))
    return examine(Material(files=files, at=at, roots=listed(VENDOR.rim_chain[-1])))


@pytest.mark.parametrize("family", ["GH100", "GB100", "LS_10"])
def test_a_good_report_is_valid(family):
    vendor = nvidia(family)
    chip = vendor.device()
    found = judge(
        vendor.report(chip),
        chip=chip,
        rims=vendor.rims(),
        root=chip.holders[-1],
        trusted=chip.holders[-1],
    )
    assert found.verdict == VALID
    checks = dict(found.checks)
    assert checks.pop("fwid_matches_leaf") is (None if vendor.is_switch else True)
    assert set(checks.values()) == {True}
    assert found.results == {"rim_mismatches": [], "rim_active_overlap": []}


def test_trailing_bytes_are_reported_and_not_judged():
    found = judge(REPORT + b"\1\2")
    assert found.verdict == VALID
    assert found.fields["trailing_bytes"] == "0102"


def test_a_report_alone_is_unknown():
    found = judge(without=("chain", "root"))
    assert found.verdict == UNKNOWN
    assert set(found.checks.values()) == {None}


def test_a_chain_may_bring_its_root():
    found = judge(without=("root",))
    assert found.verdict == VALID
    assert found.checks["root_matches"] is None
    assert judge(without=("root",), trusted=VENDOR.rim_chain[-1]).verdict == INVALID


def test_a_root_that_is_not_listed_is_not_trusted():
    found = judge(trusted=VENDOR.rim_chain[-1])
    assert found.checks["openssl_chain"] is True
    assert found.verdict == INVALID


def test_a_report_that_does_not_parse_is_told():
    found = judge(REPORT[:-1])
    assert found.verdict == INVALID
    assert found.malformed


@pytest.mark.parametrize(
    ("report", "check"),
    [
        (VENDOR.report(CHIP, key=key_of("other")), "report_signature"),
        (VENDOR.report(CHIP, after={4: bytes(32)}), "report_signature"),
        (VENDOR.report(CHIP, opaque={Opaque.FWID: b"\1" * 48}), "fwid_matches_leaf"),
    ],
)
def test_a_report_with_one_thing_wrong_is_invalid(report, check):
    found = judge(report)
    assert found.verdict == INVALID
    assert [name for name, value in found.checks.items() if value is False] == [check]


def test_a_chain_of_another_vendor_is_invalid():
    chip = Nvidia(root="other").device()
    found = judge(VENDOR.report(chip), chip=chip)
    assert found.verdict == INVALID
    assert found.checks["root_matches"] is False
    assert found.checks["openssl_chain"] is False
    assert found.checks["chain"] is True


def test_mismatches_are_listed_once_for_each_rim_and_no_index_is_excepted():
    report = VENDOR.report(
        CHIP, blocks={2: bytes(48), 36: bytes(48)}, opaque={Opaque.NVDEC0_STATUS: b"\x55"}
    )
    driver = VENDOR.rim(DRIVER, ACTIVE)
    found = judge(report, rims=(driver, driver))
    assert found.verdict == INVALID
    assert found.checks["rim_measurements_match"] is False
    assert found.results["rim_mismatches"] == [1, 1, 35, 35]
    assert found.results["rim_active_overlap"] == list(ACTIVE)


def test_a_good_rim_is_valid():
    found = judge_rim(VENDOR.rim(DRIVER, ACTIVE))
    assert found.verdict == VALID
    assert set(found.checks.values()) == {True}
    assert found.fields["transforms"] == ["xmldsig#enveloped-signature", "xml-c14n11"]
    assert found.fields["active_measurements"] == len(ACTIVE)


def test_a_rim_without_its_root_gets_the_one_given():
    found = judge_rim(VENDOR.rim(DRIVER, ACTIVE, chain=VENDOR.rim_chain[:-1]))
    assert found.verdict == VALID


def test_rims_with_one_thing_wrong_are_invalid():
    edited = VENDOR.rim(DRIVER, ACTIVE, after=lambda text: text.replace(DRIVER, "550.90.08"))
    forged = VENDOR.rim(DRIVER, ACTIVE, key=key_of("other"))
    good = VENDOR.rim(DRIVER, ACTIVE)
    for found, wrong in (
        (judge_rim(edited), ["rim_digest"]),
        (judge_rim(forged), ["rim_signature"]),
        (judge_rim(good, at=NOW + 366 * DAY), ["openssl_chain"]),
        (judge_rim(good, root=VENDOR.root), ["chain", "openssl_chain"]),
    ):
        assert found.verdict == INVALID
        assert [name for name, value in found.checks.items() if value is False] == wrong


def test_a_rim_that_does_not_parse_is_told():
    found = judge_rim(b"<!DOCTYPE a><a/>")
    assert (found.verdict, found.malformed) != (VALID, None)
