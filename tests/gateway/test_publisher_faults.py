"""What goes wrong around a publisher: a second one, an old view of the log, bad nodes."""

import asyncio
from pathlib import Path

import pytest

from gateway import chain, discovery
from gateway.archive import RETENTION
from gateway.errors import ChainError, ConfigurationError, UpstreamError
from gateway.evidence import MAX_MODELS as OF_A_NODE
from openpcc.protocol.hpke import KEM_X25519
from openpcc.protocol.messages import ENTRIES_A_WINDOW, machine_digest
from openpcc.protocol.sealing import NodePrivateKey
from openpcc.service_windows import require_grid
from tests.gateway.publishing import SERVICE, machines, world
from tests.gateway.surroundings import NodeScript
from transparency_log.release import MAX_MODELS


def test_one_state_file_has_one_publisher(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    chain.create(path, service=SERVICE)
    with chain.held(path):
        with pytest.raises(ConfigurationError, match="in use; stop the other publisher"):
            chain.held(path).__enter__()
        with pytest.raises(ValueError, match="passes"), chain.held(tmp_path / "another"):
            raise ValueError("passes")
    with chain.held(path):
        pass


def test_two_publishers_that_both_signed_a_number_both_stop(tmp_path: Path) -> None:
    """The harm is done, and is in the log for everybody; at least nothing is built on it."""
    with world(tmp_path) as found:
        found.rounds()
        found.rounds()  # so that the state has scanned its own entry
        copy = found.config.state.read_bytes()
        added = list(found.log.memory.entries)
        found.pass_time(600)
        found.rounds()
        mine, state = found.log.memory.entries.pop(), found.config.state.read_bytes()
        assert found.log.memory.entries == added
        found.config.state.write_bytes(copy)
        found.nodes[0].key = NodePrivateKey.generate(kem_id=KEM_X25519, key_id=1)
        found.start()
        found.rounds()
        found.log.memory.entries.insert(-1, mine)
        for whose in (found.config.state.read_bytes(), state):
            found.config.state.write_bytes(whose)
            found.start()
            with pytest.raises(ChainError):
                found.rounds(2)


def test_a_view_of_the_log_without_our_own_entry_signs_nothing(tmp_path: Path) -> None:
    with world(tmp_path) as found:
        found.rounds()
        held = found.log.memory.entries.pop()  # a mirror that is behind; the log has lost nothing
        found.pass_time(600)
        with pytest.raises(UpstreamError, match="smaller"):
            found.rounds()
        assert len(found.log.added) == 1
        found.log.memory.entries.append(held)
        found.rounds()
        assert [one.sequence for one in found.chain()] == [0, 1]


def test_a_restart_in_a_window_continues_it(tmp_path: Path) -> None:
    with world(tmp_path, NodeScript(b"a"), NodeScript(b"b")) as found:
        found.rounds()
        before, (first,) = machines(found.leaves()), found.chain()
        old = {key for node in found.window.publication.nodes for key in node.keys}
        found.nodes[0].key = NodePrivateKey.generate(kem_id=KEM_X25519, key_id=1)
        found.start()
        found.rounds(2)
        first, second = found.chain()
        assert (second.sequence, second.previous) == (1, first.leaf_hash)
        assert second.not_before == first.not_before
        assert machines(found.leaves()) == before
        now = {key for node in found.window.publication.nodes for key in node.keys}
        assert now == old | {found.nodes[0].key.id}


def test_new_keys_wait_for_the_next_window(tmp_path: Path) -> None:
    with world(tmp_path) as found:
        found.rounds()
        found.start(ohttp_keys=b"other keys")
        found.rounds(2)
        assert len(found.chain()) == 1
        found.start()
        found.rounds()
        assert len(found.chain()) == 2
        found.start(ohttp_keys=b"other keys")
        found.pass_time(600)
        found.rounds()
        assert [one.ohttp_keys == found.chain()[0].ohttp_keys for one in found.chain()] == [
            True, True, False
        ]  # fmt: skip


def test_a_window_has_as_many_entries_as_clients_take(tmp_path: Path) -> None:
    with world(tmp_path) as found:
        for _ in range(ENTRIES_A_WINDOW + 2):
            found.start()
            found.rounds()
        require_grid(found.chain())
        assert len(found.chain()) == ENTRIES_A_WINDOW
        found.pass_time(600)
        found.rounds()
        assert len(found.chain()) == ENTRIES_A_WINDOW + 1


def test_a_service_without_nodes_publishes_nothing_and_runs_out(tmp_path: Path) -> None:
    with world(tmp_path, NodeScript(b"a"), NodeScript(b"b")) as found:
        found.rounds()
        before, directories = machines(found.leaves()), found.window.directories
        for node in found.nodes:
            node.down = True
        found.pass_time(600)
        found.rounds()
        assert found.publisher.ready()
        assert found.window.directories is directories
        found.pass_time(600)
        found.rounds()
        assert not found.publisher.ready()
        assert len(found.chain()) == 1
        for node in found.nodes:
            node.down = False
        found.rounds()
        assert found.publisher.ready()
        assert machines(found.leaves()) == before


def test_a_draining_node_is_left_out_at_once_and_routed_to_on(tmp_path: Path) -> None:
    with world(tmp_path, NodeScript(b"a"), NodeScript(b"b")) as found:
        found.rounds()
        url, key = found.config.nodes[0].url, found.nodes[0].key.id
        found.nodes[0].draining = True
        found.rounds()
        (left,) = found.publisher._discovery.listed(found.now)  # no time has passed
        assert left.leaf.machine == machine_digest(b"b")
        found.pass_time(600)
        found.rounds()
        assert [one for one in machines(found.leaves()) if one] == [machine_digest(b"b")]
        routed = {node.url: node.keys for node in found.window.publication.nodes}
        assert routed[url] == (key,)
        found.start()
        found.rounds()
        found.pass_time(found.config.wait)
        found.rounds()
        assert url in {node.url for node in found.window.publication.nodes}
        found.pass_time(600)
        found.rounds()
        assert url not in {node.url for node in found.window.publication.nodes}


def test_a_node_that_never_answers_holds_up_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(discovery, "ROUND_TIME", 0.4)
    monkeypatch.setattr(discovery, "PARALLEL", 1)
    bad, good = NodeScript(b"a", down=True), NodeScript(b"b")
    with world(tmp_path, bad, good) as found:
        found.pass_time(found.config.wait)

        async def rounds() -> None:
            async with found.outbound:
                await found.publisher.round()
                bad.down, bad.hangs = False, True
                for _ in range(3):
                    found.pass_time(discovery.FRESH - 1)
                    await found.publisher.round()
                assert len(found.publisher._discovery._visits) == 1  # not one for each round

        asyncio.run(rounds())
        (listed,) = found.publisher._discovery.listed(found.now)
        assert listed.leaf.machine == machine_digest(b"b")


def test_bundles_outlive_restarts_and_listings_by_ninety_days(tmp_path: Path) -> None:
    with world(tmp_path) as found:
        found.rounds()
        (leaf,) = (one for one in found.leaves() if one is not None)
        folder, first = found.config.archive, leaf.leaf_hash()
        bundle = found.nodes[0].bundle()
        others = folder / "README"
        others.write_text("not a bundle")
        half = folder / f".{first.hex()}.new"
        half.write_bytes(b"half written")
        found.nodes[0].key = NodePrivateKey.generate(kem_id=KEM_X25519, key_id=1)
        found.nodes[0].not_after += 2 * RETENTION
        for passed, kept in ((RETENTION, bundle), (600, None)):
            found.pass_time(passed)
            found.start()
            found.rounds()
            assert found.publisher.archive.get(first) == kept
        assert others.read_text() == "not a bundle"
        assert {one.name for one in folder.iterdir()} == {
            "README", *(one.leaf_hash().hex() for one in found.leaves() if one)
        }  # fmt: skip


def test_nodes_of_one_machine_and_models_of_one_node_stand_apart(tmp_path: Path) -> None:
    nodes = [
        NodeScript(b"a", models=("demo", "large")),
        NodeScript(b"a", models=("demo",)),
        NodeScript(b"b", models=("large",)),
    ]
    with world(tmp_path, *nodes) as found:
        found.rounds()
        demo, large = found.leaves("demo"), found.leaves("large")
        assert machines(demo) == [machine_digest(b"a")] * 2
        assert set(machines(large)) == {machine_digest(b"a"), machine_digest(b"b")}
        shared = [one for one in demo if one in large]
        assert len(shared) == 1  # the leaf of the node that serves both
        (entry,) = found.chain()
        assert {one.name: one.directory.size for one in entry.models} == {"demo": 2, "large": 2}
        nodes[1].down = True
        found.pass_time(600)
        found.rounds()
        assert [one in shared for one in found.leaves("demo")].count(True) == 1
        assert found.leaves("large") == large


def made_up(number: int) -> NodeScript:
    names = tuple(f"m{number}-{one}" for one in range(OF_A_NODE))
    return NodeScript(bytes([number]), models=names)


def test_made_up_models_push_out_no_model_and_stop_no_service(tmp_path: Path) -> None:
    liars = [made_up(number) for number in range(MAX_MODELS // OF_A_NODE + 2)]
    for liar in liars:
        liar.down = True
    with world(tmp_path, NodeScript(b"a", models=("zebra",)), *liars) as found:
        found.pass_time(found.config.wait)
        found.rounds()
        for liar in liars:
            liar.down = False
        found.pass_time(600)
        found.rounds()
        entry = found.chain()[-1]
        assert len(entry.models) == MAX_MODELS
        assert "zebra" in {one.name for one in entry.models}


@pytest.mark.parametrize(
    "models", [(), ("",), ("a\nb",), ("x" * 257,), ("\U0001f984" * 65,)],
    ids=["none", "empty", "line break", "long", "long in UTF-8"],
)  # fmt: skip
def test_a_node_whose_model_has_no_plain_name_is_left_out(
    tmp_path: Path, models: tuple[str, ...]
) -> None:
    with world(tmp_path, NodeScript(b"a"), NodeScript(b"b", models=models)) as found:
        found.pass_time(found.config.wait)
        found.rounds()
        assert machines(found.leaves()) == [machine_digest(b"a")]
