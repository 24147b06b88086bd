"""An audit of a log: each planted fault is flagged by its own id, and by no other."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from openpcc.audit.log import LogAudited, directories
from openpcc.audit.report import Outcome, Verdict
from tests.fakes.sigstore import BUILD_TYPE, BUILDER, IDENTITY, ISSUER, SOURCE, Sigstore, statement
from tests.openpcc.audit.planted import NOW, audited, failing, policy_of
from tests.transparency_log.memory_log import MemoryLog, key, service_statement, status_entry
from tests.transparency_log.monitor.chains import Planted
from tests.transparency_log.monitor.test_reader import rotation
from transparency_log.checkpoint import Checkpoint
from transparency_log.dsse import sign
from transparency_log.entry import Signer, parse_entry, sign_entry
from transparency_log.errors import FetchError, NotFoundError
from transparency_log.merkle import leaf_hash
from transparency_log.note import format_note
from transparency_log.provenance import ProvenancePolicy
from transparency_log.provenance.root import TrustRoot
from transparency_log.provenance.signed import Signer as BuildSigner
from transparency_log.statement import PAYLOAD_TYPE
from transparency_log.witness_policy import Witness

Plant = Callable[[Planted], object]


def an_equivocation(planted: Planted) -> object:
    return planted.append(status_entry(planted.log, 0, issued=1))


def a_gap(planted: Planted) -> object:
    return planted.status(sequence=4)


def a_broken_link(planted: Planted) -> object:
    return planted.service(previous=bytes(32))


def an_old_status(planted: Planted) -> object:
    return planted.status(issued=NOW - 7201)


def a_status_from_the_future(planted: Planted) -> object:
    return planted.status(issued=NOW + 301)


def an_unlogged_release(planted: Planted) -> object:
    return planted.status(releases=(bytes(32),))


def an_expired_release(planted: Planted) -> object:
    planted.release(expires=NOW)
    return planted.status()


def a_revoked_release(planted: Planted) -> object:
    planted.status(releases=())
    return planted.status()


def a_lapsed_service(planted: Planted) -> object:
    return planted.service(not_before=NOW - 1200, not_after=NOW)


def keys_that_were_replaced(planted: Planted) -> object:
    return planted.append(rotation(planted, planted.log.status, Signer(private_key=key(77))))


FAULTS: dict[str, tuple[Plant, str]] = {
    "two statuses of one number": (an_equivocation, "log.equivocation"),
    "a number left out": (a_gap, "log.chain-gap"),
    "an entry that names another before it": (a_broken_link, "log.chain-link"),
    "a status older than 2 h": (an_old_status, "log.status-age"),
    "a status from the future": (a_status_from_the_future, "log.status-age"),
    "a listed release that is not in the log": (an_unlogged_release, "log.release-logged"),
    "an expired release still listed": (an_expired_release, "log.release-expired"),
    "a revoked release listed again": (a_revoked_release, "log.release-revoked"),
    "a service entry that lapsed": (a_lapsed_service, "log.service-lapsed"),
    "a policy behind an announcement": (keys_that_were_replaced, "log.rotation"),
}


def outcome(found: LogAudited, name: str) -> Outcome:
    return next(one.outcome for one in found.report.findings if one.id == name)


def actual(found: LogAudited, name: str) -> str:
    return next(one.actual or "" for one in found.report.findings if one.id == name)


def test_an_honest_log_passes(tmp_path: Path):
    planted = Planted().honest()
    first = audited(planted, tmp_path)
    assert (first.report.verdict, failing(first)) == (Verdict.PASS, [])
    planted.status()
    again = audited(planted, tmp_path)
    assert again.report.verdict is Verdict.PASS
    facts = {name: value for one in again.report.sections for name, value in one.facts.items()}
    assert (facts["judged"], facts["judged_now"], facts["last_success_seconds"]) == (8, 1, NOW)


@pytest.mark.parametrize("name", FAULTS)
def test_flags_exactly_the_fault_that_is_planted(name: str):
    plant, expected = FAULTS[name]
    planted = Planted().honest()
    plant(planted)
    found = audited(planted)
    assert failing(found) == [expected]
    assert found.report.verdict is Verdict.FAIL
    assert all(one.remedy for one in found.report.failed)


def test_flags_an_entry_that_was_held_back():
    planted = Planted().honest()
    planted.status(sequence=4)
    planted.append(status_entry(planted.log, 3))
    assert failing(audited(planted)) == ["log.chain-gap", "log.chain-late"]


def test_a_fault_stays_flagged_in_later_runs(tmp_path: Path):
    planted = Planted().honest()
    a_gap(planted)
    for _ in range(2):
        assert failing(audited(planted, tmp_path)) == ["log.chain-gap"]


def test_keeps_both_entries_of_an_equivocation(tmp_path: Path):
    planted = Planted().honest()
    second = status_entry(planted.log, 0, issued=1)
    planted.append(second)
    audited(planted, tmp_path)
    (kept,) = tmp_path.glob("equivocation-*")
    assert (kept / "first.json").read_bytes() == planted.log.entries[1]
    assert (kept / "second.json").read_bytes() == second


def test_since_leaves_out_what_was_explained():
    planted = Planted().honest()
    a_gap(planted)
    assert failing(audited(planted, since_index=7)) == ["log.chain-gap"]
    assert failing(audited(planted, since_index=8)) == []


def test_since_goes_by_when_the_log_was_seen_not_by_what_entries_say(tmp_path: Path):
    planted = Planted().honest()
    a_gap(planted)
    audited(planted, tmp_path)
    assert failing(audited(planted, tmp_path, since_time=NOW)) == []
    planted.append(status_entry(planted.log, 0, issued=1))  # dated long before
    note = planted.log.note(times=(NOW + 60, NOW + 60))
    fetch = shown(planted, note)
    found = audited(planted, tmp_path, fetch=fetch, now=NOW + 60, since_time=NOW)
    assert failing(found) == ["log.equivocation"]


def test_a_time_before_anything_was_seen_leaves_out_nothing(tmp_path: Path):
    planted = Planted().honest()
    a_gap(planted)
    assert failing(audited(planted, tmp_path, since_time=NOW - 1)) == ["log.chain-gap"]


def test_a_revoked_release_is_not_brought_back_in_another_envelope():
    planted = Planted().honest()
    planted.status(releases=())
    payload = parse_entry(planted.log.entries[0]).envelope.unverified_payload
    signers = [planted.log.release, planted.log.status]
    copy = planted.append(sign(payload, PAYLOAD_TYPE, signers).encode())
    planted.status(releases=(leaf_hash(copy),))
    found = audited(planted)
    assert failing(found) == ["log.release-revoked"]
    assert actual(found, "log.repeated") == "1"


def test_one_release_in_another_envelope_is_no_revocation():
    planted = Planted().honest()
    payload = parse_entry(planted.log.entries[0]).envelope.unverified_payload
    signers = [planted.log.release, planted.log.status]
    copy = planted.append(sign(payload, PAYLOAD_TYPE, signers).encode())
    planted.status(releases=(leaf_hash(copy),))
    planted.status()
    assert failing(audited(planted)) == []


def test_more_services_than_are_followed_leave_the_policys_own(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("transparency_log.monitor.book.MAX_CHAINS", 2)
    planted = Planted()
    for number in range(4):
        statement = replace(service_statement(0), service=f"{number}.example")
        planted.append(sign_entry(statement, [planted.log.service]))
    planted.honest()
    planted.service(sequence=9)
    found = audited(planted)
    assert actual(found, "log.foreign") == "2"
    assert failing(found) == ["log.chain-gap"]


def test_faults_that_were_only_counted_are_held_whatever_since_says(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr("transparency_log.monitor.book.MAX_FAULTS", 1)
    planted = Planted().honest()
    planted.status(sequence=4)
    planted.status(sequence=8)
    assert failing(audited(planted, since_index=99)) == ["log.chain-gap"]


def test_what_anybody_submitted_is_counted_and_held_against_nobody():
    planted = Planted().honest()
    planted.append(status_entry(MemoryLog(status=Signer(private_key=key(99))), 0))
    found = audited(planted)
    assert found.report.verdict is Verdict.PASS
    assert (outcome(found, "log.unsigned"), actual(found, "log.unsigned")) == (Outcome.INFO, "1")


def test_too_few_operators_refuse_the_checkpoint():
    planted = Planted().honest()
    log = planted.log
    names = [one.name for one in log.witnesses]
    runs = ("one", "one", "two")  # the first two are run by one operator; they alone cosign
    witnesses = tuple(
        Witness(name=name, operator=operator, vkey=str(witness.key))
        for name, operator, witness in zip(names, runs, log.witnesses, strict=True)
    )
    policy = replace(policy_of(planted), log=replace(log.policy, witnesses=witnesses))
    assert failing(audited(planted, policy=policy)) == ["log.quorum"]


def test_a_checkpoint_of_another_key_is_refused():
    planted = Planted().honest()
    other = replace(policy_of(planted).log, log_vkey=str(MemoryLog(log=_other_key()).log.key))
    policy = replace(policy_of(planted), log=other)
    assert failing(audited(planted, policy=policy)) == ["log.checkpoint"]


def test_says_whose_witnesses_are_silent():
    found = audited(Planted().honest())
    assert actual(found, "log.operators").startswith("2 of 3; not operator of witness-2")


def shown(planted: Planted, note: bytes) -> Callable[[str, int], bytes]:
    def fetch(path: str, limit: int) -> bytes:
        return note if path == "checkpoint" else planted.log.fetch(path, limit)

    return fetch


def test_an_old_checkpoint_is_refused():
    planted = Planted().honest()
    note = planted.log.note(times=(NOW - 1201, NOW - 1201))
    assert failing(audited(planted, fetch=shown(planted, note))) == ["log.checkpoint-age"]


def test_a_clock_that_is_behind_is_named():
    planted = Planted().honest()
    note = planted.log.note(times=(NOW + 301, NOW + 301))
    assert failing(audited(planted, fetch=shown(planted, note))) == ["log.clock"]


def test_a_rollback_is_flagged_and_both_checkpoints_kept(tmp_path: Path):
    planted = Planted().honest()
    known = planted.log.note()
    audited(planted, tmp_path)
    note = planted.log.note(5, times=(NOW + 5, NOW + 5))
    found = audited(planted, tmp_path, fetch=shown(planted, note))
    assert failing(found) == ["log.rollback"]
    (kept,) = tmp_path.glob("suspicion-*")
    assert {one.read_bytes() for one in kept.iterdir()} == {known, note}
    assert failing(audited(planted, tmp_path)) == []  # what was remembered stayed


def test_a_split_view_of_one_size_is_proof(tmp_path: Path):
    planted = Planted().honest()
    known = planted.log.note()
    audited(planted, tmp_path)
    fork = Planted().honest()
    fork.log.entries[-1] = status_entry(fork.log, 9)
    found = audited(planted, tmp_path, fetch=fork.log.fetch)
    assert failing(found) == ["log.split-view"]
    (kept,) = tmp_path.glob("equivocation-*")
    assert (kept / "first.note").read_bytes() == known


def test_a_larger_tree_that_does_not_extend_the_known_one_is_a_split_view(tmp_path: Path):
    planted = Planted().honest()
    audited(planted, tmp_path)
    fork = Planted().honest(5)
    fork.log.entries[0] = status_entry(fork.log, 9)
    assert failing(audited(planted, tmp_path, fetch=fork.log.fetch)) == ["log.split-view"]
    assert list(tmp_path.glob("suspicion-*"))


def test_entries_that_the_checkpoint_does_not_commit_to_are_not_judged():
    planted, forged = Planted().honest(), Planted().honest()
    forged.log.entries[3] = status_entry(forged.log, 0, issued=5)

    def fetch(path: str, limit: int) -> bytes:
        return (forged if path.startswith("tile/") else planted).log.fetch(path, limit)

    assert failing(audited(planted, fetch=fetch)) == ["log.proved"]


def test_a_log_that_vanishes_in_the_middle_is_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("transparency_log.follow.STRETCH", 1)
    planted = Planted().honest(400)

    def vanishing(path: str, limit: int) -> bytes:
        if path.startswith("tile/entries/002"):
            raise FetchError("the log broke the connection")
        return planted.log.fetch(path, limit)

    found = audited(planted, tmp_path, fetch=vanishing)
    assert failing(found) == ["log.served"]
    assert actual(found, "log.proved") == "512 entries so far"
    again = audited(planted, tmp_path)
    facts = {name: value for one in again.report.sections for name, value in one.facts.items()}
    assert (failing(again), facts["judged_now"]) == ([], 289)


def test_a_log_without_a_checkpoint_is_reported():
    def nothing(path: str, limit: int) -> bytes:
        raise NotFoundError(path)

    found = audited(Planted().honest(), fetch=nothing)
    assert (failing(found), found.reached) == (["log.served"], True)


def test_a_log_without_status_or_service_is_flagged(tmp_path: Path):
    planted = Planted()
    planted.release()
    for _ in range(2):
        assert failing(audited(planted, tmp_path)) == ["log.status-age", "log.service-lapsed"]


def test_a_changed_policy_begins_anew_and_says_so(tmp_path: Path):
    planted = Planted().honest()
    audited(planted, tmp_path)
    policy = replace(policy_of(planted), service_signers=planted.log.signers(_signer(55)))
    found = audited(planted, tmp_path, policy=policy)
    assert outcome(found, "log.restarted") is Outcome.INFO
    assert actual(found, "log.unsigned") == "3"
    assert failing(found) == ["log.service-lapsed"]


def test_gives_the_directories_of_the_service_over_time(tmp_path: Path):
    planted = Planted()
    for root in (1, 1, 2):
        model = service_statement(0).models[0]
        directory = replace(model.directory, root=bytes([root]) * 32)
        planted.service(models=(replace(model, directory=directory),))
    policy = policy_of(planted)
    assert directories(tmp_path, policy, limit=9) == []
    audited(planted, tmp_path)
    found = directories(tmp_path, policy, limit=9)
    assert [(one.sequence, one.root[0]) for one in found] == [(0, 1), (2, 2)]
    other = replace(policy, service_signers=planted.log.signers(_signer(55)))
    assert directories(tmp_path, other, limit=9) == []
    assert directories(tmp_path, policy, limit=9) == found  # who only looks changes nothing


def test_without_a_state_folder_rollback_is_not_judged():
    found = audited(Planted().honest())
    assert outcome(found, "log.rollback") is Outcome.SKIP
    assert found.report.verdict is Verdict.PASS


@pytest.fixture(scope="module")
def builder() -> Sigstore:
    return Sigstore()


def asking(planted: Planted, builder: Sigstore) -> ProvenancePolicy:
    return ProvenancePolicy(
        signer=BuildSigner(
            root=TrustRoot.parse(builder.trusted_root()), identity=IDENTITY, issuer=ISSUER
        ),
        builder=BUILDER,
        build_type=BUILD_TYPE,
        source=SOURCE,
    )


def bundle(builder: Sigstore, image: bytes) -> bytes:
    return json.dumps(builder.envelope_bundle(statement(image))).encode()


@pytest.mark.parametrize(
    ("image", "verdict"), [(bytes(range(32)), Verdict.PASS), (bytes(32), Verdict.FAIL)]
)
def test_a_listed_release_needs_the_provenance_the_policy_asks_for(
    builder: Sigstore, image: bytes, verdict: Verdict
):
    planted = Planted()
    planted.release(source=_built())
    planted.status()
    planted.service()
    policy = replace(policy_of(planted), provenance=asking(planted, builder))
    found = audited(planted, policy=policy, provenances=[bundle(builder, image)])
    assert found.report.verdict is verdict
    assert failing(found) == ([] if verdict is Verdict.PASS else ["log.release-provenance"])


def test_provenance_that_nobody_gave_leaves_the_audit_incomplete(builder: Sigstore):
    planted = Planted().honest()
    policy = replace(policy_of(planted), provenance=asking(planted, builder))
    assert audited(planted, policy=policy).report.verdict is Verdict.INCOMPLETE


def test_a_larger_size_than_the_log_serves_is_not_believed(tmp_path: Path):
    planted = Planted().honest()
    log = planted.log
    text = Checkpoint(origin=log.policy.origin, size=99, root=bytes(32)).encode()
    lines = [one.cosign(text, NOW) for one in log.witnesses]
    note = format_note(text, [log.log.sign(text), *lines])
    assert failing(audited(planted, tmp_path, fetch=shown(planted, note))) == ["log.served"]


def _signer(number: int) -> Signer:
    return Signer(private_key=key(number))


def _other_key():
    from tests.transparency_log.memory_log import ORIGIN
    from transparency_log.note import NoteSigner

    return NoteSigner(name=ORIGIN, private_key=key(66))


def _built():
    from tests.fakes.sigstore import COMMIT
    from transparency_log.release import Source

    return Source(uri=SOURCE, commit=COMMIT)
