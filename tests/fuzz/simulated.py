"""The simulated platform: extensions, quotes and device reports, RIMs, event log."""

import functools
import json
from dataclasses import replace

from cryptography.x509 import ObjectIdentifier

from attestation import verifier
from attestation.errors import AppraisalError, MalformedEvidenceError
from attestation.evidence import Endorsement, EvidenceBundle
from attestation.sections import DeviceEvidence, DevicesSection
from attestation.sev_snp import authenticate as sev_snp
from attestation.simulated import authenticate
from attestation.simulated.endorsements import (
    MACHINE_ID_OID,
    VERSION_OID,
    Rim,
    SignedRim,
    machine_identity,
)
from attestation.simulated.eventlog import SimulatedEventLog, replay
from attestation.simulated.evidence import DeviceReport, Quote
from attestation.strict_json import b64decode
from attestation.x509 import parse_chain
from tests.fakes import simulated as fake
from tests.fuzz.cases import TYPES
from tests.fuzz.pieces import joined, named, numbered, pieces
from tests.fuzz.target import Bytes, each, or_none, reads_back, target, writes

OIDS = (MACHINE_ID_OID.dotted_string, VERSION_OID.dotted_string)


def extensions() -> Bytes:
    leaf = parse_chain(fake.machine().endorsements()[0].data)[0]
    return [numbered(OIDS, [(oid.dotted_string, one) for oid, one in leaf.extensions.items()])]


def evidence() -> Bytes:
    return [fake.scene().bundle().quote, fake.machine().device_report(bytes(32))]


def rims() -> Bytes:
    signed = fake.machine().rim
    return [signed, b64decode(json.loads(signed)["rim"])]


def logs() -> Bytes:
    return [b"", fake.LOG.encode()]


def whole_bundles() -> Bytes:
    bundle = fake.scene().bundle()
    stapled = numbered(TYPES, [(one.type, one.data) for one in bundle.endorsements])
    return [joined([bundle.quote, bundle.devices or b"", stapled])]


@functools.cache
def good_bundle() -> EvidenceBundle:
    return fake.scene().bundle()


@target(verifier.verify, seeds=whole_bundles, refusals=())
def verify_bundle(data: bytes) -> None:
    """Any quote, devices and endorsements in a bundle give an appraisal; nothing is raised."""
    quote, devices, *stapled = [*pieces(data), b"", b""]
    found = tuple(Endorsement(type=kind, data=one) for kind, one in named(stapled, TYPES))
    listed = devices if or_none(DevicesSection.parse, devices) else None
    bundle = replace(good_bundle(), quote=quote, devices=listed, endorsements=found)
    fake.scene().appraise(bundle)


@target(machine_identity, seeds=extensions, longest=2**10)
def simulated_extensions(data: bytes) -> None:
    """Any values of the simulated extensions give the identity, or MalformedEvidenceError."""
    leaf = parse_chain(fake.machine().endorsements()[0].data)[0]
    values = {ObjectIdentifier(oid): value for oid, value in named(pieces(data), OIDS)}
    machine_identity(replace(leaf, extensions=values))


@target(Quote.parse, DeviceReport.parse, authenticate.read_device, seeds=evidence)
def simulated_evidence(data: bytes) -> None:
    """Any bytes give simulated evidence that writes the same, or MalformedEvidenceError."""
    device = DeviceEvidence(kind="simulated-gpu", report=data, certificates=b"", mode="on")
    each(
        lambda: writes(Quote.parse(data), data),
        lambda: writes(DeviceReport.parse(data), data),
        lambda: authenticate.read_device(device),
    )


@target(
    Rim.parse, SignedRim.parse, SignedRim.authenticate,
    seeds=rims, refusals=(MalformedEvidenceError, AppraisalError),
)  # fmt: skip
def simulated_rim(data: bytes) -> None:
    """Any bytes give simulated reference measurements, authentic or not, or are refused."""
    each(lambda: Rim.parse(data), lambda: SignedRim.parse(data))
    SignedRim.parse(data).authenticate(anchors=(fake.vendor().anchor,), now=fake.NOW)


@target(
    SimulatedEventLog.parse, SimulatedEventLog.replay, replay, authenticate.replay, sev_snp.replay,
    authenticate.events, sev_snp.events,
    seeds=logs,
)  # fmt: skip
def simulated_event_log(data: bytes) -> None:
    """Any bytes give a simulated log that reads back alike, or MalformedEvidenceError."""
    each(lambda: sev_snp.replay(data), lambda: authenticate.replay(data))
    each(lambda: sev_snp.events(data), lambda: authenticate.events(data))
    reads_back(SimulatedEventLog, data)
