"""Attacks on the trust decision: genuine evidence, put together so that it says what is not so.

The attacker is the gateway and the publisher in one: whatever it makes it also lists, so that the
directory leaf always fits (`_listed`). With a machine's own keys (`--stack`) it can have a quote
made over what it likes, as the host of a genuine machine that runs other software could; then
one check alone decides.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import replace

from attestation import verifier
from attestation.binding import device_nonce, evidence_binding
from attestation.evidence import DevicesSection, EvidenceBundle, KeysSection
from attestation.policy import Mark
from attestation.simulated.evidence import DEBUG, Quote
from openpcc import clock
from openpcc.audit.attack.attempt import Attack, NotTriedError, Refused, SucceededError
from openpcc.audit.attack.hostile import Fetch
from openpcc.audit.attack.target import Target
from openpcc.errors import OpenPCCError
from openpcc.judging import Judge, Judgement
from openpcc.protocol import hpke, messages, sealing
from openpcc.state import StateFile
from openpcc.trust import LogView
from transparency_log import note as notes
from transparency_log.proof import format_proof, parse_proof

LATE = 60
"""Seconds before the end of an epoch: inside the margin in which its keys are no longer used."""


def _bundle_swap(target: Target) -> Refused:
    one, other = target.pair()
    path = f"/bundle/{one.leaf_hash.hex()}"

    def tamper(asked: str, limit: int, fetch: Fetch) -> bytes:
        return other.bundle if asked == path else fetch(asked, limit)

    try:
        rows = target.look(tamper).judged[target.model]
    except OpenPCCError as error:
        return Refused.by_client(error)
    row = next(row for row in rows if row.leaf_hash == one.leaf_hash)
    if row.node is not None or row.report is None:
        raise SucceededError("the client trusts one node on the evidence of another")
    return Refused.by_report(row.report)


def _key_swap(target: Target) -> Refused:
    row, bundle = _first(target)
    mine = sealing.NodePrivateKey.generate(key_id=1).node_key.config
    keys = replace(KeysSection.parse(bundle.keys), hpke=(mine,))
    return _judged(target, row, replace(bundle, keys=keys.encode()))


def _evidence_splice(target: Target) -> Refused:
    one, other = target.pair()
    mine, theirs = EvidenceBundle.parse(one.bundle), EvidenceBundle.parse(other.bundle)
    every = tuple(dict.fromkeys((*mine.endorsements, *theirs.endorsements)))
    spliced = replace(theirs, quote=mine.quote, endorsements=mine.endorsements or every)
    return _judged(target, one, spliced)


def _gpu_splice(target: Target) -> Refused:
    one, other = target.pair()
    mine, theirs = EvidenceBundle.parse(one.bundle), EvidenceBundle.parse(other.bundle)
    if theirs.devices is None:
        raise NotTriedError("the nodes have no devices")
    every = tuple(dict.fromkeys((*mine.endorsements, *theirs.endorsements)))
    spliced = replace(mine, devices=theirs.devices, endorsements=every)
    if target.stack.folder is not None:
        every = mine.endorsements  # of one vendor, and a second chain would be taken for the newer
        spliced = _quoted(target, one, replace(spliced, endorsements=every))
    return _judged(target, one, spliced)


def _quote_edit(target: Target) -> Refused:
    row, bundle = _first(target)
    grounds = verifier.explain(
        bundle.platform, bundle.quote, bundle.endorsements, target.config.policy.attestation
    )
    places = [g.offset for g in grounds if g.check == "2.signature" and g.part == "quote"]
    place = places[-1] if places else len(bundle.quote) - 1
    quote = bytearray(bundle.quote)
    quote[place] ^= 1
    return _judged(target, row, replace(bundle, quote=bytes(quote)))


def _no_revocation_lists(target: Target) -> Refused:
    row, bundle = _first(target)
    kept = tuple(one for one in bundle.endorsements if one.type != "x509-crl")
    if len(kept) == len(bundle.endorsements):
        raise NotTriedError("the evidence carries no revocation list to withhold")
    return _judged(target, row, bundle.with_endorsements(kept))


def _stale_endorsements(target: Target) -> Refused:
    row, bundle = _first(target)
    states = target.new_state()
    _judge(target, row, bundle, states=states)  # remembers how new its endorsements are
    marks = states.load().marks
    if not marks:
        raise NotTriedError("the evidence carries no endorsement with a number or date")
    states.update(lambda old: replace(old, marks=_newer(marks)))
    return _judged(target, row, bundle, states=states)


def _expiring_keys(target: Target) -> Refused:
    row, bundle = _first(target)
    return _judged(target, row, bundle, now=KeysSection.parse(bundle.keys).not_after - LATE)


def _downgrade(target: Target) -> Refused:
    row, bundle = _first(target)
    if hpke.KEM_X25519 in target.config.policy.kems:
        raise NotTriedError("the policy itself allows X25519")
    weak = sealing.NodePrivateKey.generate(kem_id=hpke.KEM_X25519, key_id=2).node_key.config
    keys = replace(KeysSection.parse(bundle.keys), hpke=(weak,)).encode()
    forged = replace(bundle, keys=keys)
    if target.stack.folder is not None:
        forged = _quoted(target, row, forged, devices=True)
    return _judged(target, row, forged)


def _unlisted_release(target: Target) -> Refused:
    row, bundle = _first(target)
    view = target.snapshot.view
    revoked = replace(view, status=replace(view.status, releases=()))
    return _judged(target, row, bundle, view=revoked)


def _unwitnessed_release(target: Target) -> Refused:
    row, bundle = _first(target)
    stripped = []
    for one in bundle.endorsements:
        if one.type == "log-entry":
            proof = parse_proof(one.data)
            alone = without_witnesses(target, proof.checkpoint)
            one = replace(
                one,
                data=format_proof(
                    index=proof.index, hashes=proof.hashes, checkpoint=alone, extra=proof.extra
                ),
            )
        stripped.append(one)
    return _judged(target, row, bundle.with_endorsements(tuple(stripped)))


def _other_software(target: Target) -> Refused:
    row, bundle = _first(target)
    return _judged(target, row, _quoted(target, row, bundle, measurement=bytes(48)))


def _debug(target: Target) -> Refused:
    row, bundle = _first(target)
    return _judged(target, row, _quoted(target, row, bundle, flags=DEBUG))


def without_witnesses(target: Target, note: bytes) -> bytes:
    """Strip a checkpoint of every signature but the log's."""
    parsed = notes.parse_note(note)
    logs = {verifier.key.name for verifier in target.config.policy.log.log_verifiers}
    own = [line for line in parsed.signatures if line.name in logs]
    return notes.format_note(parsed.unverified_text, own)


