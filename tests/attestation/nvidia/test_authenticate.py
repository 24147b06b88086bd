"""A device is authentic, and measures as released, or is refused for the one thing wrong."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.x509 import ocsp
from hypothesis import given, settings
from hypothesis import strategies as st

from attestation.claims import Context, DeviceAppraisal
from attestation.errors import (
    AppraisalError,
    AttestationError,
    MalformedEvidenceError,
    UnjudgedError,
)
from attestation.evidence import DeviceEvidence
from attestation.nvidia.authenticate import (
    appraise_measurements,
    authenticate_device,
    read_device,
)
from attestation.nvidia.evidence import Opaque, Report
from attestation.nvidia.rim_id import rim_ids
from attestation.policy import AppraisalPolicy
from tests.fakes.amd import NOW
from tests.fakes.nvidia import (
    DAY,
    DRIVER,
    NONCE,
    VBIOS,
    Chip,
    Holder,
    Nvidia,
    composite_device_id,
    key_of,
    nvidia,
    value_of,
)

FAMILIES = ["GH100", "GB100", "LS_10"]
VENDOR = nvidia()
CHIP = VENDOR.device()
EVIDENCE = CHIP.evidence(VENDOR.report(CHIP))
CONTEXT = VENDOR.context(VENDOR.endorsements(CHIP))


def measure(evidence: DeviceEvidence = EVIDENCE, context: Context = CONTEXT) -> DeviceAppraisal:
    return appraise_measurements(evidence, read_device(evidence), context)


def report(**changes) -> DeviceEvidence:
    return CHIP.evidence(VENDOR.report(CHIP, **changes))


def stapled(**changes) -> Context:
    return VENDOR.context(VENDOR.endorsements(CHIP, **changes))


@pytest.mark.parametrize("family", FAMILIES)
def test_accepts_a_device_of_each_family(family):
    vendor = nvidia(family)
    chip = vendor.device()
    evidence = chip.evidence(vendor.report(chip))
    context = vendor.context(vendor.endorsements(chip))
    appraisal = authenticate_device(evidence, context)
    assert appraisal.expires == NOW + DAY - 3600
    assert len(appraisal.marks) == 3
    rims = measure(evidence, context)
    assert rims.expires == NOW + DAY - 3600
    assert rims.marks.keys() == {one.spki_sha256 for one in vendor.rim_chain[1:]}


def test_claims_what_the_report_says():
    claims = read_device(EVIDENCE)
    assert claims.identity == CHIP.holders[0].spki_sha256
    assert claims.nonce == NONCE
    assert claims.measurements == {n: value_of(n) for n in range(1, 65)}


@pytest.mark.parametrize(
    "changes",
    [{"report": b""}, {"report": EVIDENCE.report + b"\0"}, {"certificates": b""}],
)
def test_reads_nothing_that_is_malformed(changes):
    with pytest.raises(MalformedEvidenceError):
        read_device(replace(EVIDENCE, **changes))


REFUSED: dict[str, tuple[Callable[[], tuple[DeviceEvidence, Context]], str]] = {
    "another key": (lambda: (report(key=key_of("other")), CONTEXT), "signature"),
    "another nonce after signing": (lambda: (report(after={4: bytes(32)}), CONTEXT), "signature"),
    "another measurement after signing": (
        lambda: (report(after={60: bytes(4)}), CONTEXT),
        "signature",
    ),
    "another device nonce after signing": (
        lambda: (report(after={37 + 8 + 64 * 55: b"x"}), CONTEXT),
        "signature",
    ),
    "another firmware id": (
        lambda: (report(opaque={Opaque.FWID: b"\1" * 48}), CONTEXT),
        "FWID",
    ),
    "another kind": (lambda: (replace(EVIDENCE, kind="nvidia-switch"), CONTEXT), "chip"),
    "another vendor": (
        lambda: (EVIDENCE, replace(CONTEXT, policy=AppraisalPolicy(platforms=("sev-snp",)))),
        "root",
    ),
    "the RIM root": (
        lambda: (
            EVIDENCE,
            Nvidia().context(
                CONTEXT.endorsements,
                policy=AppraisalPolicy(
                    platforms=("sev-snp",),
                    roots={"sev-snp": bytes(32), "nvidia": VENDOR.roots["nvidia-rim"]},
                ),
            ),
        ),
        "root",
    ),
    "another chip's chain": (
        lambda: (replace(EVIDENCE, certificates=VENDOR.device("other").pem), CONTEXT),
        "signature",
    ),
    "after the answers": (lambda: (EVIDENCE, replace(CONTEXT, now=NOW + DAY)), "OCSP"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_rejects_a_device_with_one_thing_wrong(name):
    make, why = REFUSED[name]
    with pytest.raises(AppraisalError, match=why):
        authenticate_device(*make())


@pytest.mark.parametrize("size", [4, 6])
def test_rejects_a_chain_of_another_length(size):
    """An intermediate left out where the path still holds, or one more put in."""
    extra = VENDOR.authority("one more", by=VENDOR.provisioner)
    by = VENDOR.provisioner if size == 4 else extra
    brom = VENDOR.authority("GH100 A01 GSP BROM", by=by, key=CHIP.holders[1].key)
    leaf = VENDOR.authority(
        "GH100 A01 GSP FMC LF",
        by=brom if size == 6 else VENDOR.provisioner,
        key=CHIP.key,
        is_ca=False,
        extensions=composite_device_id(CHIP.fwid),
    )
    above = (VENDOR.provisioner, VENDOR.identity, VENDOR.root)
    holders = (leaf, *above) if size == 4 else (leaf, brom, extra, *above)
    other = Chip(holders=holders, kind=CHIP.kind, fwid=CHIP.fwid, pdi=CHIP.pdi)
    with pytest.raises(AppraisalError, match="5 certificates"):
        authenticate_device(other.evidence(EVIDENCE.report), CONTEXT)


def test_rejects_a_switch_that_names_itself_otherwise():
    switch = nvidia("LS_10")
    chip = switch.device()
    context = switch.context(switch.endorsements(chip))
    for pdis in (None, b"", b"elsewher", chip.pdi * 2, chip.pdi[::-1]):
        evidence = chip.evidence(switch.report(chip, opaque={Opaque.SWITCH_PDIS: pdis}))
        with pytest.raises(AppraisalError, match="switch id"):
            authenticate_device(evidence, context)


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize(
    "reason", [x509.ReasonFlags.certificate_hold, x509.ReasonFlags.key_compromise]
)
def test_rejects_a_device_with_a_revoked_certificate(depth, reason):
    about, by = CHIP.holders[depth], CHIP.holders[depth + 1]
    revoked = VENDOR.answer(about, by, status=ocsp.OCSPCertStatus.REVOKED, reason=reason)
    rest = [
        VENDOR.answer(one, two)
        for one, two in zip(CHIP.holders[1:], CHIP.holders[2:], strict=False)
        if one is not about
    ]
    with pytest.raises(AppraisalError, match=f"revoked .{reason.value}"):
        authenticate_device(EVIDENCE, stapled(answers=[revoked, *rest]))
    with pytest.raises(UnjudgedError, match=about.name):
        authenticate_device(EVIDENCE, stapled(answers=rest))


def test_a_revoked_rim_signer_is_no_reason_against_the_device():
    signer, by = VENDOR.rim_chain[:2]
    revoked = VENDOR.answer(signer, by, status=ocsp.OCSPCertStatus.REVOKED, this_update=NOW - 60)
    context = stapled(answers=[*VENDOR.answers(CHIP), revoked])
    authenticate_device(EVIDENCE, context)
    with pytest.raises(AppraisalError, match="revoked"):
        measure(context=context)


@pytest.mark.parametrize("block", [1, 2, 36, 37, 64])
def test_rejects_another_measurement(block):
    with pytest.raises(AppraisalError, match=f"others at index {block - 1}$"):
        measure(report(blocks={block: bytes(48)}))


def test_rejects_a_missing_measurement():
    with pytest.raises(AppraisalError, match=r"others at index 9$"):
        measure(report(blocks={10: None}))


def test_the_decoders_measurement_counts_only_where_it_is_on():
    off = {Opaque.NVDEC0_STATUS: b"\x55"}
    measure(report(blocks={36: bytes(48)}, opaque=off))
    for status in (b"\xaa", b"\0", None):
        with pytest.raises(AppraisalError, match=r"others at index 35$"):
            measure(report(blocks={36: bytes(48)}, opaque={Opaque.NVDEC0_STATUS: status}))
    with pytest.raises(AppraisalError, match=r"others at index 37$"):
        measure(report(blocks={36: bytes(48), 38: bytes(48)}, opaque=off))


@pytest.mark.parametrize("missing", [0, 1])
def test_rejects_a_missing_rim(missing):
    rims = list(VENDOR.rims())
    del rims[missing]
    identifier = ["NV_GPU_DRIVER_GH100_550.90.07", "NV_GPU_VBIOS_1010_0200_882_96009F0001"]
    with pytest.raises(UnjudgedError, match=f"no RIM {identifier[missing]}$"):
        measure(context=stapled(rims=rims))


@pytest.mark.parametrize(
    ("opaque", "identifier"),
    [
        ({Opaque.DRIVER_VERSION: b"550.90.08\0"}, "NV_GPU_DRIVER_GH100_550.90.08"),
        (
            {Opaque.VBIOS_VERSION: bytes.fromhex("00a0009601000000")},
            "NV_GPU_VBIOS_1010_0200_882_9600A00001",
        ),
    ],
)
def test_rejects_the_rims_of_other_versions(opaque, identifier):
    with pytest.raises(UnjudgedError, match=f"no RIM {identifier}$"):
        measure(report(opaque=opaque))


def test_rejects_the_rims_of_another_chip():
    other = [VENDOR.rim(version, range(64), product="GB100") for version in (DRIVER, VBIOS)]
    with pytest.raises(UnjudgedError, match="no RIM NV_GPU_DRIVER_GH100"):
        measure(context=stapled(rims=other))


@pytest.mark.parametrize("kind", [Opaque.DRIVER_VERSION, Opaque.VBIOS_VERSION, Opaque.PROJECT])
def test_rejects_a_report_without_a_version(kind):
    with pytest.raises(AppraisalError, match="named in the report"):
        measure(report(opaque={kind: None}))


def test_rejects_rims_that_speak_of_the_same_measurement():
    rims = [VENDOR.rim(DRIVER, range(1, 64, 2)), VENDOR.rim(VBIOS, range(0, 64, 2))]
    twice = [VENDOR.rim(DRIVER, [0, *range(1, 64, 2)]), rims[1]]
    measure(context=stapled(rims=rims))
    with pytest.raises(AppraisalError, match="0 in two"):
        measure(context=stapled(rims=twice))


RIMS: dict[str, tuple[Callable[[], tuple[bytes, ...]], str]] = {
    "edited": (
        lambda: VENDOR.rims(
            after=lambda text: text.replace('revision="', 'x="').replace(
                "Measurement_7", "Measurement_x"
            )
        ),
        "digest",
    ),
    "made to count no more": (
        lambda: VENDOR.rims(after=lambda text: text.replace('"True"', '"False"', 1)),
        "digest",
    ),
    "of another vendor": (lambda: Nvidia(root="other").rims(), "root"),
    "of another signer's key": (
        lambda: rims_by(VENDOR.rim_chain, key=key_of("other")),
        "signature",
    ),
    "of a signer under the device root": (
        lambda: rims_by(CHIP.holders),
        "root",
    ),
    "of an expired signer": (
        lambda: rims_by(
            (
                VENDOR.rim_signer(VENDOR.rim_chain[1], not_after=NOW - 1),
                *VENDOR.rim_chain[1:],
            )
        ),
        "validity",
    ),
    "of a signer that is a CA": (
        lambda: rims_by(VENDOR.rim_chain[1:]),
        "leaf",
    ),
}


def rims_by(chain: tuple[Holder, ...], **changes) -> tuple[bytes, ...]:
    return (
        VENDOR.rim(DRIVER, range(1, 64, 2), chain=chain, **changes),
        VENDOR.rim(VBIOS, range(0, 64, 2), chain=chain, **changes),
    )


@pytest.mark.parametrize("name", RIMS)
def test_rejects_a_rim_with_one_thing_wrong(name):
    make, why = RIMS[name]
    with pytest.raises(AppraisalError, match=why):
        measure(context=stapled(rims=make()))


def test_a_rim_that_does_not_parse_is_none():
    bomb = b'<!DOCTYPE a [<!ENTITY x "x">]><a>&x;</a>'
    with pytest.raises(UnjudgedError, match="no RIM"):
        measure(context=stapled(rims=[bomb, b"", bytes(2**20)]))
    measure(context=stapled(rims=[bomb, b"", *VENDOR.rims()]))


def test_rejects_a_rim_whose_signer_nobody_answers_for():
    answers = [
        VENDOR.answer(one, by) for one, by in zip(CHIP.holders[1:], CHIP.holders[2:], strict=False)
    ]
    context = stapled(answers=answers)
    authenticate_device(EVIDENCE, context)
    with pytest.raises(UnjudgedError, match="HCC RIM L4 Signer"):
        measure(context=context)


def test_a_later_rim_takes_the_place_of_an_earlier_one():
    wrong = VENDOR.rim(DRIVER, range(1, 64, 2), tag_version=1, values={1: (bytes(48),)})
    with pytest.raises(AppraisalError, match=r"others at index 1$"):
        measure(context=stapled(rims=[*VENDOR.rims(), wrong]))


@pytest.mark.parametrize(
    ("family", "identifiers"),
    [
        ("GH100", [f"NV_GPU_DRIVER_GH100_{DRIVER}", "NV_GPU_VBIOS_1010_0200_882_96009F0001"]),
        ("GB100", [f"NV_GPU_CC_DRIVER_GB100_{DRIVER}", "NV_GPU_VBIOS_1010_0200_882_96009F0001"]),
        ("LS_10", ["NV_SWITCH_BIOS_5612_0002_890_9610550001"]),
    ],
)
def test_names_the_rims_that_a_report_needs(family, identifiers):
    vendor = nvidia(family)
    chip = vendor.device()
    found = rim_ids(Report.parse(vendor.report(chip)), kind=chip.kind, chip=family.replace("_", ""))
    assert [one.identifier for one in found] == identifiers


@settings(deadline=None, max_examples=80)
@given(st.binary(max_size=200), st.binary(max_size=200), st.binary(max_size=200))
def test_any_bytes_are_judged_or_refused(data, chain, endorsement):
    context = stapled(rims=[endorsement], answers=[endorsement])
    for evidence in (
        replace(EVIDENCE, report=data, certificates=chain),
        replace(EVIDENCE, report=data),
        replace(EVIDENCE, certificates=chain),
        EVIDENCE,
    ):
        with pytest.raises(AttestationError):
            authenticate_device(evidence, context)
        with pytest.raises(AttestationError):
            measure(evidence, context)
