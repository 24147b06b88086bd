"""One look at a service whose operator cheats in one way at a time."""

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from openpcc import directory, shards
from openpcc.carrier import Carrier
from openpcc.errors import ConfigurationError, DirectoryError, GatewayError
from openpcc.lookup import Lookup, Snapshot
from openpcc.protocol import hpke
from openpcc.protocol.ohttp import GatewayKey, encode_configs
from openpcc.state import MAX_SUSPICIONS, Draw, Position, StateFile
from tests.fakes.draws import drawn
from tests.fakes.memory_service import MemoryCarrier, MemoryService, Node
from tests.fakes.world import NOW
from tests.transparency_log.memory_log import key, service_statement
from transparency_log.contradiction import Weight, judge_checkpoints, judge_entries
from transparency_log.cosignature import CosignatureSigner
from transparency_log.entry import sign_entry
from transparency_log.note import NoteSigner
from transparency_log.service import ServiceStatement

Listing = list[Node | None]


@pytest.fixture
def service(tmp_path: Path) -> MemoryService:
    return MemoryService(tmp_path)


@pytest.fixture
def look(service: MemoryService) -> "Looker":
    return Looker(service)


class Looker:
    """A client that keeps its lookup between looks, and its state between clients."""

    def __init__(self, service: MemoryService) -> None:
        self.service = service
        self.carrier = MemoryCarrier(service)
        self.waited: list[float] = []
        self.states = StateFile(service.config.state)
        self.restart()

    def restart(self) -> None:
        self.lookup = Lookup(
            self.service.config,
            cast("Carrier", self.carrier),
            self.states,
            wait=self.waited.append,
        )

    def __call__(self, now: int = NOW) -> Snapshot:
        self.service.asked.clear()
        return self.lookup.look(now)

    def refused(self, now: int = NOW) -> DirectoryError:
        with pytest.raises(DirectoryError) as caught:
            self(now)
        return caught.value

    def shards(self, size: int) -> tuple[int, ...]:
        """Name the kept shard of a directory of this size, and its spare."""
        draw = self.states.load().draw
        assert draw is not None
        return shards.numbers(draw, directory.model_id("demo"), size=size)

    def asked_for(self, kind: str) -> list[str]:
        return [path for path in self.service.asked if path.startswith(f"/{kind}/")]


def trusted(snapshot: Snapshot) -> list[bytes]:
    return [row.leaf_hash for row in snapshot.judged["demo"] if row.node is not None]


def test_an_honest_service_is_trusted(look: Looker, service: MemoryService):
    snapshot = look()
    assert trusted(snapshot) == [node.leaf.leaf_hash() for node in service.nodes]
    assert snapshot.service.sequence == 0
    assert snapshot.refused == {}
    assert look.waited == []


def test_what_was_accepted_is_remembered(look: Looker, service: MemoryService):
    look()
    known = look.states.load()
    assert known.checkpoint == service.world.log.note()
    assert known.witnessed == NOW
    assert known.service == Position(index=service.hint[0], sequence=0)
    assert known.status == Position(index=service.status_index, sequence=0)


# Step 1: keys.


def test_keys_other_than_the_logged_ones_are_refused(look: Looker, service: MemoryService):
    # The gateway has these keys too, so everything opens; they are this client's alone.
    service.gateway_key = GatewayKey.generate(
        kem_id=hpke.KEM_X25519, key_id=2, algorithms=((1, 2),)
    )
    service.raw_keys = encode_configs([service.gateway_key.config])
    assert "OHTTP keys" in str(look.refused())
    assert look.asked_for("directory") == []


@pytest.mark.parametrize("raw", [b"", b"\x00", b"no keys at all"])
def test_bytes_that_are_no_keys_are_refused(look: Looker, service: MemoryService, raw: bytes):
    service.raw_keys = raw
    assert look.refused().code == "unavailable"


def test_keys_for_algorithms_nobody_knows_are_refused(look: Looker, service: MemoryService):
    odd = replace(service.gateway_key.config, algorithms=((1, 0x7777),))
    service.raw_keys = encode_configs([odd])
    assert look.refused().code == "unavailable"


# Step 2: hint.


def test_a_hint_of_another_service_is_refused(look: Looker, service: MemoryService):
    service.files["/service"] = service.hint_document(service="other.example")
    assert "another service" in str(look.refused())


