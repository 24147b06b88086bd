"""Published reports, chains, RIMs and answers before our code; nothing here names a case's outcome.

What the cases expect is compared by the conformance runner. Here the whole of step 6 runs on the
published sets that are complete, and what the runner leaves aside is compared.
"""

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from attestation.anchors import VENDOR_ROOTS
from attestation.certificates import Certificate, check_path, parse_certificate, parse_chain
from attestation.claims import Context
from attestation.errors import AppraisalError, UnjudgedError
from attestation.evidence import DeviceEvidence, Endorsement
from attestation.nvidia.authenticate import (
    DEVICE_ROOT,
    RIM_ROOT,
    appraise_measurements,
    authenticate_device,
    read_device,
)
from attestation.nvidia.endorsements import GPU, SWITCH
from attestation.nvidia.evidence import Opaque, Report
from attestation.nvidia.ocsp import Answer, Pair
from attestation.nvidia.rim import SignedRim, mismatches, overlap
from attestation.nvidia.rim_id import rim_ids
from attestation.policy import AppraisalPolicy, Floors, NewestAccepted


@pytest.fixture
def folder(shared: Path) -> Path:
    return shared / "vectors" / "nvidia"


@pytest.fixture
def index(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "INDEX.json").read_bytes())
    return found


@pytest.fixture
def context(folder: Path, index: dict[str, Any]) -> Context:
    """Everything that is published and authentic, stapled at once."""
    valid = [case for case in index["cases"] if case["expected"]["verdict"] == "valid"]
    rims = [case["files"]["rim"] for case in valid if "rim" in case["files"]]
    files = [*(("rim", name) for name in rims), *(("ocsp", one["file"]) for one in index["ocsp"])]
    return Context(
        now=0,
        endorsements=tuple(
            Endorsement(type=kind, data=(folder / name).read_bytes()) for kind, name in files
        ),
        policy=AppraisalPolicy(platforms=("sev-snp",)),
        floors=Floors(),
        newest=NewestAccepted(),
    )


def reports(folder: Path, index: dict[str, Any]) -> list[tuple[dict[str, Any], DeviceEvidence]]:
    """Give the valid cases with a report."""
    found = []
    for case in index["cases"]:
        if "report" in case["files"] and case["expected"]["verdict"] == "valid":
            parts = [(folder / case["files"][name]).read_bytes() for name in ("report", "chain")]
            kind = SWITCH if "LS" in parse_chain(parts[1])[0].name else GPU
            found.append(
                (case, DeviceEvidence(kind=kind, report=parts[0], certificates=parts[1], mode="on"))
            )
    return found


def answered(chain: tuple[Certificate, ...], context: Context) -> list[Answer]:
    """Give the published answers about a chain, if there is one about every certificate."""
    answers = [Answer.parse(one.data) for one in context.endorsements if one.type == "ocsp"]
    pairs: list[Pair] = list(pairwise(chain))
    found = [one for pair in pairs for one in answers if one.names(*pair)]
    return found if len(found) == len(pairs) else []


def test_devices_with_an_answer_about_every_certificate_are_authentic(folder, index, context):
    tried = 0
    for _case, evidence in reports(folder, index):
        answers = answered(parse_chain(evidence.certificates)[1:], context)
        if not answers:
            with pytest.raises(UnjudgedError, match="no OCSP answer"):
                authenticate_device(evidence, replace(context, now=index_time(context)))
            continue
        newest = max(one.this_update for one in answers)
        appraisal = authenticate_device(evidence, replace(context, now=newest))
        assert newest < appraisal.expires <= newest + 86400
        assert len(appraisal.marks) == 3
        with pytest.raises(AppraisalError, match="OCSP"):
            authenticate_device(evidence, replace(context, now=newest + 86401))
        tried += 1
    assert tried


def index_time(context: Context) -> int:
    return max(
        Answer.parse(one.data).this_update for one in context.endorsements if one.type == "ocsp"
    )


def test_devices_with_published_rims_and_answers_measure_as_they_say(folder, index, context):
    tried = 0
    now = replace(context, now=index_time(context))
    for case, evidence in reports(folder, index):
        wanted = rim_ids(
            Report.parse(evidence.report),
            kind=evidence.kind,
            chip=parse_chain(evidence.certificates)[0].name.partition(" ")[0].replace("_", ""),
        )
        if len(case["files"].get("rims", ())) != len(wanted) or evidence.kind != GPU:
            continue
        assert appraise_measurements(evidence, read_device(evidence), now).expires > now.now
        tried += 1
    assert tried


def test_every_comparison_with_rims_is_the_published_one(folder, index):
    compared = 0
    for case in index["cases"]:
        if "rims" in case["files"]:
            report = Report.parse((folder / case["files"]["report"]).read_bytes())
            names = case["files"]["rims"]
            rims = [SignedRim.parse((folder / name).read_bytes()).rim for name in names]
            expected = case["expected"]
            assert mismatches(report.measurements, rims) == expected["rim_mismatches"], case["id"]
            assert overlap(rims) == expected["rim_active_overlap"], case["id"]
            compared += 1
    assert compared


def test_every_report_is_refused_with_the_chain_of_another(folder, index, context):
    found = reports(folder, index)
    for _case, evidence in found:
        for _other, another in found:
            mine, theirs = (parse_chain(one.certificates) for one in (evidence, another))
            if evidence.kind == another.kind and mine[0] != theirs[0]:
                mixed = replace(evidence, certificates=another.certificates)
                with pytest.raises(AppraisalError, match="signature"):
                    authenticate_device(mixed, replace(context, now=index_time(context)))


def test_rim_identifiers_are_those_of_the_published_files(folder, index):
    """A published RIM's file is named after board and version; so is what we ask for."""
    named = {case["files"]["rim"] for case in index["cases"] if "rim" in case["files"]}
    spelled = {Path(name).stem for name in named}
    for case, evidence in reports(folder, index):
        chip = parse_chain(evidence.certificates)[0].name.partition(" ")[0].replace("_", "")
        report = Report.parse(evidence.report)
        bios = rim_ids(report, kind=evidence.kind, chip=chip)[-1].identifier
        tail = bios.removeprefix("NV_GPU_VBIOS_").removeprefix("NV_SWITCH_BIOS_")
        for name in case["files"].get("rims", ()):
            stem = Path(name).stem
            if "bios" in stem and stem in spelled:
                assert stem.endswith(tail)
        assert (Opaque.DRIVER_VERSION in report.opaque) is (evidence.kind == GPU)


def test_pinned_roots_are_the_published_ones(folder, index):
    found = set()
    for entry in index["certificates"]:
        certificate = parse_certificate((folder / entry["file"]).read_bytes())
        (anchor,) = (one for one in VENDOR_ROOTS if one.is_certificate(certificate))
        check_path((certificate,), anchors=(anchor,), now=certificate.not_before)
        assert anchor.name == certificate.name
        found.add(anchor.platform)
    assert found == {DEVICE_ROOT, RIM_ROOT}
