"""`audit gateway`: an honest service passes, and each planted fault fails under its own name."""

import copy
import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from openpcc.audit import document, listing, service_path
from openpcc.audit.report import Outcome, Verdict
from openpcc.directory import model_id
from openpcc.errors import ConfigurationError, TransportError
from openpcc.protocol import hpke
from openpcc.protocol.messages import machine_digest
from openpcc.protocol.ohttp import GatewayKey, encode_configs
from openpcc.protocol.sealing import NodePrivateKey
from tests.fakes.memory_service import MemoryCarrier, MemoryService, Node
from tests.fakes.world import NOW, World
from tests.openpcc.audit.ways import StallingCarrier, Ways, failed, outcomes, said
from transparency_log import strict_json

SHARD = f"/directory/{model_id('demo')}/0"


@pytest.fixture
def ways(tmp_path: Path) -> Ways:
    return Ways(tmp_path)


def bundle_path(node: Node) -> str:
    return f"/bundle/{node.leaf.leaf_hash().hex()}"


def test_an_honest_service_passes(ways: Ways):
    report = ways.audit()
    assert report.verdict is Verdict.PASS, [f"{one.id}: {one.actual}" for one in report.failed]
    assert report.simulated
    names = [section.name for section in report.sections]
    leaves = [node.leaf.leaf_hash().hex()[:16] for node in ways.service.nodes]
    assert names == ["ways", "record", "directory", "nodes", *(f"node {one}" for one in leaves)]
    assert document.parse(document.encode(report)) == report


def test_the_report_counts_machines_versions_devices_and_expiries(ways: Ways):
    facts = next(one for one in ways.audit().sections if one.name == "nodes").facts
    assert (facts["nodes"], facts["accepted"], facts["machines"]) == (2, 2, 2)
    assert facts["devices"] == {"simulated-gpu": 2}
    [(tcb, count)] = facts["tcb"].items()  # type: ignore[attr-defined]
    assert tcb.startswith("simulated firmware ")
    assert count == 2
    assert facts["expires"] == ways.service.world.not_after - 120
    assert facts["releases"] == {ways.service.world.release.hex(): 2}


def test_several_nodes_of_one_machine_are_counted_as_one(ways: Ways):
    again = ways.service.node(1)
    ways.service.nodes.append(again)
    ways.service.publish()
    ways.part()
    facts = next(one for one in ways.audit().sections if one.name == "nodes").facts
    assert (facts["nodes"], facts["machines"], facts["most_nodes_of_a_machine"]) == (3, 2, 2)


def test_every_shard_of_every_directory_is_read_along_every_way(ways: Ways):
    ways.service.publish({"demo": [None] * 16 + list(ways.service.nodes), "other": [None]})
    ways.part()
    report = ways.audit()
    shards = [
        f"/directory/{model_id(name)}/{n}" for name, n in (("demo", 0), ("demo", 1), ("other", 0))
    ]
    for view in (ways.direct, ways.relay):
        assert [path for path in view.asked if path.startswith("/directory/")] == shards
    assert report.verdict is Verdict.PASS


# Planted faults.


def other_keys(service: MemoryService) -> None:
    service.gateway_key = GatewayKey.generate(
        kem_id=hpke.KEM_X25519, key_id=2, algorithms=((1, 2),)
    )
    service.raw_keys = encode_configs([service.gateway_key.config])


def test_keys_of_ones_own_on_one_way(ways: Ways):
    other_keys(ways.relay)
    report = ways.audit()
    assert failed(report) == {"gateway.keys-split", "gateway.keys"}
    assert said(report, "gateway.keys").startswith("relay: ")


def test_keys_that_the_log_does_not_name(ways: Ways):
    other_keys(ways.service)
    ways.part()
    assert failed(ways.audit()) == {"gateway.keys"}


def test_a_shard_of_ones_own_on_one_way(ways: Ways):
    ways.relay.directories = {"demo": [ways.service.nodes[0].leaf.encode()] * 2}
    report = ways.audit()
    assert failed(report) == {"gateway.shard", "gateway.shard-split"}
    assert said(report, "gateway.shard").startswith("relay: demo, shard 0: ")


def test_a_shard_that_is_marked_for_one_way_alone(ways: Ways):
    """It proves itself, so clients take it; a space in it tells one of them from the others."""
    ways.relay.files[SHARD] = ways.relay.shard(model_id("demo"), 0).replace(b"{", b"{ ", 1)
    assert failed(ways.audit()) == {"gateway.shard-split"}


def test_a_shard_that_is_no_shard_or_not_served(ways: Ways):
    for data in (b"{}", b"", b"\x1b[2J"):
        ways.everywhere(lambda view, data=data: view.files.update({SHARD: data}))  # type: ignore[misc]
        assert failed(ways.audit()) == {"gateway.shard"}


