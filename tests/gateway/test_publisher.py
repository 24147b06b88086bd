"""The publisher against a log and nodes on real sockets: chain, slots, restart, faults."""

import hashlib
import json
from pathlib import Path

import pytest

from attestation.sections import NO_RELEASE
from gateway import chain
from gateway.archive import RETENTION, Archive
from gateway.directory import Directory
from gateway.discovery import FRESH
from gateway.errors import ChainError, ConfigurationError, UpstreamError
from gateway.evidence import read_evidence
from gateway.places import Place
from gateway.telemetry import LineFormatter
from openpcc.protocol.hpke import KEM_X25519
from openpcc.protocol.messages import machine_digest
from openpcc.protocol.sealing import NodePrivateKey, model_id
from tests.gateway.publishing import KEYS, SERVICE, machines, world
from tests.gateway.surroundings import START, NodeScript
from tests.transparency_log.memory_log import status_entry

PLACE = Place(name="http://x", url="http://x")


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


def test_a_node_whose_image_is_for_debugging_is_left_out(tmp_path: Path) -> None:
    with world(tmp_path, NodeScript(b"a"), NodeScript(b"b", release=NO_RELEASE)) as found:
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
