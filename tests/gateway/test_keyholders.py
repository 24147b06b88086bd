"""Every key has one holder, who keeps it for as long as its place can be asked."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.evidence import Evidence
from gateway.keyholders import Keyholders, listed, live, located, moves, sole_holders
from gateway.places import Place
from gateway.publication import MAX_NODE_KEYS
from openpcc.protocol.messages import DirectoryLeaf


def key(number: int) -> bytes:
    return number.to_bytes(32, "big")


def shows(place: str, *keys: int, url: str = "", server_name: str = "") -> Evidence:
    leaf = DirectoryLeaf(
        quote_digest=bytes(32),
        binding=bytes(64),
        node_key_ids=tuple(map(key, keys)),
        machine=bytes(32),
    )
    return Evidence(
        place=Place(name=place, url=url or f"http://{place}", server_name=server_name),
        bundle=b"", leaf=leaf, models=("demo",), not_after=0,
    )  # fmt: skip


def held_by(known: Keyholders) -> dict[int, str]:
    return {int.from_bytes(one): name for name, node in known.items() for one in node.keys}


def names(evidence: list[Evidence]) -> list[str]:
    return [one.place.name for one in evidence]


def window(known: Keyholders, *evidence: Evidence, until: int = 1200, now: float = 0) -> Keyholders:
    return listed(known, evidence, until=until, now=now)


def test_the_first_place_that_was_listed_with_a_key_holds_it() -> None:
    known = window({}, shows("a", 1), shows("b", 2))
    thief = [shows("b", 1), shows("a", 1)]
    assert names(sole_holders(thief, known, {"a", "b"})) == ["a"]
    assert names(sole_holders([shows("b", 1, 2)], known, {"a", "b"})) == []
    assert names(sole_holders([shows("c", 3), shows("d", 3)], {}, {"c", "d"})) == ["c"]


def test_a_place_that_cannot_be_asked_any_more_holds_nothing_back() -> None:
    known = window({}, shows("a", 1, 5))
    (moved,) = sole_holders([shows("b", 1)], known, {"b"})
    assert moves([moved], known) == {"a": "b"}
    after = located(known, [moved])
    assert held_by(after) == {1: "b", 5: "b"}  # what else it has goes with it
    assert after["b"].url == "http://b"
    assert moves([moved], after) == {}


def test_each_key_of_a_place_that_is_gone_goes_to_who_shows_it() -> None:
    known = window({}, shows("a", 1, 2, 3), shows("c", 4))
    sole = sole_holders([shows("b", 1), shows("c", 2)], known, {"b", "c"})
    assert names(sole) == ["b", "c"]
    after = held_by(located(known, sole))
    assert (after[1], after[2], after[4]) == ("b", "c", "c")
    assert after[3] in ("b", "c")


def test_a_new_address_of_a_place_is_followed() -> None:
    known = window({}, shows("a", 1))
    after = located(known, [shows("a", 9, url="https://10.0.0.1", server_name="a")])
    assert (after["a"].url, after["a"].server_name) == ("https://10.0.0.1", "a")
    assert held_by(after) == {1: "a"}  # a key that no entry lists yet is nobody's


def test_keys_last_until_their_last_window_has_run_out() -> None:
    known = window({}, shows("a", 1), until=1200)
    known = window(known, shows("a", 2), until=1800, now=600)
    assert held_by(known) == {1: "a", 2: "a"}
    assert held_by(live(known, 1199.5)) == {1: "a", 2: "a"}
    assert held_by(live(known, 1200)) == {2: "a"}
    assert live(known, 1800) == {}


def test_a_node_has_no_more_keys_than_a_publication_takes() -> None:
    known: Keyholders = {}
    for number in range(MAX_NODE_KEYS + 9):
        known = window(known, shows("a", number), until=1200 + number)
    assert len(known["a"].keys) == MAX_NODE_KEYS
    assert key(MAX_NODE_KEYS + 8) in known["a"].keys


steps = st.lists(
    st.tuples(
        st.lists(
            st.tuples(st.sampled_from("abcd"), st.sets(st.integers(0, 5), min_size=1, max_size=3)),
            max_size=4,
            unique_by=lambda one: one[0],
        ),
        st.sets(st.sampled_from("abcd")),
        st.booleans(),
    ),
    max_size=10,
)


@given(steps=steps)
def test_no_key_ever_has_two_holders_and_none_is_taken_from_who_can_be_asked(
    steps: list[tuple[list[tuple[str, set[int]]], set[str], bool]],
) -> None:
    known: Keyholders = {}
    for number, (seen, more, publishes) in enumerate(steps):
        shown = [shows(place, *sorted(keys)) for place, keys in seen]
        held = {place for place, _ in seen} | more  # who answers is held, and others may be
        before = held_by(known)
        sole = sole_holders(shown, known, held)
        known = located(known, sole)
        if publishes:
            known = window(known, *sole, until=600 * number + 1200, now=600 * number)
        flat = [one for node in known.values() for one in node.keys]
        assert len(flat) == len(set(flat))
        after = held_by(known)
        for one, holder in before.items():
            if holder in held and one in after:
                assert after[one] == holder
        for node in sole:
            keys = {int.from_bytes(each) for each in node.leaf.node_key_ids}
            assert {after[each] for each in keys if each in after} <= {node.place.name}