def test_a_shard_of_an_earlier_window(ways: Ways):
    old = ways.service.shard(model_id("demo"), 0)
    ways.service.publish()
    ways.part()
    ways.relay.files[SHARD] = old
    assert failed(ways.audit()) == {"gateway.shard-stale", "gateway.shard-split"}


def test_a_gateway_a_moment_behind_is_given_a_moment(ways: Ways):
    old = ways.service.shard(model_id("demo"), 0)
    ways.service.publish()
    ways.part()
    ways.relay.files[SHARD] = old
    ways.waited = Hurry(lambda: ways.relay.files.clear())
    assert ways.audit().verdict is Verdict.PASS
    assert ways.waited == [2]


class Hurry(list[float]):
    """Waits by doing what happens meanwhile."""

    def __init__(self, happens: Any) -> None:
        super().__init__()
        self.happens = happens

    def append(self, seconds: float) -> None:
        super().append(seconds)
        self.happens()


def ahead(ways: Ways) -> bytes:
    """Give the shard as one of the next entry, which is not logged."""
    found = ways.service.shard(model_id("demo"), 0)
    return found.replace(b'"sequence":0', b'"sequence":1')


def test_a_gateway_that_is_always_ahead_of_the_log(ways: Ways):
    shard = ahead(ways)
    ways.everywhere(lambda view: view.files.update({SHARD: shard}))
    report = ways.audit()
    assert failed(report) == {"gateway.shard"}
    assert said(report, "gateway.shard") == "shards of entry 1; the newest in the log is 0"


def test_a_window_that_ends_in_the_middle_of_it(ways: Ways):
    honest = ways.relay.shard

    def ends(model: str, number: int) -> bytes:
        vars(ways.relay)["shard"] = honest
        ways.service.publish()
        for view in (ways.direct, ways.relay):
            view.sequence, view.hint = ways.service.sequence, ways.service.hint
        return honest(model, number)

    vars(ways.relay)["shard"] = ends
    report = ways.audit()
    assert report.verdict is Verdict.PASS
    assert next(one for one in report.sections if one.name == "record").facts["sequence"] == 1


def test_a_copy_of_the_log_that_is_a_moment_behind(ways: Ways):
    shown = {path: ways.service.file(path) for path in log_files(ways)}
    later = tuple(time + 5 for time in ways.service.times)
    ways.service.submit(b"somebody's entry")
    ways.part()
    ways.direct.times = ways.service.times = later
    ways.relay.files.update(shown)
    ways.waited = Hurry(ways.relay.files.clear)
    assert ways.audit().verdict is Verdict.PASS
    assert ways.waited == [2]


def test_a_leaf_whose_bundle_is_not_served(ways: Ways):
    node = ways.service.nodes[1]
    ways.everywhere(lambda view: view.files.update({bundle_path(node): b""}))
    report = ways.audit()
    assert failed(report) == {"gateway.bundle"}
    assert node.leaf.leaf_hash().hex()[:16] in said(report, "gateway.bundle")


def test_a_bundle_that_is_served_on_one_way_alone(ways: Ways):
    ways.relay.files[bundle_path(ways.service.nodes[1])] = b""
    assert said(ways.audit(), "gateway.bundle").startswith("relay: leaf ")


def relist(ways: Ways, node: Node, **changes: Any) -> None:
    """List a node by a leaf that says something else than its evidence."""
    ways.service.nodes[1] = replace(node, leaf=replace(node.leaf, **changes))
    ways.service.publish()
    ways.part()


def test_a_key_in_the_directory_that_no_evidence_attests(ways: Ways):
    node, stranger = (
        ways.service.nodes[1],
        NodePrivateKey.generate(kem_id=hpke.KEM_X25519, key_id=9),
    )
    relist(ways, node, node_key_ids=(*node.leaf.node_key_ids, stranger.id))
    report = ways.audit()
    assert failed(report) == {"gateway.attested", "gateway.node"}
    assert stranger.id.hex()[:16] in said(report, "gateway.attested")
    assert "1.leaf" in said(report, "gateway.node")


def test_a_leaf_that_names_another_machine(ways: Ways):
    relist(ways, ways.service.nodes[1], machine=machine_digest(b"another".ljust(32, b".")))
    report = ways.audit()
    assert failed(report) == {"gateway.node"}
    assert "1.leaf" in said(report, "gateway.node")


def test_evidence_that_does_not_even_parse(ways: Ways):
    ways.everywhere(lambda view: view.files.update({bundle_path(view.nodes[1]): b"<html>"}))
    report = ways.audit()
    assert failed(report) == {"gateway.attested", "gateway.node"}
    assert "1.parse" in said(report, "gateway.node")