@pytest.mark.parametrize("index", [3, 10**9])
def test_a_hint_beyond_the_log_is_refused(look: Looker, service: MemoryService, index: int):
    service.files["/service"] = service.hint_document(index=index + 1, status=index + 1)
    assert "too much of the log" in str(look.refused())


def test_an_endless_hint_is_refused(look: Looker, service: MemoryService):
    service.files["/service"] = bytes(directory.MAX_HINT + 1)
    assert "more than" in str(look.refused())


# Step 3: checkpoint.


def test_an_old_checkpoint_is_refused(look: Looker, service: MemoryService):
    service.times = (NOW - 1201, NOW - 1201)
    assert look.refused().code == "stale"


def test_a_checkpoint_older_than_what_was_witnessed_is_refused(
    look: Looker, service: MemoryService
):
    look()
    later = NOW + 250  # the local clock may be behind by five minutes
    look.states.update(lambda old: replace(old, witnessed=later))
    service.times = (NOW - 960, NOW - 960)
    assert look.refused().code == "stale"


def test_a_local_clock_far_behind_is_refused_by_name(look: Looker, service: MemoryService):
    assert "5.clock" in str(look.refused(NOW - 301))
    service.times = (NOW - 1, NOW - 1)
    assert trusted(look(NOW - 301))


def test_a_clock_set_back_does_not_prolong_a_kept_judgement(look: Looker, service: MemoryService):
    look()
    assert "5.clock" in str(look.refused(NOW - 4000))


def test_a_checkpoint_without_a_quorum_is_refused(look: Looker, service: MemoryService):
    service.times = (NOW,)
    assert "log" in str(look.refused())


def test_a_log_that_shrank_is_refused(look: Looker, service: MemoryService):
    look()
    last = service.world.log.entries.pop()
    service.world.log.entries.pop()
    service.world.log.entries.append(last)
    service.hint = (len(service.world.log.entries) - 1,) * 2
    error = look.refused()
    assert (error.code, "shrank" in str(error)) == ("stale", True)
    assert kept(look) == []  # an old checkpoint may lie in an honest cache


def test_a_smaller_tree_of_a_later_time_is_kept_as_a_suspicion(
    look: Looker, service: MemoryService
):
    look()
    before = look.states.load().checkpoint
    last = service.world.log.entries.pop()
    service.world.log.entries.pop()
    service.world.log.entries.append(last)
    service.hint = (len(service.world.log.entries) - 1,) * 2
    service.times = (NOW + 1, NOW + 1)
    for _ in range(2):
        assert look.refused().code == "unavailable"
    [folder] = kept(look)
    assert (folder / "first.note").read_bytes() == before
    judged = judge_checkpoints(
        before, (folder / "second.note").read_bytes(), service.config.policy.log
    )
    assert judged.weight is Weight.PROOF
    assert judged.against == ("witness-0.example", "witness-1.example")
    assert look.states.proof() is None


def test_a_log_with_another_past_is_refused(look: Looker, service: MemoryService):
    look()
    service.world.log.entries[0] = b"another past"
    service.submit(b"more")
    error = look.refused()
    assert (error.code, "do not prove" in str(error)) == ("unavailable", True)
    [folder] = kept(look)
    names = sorted(one.name for one in folder.iterdir())
    assert names == ["first.note", "second.note"]
    pair = [(folder / name).read_bytes() for name in names]
    judged = judge_checkpoints(pair[0], pair[1], service.config.policy.log)
    assert judged.weight is Weight.SUSPICION
    assert look.states.proof() is None  # whoever serves the tiles could have garbled them


def test_a_beacon_of_another_tree_of_our_size_is_kept_as_proof(
    look: Looker, service: MemoryService
):
    forked = replace(
        service.world.log, entries=[b"another past", *service.world.log.entries[1:], b"more"]
    )
    service.world.beacon = forked.note(times=(NOW - 90, NOW - 90))
    service.nodes = [service.node(5)]
    service.publish()
    assert look.refused().code == "equivocation"
    proof = look.states.proof()
    assert proof is not None
    assert (proof / "first.note").read_bytes() == service.world.beacon
    assert (proof / "second.note").read_bytes() == service.world.log.note()


