"""Attacks on the trust decision: genuine evidence, put together so that it says what is not so.

The attacker is the gateway and the publisher in one: whatever it makes it also lists, so that the
directory leaf always fits.
"""

from collections.abc import Mapping
from dataclasses import replace

from attestation import verifier
from attestation.evidence import EvidenceBundle, KeysSection
from attestation.policy import Mark
from openpcc.audit.attack.appraised import all_endorsements, first, judge, judged
from openpcc.audit.attack.attempt import Attack, NotTriedError, Refused, SucceededError
from openpcc.audit.attack.hostile import Fetch
from openpcc.audit.attack.target import Target
from openpcc.errors import OpenPCCError
from openpcc.protocol import sealing
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
    row, bundle = first(target)
    mine = sealing.NodePrivateKey.generate(key_id=1).node_key.config
    keys = replace(KeysSection.parse(bundle.keys), hpke=(mine,))
    return judged(target, row, replace(bundle, keys=keys.encode()))


def _evidence_splice(target: Target) -> Refused:
    one, other = target.pair()
    mine, theirs = EvidenceBundle.parse(one.bundle), EvidenceBundle.parse(other.bundle)
    return judged(
        target, one, replace(theirs, quote=mine.quote, endorsements=all_endorsements(mine, theirs))
    )


def _quote_edit(target: Target) -> Refused:
    row, bundle = first(target)
    grounds = verifier.explain(
        bundle.platform, bundle.quote, bundle.endorsements, target.config.policy.attestation
    )
    places = [g.offset for g in grounds if g.check == "2.signature" and g.part == "quote"]
    place = places[-1] if places else len(bundle.quote) - 1
    quote = bytearray(bundle.quote)
    quote[place] ^= 1
    return judged(target, row, replace(bundle, quote=bytes(quote)))


def _no_revocation_lists(target: Target) -> Refused:
    row, bundle = first(target)
    kept = tuple(one for one in bundle.endorsements if one.type != "x509-crl")
    if len(kept) == len(bundle.endorsements):
        raise NotTriedError("the evidence carries no revocation list to withhold")
    return judged(target, row, bundle.with_endorsements(kept))


def _stale_endorsements(target: Target) -> Refused:
    row, bundle = first(target)
    states = target.new_state()
    judge(target, row, bundle, states=states)  # remembers how new its endorsements are
    marks = states.load().marks
    if not marks:
        raise NotTriedError("the evidence carries no endorsement with a number or date")
    states.update(lambda old: replace(old, marks=_newer(marks)))
    return judged(target, row, bundle, states=states)


def _expiring_keys(target: Target) -> Refused:
    row, bundle = first(target)
    return judged(target, row, bundle, now=KeysSection.parse(bundle.keys).not_after - LATE)


def _unlisted_release(target: Target) -> Refused:
    row, bundle = first(target)
    view = target.snapshot.view
    revoked = replace(view, status=replace(view.status, releases=()))
    return judged(target, row, bundle, view=revoked)


def _unwitnessed_release(target: Target) -> Refused:
    row, bundle = first(target)
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
    return judged(target, row, bundle.with_endorsements(tuple(stripped)))


def without_witnesses(target: Target, note: bytes) -> bytes:
    """Strip a checkpoint of every signature but the log's."""
    parsed = notes.parse_note(note)
    logs = {verifier.key.name for verifier in target.config.policy.log.log_verifiers}
    own = [line for line in parsed.signatures if line.name in logs]
    return notes.format_note(parsed.unverified_text, own)


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
)