def test_a_refused_node_has_a_section_with_every_check(ways: Ways):
    ways.service.set_status([])
    ways.part()
    report = ways.audit()
    assert failed(report) == {"gateway.node"}
    assert said(report, "gateway.node").count("7.status") == 2
    [first, *_] = [one for one in report.sections if one.name.startswith("node ")]
    assert "refused" in first.title
    assert [one.id for one in first.findings if one.outcome is Outcome.FAIL] == ["7.status"]


def test_a_release_that_was_never_logged(ways: Ways):
    service = ways.service
    honest = service.world.proof(service.world.release_index)
    shifted = honest.replace(b"index 0\n", b"index 1\n")
    assert shifted != honest
    service.world.proof = lambda index: shifted  # type: ignore[method-assign]
    service.nodes[1] = service.node(1)
    service.publish()
    ways.part()
    report = ways.audit()
    assert failed(report) == {"gateway.release", "gateway.node"}
    assert service.world.release.hex() in said(report, "gateway.release")


def test_evidence_that_names_other_models_than_the_directory(ways: Ways):
    ways.service.publish({"demo": list(ways.service.nodes), "grand": [ways.service.nodes[0]]})
    ways.part()
    report = ways.audit()
    assert failed(report) == {"gateway.node"}
    assert "grand" in said(report, "gateway.node")


def test_a_machine_that_changed_its_place(ways: Ways):
    assert ways.audit().verdict is Verdict.PASS
    ways.service.publish({"demo": list(ways.service.nodes[::-1])})
    ways.part()
    report = ways.audit()
    assert failed(report) == {"gateway.moved"}
    assert said(report, "gateway.moved").count("at 0 in entry 0, at 1 in entry 1") == 1


def test_a_machine_that_leaves_and_one_that_comes_move_nobody(ways: Ways):
    ways.audit()
    one, other = ways.service.nodes
    ways.service.nodes = [one, other, ways.service.node(2)]
    ways.service.publish({"demo": [None, other, ways.service.nodes[2]]})
    ways.part()
    assert outcomes(ways.audit(), "gateway.moved") == [Outcome.PASS]


def test_after_a_longer_time_a_changed_place_is_only_told(ways: Ways):
    ways.audit()
    ways.service.publish({"demo": list(ways.service.nodes[::-1])}, sequence=7)
    ways.part()
    report = ways.audit()
    assert report.verdict is Verdict.PASS
    assert outcomes(report, "gateway.moved") == [Outcome.INFO]


def test_without_a_folder_places_are_not_judged(ways: Ways):
    ways.remember = False
    report = ways.audit()
    assert report.verdict is Verdict.PASS
    assert outcomes(report, "gateway.moved") == [Outcome.SKIP]


@pytest.mark.parametrize("data", [b"", b"{}", b'{"version":1}', b"\xff", bytes(2**22 + 1)])
def test_damaged_places_are_named_and_not_forgotten(ways: Ways, data: bytes):
    ways.audit()
    (ways.folder / "directory.json").write_bytes(data)
    with pytest.raises(ConfigurationError, match=r"directory\.json: damaged"):
        ways.audit()


def test_a_lapsed_service_entry(ways: Ways):
    ways.now = NOW + 1300
    ways.service.times = (NOW + 1290, NOW + 1290)
    ways.part()
    report = ways.audit()
    assert failed(report) == {"gateway.lapsed"}
    assert outcomes(report, "gateway.node") == [Outcome.SKIP]


def test_a_checkpoint_without_a_quorum_or_too_old(ways: Ways):
    for times in ((NOW,), (NOW - 1300, NOW - 1300)):
        ways.service.times = times
        ways.part()
        assert failed(ways.audit()) == {"gateway.record"}


def test_a_gateway_that_hides_the_end_of_the_log(ways: Ways):
    """A release was revoked; the gateway shows the log as it was before."""
    shown = {path: ways.service.file(path) for path in ("/service", *log_files(ways))}
    ways.service.set_status([])
    ways.part()
    ways.everywhere(lambda view: view.files.update(shown))
    report = ways.audit()
    assert failed(report) >= {"gateway.tail-split"}
    assert "log: service entry 0, status 1" in said(report, "gateway.tail-split")


def test_without_the_log_itself_what_a_gateway_hides_everywhere_stays_hidden(ways: Ways):
    shown = {path: ways.service.file(path) for path in ("/service", *log_files(ways))}
    ways.service.set_status([])
    ways.part()
    ways.everywhere(lambda view: view.files.update(shown))
    ways.log = False
    assert ways.audit().verdict is Verdict.PASS  # for two windows: then the checkpoint is too old


def log_files(ways: Ways) -> list[str]:
    size = len(ways.service.world.log.entries)
    return ["/log/checkpoint", f"/log/tile/entries/000.p/{size}", f"/log/tile/0/000.p/{size}"]