def test_garbled_tiles_do_not_refuse_an_honest_log_for_good(look: Looker, service: MemoryService):
    look()
    service.publish()
    honest = service.log_file
    service.log_file = lambda path: (  # type: ignore[method-assign]
        honest(path)[::-1] if path.startswith("tile/0") else honest(path)
    )
    assert look.refused().code == "unavailable"
    service.log_file = honest  # type: ignore[method-assign]
    assert trusted(look())


def test_suspicions_do_not_fill_the_disk(look: Looker):
    for number in range(MAX_SUSPICIONS + 3):
        found = look.states.save_suspicion(b"one", str(number).encode())
        assert (found is not None) == (number < MAX_SUSPICIONS)
    assert look.states.save_suspicion(b"one", b"0") is not None
    assert len(kept(look)) == MAX_SUSPICIONS


def kept(look: Looker) -> list[Path]:
    """Give the folders of kept suspicions."""
    return sorted(look.service.config.state.glob("suspicion-*"))


def test_two_trees_of_one_size_are_kept_as_proof(look: Looker, service: MemoryService):
    look()
    before = look.states.load().checkpoint
    service.world.log.entries[0] = b"another past"
    assert look.refused().code == "equivocation"
    proof = look.states.proof()
    assert proof is not None
    assert (proof / "first.note").read_bytes() == before
    second = (proof / "second.note").read_bytes()
    judged = judge_checkpoints(before, second, service.config.policy.log)
    assert judged.weight is Weight.PROOF
    assert service.config.policy.log.origin in judged.against


def test_a_client_that_slept_through_a_rotation_still_remembers(
    look: Looker, service: MemoryService
):
    look()
    log = service.world.log
    log.log = NoteSigner(name=log.log.name, private_key=key(60))
    log.witnesses = [
        CosignatureSigner(name=one.name, private_key=key(61 + number))
        for number, one in enumerate(log.witnesses)
    ]
    service.world.beacon = log.note(times=(NOW - 90, NOW - 90))
    service.nodes = [service.node(7)]
    service.publish()
    look.restart()
    assert look().newest.checkpoint.size == len(log.entries)
    service.world.log.entries[0] = b"another past"
    service.submit(b"more")
    look.restart()
    assert look.refused().code == "unavailable"
    assert kept(look)


def test_a_state_of_another_log_is_named(look: Looker):
    look.states.update(lambda old: replace(old, checkpoint=b"another log's"))
    with pytest.raises(ConfigurationError, match="another log"):
        look()


# Steps 4 and 5: entries.


def test_two_entries_of_one_number_are_kept_as_proof_and_stay_refused(
    look: Looker, service: MemoryService
):
    service.publish({"demo": [service.nodes[0]]}, sequence=0)
    error = look.refused()
    assert error.code == "equivocation"
    assert "report" in str(error)
    proof = look.states.proof()
    assert proof is not None
    entries = service.world.log.entries
    assert (proof / "first.json").read_bytes() == entries[-2]
    assert (proof / "second.json").read_bytes() == entries[-1]
    policy = service.config.policy
    judged = judge_entries(
        entries[-2],
        entries[-1],
        status_signers=policy.status_signers,
        service_signers=policy.service_signers,
    )
    assert judged.weight is Weight.PROOF
    # Later the gateway shows a part of the log where only one of them stands.
    service.submit(*[b"filler"] * 600)
    service.publish()
    look.restart()
    assert look.refused().code == "equivocation"
    assert service.asked == []


def test_an_older_service_entry_is_refused(look: Looker, service: MemoryService):
    look.states.update(lambda old: replace(old, service=Position(index=9, sequence=5)))
    error = look.refused()
    assert error.code == "stale"
    assert "service entry 0 is older than 5" in str(error)


def test_an_older_status_is_refused(look: Looker, service: MemoryService):
    look.states.update(lambda old: replace(old, status=Position(index=9, sequence=5)))
    assert "status entry 0 is older than 5" in str(look.refused())


def test_a_revoked_release_cannot_be_listed_again_by_an_old_status(
    look: Looker, service: MemoryService
):
    """The revoking status is hidden behind a copy of the one before, which the hint points at."""
    listing = service.world.status
    service.set_status([])
    service.submit(*[b"filler"] * 300, listing)
    service.publish()
    last = len(service.world.log.entries) - 1
    service.hint = (last, last - 1)
    assert "7.status" in str(look.refused())


