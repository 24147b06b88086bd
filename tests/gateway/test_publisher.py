"""The publisher against a log and nodes on real sockets: chain, slots, restart, faults."""

import asyncio
import hashlib
import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from gateway import chain
from gateway.archive import RETENTION, Archive
from gateway.config import NodeAddress, PublisherConfig
from gateway.directory import Directory
from gateway.discovery import FRESH, Discovery
from gateway.errors import ChainError, ConfigurationError, UpstreamError
from gateway.evidence import read_evidence
from gateway.log_reader import LogReader
from gateway.outbound import Outbound
from gateway.places import Place
from gateway.publisher import Publisher
from gateway.publisher_app import places
from gateway.telemetry import LineFormatter, Telemetry
from gateway.window import Window
from openpcc.protocol.hpke import KEM_X25519
from openpcc.protocol.messages import DirectoryLeaf, machine_digest
from openpcc.protocol.sealing import NodePrivateKey, model_id
from tests.fakes.node import FarEnd
from tests.gateway.surroundings import START, LogScript, NodeScript
from tests.transparency_log.memory_log import status_entry
from transparency_log.entry import Service, verify_service
from transparency_log.strict_json import b64decode

SERVICE = "demo.example"
PLACE = Place(name="http://x", url="http://x")
KEYS = b"the public ohttp file"


class World:
    """A publisher whose clocks the test turns; `start` makes it anew from its files."""

    def __init__(self, folder: Path, stack: ExitStack, nodes: list[NodeScript]) -> None:
        self.now, self.monotonic = float(START), 0.0
        self.log = LogScript()
        self.log.memory.entries.append(status_entry(self.log.memory, 0))
        self.nodes = nodes
        (folder / "archive").mkdir()
        self.config = PublisherConfig(
            service=SERVICE,
            nodes=tuple(NodeAddress(url=stack.enter_context(FarEnd(n)).url) for n in nodes),
            log=stack.enter_context(FarEnd(self.log)).url,
            service_key=folder / "unused",
            status_keys=(),
            ohttp_keys=folder / "unused",
            state=folder / "state.json",
            archive=folder / "archive",
            candidates=2,
        )
        chain.create(self.config.state, service=SERVICE)
        self.start()

    def start(self) -> None:
        config, memory = self.config, self.log.memory
        self.outbound = Outbound(connect_timeout=3, reply_timeout=10, keep_alive=2, ca=None)
        self.publisher = Publisher(
            config=config,
            state=chain.load(config.state, service=SERVICE),
            signer=memory.service,
            ohttp_keys=KEYS,
            endorsements=None,
            reader=LogReader(url=config.log, outbound=self.outbound),
            discovery=Discovery(places(config, self.ticks), self.outbound, self.ticks),
            archive=Archive(config.archive),
            telemetry=Telemetry("publisher"),
            clock=lambda: self.now,
            monotonic=lambda: self.monotonic,
            status_signers=memory.signers(memory.status),
        )

    def ticks(self) -> float:
        return self.monotonic

    def rounds(self, number: int = 1) -> None:
        async def run() -> None:
            async with self.outbound:
                for _ in range(number):
                    await self.publisher.round()

        asyncio.run(run())

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        self.monotonic += seconds

    @property
    def window(self) -> Window:
        assert self.publisher.window is not None
        return self.publisher.window

    def chain(self) -> list[Service]:
        """Read every service entry in the log."""
        signers = self.log.memory.signers(self.log.memory.service)
        entries = (one for one in self.log.memory.entries if one in self.log.added)
        return [verify_service(entry, signers) for entry in entries]

    def leaves(self, model: str = "demo") -> list[DirectoryLeaf | None]:
        data = self.window.shard(model_id(model).hex(), 0)
        assert data is not None
        return [DirectoryLeaf.parse(b64decode(leaf)) for leaf in json.loads(data)["leaves"]]


@contextmanager
def world(folder: Path, *nodes: NodeScript) -> Iterator[World]:
    with ExitStack() as stack:
        yield World(folder, stack, list(nodes) or [NodeScript(b"machine-0")])


def machines(leaves: list[DirectoryLeaf | None]) -> list[bytes | None]:
    return [None if leaf is None else leaf.machine for leaf in leaves]


