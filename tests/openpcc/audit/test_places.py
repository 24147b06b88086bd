"""Where machines stood: what is remembered is read strictly, and a move is told from a return."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openpcc.audit.listing import Listing
from openpcc.audit.places import FILE, KnownPlaces, moved, places_finding
from openpcc.audit.report import Outcome
from openpcc.errors import ConfigurationError
from transparency_log.strict_json import StrictJSONError

MODEL = "m" * 64
A, B, C = (bytes([number]) * 32 for number in (1, 2, 3))

MACHINES = st.lists(st.none() | st.binary(min_size=32, max_size=32).filter(any), max_size=20)


def known(*rows: bytes | None, sequence: int = 0, service: str = "demo.example") -> KnownPlaces:
    return KnownPlaces(service=service, sequence=sequence, models={MODEL: rows})


@given(rows=MACHINES, sequence=st.integers(min_value=0, max_value=2**53 - 1))
def test_what_is_written_is_read(rows: list[bytes | None], sequence: int):
    places = known(*rows, sequence=sequence)
    assert KnownPlaces.parse(places.encode()) == places


@given(data=st.binary(max_size=200))
def test_any_bytes_are_places_or_refused(data: bytes):
    with pytest.raises(StrictJSONError):
        KnownPlaces.parse(data)


@given(rows=MACHINES, at=st.integers(min_value=0), byte=st.integers(min_value=0, max_value=255))
def test_any_changed_byte_gives_places_or_is_refused(rows: list[bytes | None], at: int, byte: int):
    data = bytearray(known(*rows).encode())
    data[at % len(data)] = byte
    try:
        KnownPlaces.parse(bytes(data))
    except StrictJSONError:
        pass


@pytest.mark.parametrize(
    ("before", "now", "count"),
    [
        ((A, B), (A, B), 0),
        ((A, B), (B, A), 2),
        ((A, B), (None, A), 1),
        ((A, None), (A, B), 0),
        ((A, B), (C, B), 0),
        ((A, A), (None, A), 0),  # one of its nodes left
        ((A, B), (A, B, A), 0),  # one of its nodes came
        ((A, A, B), (None, None, A), 1),
        ((None, None), (None, None), 0),
    ],
)
def test_who_moved(before: tuple[bytes | None, ...], now: tuple[bytes | None, ...], count: int):
    assert len(moved(known(*before), known(*now, sequence=1))) == count


def test_machines_without_a_name_cannot_move():
    listing = Listing(positions={"demo": [bytes(32), A, None]})
    assert list(KnownPlaces.of("demo.example", 1, listing).models.values()) == [(None, A, None)]


@pytest.mark.parametrize(
    ("sequence", "outcome"),
    [(4, Outcome.INFO), (5, Outcome.FAIL), (6, Outcome.FAIL), (7, Outcome.INFO)],
)
def test_only_neighbouring_windows_prove_a_move(tmp_path: Path, sequence: int, outcome: Outcome):
    places_finding(tmp_path, known(A, B, sequence=5), complete=True)
    finding = places_finding(tmp_path, known(B, A, sequence=sequence), complete=True)
    assert finding.outcome is outcome


def test_an_older_or_partial_listing_is_not_remembered(tmp_path: Path):
    places_finding(tmp_path, known(A, sequence=5), complete=True)
    before = (tmp_path / FILE).read_bytes()
    places_finding(tmp_path, known(A, sequence=4), complete=True)
    places_finding(tmp_path, known(A, sequence=6), complete=False)
    assert (tmp_path / FILE).read_bytes() == before


def test_another_service_is_not_compared(tmp_path: Path):
    places_finding(tmp_path, known(A, B), complete=True)
    other = known(B, A, sequence=1, service="other.example")
    assert places_finding(tmp_path, other, complete=True).outcome is Outcome.SKIP


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path):
    (tmp_path / FILE).mkdir()
    with pytest.raises(ConfigurationError, match=FILE):
        places_finding(tmp_path, known(A), complete=True)
