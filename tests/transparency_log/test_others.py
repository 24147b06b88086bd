"""Logs and witnesses that others run, with the same formats and none of our code."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fakes.plain_log import Key, PlainLog
from tests.transparency_log.memory_log import key
from transparency_log.add_checkpoint import Request, WitnessState, decide, read_request
from transparency_log.client import LogClient
from transparency_log.cosignature import CosignatureSigner, parse_log_verifier
from transparency_log.errors import NotFoundError
from transparency_log.follow import Frontier, follow
from transparency_log.merkle import leaf_hash
from transparency_log.proof import verify_proof
from transparency_log.witness_policy import LogPolicy, Witness, verify_checkpoint

ORIGIN = "log.of.others/2026"
TIME = 1_790_000_000
WITNESS = Key("witness.of.others", 4)
OURS = CosignatureSigner(name="witness.example", private_key=key(1))


def policy(vkey: str, *, origin: str = ORIGIN, quorum: int = 1) -> LogPolicy:
    return LogPolicy(
        origin=origin,
        log_vkey=vkey,
        witnesses=(
            Witness(name=WITNESS.name, operator="Others", vkey=WITNESS.vkey),
            Witness(name=OURS.name, operator="We", vkey=str(OURS.key)),
        ),
        quorum=quorum,
    )


def fetcher(files: dict[str, bytes]) -> Callable[[str, int], bytes]:
    def fetch(path: str, limit: int) -> bytes:
        if path not in files:
            raise NotFoundError(path)
        assert len(files[path]) <= limit
        return files[path]

    return fetch


def client_of(log: PlainLog) -> LogClient:
    size = len(log.entries)
    files = log.files()
    files["checkpoint"] = log.checkpoint(size, WITNESS.cosign(log.text(size), TIME))
    return LogClient(policy(log.key.vkey), fetcher(files))


def log_of(size: int, extension: str = "") -> PlainLog:
    entries = [f"entry {number}".encode() * (number % 3) for number in range(size)]
    return PlainLog(ORIGIN, entries, Key("key.of.others", 1), extension)


@pytest.mark.parametrize("size", [0, 1, 2, 255, 256, 257, 600, 66_000])
def test_a_log_of_others_is_read_and_proved(size: int) -> None:
    log = log_of(size)
    client = client_of(log)
    witnessed = client.checkpoint()
    assert (witnessed.checkpoint.size, witnessed.time) == (size, TIME)
    start = max(0, size - 300)
    assert list(client.entries(witnessed, start).entries) == log.entries[start:]
    if size:
        index = size // 2
        proof = client.proof(witnessed, index, log.entries[index])
        verify_proof(proof, leaf_hash(log.entries[index]), policy(log.key.vkey))


def test_all_of_a_log_of_others_is_followed() -> None:
    log = log_of(1500)
    client = client_of(log)
    stretches = list(follow(client, client.checkpoint(), Frontier()))
    assert [entry for one in stretches for entry in one.entries] == log.entries


def test_a_log_of_others_is_proved_to_grow() -> None:
    log = log_of(700)
    client, new = client_of(log), policy(log.key.vkey)
    for size in (1, 255, 256, 300, 699):
        note = log.checkpoint(size, WITNESS.cosign(log.text(size), TIME - 9))
        assert client.consistency(verify_checkpoint(note, new), client.checkpoint())


@pytest.mark.parametrize("extension", ["", "an extension line\nanother\n"])
def test_our_witness_cosigns_a_log_of_others(extension: str) -> None:
    log, state = log_of(40, extension), WitnessState()
    logs = {ORIGIN: [parse_log_verifier(log.key.vkey)]}
    for size in (0, 1, 2, 7, 8, 8, 33, 40):
        request = read_request(log.add_checkpoint(state.size, size))
        assert isinstance(request, Request)
        found = decide(request, logs=logs, state=state, signers=[OURS], now=TIME + size)
        assert found.status == 200
        state = found.state or state
        note = log.checkpoint(size, found.body, WITNESS.cosign(log.text(size), TIME))
        both = verify_checkpoint(note, policy(log.key.vkey, quorum=2))
        assert both.witnesses == (WITNESS.name, OURS.name)
    forked = PlainLog(ORIGIN, [b"x", *log.entries[1:], b"more"], log.key, extension)
    request = read_request(forked.add_checkpoint(40, 41))
    assert isinstance(request, Request)
    refused = decide(request, logs=logs, state=state, signers=[OURS], now=TIME + 99)
    assert (refused.status, refused.state) == (422, None)


def test_published_tiles_are_read_as_any_log(shared: Path) -> None:
    page = json.loads((shared / "vectors/standards/c2sp-tlog/tiles.json").read_text())
    rows = [row for row in (page if isinstance(page, list) else page["cases"]) if "files" in row]
    assert rows
    for row in rows:
        files = {name: bytes.fromhex(data) for name, data in row["files"].items()}
        for size, text in row["checkpoints"].items():
            note = text.encode()
            body = note[: note.rindex(b"\n\n") + 1]
            cosigned = note + WITNESS.cosign(body, TIME)
            rules = policy(row["vkey"], origin=row["origin"])
            client = LogClient(rules, fetcher({**files, "checkpoint": cosigned}))
            found = client.entries(client.checkpoint(), 0)
            assert len(found.entries) == int(size)
