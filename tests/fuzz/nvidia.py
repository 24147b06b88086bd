"""NVIDIA: reports, RIMs and the XML they are written in, OCSP answers, one device as a whole."""

import functools
import hashlib
from base64 import urlsafe_b64encode
from dataclasses import replace

import jwt
from cryptography.x509 import ObjectIdentifier

from attestation.anchors import anchors_of
from attestation.errors import AppraisalError, MalformedEvidenceError, UnjudgedError
from attestation.evidence import Endorsement
from attestation.nvidia import authenticate
from attestation.nvidia.canonical import canonical
from attestation.nvidia.endorsements import identify, leaf_fwids
from attestation.nvidia.evidence import Report
from attestation.nvidia.fields import fields, rim_fields
from attestation.nvidia.ocsp import Answer, is_responder
from attestation.nvidia.own import check_own
from attestation.nvidia.rim import SignedRim
from attestation.nvidia.tokens import ALGORITHM, ISSUER, check_opinion, parse_keys
from attestation.nvidia.xml_signature import Signed
from attestation.nvidia.xml_tree import parse_xml
from attestation.sections import DeviceEvidence
from attestation.strict_json import dumps
from attestation.x509 import parse_chain
from tests.fakes.amd import NOW
from tests.fakes.nvidia import NONCE, composite_device_id, key_of, nvidia, tcb_info
from tests.fuzz.pieces import joined, named, numbered, pieces
from tests.fuzz.target import Bytes, each, target
from tests.fuzz.vectors import published, standing_beside

TYPES = ("rim", "ocsp", "other")
REFUSED = (MalformedEvidenceError, AppraisalError, UnjudgedError)
USAGE, OCSP_SIGNING = "2.5.29.37", b"0\x0a\x06\x08+\x06\x01\x05\x05\x07\x03\x09"
OIDS = ("2.23.133.5.4.1", "2.23.133.5.4.1.1", USAGE)


def reports() -> Bytes:
    for family in ("GH100", "GB100", "LS_10"):
        yield nvidia(family).report(nvidia(family).device())
    yield from published("nvidia", "report")


def rims() -> Bytes:
    yield from nvidia().rims()
    yield from published("nvidia", "rim")


def answers() -> Bytes:
    yield from nvidia().answers(nvidia().device())
    yield from standing_beside("nvidia", "ocsp")


@functools.cache
def _stapled() -> tuple[Endorsement, ...]:
    """The answers about RIM signers, once: a fuzzer asks a million times."""
    return tuple(Endorsement(type="ocsp", data=one) for one in nvidia().answers())


def devices() -> Bytes:
    for family in ("GH100", "LS_10"):
        vendor = nvidia(family)
        chip = vendor.device()
        stapled = [(one.type, one.data) for one in vendor.endorsements(chip)]
        device = chip.evidence(vendor.report(chip))
        parts = [device.kind.encode(), device.report, device.certificates]
        yield joined([*parts, numbered(TYPES, stapled)])


def leaf_extensions() -> Bytes:
    for make in (composite_device_id, tcb_info):
        values = [*make(hashlib.sha384(b"firmware").digest()).items(), (USAGE, OCSP_SIGNING)]
        yield numbered(OIDS, values)


def jwk() -> dict[str, str]:
    point = key_of("service").public_key().public_numbers()
    coordinates = {name: one.to_bytes(48, "big") for name, one in (("x", point.x), ("y", point.y))}
    written = {name: urlsafe_b64encode(one).decode() for name, one in coordinates.items()}
    return {"kty": "EC", "crv": "P-384", "kid": "service", **written}


def key_sets() -> Bytes:
    return [dumps({"keys": [jwk()]})]


def opinions() -> Bytes:
    claims = {"iss": ISSUER, "eat_nonce": NONCE.hex(), "iat": NOW, "nbf": NOW, "exp": NOW + 60}
    found = {"measres": "success", "secboot": True, "dbgstat": "disabled"}
    device = _token({**claims, **found})
    digest = ["DIGEST", ["SHA-256", hashlib.sha256(device.encode()).hexdigest()]]
    overall = {"x-nvidia-overall-att-result": True, "submods": {"GPU-0": digest}}
    yield dumps([["JWT", _token({**claims, **overall})], {"GPU-0": device}])