def _first(target: Target) -> tuple[Judgement, EvidenceBundle]:
    """Give a node that is trusted, having made sure that it still is."""
    row = target.judged[0]
    bundle = EvidenceBundle.parse(row.bundle)
    found = _judge(target, row, bundle)
    if found.node is None:
        why = found.report.failed[0].refusal if found.report else found.problem
        raise NotTriedError(f"the genuine evidence is refused: {why}")
    return row, bundle


def _judged(
    target: Target,
    row: Judgement,
    bundle: EvidenceBundle,
    *,
    now: int | None = None,
    view: LogView | None = None,
    states: StateFile | None = None,
) -> Refused:
    """Let the client judge what was made; it must refuse."""
    found = _judge(target, row, bundle, now=now, view=view, states=states)
    if found.node is not None:
        raise SucceededError("the client would seal prompts to it")
    if found.report is None:
        raise NotTriedError(found.problem)
    return Refused.by_report(found.report)


def _judge(
    target: Target,
    row: Judgement,
    bundle: EvidenceBundle,
    *,
    now: int | None = None,
    view: LogView | None = None,
    states: StateFile | None = None,
) -> Judgement:
    judge = Judge(target.config.policy, states or target.new_state())
    return judge.judge(
        bundle.encode(),
        _listed(row, bundle),
        target.log,
        view or target.snapshot.view,
        clock.now() if now is None else now,
    )


