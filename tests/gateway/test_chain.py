"""The state file: what is written is read, and anything else is refused in words."""

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway import chain
from gateway.chain import ChainState, Head, NewestStatus
from gateway.errors import ConfigurationError
from gateway.keyholders import Keyholder
from gateway.slots import Tenant

digests = st.binary(min_size=32, max_size=32)
numbers = st.integers(0, 2**53 - 1)
texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
tenants = st.builds(Tenant, machine=digests, place=texts)
holders = st.builds(
    Keyholder, url=texts, server_name=texts, leaf=digests, keys=st.dictionaries(digests, numbers)
)
states = st.builds(
    ChainState,
    service=st.just("demo.example"),
    scanned=numbers,
    head=st.none()
    | st.builds(
        Head,
        sequence=numbers,
        leaf_hash=digests,
        index=numbers,
        not_before=numbers,
        keys=digests,
        entries=st.integers(1, 4),
    ),
    pending=st.none() | st.binary(max_size=99),
    status=st.none() | st.builds(NewestStatus, index=numbers, sequence=numbers),
    slots=st.dictionaries(texts, st.lists(st.none() | tenants, max_size=4).map(tuple), max_size=3),
    holders=st.dictionaries(texts, holders, max_size=3),
)
in_one_folder = settings(
    max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@in_one_folder
@given(state=states)
def test_what_is_written_is_read(tmp_path: Path, state: ChainState) -> None:
    path = tmp_path / "state.json"
    chain.store(path, state)
    assert chain.load(path, service="demo.example") == state


@in_one_folder
@given(data=st.binary(max_size=200), place=st.integers(0, 10**6), rest=st.sampled_from([0, 1]))
def test_a_damaged_file_is_read_or_refused_in_words(
    tmp_path: Path, data: bytes, place: int, rest: int
) -> None:
    path = tmp_path / "state.json"
    holder = Keyholder(url="u", server_name="", leaf=bytes(32), keys={bytes(32): 7})
    slots = {"demo": (None, Tenant(machine=bytes(32), place="u"))}
    state = ChainState(service="demo.example", slots=slots, holders={"u": holder})
    chain.store(path, state)
    good = path.read_bytes()
    place %= len(good)
    path.write_bytes(good[:place] + data + good[place + len(data) :] * rest)
    with suppress(ConfigurationError):
        chain.load(path, service="demo.example")


def test_a_file_of_the_version_before_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    chain.create(path, service="demo.example")
    path.write_bytes(path.read_bytes().replace(b'"version":2', b'"version":1'))
    with pytest.raises(ConfigurationError, match="version"):
        chain.load(path, service="demo.example")
