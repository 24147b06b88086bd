import json
from base64 import b64decode

import pytest

from tests.transparency_log.memory_log import (
    NOW,
    MemoryLog,
    service_entry,
    service_statement,
    status_entry,
)
from transparency_log import dsse, prover, scan
from transparency_log.entry import sign_entry, verify_service
from transparency_log.errors import EquivocationError, NotIncludedError, SupersededError
from transparency_log.log_range import verify_range
from transparency_log.statement import PAYLOAD_TYPE

SERVICE = "demo.example"


def newest_sequence(log: MemoryLog) -> int | None:
    found = scan.newest_status(log.range(), log.signers(log.status))
    return None if found is None else found.entry.sequence


def wrapped_again(log: MemoryLog, entry: bytes) -> bytes:
    """Put a signed payload into another envelope, as anybody can."""
    envelope = json.loads(entry)
    stranger = dsse.sign(b64decode(envelope["payload"]), PAYLOAD_TYPE, [log.release])
    envelope["signatures"] += json.loads(stranger.encode())["signatures"]
    return json.dumps(envelope).encode()


def test_newest_status_has_the_highest_number(memory_log: MemoryLog) -> None:
    assert newest_sequence(memory_log) is None
    memory_log.entries = [status_entry(memory_log, number) for number in (0, 1, 5)]
    assert newest_sequence(memory_log) == 5


def test_what_is_not_signed_is_passed_over(memory_log: MemoryLog) -> None:
    forged = MemoryLog(status=memory_log.release)
    memory_log.entries = [status_entry(memory_log, 1), status_entry(forged, 2), b"{}", b""]
    assert newest_sequence(memory_log) == 1


def test_status_of_another_log_is_passed_over(memory_log: MemoryLog) -> None:
    elsewhere = status_entry(memory_log, 9, origin="log.example/else")
    memory_log.entries = [status_entry(memory_log, 1), elsewhere]
    assert newest_sequence(memory_log) == 1


def test_repeated_entries_change_nothing(memory_log: MemoryLog) -> None:
    entries = [status_entry(memory_log, number) for number in (1, 2)]
    memory_log.entries = [*entries, *entries, wrapped_again(memory_log, entries[0])]
    assert newest_sequence(memory_log) == 2


def test_two_statuses_of_one_number_are_equivocation(memory_log: MemoryLog) -> None:
    one, two = (status_entry(memory_log, 3, issued=NOW + extra) for extra in (0, 1))
    memory_log.entries = [one, two, status_entry(memory_log, 4)]
    with pytest.raises(EquivocationError) as caught:
        newest_sequence(memory_log)
    assert (caught.value.first, caught.value.second) == (one, two)


def require_newest(log: MemoryLog, index: int, start: int) -> None:
    data = log.entries[index]
    keys = log.signers(log.service)
    scan.require_newest_service(verify_service(data, keys), data, log.range(start), keys)


def test_newest_service_entry_passes(memory_log: MemoryLog) -> None:
    memory_log.entries = [service_entry(memory_log, number) for number in range(3)]
    require_newest(memory_log, 2, 3)
    require_newest(memory_log, 2, 0)
    keys = memory_log.signers(memory_log.service)
    found = scan.newest_service(memory_log.range(), SERVICE, keys)
    assert found is not None
    assert (found.index, found.entry.sequence) == (2, 2)
    assert scan.newest_service(memory_log.range(), "other.example", keys) is None


def test_older_service_entry_is_superseded(memory_log: MemoryLog) -> None:
    memory_log.entries = [service_entry(memory_log, number) for number in range(3)]
    with pytest.raises(SupersededError) as caught:
        require_newest(memory_log, 1, 2)
    assert caught.value.index == 2


def test_second_service_entry_of_one_number_is_equivocation(memory_log: MemoryLog) -> None:
    one, two = (service_entry(memory_log, 1, not_before=NOW + extra) for extra in (0, 600))
    memory_log.entries = [one, b"{}", two]
    with pytest.raises(EquivocationError) as caught:
        require_newest(memory_log, 0, 1)
    assert (caught.value.first, caught.value.second) == (one, two)


def test_repeating_a_service_entry_does_not_refuse_the_service(memory_log: MemoryLog) -> None:
    one = service_entry(memory_log, 1)
    memory_log.entries = [one, one, wrapped_again(memory_log, one), service_entry(memory_log, 0)]
    require_newest(memory_log, 0, 1)


def test_entry_of_another_service_is_no_successor(memory_log: MemoryLog) -> None:
    other = sign_entry(service_statement(9, service="other.example"), [memory_log.service])
    memory_log.entries = [service_entry(memory_log, 1), other]
    require_newest(memory_log, 0, 1)


@pytest.mark.parametrize("size", [1, 2, 5, 8, 13])
def test_range_is_exactly_what_the_checkpoint_commits_to(memory_log: MemoryLog, size: int) -> None:
    memory_log.entries = [status_entry(memory_log, number) for number in range(size)]
    witnessed, read = memory_log.witnessed(), prover.memory_reader(memory_log.leaves)
    for start in range(size + 1):
        entries = memory_log.entries[start:]
        assert list(verify_range(witnessed, start, entries, read))[-1:] == [
            (size - 1, memory_log.entries[-1]) for _ in entries[:1]
        ]
        changes = [entries[:-1], [*entries, b"{}"], entries[::-1], [b"{}", *entries[1:]]]
        for changed in changes:
            if changed != entries:
                with pytest.raises(NotIncludedError):
                    verify_range(witnessed, start, changed, read)


def test_range_needs_true_hashes_outside(memory_log: MemoryLog) -> None:
    memory_log.entries = [status_entry(memory_log, number) for number in range(5)]
    with pytest.raises(NotIncludedError):
        verify_range(
            memory_log.witnessed(), 3, memory_log.entries[3:], lambda _level, _index: bytes(32)
        )
