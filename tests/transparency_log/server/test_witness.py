"""The witness: what it keeps, what it does when it cannot, and that a kill forgets nothing."""

import asyncio
import hashlib
import secrets
import sqlite3
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.transparency_log.memory_log import NOW, ORIGIN, MemoryLog, status_entry
from tests.transparency_log.server.processes import (
    Server,
    World,
    fetcher,
    keygen,
    run_here,
)
from transparency_log import prover
from transparency_log.add_checkpoint import AddCheckpointRequest
from transparency_log.checkpoint import Checkpoint, parse_checkpoint
from transparency_log.client import LogClient
from transparency_log.cosignature import parse_verifier
from transparency_log.errors import ConfigurationError
from transparency_log.note import format_note, open_note, parse_note
from transparency_log.server.main import WITNESS
from transparency_log.server.witness import WitnessApp
from transparency_log.server.witness_config import WitnessConfig, load_witness_config
from transparency_log.server.witness_store import WitnessStore
from transparency_log.witness_policy import LogPolicy, Witness, verify_checkpoint

LOG = MemoryLog(entries=[bytes([number]) for number in range(8)])
DIGEST = hashlib.sha256(ORIGIN.encode()).hexdigest()


def request(log: MemoryLog, old: int, size: int) -> bytes:
    proof = prover.consistency_proof(old, size, prover.memory_reader(log.leaves)) if old else []
    text = log.text(size)
    note = format_note(text, [log.log.sign(text)])
    return AddCheckpointRequest(old_size=old, proof=tuple(proof), note=note).encode()


def long_request() -> bytes:
    """Ask for a cosignature of a note that takes several pages of the database."""
    checkpoint = Checkpoint(origin=ORIGIN, size=1, root=bytes(32), extensions=("x" * 9000,))
    text = checkpoint.encode()
    note = format_note(text, [LOG.log.sign(text)])
    return AddCheckpointRequest(old_size=0, proof=(), note=note).encode()


@pytest.fixture
def config(tmp_path: Path) -> WitnessConfig:
    for name in ("ed25519", "ml-dsa-44"):
        run_here(WITNESS, "keygen", "--type", name, "--name", "w.example", "--out", tmp_path / name)
    (tmp_path / "w.toml").write_text(
        'name = "w.example"\nkey = "ed25519"\nml_dsa_44_key = "ml-dsa-44"\ndatabase = "w.db"\n'
        f'[[logs]]\norigin = "{ORIGIN}"\nvkey = "{LOG.log.key}"\n'
    )
    run_here(WITNESS, "init", "--config", tmp_path / "w.toml")
    return load_witness_config(tmp_path / "w.toml")


@pytest.fixture
def store(config: WitnessConfig) -> Iterator[WitnessStore]:
    with closing(WitnessStore.open(config.database)) as found:
        yield found


@dataclass
class Failures:
    """Counts how often the program was told to stop."""

    times: int = 0

    def __call__(self) -> None:
        self.times += 1


def app(config: WitnessConfig, store: WitnessStore, failed: Failures | None = None) -> WitnessApp:
    return WitnessApp(config, store, clock=lambda: NOW, failed=failed or Failures())