def test_publishes_once_all_nodes_gave_evidence(tmp_path: Path) -> None:
    nodes = [NodeScript(b"a"), NodeScript(b"b", models=("demo", "other"))]
    with world(tmp_path, *nodes) as found:
        found.rounds()
        (entry,) = found.chain()
        assert (entry.sequence, entry.previous) == (0, None)
        assert (entry.not_before, entry.not_after) == (1_800_000_000, 1_800_001_200)
        assert entry.ohttp_keys == hashlib.sha256(KEYS).digest()
        sizes = {model.name: model.directory.size for model in entry.models}
        assert sizes == {"demo": 2, "other": 1}
        publication = found.window.publication
        assert (publication.index, publication.status, publication.sequence) == (1, 0, 0)
        assert {key for node in publication.nodes for key in node.keys} == {
            node.key.id for node in nodes
        }


def test_what_is_served_is_what_the_entry_commits_to(tmp_path: Path) -> None:
    with world(tmp_path, NodeScript(b"a"), NodeScript(b"b")) as found:
        found.rounds()
        (entry,) = found.chain()
        (model,) = entry.models
        leaves = tuple(one.encode() for one in found.leaves() if one is not None)
        rebuilt = Directory(model_id=model_id("demo"), leaves=leaves)
        assert rebuilt.root == model.directory.root
        for leaf in found.leaves():
            assert leaf is not None
            bundle = found.publisher.archive.get(leaf.leaf_hash())
            assert bundle is not None
            machine = leaf.machine.hex()
            assert read_evidence(PLACE, bundle, machine).leaf == leaf


def test_waits_for_missing_nodes_then_lists_the_others(tmp_path: Path) -> None:
    with world(tmp_path, NodeScript(b"a"), NodeScript(b"b", down=True)) as found:
        found.rounds(2)
        assert found.publisher.window is None
        found.pass_time(found.config.wait)
        found.rounds()
        assert machines(found.leaves()) == [machine_digest(b"a")]


def test_publishes_nothing_without_a_status_entry(tmp_path: Path) -> None:
    with world(tmp_path) as found:
        found.log.memory.entries[:] = [b"somebody else's"]
        found.rounds(2)
        assert found.publisher.window is None
        found.log.memory.entries.append(status_entry(found.log.memory, 5))
        found.rounds()
        assert found.window.publication.status == 1


def test_one_entry_per_window_each_naming_the_one_before(tmp_path: Path) -> None:
    with world(tmp_path) as found:
        found.rounds(3)
        assert len(found.chain()) == 1
        for _ in range(2):
            found.pass_time(600)
            found.rounds(2)
        entries = found.chain()
        assert [one.sequence for one in entries] == [0, 1, 2]
        assert [one.previous for one in entries] == [
            None, entries[0].leaf_hash, entries[1].leaf_hash
        ]  # fmt: skip
        assert [one.not_before for one in entries] == [1_800_000_000 + 600 * n for n in range(3)]


def test_chain_continues_after_a_restart(tmp_path: Path) -> None:
    with world(tmp_path) as found:
        found.rounds()
        found.start()
        assert found.publisher.window is None
        found.rounds()
        first, second = found.chain()
        assert (second.sequence, second.previous) == (1, first.leaf_hash)


def test_nodes_keep_their_places_over_windows_and_restarts(tmp_path: Path) -> None:
    nodes = [NodeScript(name) for name in (b"a", b"b", b"c")]
    with world(tmp_path, *nodes) as found:
        found.rounds()
        before = machines(found.leaves())
        gone = next(node for node in nodes if machine_digest(node.machine) == before[0])
        gone.down = True
        found.pass_time(600)
        found.rounds()
        assert machines(found.leaves()) == [None, *before[1:]]
        found.start()
        found.pass_time(found.config.wait)
        found.rounds()
        found.pass_time(found.config.wait)
        found.rounds()
        assert machines(found.leaves()) == [None, *before[1:]]
        gone.down = False
        found.pass_time(600)
        found.rounds()
        assert machines(found.leaves()) == before


def test_a_lost_round_does_not_unlist_a_node(tmp_path: Path) -> None:
    with world(tmp_path) as found:
        found.rounds()
        found.nodes[0].down = True
        found.pass_time(FRESH - 1)
        found.rounds()
        assert found.publisher._discovery.listed(found.now)
        found.pass_time(2)
        assert not found.publisher._discovery.listed(found.now)


