"""Attacks on the public record: keys, directory and log, served as a hostile gateway would.

Where the log itself would have to be the attacker, the stack's own keys sign for it (`forged_log`).
"""

import json
from dataclasses import replace

from openpcc import clock, directory
from openpcc.audit.attack.attempt import Attack, NotTriedError, Refused, SucceededError
from openpcc.audit.attack.evidence import without_witnesses
from openpcc.audit.attack.forged_log import PREFIX, ForgedLog
from openpcc.audit.attack.hostile import Fetch, Impostor, SwappedKeys, Tamper
from openpcc.audit.attack.target import Target
from openpcc.carrier import Carrier
from openpcc.errors import DirectoryError, OpenPCCError
from openpcc.protocol import hpke, messages
from openpcc.protocol.ohttp import encode_configs, parse_configs
from openpcc.record import CHECKPOINT_AGE, RecordReader
from openpcc.state import Position, StateFile
from transparency_log import strict_json
from transparency_log.dsse import EnvelopeSigner
from transparency_log.entry import sign_entry, verify_service
from transparency_log.service import ServiceStatement


def _gateway_key(target: Target) -> Refused:
    impostor = Impostor(target.carrier, target.snapshot.keys, lambda _, honest: honest())
    return _look(target, "the client takes the attacker's key for the gateway's", carrier=impostor)


def _gateway_downgrade(target: Target) -> Refused:
    configs = parse_configs(target.carrier.keys())
    weak = [config for config in configs if config.kem_id == hpke.KEM_X25519]
    if not weak or len(weak) == len(configs):
        raise NotTriedError("the gateway does not offer both X-Wing and X25519")
    swapped = SwappedKeys(target.carrier, encode_configs(weak))
    return _look(target, "the client wraps its requests under X25519", carrier=swapped)


def _narrowed_directory(target: Target) -> Refused:
    target.pair()
    shards = f"/directory/{directory.model_id(target.model)}/"

    def tamper(path: str, limit: int, fetch: Fetch) -> bytes:
        data = fetch(path, limit)
        return _all_but_one(data) if path.startswith(shards) else data

    return _look(target, "the client knows the one node that the gateway chose", tamper)


def _all_but_one(shard: bytes) -> bytes:
    """Blot out every leaf of a shard but its first that is none already."""
    empty = strict_json.b64encode(messages.EMPTY_LEAF)
    try:
        document = json.loads(shard)
        kept = next(at for at, leaf in enumerate(document["leaves"]) if leaf != empty)
        document["leaves"] = [
            leaf if at == kept else empty for at, leaf in enumerate(document["leaves"])
        ]
    except (ValueError, KeyError, TypeError, StopIteration) as error:
        raise NotTriedError("the shard that is served is none") from error
    return strict_json.dumps(document)


def _unwitnessed(target: Target) -> Refused:
    def tamper(path: str, limit: int, fetch: Fetch) -> bytes:
        data = fetch(path, limit)
        return without_witnesses(target, data) if path == f"{PREFIX}checkpoint" else data

    return _look(target, "the client believes a checkpoint that no witness has seen", tamper)


def _frozen_log(target: Target) -> Refused:
    later = clock.now() + CHECKPOINT_AGE + 1
    hint = directory.parse_hint(target.files.get("/service", directory.MAX_HINT))
    RecordReader(target.config.policy, target.new_state()).read(target.log, hint, now=clock.now())
    try:
        RecordReader(target.config.policy, target.new_state()).read(target.log, hint, now=later)
    except DirectoryError as error:
        return Refused.by_client(error)
    raise SucceededError("the client takes a record of two windows ago for the present one")


def _withheld_revocation(target: Target) -> Refused:
    states = _having_looked(target)
    known = states.load().status
    if known is None:
        raise NotTriedError("the client remembers no status")
    newer = Position(index=known.index, sequence=known.sequence + 1)
    states.update(lambda old: replace(old, status=newer))
    return _look(target, "the client takes the status before for the newest", states=states)


def _log_rollback(target: Target) -> Refused:
    states = target.new_state()
    _shown(target, states, ForgedLog(target, [b"an entry that is withheld later"]).tamper)
    return _look(target, "the client takes the smaller tree for the newest", states=states)