def test_a_returning_client_reads_on_from_what_it_knows(look: Looker, service: MemoryService):
    """However far behind the revocation the hint points."""
    listing = service.world.status
    look()
    service.set_status([])
    service.submit(*[b"filler"] * 1500, listing)
    service.publish()
    last = len(service.world.log.entries) - 1
    service.hint = (last, last - 1)
    assert "7.status" in str(look.refused())


def test_a_repeated_entry_is_no_equivocation(look: Looker, service: MemoryService):
    look()
    service.submit(service.world.log.entries[service.hint[0]])
    last = len(service.world.log.entries) - 1
    service.hint = (last, service.status_index)
    assert trusted(look())


def test_another_operators_entries_change_nothing(look: Looker, service: MemoryService):
    other = entry_statement(7, service="other.example")
    service.submit(sign_entry(other, [service.world.log.service]), b"not even an entry")
    assert trusted(look())


def test_an_entry_by_another_key_is_passed_over(look: Looker, service: MemoryService):
    service.submit(sign_entry(entry_statement(9), [service.world.log.status]))
    assert look().service.sequence == 0


@pytest.mark.parametrize(
    ("begin", "end", "why"),
    [
        (-1300, -100, "not valid now"),
        (-1200, 0, "not valid now"),
        (301, 1200, "not valid now"),
        (-600, 601, "more than two windows"),
        (-30, 1170, "begin with a window"),
    ],
)
def test_an_entry_that_is_not_of_now_is_refused(
    look: Looker, service: MemoryService, begin: int, end: int, why: str
):
    statement = entry_statement(1, not_before=NOW + begin, not_after=NOW + end)
    service.submit(sign_entry(statement, [service.world.log.service]))
    assert why in str(look.refused())


def another_key(service: MemoryService) -> None:
    service.gateway_key = GatewayKey.generate(
        kem_id=hpke.KEM_X25519, key_id=2, algorithms=((1, 2),)
    )
    service.raw_keys = encode_configs([service.gateway_key.config])


def test_nobody_gets_a_key_of_their_own_by_looking_in_a_second_of_their_own(
    look: Looker, service: MemoryService
):
    look()
    another_key(service)
    service.publish()
    assert "two sets of keys" in str(look.refused())


def test_keys_may_change_with_the_window(look: Looker, service: MemoryService):
    look()
    another_key(service)
    service.publish(not_before=NOW - 600, not_after=NOW + 600)  # of the window before, so far
    assert len(trusted(look())) == 2


def test_a_publisher_may_restart_a_few_times_in_a_window(look: Looker, service: MemoryService):
    for _ in range(3):
        service.publish()
        look()
    service.publish()
    assert "5 entries were published in one window" in str(look.refused())


def test_altered_entries_are_refused(look: Looker, service: MemoryService):
    size = len(service.world.log.entries)
    honest = service.log_file(f"tile/entries/000.p/{size}")
    service.files[f"/log/tile/entries/000.p/{size}"] = honest.replace(b"=", b"-", 1)
    assert look.refused().code == "unavailable"


def entry_statement(sequence: int, **changes: Any) -> ServiceStatement:
    statement = service_statement(sequence, not_before=NOW - 30)
    return replace(statement, models=(), **changes)


# Step 6: shard.


def test_a_shard_that_is_not_of_the_root_is_refused_after_a_second_try(
    look: Looker, service: MemoryService
):
    leaves = service.directories["demo"]
    service.directories["demo"] = [leaves[1], leaves[0]]
    assert "not part of the logged directory" in str(look.refused())
    assert look.waited == [2]


def test_a_gateway_a_moment_behind_gets_a_second_try(look: Looker, service: MemoryService):
    old = dict(service.directories)
    service.publish({"demo": [service.nodes[0]]})
    new, service.directories = service.directories, old

    def catch_up(_: float) -> None:
        service.directories = new

    look.lookup = Lookup(service.config, cast("Carrier", look.carrier), look.states, wait=catch_up)
    assert len(trusted(look())) == 1


def test_a_shard_that_lists_a_node_twice_is_refused(look: Looker, service: MemoryService):
    service.publish({"demo": [service.nodes[0], *[service.nodes[1]] * 3]})
    assert "twice" in str(look.refused())