def test_a_log_line_names_a_node_by_its_number(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "openpcc.gateway")
    with world(tmp_path, NodeScript(b"a"), NodeScript(b"b", down=True)) as found:
        found.rounds(2)
    (line,) = (json.loads(LineFormatter().format(record)) for record in caplog.records)
    assert (line["event"], line["node"]) == ("node-without-evidence", 1)
    assert "127.0.0.1" not in str(line)


def test_an_epoch_about_to_end_is_not_listed(tmp_path: Path) -> None:
    with world(tmp_path, NodeScript(b"a", not_after=START + 120)) as found:
        found.rounds()
        assert found.publisher.window is None


def test_keys_of_the_last_window_stay_routable_until_it_has_run_out(tmp_path: Path) -> None:
    with world(tmp_path) as found:
        found.rounds()
        node = found.nodes[0]
        old = node.key.id
        node.key = NodePrivateKey.generate(kem_id=KEM_X25519, key_id=1)
        for keys in ({old, node.key.id}, {node.key.id}):
            found.pass_time(600)
            found.rounds()
            found.start()  # a restart does not forget what clients may still use
            found.rounds()
            assert set(found.window.publication.nodes[0].keys) == keys


def test_the_same_bytes_are_submitted_again_after_a_refusal(tmp_path: Path) -> None:
    with world(tmp_path) as found:
        found.log.fail = 2
        for _ in range(2):
            with pytest.raises(UpstreamError):
                found.rounds()
        found.rounds()
        assert len(set(found.log.added)) == 1
        assert len(found.log.added) == 3
        assert found.window.publication.sequence == 0


def test_a_crash_between_submission_and_answer_forks_nothing(tmp_path: Path) -> None:
    with world(tmp_path) as found:
        found.log.lose = 1
        with pytest.raises(UpstreamError):
            found.rounds()
        found.start()  # the state file has the pending entry, the log has it as well
        found.rounds()
        first, second = found.chain()
        assert (first.sequence, second.sequence) == (0, 1)
        assert second.previous == first.leaf_hash
        assert found.window.publication.sequence == 1


def test_a_crash_before_submission_submits_the_same_bytes(tmp_path: Path) -> None:
    with world(tmp_path) as found:
        found.log.fail = 1
        with pytest.raises(UpstreamError):
            found.rounds()
        (signed,) = found.log.added
        assert signed not in found.log.memory.entries
        found.start()  # as after kill -9: the entry is signed and kept, nobody has seen it
        found.pass_time(600)  # even a window later it is this one that goes first
        found.rounds()
        assert found.log.added[1] == signed
        assert [one.sequence for one in found.chain()][-2:] == [0, 1]
        assert found.chain()[-1].previous == found.chain()[-2].leaf_hash


def test_a_clock_that_was_ahead_does_not_stop_the_service(tmp_path: Path) -> None:
    with world(tmp_path) as found:
        found.rounds()
        found.now += 7200
        found.rounds()
        found.now -= 7200
        found.rounds(3)
        assert [one.sequence for one in found.chain()] == [0, 1, 2]
        assert found.chain()[-1].not_before == 1_800_000_000
        assert found.publisher.ready()


def test_a_pending_entry_of_another_key_signs_nothing(tmp_path: Path) -> None:
    with world(tmp_path) as found:
        found.log.fail = 1
        with pytest.raises(UpstreamError):
            found.rounds()
        memory = found.log.memory
        memory.service = memory.status
        found.start()
        with pytest.raises(ChainError, match="configured service key"):
            found.rounds()
        assert len(found.log.added) == 1


def test_a_node_that_shows_anothers_evidence_is_left_out(tmp_path: Path) -> None:
    first, thief = NodeScript(b"a"), NodeScript(b"b")
    with world(tmp_path, first, thief) as found:
        found.rounds()
        urls = [node.url for node in found.config.nodes]
        assert [node.url for node in found.window.publication.nodes] == urls
        thief.key, thief.machine, thief.models = first.key, first.machine, first.models
        for restart in (False, True):
            if restart:
                found.start()
            found.pass_time(600)
            found.rounds()
            node, *others = found.window.publication.nodes
            assert node.url == urls[0]
            assert first.key.id in node.keys
            assert not any(first.key.id in one.keys for one in others)
            assert [one for one in machines(found.leaves()) if one] == [machine_digest(b"a")]