def _split_view(target: Target) -> Refused:
    states = target.new_state()
    _shown(target, states, ForgedLog(target, [b"one entry"]).tamper)
    other = ForgedLog(target, [b"and another"]).tamper
    return _look(target, "the client accepts two trees of one size", other, states=states)


def _forked_log(target: Target) -> Refused:
    states = target.new_state()
    _shown(target, states, ForgedLog(target, [b"one entry"]).tamper)
    other = ForgedLog(target, [b"and another", b"and more"]).tamper
    return _look(target, "the client goes on with another history", other, states=states)


def _two_entries(target: Target) -> Refused:
    service = target.snapshot.service
    names = ServiceStatement.__dataclass_fields__
    statement = ServiceStatement(**{name: getattr(service, name) for name in names})
    other = replace(statement, not_after=service.not_after - 1)
    signer = EnvelopeSigner(private_key=target.stack.seed("service"))
    entry = sign_entry(other, [signer])
    verify_service(entry, target.config.policy.service_signers)  # else anybody could have made it
    forged = ForgedLog(target, [entry])
    return _look(target, "the client accepts one of two entries of one number", forged.tamper)


def _look(
    target: Target,
    gained: str,
    tamper: Tamper | None = None,
    *,
    carrier: Carrier | None = None,
    states: StateFile | None = None,
) -> Refused:
    """Let a client look at what was made; it must refuse."""
    try:
        target.look(tamper, carrier=carrier, states=states)
    except OpenPCCError as error:
        return Refused.by_client(error)
    raise SucceededError(gained)


def _having_looked(target: Target) -> StateFile:
    """Give the memory of a client that has looked once, honestly."""
    states = target.new_state()
    target.look(states=states)
    return states


def _shown(target: Target, states: StateFile, tamper: Tamper) -> None:
    """Show a client something that it has no reason to refuse.

    Raises:
        NotTriedError: it refuses all the same.
    """
    try:
        target.look(tamper, states=states)
    except OpenPCCError as error:
        raise NotTriedError(f"the client refuses what leads up to it: {error}") from error


ATTACKS = (
    Attack(
        name="gateway-key",
        tried="somebody in front of the gateway puts an OHTTP key of their own in place of its key",
        by="client",
        checks=("the OHTTP keys are not those of the service entry",),
        run=_gateway_key,
    ),
    Attack(
        name="gateway-downgrade",
        tried="the gateway's X-Wing key is withheld, so that X25519 alone is offered",
        by="client",
        checks=("the OHTTP keys are not those of the service entry",),
        run=_gateway_downgrade,
    ),
    Attack(
        name="narrowed-directory",
        tried="the gateway blots out every node of a shard but one, to aim a client at it",
        by="client",
        checks=("shard: not part of the logged directory",),
        run=_narrowed_directory,
    ),
    Attack(
        name="unwitnessed-log",
        tried="a checkpoint is served without its witnesses' cosignatures",
        by="client",
        checks=("witness quorum",),
        run=_unwitnessed,
    ),
    Attack(
        name="frozen-log",
        tried="the record of now is still served two windows later",
        by="client",
        checks=("directory.stale",),
        run=_frozen_log,
    ),
    Attack(
        name="withheld-revocation",
        tried="a client that has seen a newer status is served the one before",
        by="client",
        checks=("status entry",),
        run=_withheld_revocation,
    ),
    Attack(
        name="log-rollback",
        tried="a client that has seen a larger tree of the log is served a smaller one",
        by="client",
        checks=("the log shrank",),
        run=_log_rollback,
    ),
    Attack(
        name="split-view",
        tried="log and witnesses sign two trees of one size, and a client is shown both",
        by="client",
        checks=("directory.equivocation",),
        run=_split_view,
    ),
    Attack(
        name="forked-log",
        tried="log and witnesses sign a larger tree that does not extend the one a client knows",
        by="client",
        checks=("the log's tiles do not prove",),
        run=_forked_log,
    ),
    Attack(
        name="two-entries",
        tried="the operator logs two service entries of one number",
        by="client",
        checks=("directory.equivocation",),
        run=_two_entries,
    ),
)