LISTED = 12
"""Nodes of a shard that just suffice."""


def many(service: MemoryService, shards: int) -> Listing:
    """A directory of so many shards; the nodes stand at the end of each, after empty slots."""
    service.nodes = [service.node(100 + number) for number in range(LISTED * shards)]
    listing: Listing = []
    for number in range(shards):
        listing += [*[None] * (16 - LISTED), *of_shard(service, number)]
    return listing


def of_shard(service: MemoryService, number: int) -> list[Node]:
    return service.nodes[LISTED * number : LISTED * (number + 1)]


def withhold(service: MemoryService, nodes: list[Node]) -> None:
    """Serve no evidence of these nodes."""
    for node in nodes:
        service.files[f"/bundle/{node.leaf.leaf_hash().hex()}"] = b""


def keep(look: "Looker", *wanted: int, size: int) -> None:
    """Have drawn these shards a moment ago, from a directory of this size."""
    draw = drawn(*wanted, size=size, at=NOW - 5)
    look.states.update(lambda old: replace(old, draw=draw))


def paths(*numbers: int) -> list[str]:
    return [f"/directory/{directory.model_id('demo')}/{number}" for number in numbers]


def test_the_shard_is_kept_for_a_day(look: Looker, service: MemoryService):
    service.publish({"demo": many(service, 2)})
    look()
    first = look.states.load().draw
    assert first is not None
    for _ in range(3):
        look.restart()
        look()
        assert look.states.load().draw == first
    outdated = replace(first, drawn=NOW - directory.KEEP_SHARD)
    look.states.update(lambda old: replace(old, draw=outdated))
    look()
    again = look.states.load().draw
    assert again is not None
    assert again.drawn == NOW
    assert again.seed != first.seed


def test_a_shard_drawn_in_the_future_is_not_kept_for_ever(look: Looker, service: MemoryService):
    ahead = Draw(seed=bytes(32), drawn=NOW + 10**6)
    look.states.update(lambda old: replace(old, draw=ahead))
    look()
    draw = look.states.load().draw
    assert draw is not None
    assert draw.drawn == NOW


def test_a_directory_that_shrinks_and_grows_again_moves_nobody(
    look: Looker, service: MemoryService
):
    full = many(service, 3)
    service.publish({"demo": full})
    keep(look, 2, size=48)
    look()
    service.publish({"demo": full[:16]})
    assert len(trusted(look())) == LISTED
    service.publish({"demo": full})
    look()
    assert look.asked_for("directory") == paths(2)


def test_clients_of_a_small_service_are_not_in_its_first_shard_when_it_grows(
    look: Looker, service: MemoryService
):
    service.publish({"demo": many(service, 1)})
    look()
    draw = look.states.load().draw
    assert draw is not None
    assert draw.sizes == {}


def test_a_failing_shard_gets_one_spare_and_no_more(look: Looker, service: MemoryService):
    service.publish({"demo": many(service, 3)})
    keep(look, 1, 2, size=48)
    withhold(service, of_shard(service, 1)[:1])  # with four empty slots: five of sixteen
    assert len(trusted(look())) == LISTED
    assert look.asked_for("directory") == paths(1, 2)
    withhold(service, service.nodes)
    look.restart()  # another process
    assert look.refused().code == "unavailable"
    assert look.asked_for("directory") == paths(1, 2)


def test_the_kept_shard_is_taken_again_when_it_can_be(look: Looker, service: MemoryService):
    service.publish({"demo": many(service, 3)})
    keep(look, 1, 2, size=48)
    withhold(service, of_shard(service, 1))
    look()
    service.files.clear()
    look()
    assert look.asked_for("directory") == paths(1)


def test_no_third_shard_is_looked_at_however_often_one_looks(look: Looker, service: MemoryService):
    service.publish({"demo": many(service, 3)})
    withhold(service, service.nodes)
    seen: set[str] = set()
    for later in range(24):  # a third would be drawn in each with one in two
        look.restart()
        assert look.refused(NOW + 20 * later).code == "unavailable"
        seen.update(look.asked_for("directory"))
    assert len(seen) == 2


