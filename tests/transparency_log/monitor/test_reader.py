"""Following a log: what is found in chains, and going on after a stop."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.transparency_log.memory_log import (
    MemoryLog,
    key,
    service_statement,
    status_entry,
    status_statement,
)
from tests.transparency_log.monitor.chains import SERVICE, Planted, wrapped
from transparency_log.dsse import sign
from transparency_log.entry import EntryKind, EntrySigners, Signer, parse_entry, sign_entry
from transparency_log.errors import ConfigurationError, FetchError, InconsistentError
from transparency_log.monitor.book import Book, opened
from transparency_log.monitor.chain import FaultKind
from transparency_log.monitor.reader import Keep, read
from transparency_log.monitor.watch import Stage, Watch
from transparency_log.rotation import Role, RoleKeys, RotationStatement
from transparency_log.statement import PAYLOAD_TYPE
from transparency_log.strict_json import b64encode

Pairs = list[tuple[bytes | None, bytes]]


def follow(
    planted: Planted,
    book: Book,
    *,
    fetch: Callable[[str, int], bytes] | None = None,
    keep: Keep = lambda first, second: None,
    watch: Watch | None = None,
    processes: int = 1,
) -> None:
    client = planted.client(fetch)
    newest = client.checkpoint()
    for _ in read(client, newest, book, watch or planted.watch, processes=processes, keep=keep):
        pass
    book.saw(newest)


def faults(planted: Planted) -> dict[str, int]:
    with opened(None, planted.watch) as book:
        follow(planted, book)
        return dict(book.faults)


def test_an_honest_log_has_no_faults():
    assert faults(Planted().honest(20)) == {}


def test_finds_a_gap():
    planted = Planted().honest()
    planted.status(sequence=5)
    assert faults(planted) == {"gap": 1}


def test_a_chain_that_begins_late_has_a_gap():
    planted = Planted()
    planted.status(sequence=3, previous=bytes(32))
    assert faults(planted) == {"gap": 1}


def test_finds_an_entry_that_names_another_before_it():
    planted = Planted().honest()
    planted.service(previous=bytes(32))
    assert faults(planted) == {"link": 1}


def test_finds_an_entry_that_came_late():
    planted = Planted().honest()
    planted.status(sequence=7)
    planted.append(status_entry(planted.log, 5))
    assert faults(planted) == {"gap": 1, "late": 1}


def test_finds_two_statements_of_one_number_and_keeps_both():
    planted, pairs = Planted().honest(), Pairs()
    first = planted.log.entries[1]
    second = planted.append(status_entry(planted.log, 0, issued=1))
    planted.append(second)
    with opened(None, planted.watch) as book:
        follow(planted, book, keep=lambda *pair: pairs.append(pair))
        assert dict(book.faults) == {"equivocation": 1}
    assert pairs == [(first, second)]


def test_keeps_both_statements_also_when_the_first_was_judged_in_another_run(tmp_path: Path):
    planted, pairs = Planted().honest(), Pairs()
    first = planted.log.entries[1]
    with opened(tmp_path / "book", planted.watch) as book:
        follow(planted, book)
    second = planted.append(status_entry(planted.log, 0, issued=1))
    with opened(tmp_path / "book", planted.watch) as book:
        follow(planted, book, keep=lambda *pair: pairs.append(pair))
    assert pairs == [(first, second)]


def test_equivocation_is_found_although_the_log_serves_the_first_no_more(tmp_path: Path):
    planted, pairs = Planted(), Pairs()
    planted.release()
    for _ in range(300):
        planted.status()
    with opened(tmp_path / "book", planted.watch) as book:
        follow(planted, book)
    second = planted.append(status_entry(planted.log, 0, issued=1))

    def without_the_first(path: str, limit: int) -> bytes:
        if path == "tile/entries/000":
            raise FetchError(path)
        return planted.log.fetch(path, limit)

    with opened(tmp_path / "book", planted.watch) as book:
        keep = pairs.append
        follow(planted, book, fetch=without_the_first, keep=lambda *pair: keep(pair))
        assert dict(book.faults) == {"equivocation": 1}
    assert pairs == [(None, second)]


@pytest.mark.parametrize("before", [False, True])
def test_a_payload_repeated_in_another_envelope_breaks_no_chain(*, before: bool):
    planted = Planted()
    statement = replace(status_statement(0), releases=())
    copy = wrapped(planted.log, statement)
    if before:  # whoever may submit saw it on its way, and was quicker
        planted.append(copy)
    planted.status()
    if not before:
        planted.append(copy)
    planted.status()
    with opened(None, planted.watch) as book:
        follow(planted, book)
        assert (dict(book.faults), book.repeated) == ({}, 1)


def test_what_others_submit_is_counted_and_passes():
    planted, other = Planted().honest(), MemoryLog()
    planted.append(b"\x00 no entry")
    planted.append(status_entry(MemoryLog(status=Signer(private_key=key(99))), 0))
    planted.append(status_entry(other, 9, origin="log.example/other"))
    with opened(None, planted.watch) as book:
        follow(planted, book)
        assert dict(book.passed) == {"malformed": 1, "unsigned": 1, "foreign": 1}
        assert not book.faults


def test_each_service_of_the_signers_has_a_chain_of_its_own():
    planted = Planted().honest()
    for name in ("one.example", "two.example"):
        planted.append(
            sign_entry(replace(service_statement(0), service=name), [planted.log.service])
        )
    with opened(None, planted.watch) as book:
        follow(planted, book)
        assert not book.faults
        assert [one.name for one in book.chains if one.kind is EntryKind.SERVICE] == [
            SERVICE, "one.example", "two.example",
        ]  # fmt: skip


def rotation(planted: Planted, old: Signer, new: Signer) -> bytes:
    def keys(signer: Signer) -> RoleKeys:
        return RoleKeys(keys=(b64encode(signer.public_key),), threshold=1)

    origin = planted.log.policy.origin
    statement = RotationStatement(
        log=origin, role=Role.STATUS, name=origin, old=keys(old), new=keys(new),
        not_before=2, issued=1,
    )  # fmt: skip
    return sign_entry(statement, [old, new])


def test_a_chain_that_was_handed_over_may_begin_with_any_number():
    planted = Planted()
    planted.status()
    old, new = planted.log.status, Signer(private_key=key(77))
    planted.append(rotation(planted, old, new))
    planted.log.status = new
    planted.status()
    with opened(None, planted.watch) as book:
        follow(planted, book)
        assert (dict(book.faults), dict(book.passed)) == ({}, {"unsigned": 1})
        assert [one.stage for one in book.holdings.rotations(9)] == [Stage.DONE]


def test_an_announcement_in_the_name_of_our_keys_must_be_signed_by_them():
    planted = Planted()
    thief, ours = Signer(private_key=key(88)), planted.log.status
    payload = parse_entry(rotation(planted, ours, thief)).envelope.unverified_payload
    planted.append(sign(payload, PAYLOAD_TYPE, [thief]).encode())
    with opened(None, planted.watch) as book:
        follow(planted, book)
        assert (dict(book.passed), book.holdings.rotations(9)) == ({"unsigned": 1}, [])


def test_an_announcement_by_others_hands_nothing_over():
    planted = Planted()
    thief = Signer(private_key=key(88))
    planted.append(rotation(planted, thief, Signer(private_key=key(89))))
    planted.status(sequence=4, previous=bytes(32))
    with opened(None, planted.watch) as book:
        follow(planted, book)
        assert dict(book.faults) == {"gap": 1}
        assert book.holdings.rotations(9) == []


def test_goes_on_where_it_stopped(tmp_path: Path):
    planted = Planted().honest(200)
    with opened(tmp_path / "book", planted.watch) as book:
        follow(planted, book)
    planted.status(sequence=201)
    asked: list[str] = []

    def fetch(path: str, limit: int) -> bytes:
        asked.append(path)
        return planted.log.fetch(path, limit)

    with opened(tmp_path / "book", planted.watch) as book:
        follow(planted, book, fetch=fetch)
        assert (book.frontier.size, dict(book.faults)) == (402, {"gap": 1})
    assert not any(path.startswith("tile/entries/000") for path in asked)


def test_what_was_read_before_the_log_vanished_is_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("transparency_log.follow.STRETCH", 1)
    planted = Planted().honest(400)

    def vanishing(path: str, limit: int) -> bytes:
        if path.startswith("tile/entries/002"):
            raise FetchError("gone")
        return planted.log.fetch(path, limit)

    with (
        pytest.raises(FetchError, match="gone"),
        opened(tmp_path / "book", planted.watch) as book,
    ):
        follow(planted, book, fetch=vanishing)
    with opened(tmp_path / "book", planted.watch) as book:
        assert book.frontier.size == 512
        follow(planted, book)
        assert (book.frontier.size, dict(book.faults)) == (801, {})


def test_entries_that_are_not_those_of_the_checkpoint_are_not_judged():
    planted, forged = Planted().honest(), Planted().honest()
    forged.log.entries[1] = status_entry(forged.log, 0, issued=5)

    def fetch(path: str, limit: int) -> bytes:
        return (forged if path.startswith("tile/") else planted).log.fetch(path, limit)

    with opened(None, planted.watch) as book:
        with pytest.raises(InconsistentError):
            follow(planted, book, fetch=fetch)
        assert book.frontier.size == 0


def test_another_policy_begins_anew_and_keeps_the_checkpoint(tmp_path: Path):
    planted = Planted().honest()
    with opened(tmp_path / "book", planted.watch) as book:
        follow(planted, book)
        note = book.note
    both = (planted.log.status.public_key, key(5).public_key().public_bytes_raw())
    other = replace(planted.watch, status=EntrySigners(keys=both, threshold=1))
    with opened(tmp_path / "book", other) as book:
        assert (book.restarted, book.frontier.size, book.note) == (True, 0, note)
        follow(planted, book, watch=other)
        assert (book.frontier.size, dict(book.faults)) == (7, {})


def test_the_state_of_another_log_is_refused(tmp_path: Path):
    planted = Planted().honest()
    with opened(tmp_path / "book", planted.watch):
        pass
    other = replace(planted.watch, log=replace(planted.watch.log, origin="log.example/other"))
    with pytest.raises(ConfigurationError, match="another log"), opened(tmp_path / "book", other):
        pass


@pytest.mark.parametrize("content", [b"no database", b"SQLite format 3\x00" + bytes(100)])
def test_a_damaged_state_is_refused_and_named(tmp_path: Path, content: bytes):
    (tmp_path / "book").write_bytes(content)
    with (
        pytest.raises(ConfigurationError, match="cannot be used"),
        opened(tmp_path / "book", Planted().watch),
    ):
        pass


def test_one_monitor_at_a_time_uses_a_state(tmp_path: Path):
    watch = Planted().watch
    with (
        opened(tmp_path / "book", watch),
        pytest.raises(ConfigurationError, match="cannot be used"),
        opened(tmp_path / "book", watch),
    ):
        pass


def test_remembers_the_directories_of_a_service_over_time(tmp_path: Path):
    planted = Planted()
    for root in (1, 1, 2, 2, 1):
        model = service_statement(0).models[0]
        directory = replace(model.directory, root=bytes([root]) * 32)
        planted.service(models=(replace(model, directory=directory),))
    with opened(tmp_path / "book", planted.watch) as book:
        follow(planted, book)
    with opened(tmp_path / "book", planted.watch) as book:
        found = book.holdings.directories(SERVICE, 100)
    assert [(one.sequence, one.root[0]) for one in found] == [(0, 1), (2, 2), (4, 1)]


def test_a_release_taken_off_the_list_is_remembered_as_revoked():
    planted = Planted()
    leaf = planted.release()
    planted.status()
    planted.status(releases=())
    with opened(None, planted.watch) as book:
        follow(planted, book)
        assert book.holdings.revoked(leaf) == 1


def test_faults_are_bounded_and_counted(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("transparency_log.monitor.book.MAX_FAULTS", 3)
    planted = Planted()
    for number in range(5):
        planted.status(sequence=2 * number + 1, previous=bytes(32))
    with opened(None, planted.watch) as book:
        follow(planted, book)
        assert book.faults["gap"] == 5
        assert len(book.kept_faults(FaultKind.GAP)) == 3


def test_many_processes_find_what_one_finds(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("transparency_log.monitor.reader.AT_ONCE", 1)
    monkeypatch.setattr("transparency_log.follow.STRETCH", 1)
    planted = Planted().honest(300)
    planted.status(sequence=301)
    planted.service(previous=bytes(32))
    with opened(None, planted.watch) as book:
        follow(planted, book, processes=2)
        assert (book.frontier.size, dict(book.faults)) == (603, {"gap": 1, "link": 1})
