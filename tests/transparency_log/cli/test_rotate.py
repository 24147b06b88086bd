"""Announcing new keys: by the policy's own keys and every new one, for its own log."""

from pathlib import Path

import pytest

from tests.transparency_log.cli.conftest import Desk
from tests.transparency_log.cli.served_log import STATUS_KEYS, write_secret
from tests.transparency_log.memory_log import ORIGIN, key
from transparency_log.cosignature import CosignatureSigner
from transparency_log.entry import EntrySigners, verify_rotation
from transparency_log.merkle import leaf_hash
from transparency_log.note import NoteSigner
from transparency_log.proof import parse_proof, verify_proof
from transparency_log.strict_json import b64encode

OLD = EntrySigners(
    keys=tuple(one.public_key().public_bytes_raw() for one in STATUS_KEYS), threshold=2
)


def key_file(desk: Desk, number: int) -> Path:
    path = desk.folder / f"new-{number}"
    return path if path.exists() else write_secret(path, b64encode(key(number).private_bytes_raw()))


def new_keys(*numbers: int) -> list[str]:
    public = [b64encode(key(number).public_key().public_bytes_raw()) for number in numbers]
    return [word for one in public for word in ("--new-key", one)]


def begin(desk: Desk, *words: object) -> Path:
    out = desk.folder / "rotation.json"
    assert desk.run("rotate", *words, "--out", out) == 1, desk.told
    return out


def test_old_and_new_keys_announce_one_after_the_other(desk: Desk):
    out = begin(desk, "--role", "status", *new_keys(60, 61), "--threshold", "2")
    assert "old keys: 0 of 2" in desk.told
    assert "new keys: 0 of 2" in desk.told
    for path in (desk.key("status", 0), key_file(desk, 60), key_file(desk, 61)):
        assert desk.run("rotate", out, "--key", path, "--yes") == 1
    proof = desk.folder / "rotation.proof"
    last = ("--key", desk.key("status", 2), "--yes", *desk.sending, "--proof", proof)
    assert desk.run("rotate", out, *last) == 0, desk.told
    entry = parse_proof(proof.read_bytes()).extra
    assert entry is not None
    assert verify_proof(proof.read_bytes(), leaf_hash(entry), desk.served.log.policy).index == 0
    rotation = verify_rotation(entry, OLD)
    assert (rotation.log, rotation.role, rotation.new.threshold) == (ORIGIN, "status", 2)


def test_every_key_is_shown_before_it_is_signed(desk: Desk):
    begin(desk, "--role", "status", *new_keys(60))
    for one in (*STATUS_KEYS, key(60)):
        assert b64encode(one.public_key().public_bytes_raw()) in desk.told


@pytest.mark.parametrize("role", ["log", "witness"])
def test_logs_and_witnesses_announce_with_their_own_keys(desk: Desk, role: str):
    name, old, words = "witness-0.example", 10, ["--name", "witness-0.example"]
    vkey = str(CosignatureSigner(name=name, private_key=key(60)).key)
    if role == "log":
        old, words = 1, []
        vkey = str(NoteSigner(name=ORIGIN, private_key=key(60)).key)
    keys = ("--key", key_file(desk, old), "--key", key_file(desk, 60), "--yes")
    out = desk.folder / "rotation.json"
    said = desk.json("rotate", "--role", role, *words, "--new-key", vkey, *keys, "--out", out)
    assert said["complete"] is True


def test_strangers_do_not_sign(desk: Desk):
    out = begin(desk, "--role", "status", *new_keys(60))
    for path in (desk.key("release", 0), key_file(desk, 99)):
        assert desk.run("rotate", out, "--key", path, "--yes") == 1
        assert "does not list" in desk.told


def test_an_announcement_from_other_keys_than_the_policys_is_not_signed(desk: Desk):
    out = begin(desk, "--role", "status", *new_keys(60))
    text = desk.policy.read_text()
    start = text.index("[signers.status]")
    changed = text[start:].replace("threshold = 2", "threshold = 3", 1)
    desk.policy.write_text(text[:start] + changed)
    assert desk.run("rotate", out, "--key", desk.key("status", 0), "--yes") == 1
    assert "does not begin with the keys" in desk.told


def test_an_announcement_for_another_log_is_not_signed(desk: Desk):
    out = begin(desk, "--role", "status", *new_keys(60))
    desk.policy.write_text(desk.policy.read_text().replace(f'"{ORIGIN}"', '"log.example/else"'))
    assert desk.run("rotate", out, "--key", desk.key("status", 0), "--yes") == 1
    assert "for the log" in desk.told


@pytest.mark.parametrize(
    "words",
    [
        ["--role", "status"],
        ["--role", "witness", *new_keys(60)],
        ["--role", "witness", "--name", "nobody.example", *new_keys(60)],
        ["--role", "status", "--name", "witness-0.example", *new_keys(60)],
        ["--role", "status", *new_keys(60), "--not-before", "tomorrow"],
        [*new_keys(60)],
    ],
)
def test_wrong_usage_is_told(desk: Desk, words: list[str]):
    assert desk.run("rotate", *words, "--out", desk.folder / "rotation.json") == 2


@pytest.mark.parametrize(
    "words",
    [
        ["--role", "status", "--new-key", "AAAA"],
        ["--role", "status", *new_keys(60, 60)],
        ["--role", "status", *new_keys(60), "--threshold", "2"],
        ["--role", "log", *new_keys(60)],
        ["--role", "status", *new_keys(60), "--not-before", "2020-01-01T00:00:00Z"],
    ],
)
def test_an_announcement_that_nobody_would_read_is_not_made(desk: Desk, words: list[str]):
    out = desk.folder / "rotation.json"
    assert desk.run("rotate", *words, "--out", out) == 1
    assert not out.exists()