def test_all_models_are_drawn_together(look: Looker, service: MemoryService):
    full = many(service, 2)
    service.publish({"demo": full, "other": full})
    snapshot = look()
    draw = look.states.load().draw
    assert draw is not None
    assert draw.sizes == {directory.model_id(name): 32 for name in ("demo", "other")}
    kept = look.shards(32)
    assert "serve other models" in str(snapshot.refused["other"])
    numbers = [path.rsplit("/", 1)[1] for path in look.asked_for("directory")]
    assert numbers == [str(number) for number in (kept[0], *kept)]


def test_too_many_models_in_a_day_are_refused_and_push_nothing_out(
    look: Looker, service: MemoryService
):
    service.publish({"demo": many(service, 2)})
    names = {f"{number:064x}": 17 for number in range(256)}
    draw = Draw(seed=bytes(32), drawn=NOW - 5, sizes=names)
    look.states.update(lambda old: replace(old, draw=draw))
    assert "256 models" in str(look.refused())
    assert look.states.load().draw == draw


# Step 7: nodes.


def test_nodes_missing_beyond_a_quarter_refuse_the_shard(look: Looker, service: MemoryService):
    service.nodes += [service.node(number) for number in range(2, 8)]
    service.publish()
    for failing, node in enumerate(service.nodes[:3], start=1):
        look.restart()
        service.files[f"/bundle/{node.leaf.leaf_hash().hex()}"] = b""
        if failing <= 2:  # a quarter of eight
            assert len(trusted(look())) == 8 - failing
        else:
            assert "3 of 8" in str(look.refused())


def test_empty_slots_of_a_directory_of_one_shard_are_not_missing(
    look: Looker, service: MemoryService
):
    service.publish({"demo": [None, service.nodes[0], None, None]})
    assert len(trusted(look())) == 1


def test_a_shard_with_more_than_a_quarter_empty_is_refused_unread(
    look: Looker, service: MemoryService
):
    full = many(service, 2)
    service.publish({"demo": full})
    keep(look, 0, size=32)
    assert len(trusted(look())) == LISTED
    full[5] = None
    service.publish({"demo": full})
    first = {node.leaf.leaf_hash().hex() for node in of_shard(service, 0)}
    look.restart()
    assert set(trusted(look())) == {node.leaf.leaf_hash() for node in of_shard(service, 1)}
    assert not {path.removeprefix("/bundle/") for path in look.asked_for("bundle")} & first
    full[20] = None
    service.publish({"demo": full})
    assert "5 of 16 places of the shard are empty" in str(look.refused())


def test_empty_and_failing_count_together(look: Looker, service: MemoryService):
    service.publish({"demo": [*many(service, 1), service.node(1), service.node(2)]})
    keep(look, 0, size=18)
    withhold(service, of_shard(service, 0)[:1])
    service.files[f"/directory/{directory.model_id('demo')}/1"] = b""  # nothing else to be had
    assert "not served" in str(look.refused())


def test_a_last_shard_of_few_counts_its_own_places(look: Looker, service: MemoryService):
    listing = many(service, 1)
    more = [service.node(number) for number in range(5)]
    service.nodes += more
    service.publish({"demo": [*listing, *more]})
    keep(look, 1, size=21)
    withhold(service, more[:1])
    assert len(trusted(look())) == 4
    withhold(service, more[:2])
    look.restart()
    assert len(trusted(look())) == LISTED  # the spare


def test_evidence_of_another_leaf_is_refused(look: Looker, service: MemoryService):
    first, second = service.nodes
    service.files[f"/bundle/{first.leaf.leaf_hash().hex()}"] = second.bundle
    error = look.refused()
    assert [report.failed[0].id for report in error.reports] == ["1.leaf"]


def test_an_endless_bundle_is_a_missing_one(look: Looker, service: MemoryService):
    first = service.nodes[0]
    service.files[f"/bundle/{first.leaf.leaf_hash().hex()}"] = bytes(4 * 2**20 + 1)
    assert "evidence is not to be had" in str(look.refused())


def test_a_kept_judgement_is_used_without_fetching_again(look: Looker, service: MemoryService):
    first = look()
    assert len(look.asked_for("bundle")) == 2
    second = look(NOW + 60)
    assert look.asked_for("bundle") == []
    assert second.judged["demo"][0] is first.judged["demo"][0]


