"""Positions in a directory: they belong to machines, and last from window to window."""

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from gateway.slots import UNNAMED, Slots, Tenant, assign, moved


def machine(name: str) -> bytes:
    return name.encode().ljust(32, b".")


def at(place: str, on: str | None = None) -> Tenant:
    return Tenant(machine=UNNAMED if on is None else machine(on), place=place)


def some(text: str) -> Slots:
    return tuple(None if one == "-" else at(one) for one in text)


def all_of(text: str) -> list[Tenant]:
    return [at(one) for one in text]


def test_new_nodes_take_free_places_in_order_then_the_end() -> None:
    assert assign(some("a-b-"), all_of("abc")) == some("acb")
    assert assign(some("ab"), all_of("bcd")) == some("cbd")
    assert assign((), ()) == ()


def test_the_last_free_places_are_dropped() -> None:
    assert assign(some("abc"), all_of("a")) == some("a")
    assert assign(some("abc"), all_of("c")) == some("--c")


def test_a_machine_keeps_its_position_at_another_address() -> None:
    before = assign((), [at("p1", "m"), at("p2", "n")])
    after = assign(before, [at("p9", "m"), at("p2", "n"), at("p3", "o")])
    assert after == (at("p9", "m"), at("p2", "n"), at("p3", "o"))


def test_two_machines_that_exchange_their_addresses_keep_their_positions() -> None:
    before = (at("p1", "m"), at("p2", "n"))
    assert assign(before, [at("p2", "m"), at("p1", "n")]) == (at("p2", "m"), at("p1", "n"))


def test_a_machine_that_takes_the_address_of_another_does_not_take_its_position() -> None:
    before = (at("p1", "m"), at("p2", "n"))
    assert assign(before, [at("p1", "o"), at("p2", "n")])[1] == at("p2", "n")
    assert assign(before, [at("p1", "n")]) == (None, at("p1", "n"))


def test_nodes_of_one_machine_stay_apart_and_in_its_positions() -> None:
    before = (at("p1", "m"), at("x", "n"), at("p2", "m"))
    after = assign(before, [at("p3", "m"), at("x", "n"), at("p2", "m")])
    assert after == (at("p3", "m"), at("x", "n"), at("p2", "m"))
    grown = assign(after, [at("p2", "m"), at("p3", "m"), at("p4", "m"), at("x", "n")])
    assert grown == (*after, at("p4", "m"))


def test_a_node_without_a_machine_id_is_known_by_its_place_alone() -> None:
    before = (at("p1"), at("p2"))
    assert assign(before, [at("p2"), at("p3")]) == (at("p3"), at("p2"))
    assert assign((at("p1"), at("p2", "m")), [at("p2")]) == (at("p2"),)
    mixed = (at("x", "m"), at("p1"), at("p2"))  # p3 is nobody's successor: the first free one
    assert assign(mixed, [at("p2"), at("p3")]) == (at("p3"), None, at("p2"))


def test_a_position_follows_a_node_that_is_known_to_have_moved() -> None:
    before = (at("p1"), None, at("p2"))
    after = moved(before, {"p2": "p7"})
    assert after == (at("p1"), None, at("p7"))
    assert assign(after, [at("p1"), at("p7")]) == after


tenants = st.builds(at, st.sampled_from("abcdefgh"), st.sampled_from([None, *"mno"]))


def by_place(found: Iterable[Tenant]) -> set[Tenant]:
    return set({one.place: one for one in found}.values())


@given(windows=st.lists(st.sets(tenants, max_size=8).map(by_place), max_size=8))
def test_positions_last_while_machines_are_listed(windows: list[set[Tenant]]) -> None:
    slots: Slots = ()
    for listed in windows:
        before, slots = slots, assign(slots, listed)
        stands = [one for one in slots if one is not None]
        assert len(stands) == len(set(stands))
        assert set(stands) == listed
        for position, former in enumerate(before):
            if former in listed:
                assert slots[position] == former
        for name in map(machine, "mno"):
            was = [at for at, one in enumerate(before) if one and one.machine == name]
            now = [at for at, one in enumerate(slots) if one and one.machine == name]
            kept = set(was) & set(now)
            assert len(kept) == min(len(was), len(now))
