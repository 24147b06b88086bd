"""Every way the kernel answers, and what is made of it. The kernel is the stand-in's."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from attestation.configfs_tsm import (
    ATTEMPTS,
    FIRST_PAUSE,
    REPORTS,
    TsmReport,
    read_provider,
    read_report,
)
from attestation.errors import AttesterError
from tests.standins.running import Guest, guest

QUESTION = bytes(range(64))


class Asking:
    """Asks the stand-in, and notes how long it was told to wait."""

    def __init__(self, machine: Guest) -> None:
        self.machine = machine
        self.reports = machine.root / REPORTS
        self.pauses: list[float] = []

    def __call__(self, *, provider: str = "sev_guest", privlevel: int | None = None) -> TsmReport:
        return read_report(
            QUESTION,
            provider=provider,
            reports=self.reports,
            pause=self.pauses.append,
            privlevel=privlevel,
        )

    def fail(self, *acts: str) -> None:
        self.machine.fail(*acts)

    @property
    def left(self) -> list[str]:
        """What is left of questions, and of faults that were not met."""
        return os.listdir(self.reports) + os.listdir(self.machine.faults)


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guest]:
    with guest(tmp_path_factory.mktemp("guest")) as mounted:
        yield mounted


@pytest.fixture
def ask(machine: Guest) -> Asking:
    for fault in machine.faults.iterdir():
        fault.unlink()
    return Asking(machine)


def test_a_report_is_over_the_question(ask: Asking):
    report = ask()
    assert report.outblob[0x50:0x90] == QUESTION
    assert (report.auxblob, report.manifestblob) == (b"certificates", b"")
    assert (ask.pauses, ask.left) == ([], [])


def test_a_privilege_level_is_asked_for(ask: Asking):
    assert ask(privlevel=3).outblob[-1] == 3
    assert ask.left == []


def test_refuses_a_privilege_level_that_there_is_not(ask: Asking):
    with pytest.raises(AttesterError, match="privlevel: Invalid argument"):
        ask(privlevel=4)
    assert ask.left == []


@pytest.mark.parametrize(
    "fault",
    [
        "mkdir.EEXIST",
        "mkdir.ENOMEM",
        "inblob.EBUSY",
        "outblob.EBUSY",
        "outblob.EWOULDBLOCK",
        "outblob.ETIMEDOUT",
        "outblob.RACE",
        "auxblob.EBUSY",
        "auxblob.RACE",
        "rmdir.EBUSY",
    ],
)
def test_asks_again_what_may_pass(ask: Asking, fault: str):
    ask.fail(fault)
    assert ask().outblob[0x50:0x90] == QUESTION
    assert ask.pauses == [FIRST_PAUSE]
    assert len(ask.left) == fault.startswith("rmdir"), "what the kernel does not remove, stays"
    for entry in ask.reports.iterdir():
        entry.rmdir()


def test_waits_longer_each_time_and_gives_up(ask: Asking):
    ask.fail(*["outblob.EBUSY"] * ATTEMPTS)
    with pytest.raises(AttesterError, match=r"no report in 6 attempts \(outblob: .*busy\)"):
        ask()
    assert ask.pauses == [FIRST_PAUSE * 2**n for n in range(ATTEMPTS - 1)]
    assert ask.left == []


def test_never_gives_a_report_over_what_somebody_else_wrote(ask: Asking):
    ask.fail(*["outblob.RACE"] * ATTEMPTS)
    with pytest.raises(AttesterError, match="generation 2 instead of 1"):
        ask()


def test_a_question_that_the_kernel_dropped_in_silence_is_noticed(ask: Asking):
    ask.fail(*["inblob.EINVAL"] * ATTEMPTS)
    with pytest.raises(AttesterError, match="Invalid argument"):
        ask()


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("mkdir.ENXIO", "no driver answers"),
        ("mkdir.EACCES", "run as root"),
        ("mkdir.EPERM", "run as root"),
        ("outblob.EFBIG", "another format"),
        ("outblob.ENDLESS", "another format"),
        ("auxblob.ENDLESS", "another format"),
        ("provider.WRONG", "answered by sev_guest2, expected sev_guest"),
        ("generation.WRONG", "'many' is no number"),
    ],
)
def test_says_at_once_what_will_not_pass(ask: Asking, fault: str, said: str):
    ask.fail(fault)
    with pytest.raises(AttesterError, match=said):
        ask()
    assert (ask.pauses, ask.left) == ([], [])


def test_refuses_the_answer_of_another_provider(ask: Asking):
    with pytest.raises(AttesterError, match="expected tdx_guest"):
        ask(provider="tdx_guest")


def test_says_that_there_is_no_configfs(tmp_path: Path):
    with pytest.raises(AttesterError, match="mount configfs"):
        read_report(QUESTION, provider="sev_guest", reports=tmp_path / "report", pause=print)


@pytest.mark.parametrize("size", [0, 63, 65])
def test_asks_with_64_bytes_or_not_at_all(tmp_path: Path, size: int):
    with pytest.raises(AttesterError, match=f"{size} bytes instead of 64"):
        read_report(bytes(size), provider="sev_guest", reports=tmp_path, pause=print)


def test_names_the_provider_and_that_there_is_none(ask: Asking, tmp_path: Path):
    assert read_provider(ask.reports) == "sev_guest"
    assert read_provider(tmp_path / "report") is None
    ask.fail("mkdir.ENXIO")
    assert read_provider(ask.reports) is None
    ask.fail("mkdir.EACCES")
    with pytest.raises(AttesterError, match="run as root"):
        read_provider(ask.reports)
    ask.fail("provider.EIO")
    with pytest.raises(AttesterError, match="start again"):
        read_provider(ask.reports)
    assert ask.left == []


def test_many_may_ask_at_once(ask: Asking):
    questions = [bytes((number,)) * 64 for number in range(16)]

    def answer(question: bytes) -> bytes:
        report = read_report(
            question, provider="sev_guest", reports=ask.reports, pause=ask.pauses.append
        )
        return report.outblob[0x50:0x90]

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(answer, questions)) == questions
    assert (ask.pauses, ask.left) == ([], [])


class TestTheStandIn:
    """The kernel's own rules, so that what passes above would pass there."""

    def entry(self, ask: Asking) -> Path:
        entry = ask.reports / "entry"
        entry.mkdir()
        return entry

    def test_refuses_to_answer_before_it_is_asked(self, ask: Asking):
        entry = self.entry(ask)
        with pytest.raises(OSError, match="Invalid argument"):
            (entry / "outblob").read_bytes()
        entry.rmdir()

    def test_drops_a_long_question_and_counts_the_others(self, ask: Asking):
        entry = self.entry(ask)
        for size, generation in ((65, b"0\n"), (64, b"1\n"), (1, b"2\n")):
            (entry / "inblob").write_bytes(bytes(size))
            assert (entry / "generation").read_bytes() == generation
        entry.rmdir()

    def test_a_reader_keeps_the_report_it_began_with(self, ask: Asking):
        entry = self.entry(ask)
        (entry / "inblob").write_bytes(b"one")
        with (entry / "outblob").open("rb", buffering=0) as reading:
            first = reading.read(0x52)
            (entry / "inblob").write_bytes(b"two")
            assert (first + reading.read(1))[0x50:] == b"one"
        assert (entry / "outblob").read_bytes()[0x50:0x53] == b"two"
        entry.rmdir()

    def test_keeps_the_rights_and_names_of_the_kernel(self, ask: Asking):
        entry = self.entry(ask)
        with pytest.raises(FileExistsError):
            entry.mkdir()
        with pytest.raises(PermissionError):
            (ask.reports.parent / "other").mkdir()
        with pytest.raises(PermissionError):
            os.open(entry / "inblob", os.O_RDONLY)
        with pytest.raises(PermissionError):
            os.open(entry / "provider", os.O_WRONLY)
        binary = {"inblob", "outblob", "auxblob"}
        texts = {"generation", "provider", "privlevel", "privlevel_floor"}
        assert set(os.listdir(entry)) == binary | texts
        entry.rmdir()