def _listed(row: Judgement, bundle: EvidenceBundle) -> messages.DirectoryLeaf:
    """Make the leaf under which a publisher would list a bundle whose quote is that of `row`."""
    keys = KeysSection.parse(bundle.keys)
    return messages.DirectoryLeaf(
        quote_digest=hashlib.sha256(bundle.quote).digest(),
        binding=evidence_binding(bundle.keys, bundle.freshness, bundle.devices, bundle.software),
        node_key_ids=tuple(sealing.NodeKey.parse(config).id for config in keys.hpke),
        machine=row.leaf.machine,
    )


def _quoted(
    target: Target,
    row: Judgement,
    bundle: EvidenceBundle,
    *,
    devices: bool = False,
    measurement: bytes = b"",
    flags: int = 0,
) -> EvidenceBundle:
    """Have the machine itself quote the sections, and its device report them if asked.

    Raises:
        NotTriedError: the machine's keys are not at hand.
    """
    machine = target.stack.machine(None if row.node is None else row.node.machine)
    if devices:
        fresh = machine.devices(device_nonce(bundle.keys, bundle.freshness))
        bundle = replace(bundle, devices=DevicesSection(devices=fresh).encode())
    old = Quote.parse(bundle.quote)
    quote = machine.quote(
        evidence_binding(bundle.keys, bundle.freshness, bundle.devices, bundle.software),
        measurement=measurement or old.measurement,
        registers=old.registers,
        flags=flags,
    )
    return replace(bundle, quote=quote)


def _newer(marks: Mapping[bytes, Mark]) -> dict[bytes, Mark]:
    return {
        issuer: Mark(number=mark.number + 1, time=mark.time + 2 * 86400)
        for issuer, mark in marks.items()
    }


QUOTE_EDIT = Attack(
    name="quote-edit",
    tried="one bit of a quote's signature is altered",
    by="client",
    checks=("2.signature",),
    run=_quote_edit,
)

ATTACKS = (
    Attack(
        name="bundle-swap",
        tried="the gateway serves one node's genuine evidence at another node's address",
        by="client",
        checks=("1.leaf",),
        run=_bundle_swap,
    ),
    Attack(
        name="key-swap",
        tried="a node's genuine evidence is listed with the attacker's own key in it",
        by="client",
        checks=("3.binding", "6.nonce"),
        run=_key_swap,
    ),
    Attack(
        name="evidence-splice",
        tried="the quote of one machine is listed over the keys and sections of another",
        by="client",
        checks=("3.binding",),
        run=_evidence_splice,
    ),
    Attack(
        name="gpu-splice",
        tried="a machine is listed with the GPU report of another machine",
        by="client",
        checks=("6.nonce",),
        run=_gpu_splice,
    ),
    QUOTE_EDIT,
    Attack(
        name="revocation-lists",
        tried="the vendor's revocation lists are withheld",
        by="client",
        checks=("2.revocation", "6.authentic"),
        run=_no_revocation_lists,
    ),
    Attack(
        name="stale-endorsements",
        tried="revocation lists are served that are older than those this client accepted before",
        by="client",
        checks=("2.floors", "6.authentic"),
        run=_stale_endorsements,
    ),
    Attack(
        name="expiring-keys",
        tried="evidence is served whose keys are about to be erased",
        by="client",
        checks=("4.margin",),
        run=_expiring_keys,
    ),
    Attack(
        name="downgrade",
        tried="a node is listed that offers X25519 alone, where the policy asks for X-Wing",
        by="client",
        checks=("9.suite",),
        run=_downgrade,
    ),
    Attack(
        name="unlisted-release",
        tried="a node runs a release that the newest status does not list any more",
        by="client",
        checks=("7.status",),
        run=_unlisted_release,
    ),
    Attack(
        name="unwitnessed-release",
        tried="a release is proved under a checkpoint that no witness has cosigned",
        by="client",
        checks=("7.witnesses",),
        run=_unwitnessed_release,
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