def _token(claims: dict[str, object]) -> str:
    headers = {"kid": "service"}
    key = key_of("service")
    return jwt.PyJWS().encode(dumps(claims), key, algorithm=ALGORITHM, headers=headers)


@target(parse_keys, seeds=key_sets)
def nvidia_service_keys(data: bytes) -> None:
    """Any bytes give the keys of NVIDIA's service, or MalformedEvidenceError."""
    parse_keys(data)


@target(check_opinion, seeds=opinions, refusals=REFUSED)
def nvidia_opinion(data: bytes) -> None:
    """Any bytes give an opinion that the service signed, or are refused."""
    check_opinion(data, {"service": key_of("service").public_key()}, nonce=NONCE, now=NOW)


@target(Report.parse, Report.split, seeds=reports)
def nvidia_report(data: bytes) -> None:
    """Any bytes give an SPDM report with all its fields, or MalformedEvidenceError."""
    report, rest = Report.split(data)
    fields(report, rest)
    assert Report.parse(data[: len(data) - len(rest)]) == report


@target(parse_xml, seeds=rims)
def xml_document(data: bytes) -> None:
    """Any bytes give a tree of which the canonical form is its own, or MalformedEvidenceError."""
    once = canonical(parse_xml(data))
    assert canonical(parse_xml(once)) == once


@target(
    SignedRim.parse, SignedRim.authenticate, Signed.parse, authenticate.authenticate_rim,
    seeds=rims, refusals=REFUSED,
)  # fmt: skip
def nvidia_rim(data: bytes) -> None:
    """Any bytes give reference measurements, authentic or not, or are refused."""
    read = SignedRim.parse(data)
    rim_fields(read)
    context = nvidia().context(_stapled())
    anchors = anchors_of(authenticate.RIM_ROOT, context.policy)
    each(
        lambda: read.authenticate(anchors=anchors, now=NOW),
        lambda: authenticate.authenticate_rim(data, context),
    )


@target(Answer.parse, seeds=answers)
def ocsp_answer(data: bytes) -> None:
    """Any bytes give an OCSP answer that can be asked, or MalformedEvidenceError."""
    leaf, issuer, *_ = parse_chain(nvidia().device().pem)
    Answer.parse(data).names(leaf, issuer)


@target(leaf_fwids, is_responder, seeds=leaf_extensions, longest=2**10)
def nvidia_extensions(data: bytes) -> None:
    """Any values of the extensions read give firmware ids and usage, or are refused."""
    values = {ObjectIdentifier(oid): value for oid, value in named(pieces(data), OIDS)}
    leaf = replace(parse_chain(nvidia().device().pem)[0], der=data, extensions=values)
    each(lambda: leaf_fwids(leaf), lambda: is_responder(leaf))


@target(
    authenticate.read_device, authenticate.authenticate_device,
    authenticate.appraise_measurements, authenticate.verifications, check_own, identify,
    seeds=devices, refusals=REFUSED,
)  # fmt: skip
def nvidia_device(data: bytes) -> None:
    """Any report, chain and endorsements give an appraisal, or are refused."""
    kind, report, chain, *stapled = [*pieces(data), b"", b"", b""]
    found = tuple(Endorsement(type=kind, data=one) for kind, one in named(stapled, TYPES))
    device = DeviceEvidence(
        kind=kind.decode("latin-1"), report=report, certificates=chain, mode="on"
    )
    context, claims = nvidia().context(found), authenticate.read_device(device)
    each(
        lambda: authenticate.authenticate_device(device, context),
        lambda: authenticate.appraise_measurements(device, claims, context),
        lambda: list(authenticate.verifications([device], found)),
        lambda: check_own([device], NONCE),
    )
