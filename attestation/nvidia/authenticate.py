"""NVIDIA devices in step 6 of the argument: authentic, and running what the vendor released.

    6.authentic      the pinned root vouches for the key, the key signed this report, the firmware
                     that made the key is the one the report names, the vendor stands by the chain
    6.measurements   signed RIMs for the very versions that the report names list every measurement

The nonce, the number of devices and whether they belong together are judged by `attestation
.devices`. Pure: bytes and `now` in; what does not hold is raised.

Revocation data is required, as CRLs are of CPUs: a device or RIM signer nobody has an answer about
is not one that was not revoked. OCSP is the one way in which the vendor tells.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache, partial
from itertools import pairwise

from attestation.ahead import Call
from attestation.anchors import anchors_of
from attestation.certificates import Certificate, check_issued, expiry, parse_chain
from attestation.claims import Context, DeviceAppraisal, DeviceClaims
from attestation.endorsements import of_type, oldest
from attestation.errors import AppraisalError, MalformedEvidenceError, UnjudgedError
from attestation.evidence import DeviceEvidence, Endorsement
from attestation.nvidia.endorsements import (
    CHIPS,
    SWITCH,
    Device,
    check_chain,
    check_fwid,
    identify,
)
from attestation.nvidia.evidence import Report
from attestation.nvidia.ocsp import Standing, check_status, status_verifications
from attestation.nvidia.rim import Rim, SignedRim, find_rim, mismatches, overlap
from attestation.nvidia.rim_id import RimId, rim_ids
from attestation.nvidia.signatures import check_signature
from attestation.nvidia.xml_signature import check_signed_info

DEVICE_ROOT, RIM_ROOT = "nvidia", "nvidia-rim"
"""Names of the pinned roots."""

NVDEC0_INDEX = 35
"""RIM index of the first video decoder's firmware, which is not loaded where that is off."""

KEPT_RIMS = 16
"""Parsed RIMs remembered: the devices of a machine share theirs."""


def read_device(device: DeviceEvidence) -> DeviceClaims:
    """Read a report, trusting nothing. Raises: MalformedEvidenceError."""
    report = Report.parse(device.report)
    return DeviceClaims(
        identity=parse_chain(device.certificates)[0].spki_sha256,
        nonce=report.nonce,
        measurements=report.measurements,
    )


def authenticate_device(device: DeviceEvidence, context: Context) -> DeviceAppraisal:
    """Judge signature, chain and revocation.

    Raises:
        AppraisalError: one of them does not hold.
        MalformedEvidenceError: report or chain do not parse.
        UnjudgedError: there is no OCSP answer about a certificate.
    """
    report, chain = Report.parse(device.report), parse_chain(device.certificates)
    check_chain(chain, anchors=anchors_of(DEVICE_ROOT, context.policy), now=context.now)
    named = identify(chain, device.kind)
    check_signature(report, chain[0].public_key, signer=chain[0].name)
    check_fwid(report, chain[0])
    if device.kind == SWITCH:
        _check_pdi(report, named)
    # The burnt-in key answers for the leaf that it issued: nobody else could say of it anything.
    standing = _standing(chain[1:], context)
    return DeviceAppraisal(expires=min(expiry(chain), standing.expires), marks=standing.marks)


def appraise_measurements(
    device: DeviceEvidence, claims: DeviceClaims, context: Context
) -> DeviceAppraisal:
    """Judge the measurements; give until when the RIMs hold, on which answers.

    Raises:
        AppraisalError: a measurement is none of the RIMs', or a RIM is not authentic.
        MalformedEvidenceError: the report does not parse.
        UnjudgedError: there is no RIM for a version, or no OCSP answer about its signer.
    """
    report = Report.parse(device.report)
    chip = identify(parse_chain(device.certificates), device.kind).chip
    stapled = tuple(_parsed(of_type(context.endorsements, "rim")))
    signed = [
        _find(stapled, wanted, chip) for wanted in rim_ids(report, kind=device.kind, chip=chip)
    ]
    standings = [_authenticate_rim(one, context) for one in signed]
    check_measurements(report, [one.rim for one in signed])
    return DeviceAppraisal(
        expires=min(one.expires for one in standings),
        marks=oldest(one.marks for one in standings),
    )


