"""Statuses: the next in the chain, whatever a log shows, and never two of one number."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tests.transparency_log.cli.conftest import Desk
from tests.transparency_log.cli.served_log import RELEASE_KEYS, STATUS_KEYS, signers
from tests.transparency_log.memory_log import (
    NOW,
    ORIGIN,
    MemoryLog,
    release_statement,
    status_statement,
)
from transparency_log.entry import EntrySigners, Status, sign_entry
from transparency_log.scan import newest_status

TWO = EntrySigners(keys=tuple(one.public_key for one in signers(STATUS_KEYS)), threshold=2)


def newest(desk: Desk) -> Status:
    """The newest status of the log, as clients find it."""
    found = newest_status(desk.served.log.range(), TWO)
    assert found is not None
    return found.entry


def later(desk: Desk, seconds: int = 3600) -> None:
    desk.now[0] += seconds
    desk.served.time = desk.now[0]


def test_the_first_status_is_asked_for_by_name(desk: Desk):
    leaf = desk.publish()
    desk.status("--accept", leaf, code=1)
    assert "--first" in desk.told
    desk.status("--first", "--accept", leaf)
    found = newest(desk)
    assert (found.sequence, found.previous, found.issued) == (0, None, NOW)
    assert [one.hex() for one in found.releases] == [leaf]
    desk.status("--first", code=1)


def test_statuses_are_numbered_and_chained(desk: Desk):
    first = desk.publish()
    desk.status("--first", "--accept", first)
    before = newest(desk)
    second = desk.publish(**{'version = "0.1.0"': 'version = "0.2.0"'})
    later(desk)
    desk.status("--accept", second)
    found = newest(desk)
    assert (found.sequence, found.previous) == (1, before.leaf_hash)
    assert [one.hex() for one in found.releases] == [first, second]


def test_a_release_is_named_by_its_proof(desk: Desk):
    leaf = desk.publish()
    desk.status("--first", "--accept", desk.folder / "entry-0.proof")
    assert [one.hex() for one in newest(desk).releases] == [leaf]


def test_a_proof_of_a_release_by_others_is_refused(desk: Desk):
    desk.served.log.entries.append(sign_entry(release_statement(), [desk.served.log.release]))
    entry = desk.folder / "entry.json"
    entry.write_bytes(desk.served.log.entries[0])
    proof = desk.folder / "other.proof"
    assert desk.run("proof", entry, "--log", desk.served.url, "--out", proof) == 0
    desk.status("--first", "--accept", proof, code=1)
    desk.status("--first", "--accept", desk.served.log.leaves[0].hex(), code=1)
    assert "no release of the policy's signers" in desk.told


def test_a_revocation_is_the_next_status_without_the_release(desk: Desk):
    keep, revoke = desk.publish(), desk.publish(**{'"0.1.0"\nimage': '"0.2.0"\nimage'})
    desk.status("--first", "--accept", keep, "--accept", revoke)
    keys = ("--key", desk.key("status", 1), "--key", desk.key("status", 2), "--yes")
    out = ("--out", desk.folder / "revoke.json")
    said = desk.json("revoke", revoke, "--reason", "it leaks", *keys, *out, *desk.sending)
    assert said["index"] == 3
    assert [one.hex() for one in newest(desk).releases] == [keep]
    assert "it leaks" in desk.told
    assert b"it leaks" not in desk.served.log.entries[3]
    again = ("--out", desk.folder / "again.json")
    assert desk.run("revoke", revoke, *keys, *again, *desk.sending) == 1


def test_a_heartbeat_repeats_the_list_and_drops_what_has_expired(desk: Desk):
    short = {"2027-02-14T08:00:00Z": "2027-01-15T09:00:00Z"}
    keep, expires = desk.publish(), desk.publish(**short)
    desk.status("--first", "--accept", keep, "--accept", expires)
    later(desk, 1800)
    desk.status("--repeat")
    assert len(newest(desk).releases) == 2
    later(desk, 3600)
    desk.status("--repeat")
    assert [one.hex() for one in newest(desk).releases] == [keep]
    assert f"dropped, because it has expired: openpcc-node 0.1.0, {expires}" in desk.told


def test_floors_come_from_a_file_and_stay(desk: Desk):
    floors = desk.folder / "floors.toml"
    floors.write_text(
        f"tcb_evaluation = 17\ncrl.{'ab' * 32} = {{ number = 3, time = 0 }}\n"
        "[minimum_tcb.simulated]\nfirmware = 2\n"
    )
    desk.status("--first", "--floors", floors)
    assert "at least 17" in desk.told
    later(desk)
    desk.status("--repeat")
    found = newest(desk).floors
    assert found.tcb_evaluation == 17
    assert found.minimum_tcb == {"simulated": {"firmware": 2}}
    assert found.crl[bytes.fromhex("ab" * 32)].number == 3
    floors.write_text("tcb_evaluation = 17\n")
    desk.status("--floors", floors, code=2)


def test_the_newest_status_is_shown(desk: Desk):
    leaf = desk.publish()
    desk.status("--first", "--accept", leaf)
    assert desk.run("status", "--log", desk.served.url) == 0
    assert f"{leaf} openpcc-node 0.1.0" in desk.said
    found = desk.json("status", "--log", desk.served.url)
    assert found["status"]["releases"] == [leaf]


def test_a_status_is_signed_offline(desk: Desk):
    leaf = desk.publish()
    out = desk.folder / "status.json"
    log = ("--log", desk.served.url)
    assert desk.run("status", "--first", "--accept", leaf, *log, "--out", out) == 1
    assert "0 of 2" in desk.told
    assert desk.run("status", out, "--key", desk.key("status", 2), "--yes") == 1
    assert "not held against the log" in desk.told
    assert leaf in desk.told
    assert desk.run("status", out, "--key", desk.key("status", 0), "--yes", *desk.sending) == 0
    assert [one.hex() for one in newest(desk).releases] == [leaf]
    assert desk.run("status", out, *desk.sending) == 0  # again: it keeps its place


def test_a_begun_status_cannot_be_changed(desk: Desk):
    out = desk.folder / "status.json"
    desk.run("status", "--first", "--log", desk.served.url, "--out", out)
    assert desk.run("status", out, "--repeat", "--yes") == 2


def test_a_status_of_another_log_is_not_signed(desk: Desk):
    out = desk.folder / "status.json"
    out.write_bytes(sign_entry(status_statement(0, "log.example/else"), signers(STATUS_KEYS[:1])))
    assert desk.run("status", out, "--key", desk.key("status", 1), "--yes") == 1
    assert "for the log log.example/else" in desk.told


def test_a_begun_status_must_follow_the_newest(desk: Desk):
    desk.status("--first")
    out = desk.folder / "status.json"
    desk.run("status", "--repeat", "--log", desk.served.url, "--out", out)
    later(desk)
    desk.status("--repeat")
    log = ("--log", desk.served.url)
    assert desk.run("status", out, "--key", desk.key("status", 2), "--yes", *log) == 1
    assert "comes too late" in desk.told
    later(desk)
    wrong = sign_entry(status_statement(2, issued=desk.now[0]), signers(STATUS_KEYS[:1]))
    out.write_bytes(wrong)
    assert desk.run("status", out, "--key", desk.key("status", 2), "--yes", *log) == 1
    assert "not made from the newest" in desk.told


@pytest.mark.parametrize("sequence", [2, 2**53 - 1])
def test_a_begun_status_leaves_no_number_out(desk: Desk, sequence: int):
    """One signer alone could else get the others to sign the last number there can be."""
    desk.status("--first")
    statement = replace(
        status_statement(sequence), previous=newest(desk).leaf_hash, issued=desk.now[0]
    )
    out = desk.folder / "far.json"
    out.write_bytes(sign_entry(statement, signers(STATUS_KEYS[:1])))
    words = ("status", out, "--key", desk.key("status", 2), "--yes")
    assert desk.run(*words, "--log", desk.served.url) == 1
    assert "is not the next, which is 1" in desk.told
    assert desk.run(*words, "--log", desk.served.url, "--abandon", sequence - 1) == 0


@pytest.mark.parametrize("issued", [NOW + 301, NOW - 7200])
def test_a_begun_status_of_another_time_is_not_signed(desk: Desk, issued: int):
    out = desk.folder / "status.json"
    out.write_bytes(sign_entry(status_statement(0, issued=issued), signers(STATUS_KEYS[:1])))
    assert desk.run("status", out, "--key", desk.key("status", 1), "--yes") == 1
    assert "make it anew" in desk.told


def test_what_a_key_signed_last_is_shown(desk: Desk):
    desk.status("--first")
    assert "has signed nothing for this log so far; this one is number 0" in desk.told
    later(desk)
    desk.status("--repeat")
    assert "has signed number 0 so far; this one is number 1" in desk.told


def test_the_first_status_cannot_be_left_out(desk: Desk):
    desk.status("--first", "--abandon", "0", code=1)
    assert "cannot be left out" in desk.told


def test_what_a_status_changes_is_shown_to_each_signer(desk: Desk):
    keep, revoke = desk.publish(), desk.publish(**{'"0.1.0"\nimage': '"0.2.0"\nimage'})
    desk.status("--first", "--accept", revoke)
    log = ("--log", desk.served.url)
    out = desk.folder / "next.json"
    floors = desk.folder / "floors.toml"
    floors.write_text("tcb_evaluation = 1\n[crl]\n[minimum_tcb]\n")
    words = ("--accept", keep, "--revoke", revoke, "--floors", floors)
    assert desk.run("status", *words, *log, "--out", out) == 1
    assert desk.run("status", out, "--key", desk.key("status", 2), "--yes", *log) == 1
    for word in (f"accepts {keep}", f"revokes {revoke}", "other floors"):
        assert word in desk.told


def test_a_release_that_is_not_kept_is_accepted_by_its_proof(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("transparency_log.cli.memory.MAX_KNOWN", 1)
    first, _ = desk.publish(), desk.publish(**{'"0.1.0"\nimage': '"0.2.0"\nimage'})
    assert desk.run("status", "--log", desk.served.url) == 0
    desk.status("--first", "--accept", first, code=1)
    desk.status("--first", "--accept", desk.folder / "entry-0.proof")
    assert [one.hex() for one in newest(desk).releases] == [first]


# What a log could show to somebody who is about to sign.


def test_a_log_that_hides_the_newest_status_is_found_out(desk: Desk):
    leaf = desk.publish()
    desk.status("--first", "--accept", leaf)
    later(desk)
    desk.status("--revoke", leaf)
    desk.served.shown = 2
    later(desk)
    desk.status("--repeat", code=1)
    assert "has 2 entries, and had" in desk.told
    kept = list(desk.folder.glob("equivocation-*/*"))
    assert len(kept) == 2


def test_a_key_does_not_sign_a_fork_whatever_it_is_shown(desk: Desk):
    leaf = desk.publish()
    desk.status("--first", "--accept", leaf)
    later(desk)
    desk.status("--revoke", leaf)
    desk.served.shown = 2
    (desk.folder / "policy.toml.seen").unlink()
    later(desk)
    out = desk.folder / "fork.json"
    words = ("status", "--repeat", "--log", desk.served.url, "--out", out, "--yes")
    assert desk.run(*words, "--key", desk.key("status", 0)) == 1
    assert "has signed status 1" in desk.told
    assert not out.exists()
    # With two of three needed, every two have one in common, so no fork gets its signatures.
    assert desk.run(*words, "--key", desk.key("status", 2)) == 1
    for number in (0, 1):
        assert desk.run("status", out, "--key", desk.key("status", number), "--yes") == 1
    assert len(json.loads(out.read_bytes())["signatures"]) == 1


def test_another_log_of_the_same_size_is_found_out_and_kept(desk: Desk):
    desk.publish()
    desk.status("--first")
    desk.served.log.entries[0] = b"another"
    later(desk)
    desk.status("--repeat", code=1)
    assert "not the log that was seen before" in desk.told
    assert len(list(desk.folder.glob("equivocation-*/*"))) == 2


def test_an_old_checkpoint_is_not_the_present(desk: Desk):
    desk.now[0] = NOW + 1201
    desk.status("--first", code=1)
    assert "1201 s old" in desk.told
    assert not desk.key("status", 0).with_name("key.signed").exists()


def test_a_clock_behind_the_witnesses_is_refused(desk: Desk):
    desk.now[0] = NOW - 301
    desk.status("--first", code=1)
    assert "clock" in desk.told


def test_a_checkpoint_without_witnesses_is_refused(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    note = MemoryLog.note
    monkeypatch.setattr(MemoryLog, "note", lambda log, times: note(log, times=times[:1]))
    desk.status("--first", code=1)
    assert "quorum" in desk.told


def test_two_statuses_of_a_number_stop_everything_and_are_kept(desk: Desk):
    for issued in (NOW, NOW + 1):
        statement = status_statement(0, ORIGIN, issued)
        desk.served.log.entries.append(sign_entry(statement, signers(STATUS_KEYS)))
    desk.status("--repeat", code=1)
    assert "two statuses have sequence 0" in desk.told
    kept = sorted(path.read_bytes() for path in desk.folder.glob("equivocation-*/*"))
    assert kept == sorted(desk.served.log.entries)


def test_what_others_log_is_passed_over(desk: Desk):
    log = desk.served.log
    log.entries += [
        b"no entry",
        sign_entry(status_statement(7), [log.status]),
        sign_entry(status_statement(0, "log.example/else"), signers(STATUS_KEYS)),
    ]
    desk.status("--first")
    assert newest(desk).sequence == 0


def test_nothing_is_read_twice_and_new_signers_read_anew(desk: Desk):
    leaf = desk.publish()
    desk.status("--first", "--accept", leaf)
    seen = json.loads((desk.folder / "policy.toml.seen").read_bytes())
    assert seen["read"]["size"] == 2
    text = desk.policy.read_text()
    release, status = text.index("[signers.release]"), text.index("[signers.status]")
    changed = text[release:status].replace("threshold = 2", "threshold = 3")
    desk.policy.write_text(text[:release] + changed + text[status:])
    later(desk)
    assert desk.run("status", "--log", desk.served.url) == 0
    assert f"{leaf} NOT FOUND in the log" in desk.said


@pytest.mark.parametrize("name", ["policy.toml.seen", "status-0/key.signed"])
def test_damaged_memory_is_never_ignored(desk: Desk, name: str):
    desk.status("--first")
    (desk.folder / name).write_bytes(b"{}")
    later(desk)
    desk.status("--repeat", code=2)
    assert "damaged" in desk.told


def test_memory_of_another_log_is_not_used(desk: Desk):
    desk.status("--first")
    seen = desk.folder / "policy.toml.seen"
    seen.write_text(seen.read_text().replace(ORIGIN, "log.example/else"))
    desk.status("--repeat", code=2)


# What a key remembers.


def test_a_lost_status_has_its_number_left_out_by_name(desk: Desk):
    desk.status("--first")
    out = desk.folder / "lost.json"
    log = ("--log", desk.served.url)
    key = ("--key", desk.key("status", 0), "--yes")
    desk.run("status", "--repeat", *log, "--out", out, *key)
    out.unlink()
    later(desk)
    desk.status("--repeat", code=1)
    assert "--abandon 1" in desk.told
    (desk.folder / "status-1.json").unlink(missing_ok=True)
    desk.status("--repeat", "--abandon", "1")
    assert newest(desk).sequence == 2
    later(desk)
    desk.status("--repeat", "--abandon", "1", code=1)


def test_a_link_to_a_key_has_the_memory_of_the_key(desk: Desk, tmp_path: Path):
    desk.status("--first")
    link = desk.folder / "link"
    link.symlink_to(desk.key("status", 0))
    desk.served.log.entries.clear()
    shutil.rmtree(desk.folder / "x", ignore_errors=True)
    (desk.folder / "policy.toml.seen").unlink()
    later(desk)
    out = desk.folder / "fork.json"
    words = ("--first", "--log", desk.served.url, "--key", link, "--yes", "--out", out)
    assert desk.run("status", *words) == 1
    assert "has signed status 0" in desk.told


def test_memory_behind_a_link_that_leads_nowhere_is_not_taken_for_none(desk: Desk):
    out = desk.folder / "status.json"
    words = ("--first", "--log", desk.served.url, "--key", desk.key("status", 0), "--yes")
    desk.key("status", 0).with_name("key.signed").symlink_to(desk.folder / "stick" / "key.signed")
    assert desk.run("status", *words, "--out", out) == 2
    assert not out.exists()


def test_one_key_that_refuses_costs_the_others_no_number(desk: Desk):
    words = ("status", "--first", "--log", desk.served.url, "--yes")
    second = desk.folder / "second.json"
    assert desk.run(*words, "--key", desk.key("status", 1), "--out", desk.folder / "one.json") == 1
    later(desk)
    keys = ("--key", desk.key("status", 0), "--key", desk.key("status", 1))
    assert desk.run(*words, *keys, "--out", second) == 1
    assert "has signed status 0" in desk.told
    assert not desk.key("status", 0).with_name("key.signed").exists()


def test_the_same_status_is_signed_again_without_a_word(desk: Desk):
    out = desk.folder / "status.json"
    desk.run("status", "--first", "--log", desk.served.url, "--out", out)
    unsigned = out.read_bytes()
    key = ("--key", desk.key("status", 0), "--yes")
    assert desk.run("status", out, *key) == 1
    out.write_bytes(unsigned)  # the signed file was lost
    assert desk.run("status", out, *key) == 1
    assert len(json.loads(out.read_bytes())["signatures"]) == 1


def test_statuses_of_two_logs_are_remembered_apart(desk: Desk):
    desk.status("--first")
    guard = json.loads(desk.key("status", 0).with_name("key.signed").read_bytes())
    assert list(guard["logs"]) == [ORIGIN]


def test_release_keys_keep_no_such_memory(desk: Desk):
    desk.publish()
    assert not desk.key("release", 0).with_name("key.signed").exists()
    assert RELEASE_KEYS


def test_a_number_is_not_spent_on_a_file_that_cannot_be_written(desk: Desk):
    words = ("--first", "--log", desk.served.url, "--key", desk.key("status", 0), "--yes")
    assert desk.run("status", *words, "--out", desk.folder / "absent" / "status.json") == 2
    assert not desk.key("status", 0).with_name("key.signed").exists()
