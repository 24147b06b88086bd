"""Attacks on the trust decision by somebody who has a machine, or a vendor, of their own.

With the keys of a stack's own machine (`--stack`) a quote is made over what the attacker likes, as
the host of a genuine machine that runs other software could have one made; then one check alone
decides.
"""

from dataclasses import replace

from attestation.binding import device_nonce, evidence_binding
from attestation.errors import MalformedEvidenceError
from attestation.evidence import DevicesSection, EvidenceBundle, KeysSection
from attestation.simulated.evidence import DEBUG, MEASUREMENT_SIZE, REGISTERS, Quote
from attestation.simulated.machine import SimulatedMachine
from attestation.simulated.vendor import MACHINE_ID_SIZE, SimulatedVendor
from openpcc import clock
from openpcc.audit.attack.appraised import all_endorsements, first, judged
from openpcc.audit.attack.attempt import Attack, NotTriedError, Refused
from openpcc.audit.attack.target import Target
from openpcc.judging import Judgement
from openpcc.protocol import hpke, sealing


def _foreign_root(target: Target) -> Refused:
    row, bundle = first(target)
    known = None if row.node is None else row.node.machine
    vendor = SimulatedVendor.create(clock.now())
    machine = vendor.machine(known if known and len(known) == MACHINE_ID_SIZE else None)
    release = tuple(one for one in bundle.endorsements if one.type == "log-entry")
    made = replace(bundle, platform="simulated", endorsements=(*machine.endorsements(), *release))
    return judged(target, row, _signed(machine, made, devices=True))


def _gpu_splice(target: Target) -> Refused:
    one, other = target.pair()
    mine, theirs = EvidenceBundle.parse(one.bundle), EvidenceBundle.parse(other.bundle)
    if theirs.devices is None:
        raise NotTriedError("the nodes have no devices")
    every = all_endorsements(mine, theirs)
    spliced = replace(mine, devices=theirs.devices, endorsements=every)
    return judged(target, one, _quoted_if_owned(target, one, spliced))


def _downgrade(target: Target) -> Refused:
    row, bundle = first(target)
    if hpke.KEM_X25519 in target.config.policy.kems:
        raise NotTriedError("the policy itself allows X25519")
    weak = sealing.NodePrivateKey.generate(kem_id=hpke.KEM_X25519, key_id=2).node_key.config
    keys = replace(KeysSection.parse(bundle.keys), hpke=(weak,)).encode()
    forged = _quoted_if_owned(target, row, replace(bundle, keys=keys), devices=True)
    return judged(target, row, forged)


def _other_software(target: Target) -> Refused:
    row, bundle = first(target)
    return judged(target, row, _quoted(target, row, bundle, measurement=bytes(MEASUREMENT_SIZE)))


def _debug(target: Target) -> Refused:
    row, bundle = first(target)
    return judged(target, row, _quoted(target, row, bundle, flags=DEBUG))


def _quoted(
    target: Target,
    row: Judgement,
    bundle: EvidenceBundle,
    *,
    devices: bool = False,
    measurement: bytes = b"",
    flags: int = 0,
) -> EvidenceBundle:
    """Have the node's own machine quote the sections, and its device report them if asked.

    Raises:
        NotTriedError: the machine's keys are not at hand.
    """
    machine = target.stack.machine(None if row.node is None else row.node.machine)
    return _signed(machine, bundle, devices=devices, measurement=measurement, flags=flags)


def _quoted_if_owned(
    target: Target, row: Judgement, bundle: EvidenceBundle, *, devices: bool = False
) -> EvidenceBundle:
    """Have the machine quote the sections if its keys are at hand; else 3.binding refuses too."""
    try:
        return _quoted(target, row, bundle, devices=devices)
    except NotTriedError:
        return bundle


def _signed(
    machine: SimulatedMachine,
    bundle: EvidenceBundle,
    *,
    devices: bool = False,
    measurement: bytes = b"",
    flags: int = 0,
) -> EvidenceBundle:
    """Have a machine quote the sections, as measured as the quote before if that can be read."""
    if devices:
        fresh = machine.devices(device_nonce(bundle.keys, bundle.freshness))
        bundle = replace(bundle, devices=DevicesSection(devices=fresh).encode())
    try:
        old = Quote.parse(bundle.quote)
        launch, registers = old.measurement, old.registers
    except MalformedEvidenceError:  # of real hardware
        launch, registers = bytes(MEASUREMENT_SIZE), (bytes(MEASUREMENT_SIZE),) * REGISTERS
    quote = machine.quote(
        evidence_binding(bundle.keys, bundle.freshness, bundle.devices, bundle.software),
        measurement=measurement or launch,
        registers=registers,
        flags=flags,
    )
    return replace(bundle, quote=quote)


ATTACKS = (
    Attack(
        name="foreign-root",
        tried="a machine is listed that a vendor of the attacker's own vouches for",
        by="client",
        checks=("2.chain",),
        run=_foreign_root,
    ),
    Attack(
        name="gpu-splice",
        tried="a machine is listed with the GPU report of another machine",
        by="client",
        checks=("6.nonce",),
        run=_gpu_splice,
    ),
    Attack(
        name="downgrade",
        tried="a node is listed that offers X25519 alone, where the policy asks for X-Wing",
        by="client",
        checks=("9.suite",),
        run=_downgrade,
    ),
    Attack(
        name="other-software",
        tried="a genuine machine quotes other software than the release's",
        by="client",
        checks=("8.measurement",),
        run=_other_software,
    ),
    Attack(
        name="debug",
        tried="a genuine machine runs the release in debug mode",
        by="client",
        checks=("8.debug",),
        run=_debug,
    ),
)
