"""Releases: from a manifest to a proof, by two of three signers who never meet."""

import json
from pathlib import Path

import pytest

from attestation.model import model_digest as attested_digest
from tests.transparency_log.cli.conftest import Desk
from tests.transparency_log.cli.served_log import (
    MANIFEST,
    RELEASE_KEYS,
    TOKEN,
    signers,
    write_manifest,
)
from tests.transparency_log.memory_log import NOW, release_statement, status_statement
from transparency_log.cli.manifest import model_digest
from transparency_log.entry import EntrySigners, sign_entry, verify_release
from transparency_log.merkle import leaf_hash
from transparency_log.proof import parse_proof, verify_proof

TWO = EntrySigners(keys=tuple(one.public_key for one in signers(RELEASE_KEYS)), threshold=2)


def test_two_signers_who_never_meet_publish_a_release(desk: Desk):
    manifest, entry = write_manifest(desk.folder), desk.folder / "entry.json"
    first = desk.json(
        "publish", manifest, "--key", desk.key("release", 0), "--yes", "--out", entry, code=1
    )
    assert first["signatures"] == {"release signers": {"found": 1, "needed": 2}}
    assert (first["complete"], first["leaf_hash"]) == (False, None)
    proof = desk.folder / "release.proof"
    second = desk.json(
        "publish", entry, "--key", desk.key("release", 2), "--yes", *desk.sending, "--proof", proof
    )
    assert second["payload_sha256"] == first["payload_sha256"]
    assert second["complete"] is True
    release = verify_release(entry.read_bytes(), TWO)
    assert release.leaf_hash.hex() == second["leaf_hash"]
    assert verify_proof(proof.read_bytes(), release.leaf_hash, desk.served.log.policy).index == 0
    assert parse_proof(proof.read_bytes()).extra == entry.read_bytes()


def test_the_leaf_hash_goes_where_nodes_look_for_it(desk: Desk):
    manifest, entry = write_manifest(desk.folder), desk.folder / "entry.json"
    leaf, keys = desk.folder / "release", [desk.key("release", n) for n in (0, 2)]
    first = ("publish", manifest, "--key", keys[0], "--yes", "--out", entry, "--leaf", leaf)
    assert desk.run(*first) == 1
    assert not leaf.exists()
    done = desk.json("publish", entry, "--key", keys[1], "--yes", *desk.sending, "--leaf", leaf)
    assert leaf.read_text() == f"{done['leaf_hash']}\n"


def test_a_leaf_hash_is_not_written_over_a_key(desk: Desk):
    manifest, entry, key = (
        write_manifest(desk.folder),
        desk.folder / "entry.json",
        desk.key("release", 0),
    )
    before = Path(key).read_bytes()
    words = ("publish", manifest, "--key", key, "--yes", "--out", entry, "--leaf", key)
    assert desk.run(*words) == 2
    assert Path(key).read_bytes() == before
    assert not entry.exists()


def test_all_keys_at_hand_is_one_command(desk: Desk):
    desk.publish()
    assert len(desk.served.log.entries) == 1


def test_a_threshold_not_met_is_told_and_nothing_is_sent(desk: Desk):
    manifest, entry = write_manifest(desk.folder), desk.folder / "entry.json"
    code = desk.run(
        "publish", manifest, "--key", desk.key("release", 0), "--yes", "--out", entry, *desk.sending
    )
    assert code == 1
    assert "release signers: 1 of 2 signatures" in desk.told
    assert desk.served.log.entries == []


def test_an_unsigned_entry_is_made_without_a_key(desk: Desk):
    entry = desk.folder / "entry.json"
    assert desk.run("publish", write_manifest(desk.folder), "--out", entry) == 1
    assert json.loads(entry.read_bytes())["signatures"] == []
    for number in (0, 1):
        desk.run("publish", entry, "--key", desk.key("release", number), "--yes")
    verify_release(entry.read_bytes(), TWO)