def test_two_entries_of_one_number(ways: Ways):
    ways.service.publish({"demo": [ways.service.nodes[0]]}, sequence=0)
    ways.part()
    report = ways.audit()
    assert failed(report) == {"gateway.equivocation"}
    assert list(ways.folder.glob("equivocation-*"))


def forked(ways: Ways, *more: bytes) -> World:
    """A world whose log has another past, signed by the same log and witnesses."""
    world = copy.copy(ways.service.world)
    world.log = replace(world.log, entries=[b"another past", *world.log.entries[1:], *more])
    return world


def test_a_log_that_shows_each_way_a_tree_of_its_own(ways: Ways):
    ways.relay.world = forked(ways)
    report = ways.audit()
    assert failed(report) == {"gateway.equivocation"}
    assert said(report, "gateway.equivocation").startswith("relay: ")
    [kept] = ways.folder.glob("equivocation-*")
    assert sorted(one.name for one in kept.iterdir()) == ["first.note", "second.note"]


def test_a_larger_tree_on_one_way_that_does_not_extend_the_other(ways: Ways):
    ways.relay.world = forked(ways, b"more")
    ways.log = False
    report = ways.audit()
    assert "gateway.record" in failed(report)
    assert "do not prove" in said(report, "gateway.record")
    assert list(ways.folder.glob("suspicion-*"))


def test_a_log_that_takes_back_what_an_earlier_audit_saw(ways: Ways):
    ways.audit()
    last = ways.service.world.log.entries.pop()
    ways.service.world.log.entries[-1] = last
    ways.service.hint = (len(ways.service.world.log.entries) - 1,) * 2
    ways.part()
    report = ways.audit()
    assert failed(report) == {"gateway.record"}
    assert "shrank" in said(report, "gateway.record")


def test_a_hint_of_another_service(ways: Ways):
    ways.everywhere(
        lambda view: view.files.update({"/service": view.hint_document(service="other.example")})
    )
    assert failed(ways.audit()) == {"gateway.record"}


# Gateways that stall, drip or flood.


def test_a_way_that_stalls_is_that_ways_fault_and_the_rest_is_judged(ways: Ways):
    ways.carriers["relay"] = StallingCarrier(ways.relay)
    report = ways.audit()
    assert {"gateway.answer", "gateway.record"} <= failed(report)
    assert "took too long" in said(report, "gateway.answer")
    assert outcomes(report, "gateway.node") == [Outcome.PASS]


def test_a_way_that_stalls_is_not_asked_for_ever(ways: Ways):
    ways.service.publish({"demo": [None] * 160 + list(ways.service.nodes)})
    ways.part()
    stalling = StallingCarrier(ways.relay)
    ways.carriers["relay"] = stalling
    ways.audit()
    assert stalling.asked == service_path.MOST_SILENT


def test_a_bundle_without_end_is_cut_and_named(ways: Ways):
    node = ways.service.nodes[1]
    ways.everywhere(lambda view: view.files.update({bundle_path(node): bytes(5 * 2**20)}))
    report = ways.audit()
    assert failed(report) == {"gateway.answer"}
    assert "more than 4194304 bytes" in said(report, "gateway.answer")
    assert Outcome.SKIP in outcomes(report, "gateway.bundle")


def test_a_directory_without_end_is_left_unread(ways: Ways, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(listing, "MOST_LEAVES", 1)
    report = ways.audit()
    assert report.verdict is Verdict.INCOMPLETE
    assert Outcome.SKIP in outcomes(report, "gateway.shard")


def test_nobody_answers_at_all(ways: Ways):
    class Down(MemoryCarrier):
        def keys(self) -> bytes:
            raise TransportError("connection refused")

    ways.carriers = {"direct": Down(ways.direct), "relay": Down(ways.relay)}
    with pytest.raises(TransportError, match="refused"):
        ways.audit()


def test_a_time_that_is_over_leaves_the_audit_incomplete(ways: Ways):
    ways.seconds = 1e-9
    report = ways.audit()
    assert report.verdict is Verdict.INCOMPLETE


def test_hostile_text_stays_data(ways: Ways):
    evil = "\x1b[2J<script>\u202e"
    ways.everywhere(
        lambda view: view.files.update({"/service": strict_json.dumps({"version": evil})})
    )
    report = ways.audit()
    assert failed(report) == {"gateway.record"}
    assert document.parse(document.encode(report)) == report


def test_the_digest_of_the_keys_is_told(ways: Ways):
    digest = hashlib.sha256(ways.service.raw_keys).hexdigest()
    told = [one.actual for one in ways.audit().findings if one.id == "gateway.keys"]
    assert told == [f"direct: {digest}", f"relay: {digest}"]