def authenticate_rim(data: bytes, context: Context) -> int:
    """Judge a RIM by itself: signature, chain and revocation; give until when it holds.

    Raises:
        AppraisalError: one of them does not hold.
        MalformedEvidenceError: it does not parse.
        UnjudgedError: there is no OCSP answer about a signer.
    """
    return _authenticate_rim(_parse(data), context).expires


def verifications(
    devices: Sequence[DeviceEvidence], endorsements: Sequence[Endorsement]
) -> Iterator[Call]:
    """Give the verifications of signatures that judging devices will ask for, in that order.

    Self-signatures of roots are left out: nobody asks for them where the root is pinned whole.

    Raises:
        MalformedEvidenceError: a device's report or chain does not parse.
    """
    answers = of_type(endorsements, "ocsp")
    for device in devices:
        if device.kind in CHIPS:
            report, chain = Report.parse(device.report), parse_chain(device.certificates)
            yield from _issued(chain)
            yield partial(check_signature, report, chain[0].public_key, signer=chain[0].name)
            yield from status_verifications(tuple(pairwise(chain[1:])), answers)
    for rim in _parsed(of_type(endorsements, "rim")):
        yield from _issued(rim.signed.certificates)
        yield partial(check_signed_info, rim.signed, rim.signed.certificates[0])
        yield from status_verifications(tuple(pairwise(rim.signed.certificates)), answers)


def check_measurements(report: Report, rims: Sequence[Rim]) -> None:
    """Judge that every measurement that counts has a value of its RIM.

    Raises:
        AppraisalError: one has not, or two RIMs speak of the same one.
    """
    twice = overlap(rims)
    if twice:
        raise AppraisalError("RIMs", expected="each index in one", actual=f"{_list(twice)} in two")
    skipped = {NVDEC0_INDEX} if report.nvdec0_disabled else set()
    wrong = [index for index in mismatches(report.measurements, rims) if index not in skipped]
    if wrong:
        raise AppraisalError(
            "measurements", expected="values of the RIMs", actual=f"others at index {_list(wrong)}"
        )


def _issued(chain: Sequence[Certificate]) -> Iterator[Call]:
    return (partial(check_issued, one, issuer) for one, issuer in pairwise(chain))


def _check_pdi(report: Report, named: Device) -> None:
    """Judge that a switch gives itself the id that its chip certificate has."""
    if report.switch_pdis != (named.pdi,):
        raise AppraisalError(
            "switch id",
            expected=named.pdi.hex(),
            actual=", ".join(one.hex() for one in report.switch_pdis) or "none",
        )


def _authenticate_rim(signed: SignedRim, context: Context) -> Standing:
    chain = signed.signed.certificates
    end = signed.authenticate(anchors=anchors_of(RIM_ROOT, context.policy), now=context.now)
    standing = _standing(chain, context)
    return Standing(expires=min(end, standing.expires), marks=standing.marks)


def _standing(chain: Sequence[Certificate], context: Context) -> Standing:
    """Judge what the vendor says of every certificate but the root, which is pinned."""
    answers = of_type(context.endorsements, "ocsp")
    return check_status(tuple(pairwise(chain)), answers, context)


def _find(stapled: Sequence[SignedRim], wanted: RimId, chip: str) -> SignedRim:
    found = find_rim(stapled, chip=chip, version=wanted.version)
    if found is None:
        raise UnjudgedError(f"there is no RIM {wanted.identifier}")
    return found


def _parsed(ders: Iterable[bytes]) -> Iterable[SignedRim]:
    """Read the RIMs; one that does not parse is passed over like one that nobody stapled."""
    for data in ders:
        try:
            yield _parse(data)
        except MalformedEvidenceError:
            continue


@lru_cache(maxsize=KEPT_RIMS)
def _parse(data: bytes) -> SignedRim:
    return SignedRim.parse(data)


def _list(indexes: Sequence[int]) -> str:
    return ", ".join(map(str, indexes))