def test_what_is_signed_is_shown_in_words(desk: Desk):
    desk.run("publish", write_manifest(desk.folder), "--out", desk.folder / "entry.json")
    for word in (
        "openpcc-node 0.1.0", "attested", "2027-02-14T08:00:00Z", "in 30 d", "simulated",
        "01" * 48, "register 0", "1, simulated-gpu", "embedded 0.1.0", "--max-model-len",
        "https://example.org/openpcc", "0" * 40, "node_image/build", "03" * 32,
        "6105d6cc76af400325e94d588ce511be5bfdbb73b437dc51eca43917d7a43e3d",
    ):  # fmt: skip
        assert word in desk.told


def test_what_is_left_to_the_host_is_shown_before_it_is_signed(desk: Desk):
    own = f'{{ type = 4, digests = ["{"ab" * 48}"], least = 1, most = 1 }}'
    rules = "events = { 2 = [{ type = 10, digests = [], least = 0, most = 64 }, " + own + "] }"
    text = MANIFEST.replace("devices = {", f"{rules}\ndevices = {{", 1)
    assert text != MANIFEST
    manifest = write_manifest(desk.folder, text)
    desk.run("publish", manifest, "--out", desk.folder / "entry.json")
    assert "register 2 is ruled: 0 to 64 events of type 0x0000000a, ANY digest" in desk.told
    assert f"register 2 is ruled: 1 to 1 events of type 0x00000004, {'ab' * 48}" in desk.told


def test_control_characters_of_an_entry_are_not_obeyed(desk: Desk):
    entry = desk.folder / "entry.json"
    text = MANIFEST.replace('"0.1.0"', '"0.1.0\\u001b[2K\\u202e\\r"', 1)
    desk.run("publish", write_manifest(desk.folder, text), "--out", entry)
    assert "\x1b" not in desk.told
    assert "\\x1b[2K\\u202e\\r" in desk.told


def test_nobody_to_ask_is_a_usage_error(desk: Desk):
    entry = desk.folder / "entry.json"
    code = desk.run(
        "publish", write_manifest(desk.folder), "--key", desk.key("release", 0), "--out", entry
    )
    assert (code, entry.exists()) == (2, False)
    assert "--yes" in desk.told


@pytest.mark.parametrize(("answer", "code"), [("yes\n", 1), ("no\n", 1), ("", 1)])
def test_a_person_is_asked(desk: Desk, monkeypatch: pytest.MonkeyPatch, answer: str, code: int):
    class Terminal:
        def isatty(self) -> bool:
            return True

        def readline(self) -> str:
            return answer

    monkeypatch.setattr("sys.stdin", Terminal())
    entry = desk.folder / "entry.json"
    found = desk.run(
        "publish", write_manifest(desk.folder), "--key", desk.key("release", 0), "--out", entry
    )
    assert found == code
    assert entry.exists() == (answer == "yes\n")


def begun(desk: Desk) -> Path:
    entry = desk.folder / "entry.json"
    manifest = write_manifest(desk.folder)
    desk.run("publish", manifest, "--key", desk.key("release", 0), "--yes", "--out", entry)
    return entry


def test_a_key_signs_once(desk: Desk):
    entry = begun(desk)
    assert desk.run("publish", entry, "--key", desk.key("release", 0), "--yes") == 1
    assert "has signed already" in desk.told


def test_a_key_the_policy_does_not_list_signs_nothing(desk: Desk):
    entry = begun(desk)
    before = entry.read_bytes()
    assert desk.run("publish", entry, "--key", desk.key("status", 0), "--yes") == 1
    assert "does not list" in desk.told
    assert entry.read_bytes() == before


def test_an_entry_of_another_kind_is_not_signed(desk: Desk):
    entry = desk.folder / "entry.json"
    entry.write_bytes(sign_entry(status_statement(), signers(RELEASE_KEYS[:1])))
    assert desk.run("publish", entry, "--key", desk.key("release", 1), "--yes") == 1
    assert "a status entry, not a release entry" in desk.told