def test_a_kept_judgement_falls_when_a_status_revokes_its_release(
    look: Looker, service: MemoryService
):
    look()
    service.set_status([])
    error = look.refused()
    assert {report.failed[0].id for report in error.reports} == {"7.status"}
    service.set_status([service.world.release])
    assert len(trusted(look())) == 2


def test_a_kept_judgement_ends_with_the_trust_in_its_node(look: Looker, service: MemoryService):
    service.world.not_after = NOW + 500
    service.nodes = [service.node(8), service.node(9)]
    service.publish()
    assert {row.node.expires for row in look().judged["demo"] if row.node} == {NOW + 380}
    assert len(trusted(look(NOW + 379))) == 2
    error = look.refused(NOW + 381)
    assert {report.failed[0].id for report in error.reports} == {"4.margin"}


def test_a_kept_judgement_ends_by_the_witnesses_clock_as_well(look: Looker, service: MemoryService):
    service.world.not_after = NOW + 500
    service.nodes = [service.node(8), service.node(9)]
    service.publish()
    look()
    service.times = (NOW + 400, NOW + 400)
    assert "4.margin" in str(look.refused(NOW + 150))


def test_renewed_endorsements_are_fetched_when_the_kept_ones_fail(
    look: Looker, service: MemoryService
):
    look()
    kept = look.lookup._shards._kept
    for leaf, row in list(kept.items()):
        kept[leaf] = replace(row, bundle=row.bundle[:-1], status=b"older")
    assert len(trusted(look())) == 2
    assert len(look.asked_for("bundle")) == 2


def test_what_is_not_listed_any_more_is_not_kept(look: Looker, service: MemoryService):
    look()
    service.publish({"demo": [service.nodes[0]]})
    look()
    assert list(look.lookup._shards._kept) == [service.nodes[0].leaf.leaf_hash()]
    service.nodes.append(service.node(7))
    service.publish({"demo": [service.nodes[2], service.nodes[1]]})
    service.files[f"/bundle/{service.nodes[1].leaf.leaf_hash().hex()}"] = b""
    look.refused()  # after a look that fails as well
    assert list(look.lookup._shards._kept) == [service.nodes[2].leaf.leaf_hash()]


def test_a_node_of_another_model_does_not_count(look: Looker, service: MemoryService):
    service.publish({"demo": list(service.nodes), "other": [service.nodes[0]]})
    snapshot = look()
    assert len(trusted(snapshot)) == 2
    assert snapshot.judged["other"] == ()
    assert "serve other models" in str(snapshot.refused["other"])


def test_a_model_whose_nodes_fail_takes_no_other_with_it(look: Looker, service: MemoryService):
    service.nodes.append(service.node(5))
    service.publish({"demo": list(service.nodes[:2]), "more": [service.nodes[2]]})
    service.files[f"/bundle/{service.nodes[2].leaf.leaf_hash().hex()}"] = b""
    snapshot = look()
    assert len(trusted(snapshot)) == 2
    assert snapshot.refused["more"].code == "unavailable"


def test_a_model_without_nodes_is_listed_and_has_none(look: Looker, service: MemoryService):
    service.publish({"demo": list(service.nodes), "soon": []})
    assert look().judged["soon"] == ()


def test_a_snapshot_ends_with_the_first_thing_it_rests_on(look: Looker, service: MemoryService):
    snapshot = look()
    assert snapshot.expires == NOW + 1200
    service.times = (NOW - 600, NOW - 600)
    look.states.update(lambda old: replace(old, checkpoint=b"", witnessed=0))
    look.restart()
    assert look().expires == NOW + 600


def test_a_gateway_that_fails_is_its_own_error(look: Looker):
    look.carrier.broken = True
    with pytest.raises(GatewayError):
        look()


def test_two_processes_on_two_forks_do_not_both_succeed(look: Looker, service: MemoryService):
    """What another process accepted meanwhile must be of the same history."""
    update = look.states.update

    def meanwhile(change: Any) -> Any:
        look.states.update = update  # type: ignore[method-assign]
        forked = replace(service.world.log, entries=[b"fork", *service.world.log.entries[1:]])
        update(lambda old: replace(old, checkpoint=forked.note(), witnessed=NOW))
        return update(change)

    look.states.update = meanwhile  # type: ignore[method-assign]
    assert look.refused().code == "equivocation"