def serve(witness: WitnessApp, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
    """Answer one request."""
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(witness({"type": "http", "method": method, "path": path}, receive, send))
    return sent[0]["status"], sent[1]["body"]


def test_cosigns_with_both_keys_and_shows_it(config: WitnessConfig, store: WitnessStore) -> None:
    witness = app(config, store)
    status, lines = serve(witness, "POST", "/add-checkpoint", request(LOG, 0, 5))
    assert status == 200
    found = serve(witness, "GET", f"/{DIGEST}/checkpoint")
    assert found[0] == 200
    assert found[1].endswith(lines)
    opened = open_note(found[1], [parse_verifier(str(one.key)) for one in config.signers()])
    assert [line.name for line in opened.signed_by] == ["w.example"] * 2
    assert parse_checkpoint(opened.text).size == 5


def test_state_survives_reopening(config: WitnessConfig, store: WitnessStore) -> None:
    assert app(config, store).answer(request(LOG, 0, 5)).status == 200
    with closing(WitnessStore.open(config.database)) as again:
        witness = app(config, again)
        assert witness.answer(request(LOG, 0, 5)).body == b"5\n"
        assert witness.answer(request(LOG, 5, 8)).status == 200


def test_two_programs_on_one_state_are_one_witness(
    config: WitnessConfig, store: WitnessStore
) -> None:
    with closing(WitnessStore.open(config.database)) as second:
        assert app(config, store).answer(request(LOG, 0, 5)).status == 200
        assert app(config, second).answer(request(LOG, 0, 3)).status == 409
        assert app(config, second).answer(request(LOG, 5, 8)).status == 200


def test_a_fork_is_refused_and_both_notes_are_kept(
    config: WitnessConfig, store: WitnessStore
) -> None:
    witness, forked = app(config, store), MemoryLog(entries=[b"x", *LOG.entries[1:]])
    assert witness.answer(request(LOG, 0, 5)).status == 200
    for _ in range(3):
        assert witness.answer(request(forked, 5, 5)).status == 422
    [(first, second)] = store.conflicts(ORIGIN)
    log = parse_verifier(str(LOG.log.key))
    trees = [parse_checkpoint(open_note(note, [log]).text) for note in (first, second)]
    assert trees[0].size == trees[1].size
    assert trees[0].root != trees[1].root


def test_a_full_disk_is_a_500_that_changes_nothing_and_stops(
    config: WitnessConfig, store: WitnessStore
) -> None:
    failed = Failures()
    witness, body = app(config, store, failed), long_request()
    pages = store._database.execute("PRAGMA page_count").fetchone()[0]
    store._database.execute(f"PRAGMA max_page_count = {pages}")
    status, answer = serve(witness, "POST", "/add-checkpoint", body)
    assert (status, failed.times) == (500, 1)
    assert b"w.example" not in answer  # no cosignature left with it
    store._database.execute(f"PRAGMA max_page_count = {pages + 100}")
    assert serve(witness, "POST", "/add-checkpoint", body)[0] == 500  # it does not go on
    assert serve(witness, "GET", f"/{DIGEST}/checkpoint")[0] == 500
    assert store.note(DIGEST) is None
    assert app(config, store).answer(body).status == 200


def test_what_strangers_signed_is_not_kept(config: WitnessConfig, store: WitnessStore) -> None:
    line = f"\u2014 stranger.example {b64encode(bytes(2432)).decode()}\n".encode()
    assert app(config, store).answer(request(LOG, 0, 5) + line * 60).status == 200
    assert b"stranger" not in (store.note(DIGEST) or b"")


def test_other_paths_and_methods_are_refused(config: WitnessConfig, store: WitnessStore) -> None:
    witness = app(config, store)
    assert serve(witness, "GET", "/add-checkpoint")[0] == 405
    assert serve(witness, "POST", f"/{DIGEST}/checkpoint")[0] == 405
    assert serve(witness, "GET", f"/{DIGEST}/checkpoint")[0] == 404  # nothing cosigned yet
    for path in ("/", "/add-checkpoint/", f"/{DIGEST}", f"/x/{DIGEST}/checkpoint"):
        assert serve(witness, "GET", path)[0] == 404


def test_foreign_state_is_not_taken(tmp_path: Path, config: WitnessConfig) -> None:
    with closing(sqlite3.connect(tmp_path / "foreign.db")) as database:
        database.execute("CREATE TABLE log (origin TEXT)")
    with pytest.raises(ConfigurationError, match="version"):
        WitnessStore.open(tmp_path / "foreign.db")
    with pytest.raises(ConfigurationError, match="must not forget"):
        WitnessStore.create(config.database)


class TwoKeys(World):
    """A world whose first witness has a key of each type."""

    def _set_up_witness(self, number: int) -> None:
        super()._set_up_witness(number)
        if number == 0:
            out = self.folder / "witness-0.pq"
            self.ml_dsa_vkey = keygen(WITNESS, "witness-0", out, "ml-dsa-44")
            config = self.config("witness-0")
            config.write_text(f'ml_dsa_44_key = "witness-0.pq"\n{config.read_text()}')

    def write_log_config(self) -> None:
        super().write_log_config()
        with self.config("log").open("a") as file:
            file.write(
                f'[[witnesses]]\nname = "witness-0"\noperator = "Operator 0"\n'
                f'vkey = "{self.ml_dsa_vkey}"\nurl = "{self.witnesses[0].url}"\n'
            )


def test_a_log_publishes_the_cosignatures_of_both_keys(tmp_path: Path) -> None:
    world = TwoKeys(folder=tmp_path)
    try:
        world.set_up()
        assert world.add(status_entry(MemoryLog())).status_code == 200
        note = httpx.get(f"{world.log_url}/checkpoint").content
        keys = (world.ml_dsa_vkey, world.witness_vkeys[0])
        rows = [Witness(name="witness-0", operator="Operator 0", vkey=vkey) for vkey in keys]
        for witnesses in ((rows[0],), (rows[1],), tuple(rows)):
            policy = LogPolicy(
                origin=ORIGIN, log_vkey=world.log_vkey, witnesses=witnesses, quorum=1
            )
            assert verify_checkpoint(note, policy).checkpoint.size == 1
            client = LogClient(policy, fetcher(lambda: world.log_url))
            assert client.entries(client.checkpoint(), 0).entries
        # The second key of one operator is no second voice for the log either.
        for number in (1, 2):
            world.witnesses[number].kill()
        with pytest.raises(httpx.ReadTimeout):
            world.add(status_entry(MemoryLog(), 1), timeout=3)
    finally:
        world.tear_down()


@dataclass
class History:
    """One of two stories that a dishonest log tells; asks until it is told to stop."""

    log: MemoryLog
    address: list[str]
    stop: threading.Event
    cosigned: list[Checkpoint] = field(default_factory=list)
    newest: int = 0

    def run(self) -> None:
        old = size = 0
        while not self.stop.is_set() and size < len(self.log.entries):
            size = max(size, old + 1)
            try:
                answer = httpx.post(
                    f"{self.address[0]}/add-checkpoint", content=request(self.log, old, size)
                )
            except httpx.TransportError:
                continue
            if answer.status_code == 200:
                self.cosigned.append(parse_checkpoint(self.log.text(size)))
                old, size = size, size + 1 + secrets.randbelow(3)
            elif answer.status_code == 409:
                old = min(int(answer.text), len(self.log.entries))
                size = max(old, 1)
            elif answer.status_code == 422:
                return  # the witness has cosigned the other story


def test_kill_in_a_loop_makes_no_witness_cosign_two_stories(tmp_path: Path) -> None:
    common = [number.to_bytes(2, "big") for number in range(20)]
    logs = [
        MemoryLog(entries=common + [mark + number.to_bytes(2, "big") for number in range(300)])
        for mark in (b"a", b"b")
    ]
    world = World(folder=tmp_path)
    world.log_vkey = str(logs[0].log.key)
    address, stop = [""], threading.Event()
    stories = [History(log=log, address=address, stop=stop) for log in logs]
    threads = [threading.Thread(target=story.run) for story in stories]
    try:
        world._set_up_witness(0)
        for thread in threads:
            thread.start()
        for _ in range(8):
            server: Server = world.start("witness", "witness-0")
            address[0] = server.url
            before = sum(len(story.cosigned) for story in stories)
            while sum(len(story.cosigned) for story in stories) == before:
                assert any(thread.is_alive() for thread in threads)
                stop.wait(0.01)
            stop.wait(secrets.randbelow(50) / 1000)
            acknowledged = max((one.size for story in stories for one in story.cosigned), default=0)
            server.kill()
            with closing(WitnessStore.open(tmp_path / "witness-0.db")) as store:
                note = store.note(DIGEST)
            kept = parse_checkpoint(parse_note(note).unverified_text).size if note else 0
            assert kept >= acknowledged
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        world.tear_down()
    cosigned = [one for story in stories for one in story.cosigned]
    assert len(cosigned) >= 8
    roots: dict[int, bytes] = {}
    assert all(roots.setdefault(one.size, one.root) == one.root for one in cosigned)