def test_a_signature_by_somebody_else_refuses_the_file(desk: Desk):
    entry = desk.folder / "entry.json"
    entry.write_bytes(sign_entry(release_statement(), [desk.served.log.release]))
    assert desk.run("publish", entry, "--key", desk.key("release", 1), "--yes") == 1
    assert "by no key" in desk.told


def test_an_expired_release_is_not_signed(desk: Desk):
    desk.now[0] = NOW + 31 * 86400
    code = desk.run("publish", write_manifest(desk.folder), "--out", desk.folder / "entry.json")
    assert (code, "has expired" in desk.told) == (1, True)


def test_a_file_that_is_there_is_not_overwritten(desk: Desk):
    entry = begun(desk)
    before = entry.read_bytes()
    assert desk.run("publish", write_manifest(desk.folder), "--out", entry) == 2
    assert entry.read_bytes() == before


def test_a_key_that_others_can_read_is_not_used(desk: Desk):
    desk.key("release", 0).chmod(0o644)
    entry = desk.folder / "entry.json"
    keys = ("--key", desk.key("release", 0), "--yes")
    assert desk.run("publish", write_manifest(desk.folder), *keys, "--out", entry) == 2
    assert "chmod 600" in desk.told
    assert not entry.exists()


CHANGES = {
    "an unknown member": ('mode = "attested"', 'mode = "attested"\ntrusted = true'),
    "an unknown member inside": ('uri = "node_image/build"', 'uri = "x"\nurl = "y"'),
    "a missing member": ('mode = "attested"\n', ""),
    "another mode": ('mode = "attested"', 'mode = "trusting"'),
    "a float": ("count = 1", "count = 1.0"),
    "an upper-case digest": ("03" * 32, "AB" * 32),
    "a short measurement": ("01" * 48, "01" * 47),
    "a time without zone": ("08:00:00Z", "08:00:00"),
    "a file that is not there": ("node.raw", "other.raw"),
    "file and digest": ('file = "node.raw"', f'file = "node.raw", sha256 = "{"00" * 32}"'),
    "an empty model": ('folder = "model"', 'folder = "release-0/none"'),
    "no TOML": ("[engine]", "[engine"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_manifest_with_a_mistake_is_refused(desk: Desk, name: str):
    old, new = CHANGES[name]
    assert old in MANIFEST
    manifest = write_manifest(desk.folder, MANIFEST.replace(old, new, 1))
    entry = desk.folder / "entry.json"
    assert desk.run("publish", manifest, "--out", entry) == 2, desk.told
    assert (entry.exists(), desk.told.count("\n")) == (False, 1)


def test_an_image_for_debugging_is_not_signed(desk: Desk):
    text = MANIFEST.replace('mode = "attested"', 'mode = "debug"')
    assert text != MANIFEST
    entry = desk.folder / "entry.json"
    keys = ["--key", desk.key("release", 0), "--yes"]
    assert desk.run("publish", write_manifest(desk.folder, text), *keys, "--out", entry) == 1
    assert "an image for debugging, which nobody accepts" in desk.told
    assert not entry.exists()


def test_the_model_digest_is_that_of_the_nodes(desk: Desk):
    write_manifest(desk.folder)
    assert model_digest(desk.folder / "model") == attested_digest(desk.folder / "model")


# What a log could answer.


@pytest.mark.parametrize("lie", [{"index": 7}, {"leaf_hash": "00" * 32}, {"more": 1}])
def test_a_log_that_lies_about_the_place_is_not_believed(
    desk: Desk, lie: dict[str, object], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("transparency_log.cli.signing.PATIENCE", 0)
    desk.served.answer = lie
    keys = ("--key", desk.key("release", 0), "--key", desk.key("release", 1), "--yes")
    proof = desk.folder / "proof"
    code = desk.run(
        "publish", write_manifest(desk.folder), *keys, "--out", desk.folder / "entry.json",
        *desk.sending, "--proof", proof,
    )  # fmt: skip
    assert code == (3 if "index" in lie else 1)
    assert not proof.exists()


def test_another_entry_at_the_place_is_no_proof(desk: Desk):
    desk.served.log.entries.append(b"another")
    desk.served.answer = {"index": 0}
    keys = ("--key", desk.key("release", 0), "--key", desk.key("release", 1), "--yes")
    out = desk.folder / "entry.json"
    assert desk.run("publish", write_manifest(desk.folder), *keys, "--out", out, *desk.sending) == 1


def test_a_busy_log_is_asked_again(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("transparency_log.cli.connection.PAUSE", 0.01)
    desk.served.statuses = [503, 503]
    desk.publish()
    assert len(desk.served.log.entries) == 1


@pytest.mark.parametrize(("status", "code"), [(401, 2), (429, 2), (500, 3)])
def test_a_log_that_does_not_take_it_keeps_the_signed_file(desk: Desk, status: int, code: int):
    desk.served.statuses = [status]
    keys = ("--key", desk.key("release", 0), "--key", desk.key("release", 1), "--yes")
    out = desk.folder / "entry.json"
    manifest = write_manifest(desk.folder)
    assert desk.run("publish", manifest, *keys, "--out", out, *desk.sending) == code
    assert desk.run("publish", out, *desk.sending) == 0
    assert desk.served.log.leaves == [leaf_hash(out.read_bytes())]


def test_the_token_goes_to_the_log_alone(desk: Desk):
    desk.publish()
    sent = [one.get("authorization") for one in desk.served.headers]
    assert sent.count(f"Bearer {TOKEN}") == 1
    desk.served.location = "http://127.0.0.1:1/elsewhere"
    assert desk.run("proof", desk.folder / "entry-0.json", "--log", desk.served.url,
                    "--out", desk.folder / "again.proof") == 3  # fmt: skip


def test_the_token_is_not_sent_in_the_clear(desk: Desk):
    desk.publish()
    token = ("--token-file", desk.folder / "token")
    entry = desk.folder / "entry-0.json"
    assert desk.run("publish", entry, "--to", "http://log.example", *token) == 2
    assert "https" in desk.told


def test_a_proof_is_made_later(desk: Desk):
    desk.publish()
    again = desk.folder / "again.proof"
    log = ("--log", desk.served.url)
    assert desk.run("proof", desk.folder / "entry-0.json", *log, "--out", again) == 0
    assert again.read_bytes() == (desk.folder / "entry-0.proof").read_bytes()
    absent = desk.folder / "absent.json"
    absent.write_bytes(sign_entry(release_statement(), [desk.served.log.release]))
    assert desk.run("proof", absent, *log, "--out", again) == 1


@pytest.mark.parametrize("option", ["--out", "--proof"])
@pytest.mark.parametrize("name", ["release-0/key", "release-0/key.signed", "policy.toml", "token"])
def test_nothing_that_is_read_is_overwritten(desk: Desk, option: str, name: str):
    entry = begun(desk)
    before = {path: path.read_bytes() for path in desk.folder.rglob("*") if path.is_file()}
    keys = ("--key", desk.key("release", 0), "--yes")
    assert desk.run("publish", entry, *keys, *desk.sending, option, desk.folder / name) == 2
    assert {path: path.read_bytes() for path in desk.folder.rglob("*") if path.is_file()} == before


def test_an_answer_that_drips_is_left(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    desk.publish()
    monkeypatch.setattr("transparency_log.cli.connection.WHOLE", -1)
    log = ("--log", desk.served.url)
    assert desk.run("proof", desk.folder / "entry-0.json", *log, "--out", desk.folder / "p") == 3