def test_a_node_with_too_many_models_is_left_out(tmp_path: Path) -> None:
    many = NodeScript(b"b", models=tuple(f"m{number}" for number in range(9)))
    with world(tmp_path, NodeScript(b"a"), many) as found:
        found.pass_time(found.config.wait)
        found.rounds()
        assert machines(found.leaves()) == [machine_digest(b"a")]


def test_a_state_older_than_the_log_signs_nothing(tmp_path: Path) -> None:
    with world(tmp_path) as found:
        found.rounds()
        backup = found.config.state.read_bytes()
        found.pass_time(600)
        found.rounds()
        found.config.state.write_bytes(backup)
        found.start()
        with pytest.raises(ChainError, match="restore the newest state file"):
            found.rounds()
        assert len(found.chain()) == 2


def test_a_forked_chain_signs_nothing(tmp_path: Path) -> None:
    with world(tmp_path) as found:
        found.rounds()
        state = chain.load(found.config.state, service=SERVICE)
        assert state.head is not None
        text = found.config.state.read_text().replace(state.head.leaf_hash.hex(), "ab" * 32)
        found.config.state.write_text(text.replace(f'"scanned":{state.scanned}', '"scanned":0'))
        found.start()
        with pytest.raises(ChainError, match="forked"):
            found.rounds()


def test_a_status_entry_by_others_does_not_count(tmp_path: Path) -> None:
    with world(tmp_path) as found:
        memory = found.log.memory
        memory.status, stranger = memory.service, memory.status
        memory.entries.append(status_entry(memory, 9))
        memory.status = stranger
        found.rounds()
        assert found.window.publication.status == 0


def test_beacons_are_put_when_changed_and_after_a_node_restarted(tmp_path: Path) -> None:
    with world(tmp_path) as found:
        found.rounds(1)
        beacons = found.nodes[0].beacons
        assert beacons == [found.log.memory.note(1)]
        found.rounds(2)
        assert len(beacons) == 2  # the log has grown by our own entry, once
        beacons.clear()
        found.rounds(2)
        assert len(beacons) == 1


def test_a_log_that_shrinks_is_refused(tmp_path: Path) -> None:
    with world(tmp_path) as found:
        found.rounds(2)
        del found.log.memory.entries[1:]
        with pytest.raises(UpstreamError, match="smaller"):
            found.rounds()


@pytest.mark.parametrize("bundle", [b"", b"{}", b"[]", b"\xff" * 9])
def test_malformed_evidence_lists_nothing(bundle: bytes) -> None:
    with pytest.raises(UpstreamError):
        read_evidence(PLACE, bundle, "00" * 32)


@pytest.mark.parametrize("machine", ["", "00", "AB" * 32, "g" * 64])
def test_a_machine_header_that_is_no_digest_lists_nothing(machine: str) -> None:
    with pytest.raises(UpstreamError):
        read_evidence(PLACE, NodeScript(b"a").bundle(), machine)


def test_state_is_never_made_silently(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    with pytest.raises(ConfigurationError, match="publisher-init"):
        chain.load(path, service=SERVICE)
    chain.create(path, service=SERVICE)
    with pytest.raises(ConfigurationError):
        chain.create(path, service=SERVICE)
    with pytest.raises(ConfigurationError, match="of service demo"):
        chain.load(path, service="other.example")
    path.write_text("{}")
    with pytest.raises(ConfigurationError, match="backup"):
        chain.load(path, service=SERVICE)


def test_bundles_are_kept_for_ninety_days_after_they_were_last_listed(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    archive.put(b"\x01" * 32, b"old", now=START)
    archive.put(b"\x02" * 32, b"listed again", now=START)
    archive.put(b"\x02" * 32, b"ignored: it never changes", now=START + 1)
    assert archive.expire(now=START + RETENTION) == 0
    assert archive.expire(now=START + RETENTION + 1) == 1
    assert archive.get(b"\x01" * 32) is None
    assert archive.get(b"\x02" * 32) == b"listed again"
