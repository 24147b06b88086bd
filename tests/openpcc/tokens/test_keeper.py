"""The keeper acts at random times, alone, and survives what fails."""

import queue
import secrets
import threading
from statistics import mean

import pytest

from openpcc.errors import IssuerError, WalletError
from openpcc.tokens.keeper import Keeper, pause


def test_pauses_are_exponential():
    drawn = sorted(pause(900) for _ in range(20000))
    # Mean and median of an exponential: 900 and 900 ln 2; a standard error is 6.4.
    assert abs(mean(drawn) - 900) < 50
    assert abs(drawn[10000] - 624) < 50
    # Memory: of those that waited 900, as many wait 900 more as of all.
    longer = [one for one in drawn if one > 900]
    again = [one for one in longer if one > 1800]
    assert abs(len(again) / len(longer) - len(longer) / len(drawn)) < 0.05


def test_the_shortest_and_the_longest_pause_are_numbers(monkeypatch: pytest.MonkeyPatch):
    for drawn, expected in ((2**53 - 1, 0.0), (0, 53 * 0.6931471805599453)):
        monkeypatch.setattr(secrets, "randbits", lambda _, drawn=drawn: drawn)
        assert pause(1.0) == pytest.approx(expected)


def test_it_acts_again_and_again_and_survives_errors():
    done, acted = threading.Semaphore(0), []

    def fill() -> None:
        acted.append("fill")
        done.release()
        raise IssuerError("quota", 429, "no")

    def reclaim() -> None:
        acted.append("reclaim")
        done.release()

    made = Keeper(fill=fill, fill_every=0.001, reclaim=reclaim, reclaim_every=0.001)
    made.start()
    made.start()
    for _ in range(20):
        assert done.acquire(timeout=10)
    threads = [one for one in threading.enumerate() if one.name.startswith("openpcc-tokens")]
    made.close()
    assert len(threads) == 2
    assert set(acted) == {"fill", "reclaim"}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_what_ended_unforeseen_begins_again_with_the_next_payment():
    """A thread that died stayed dead for as long as the other one lived."""
    acted = threading.Semaphore(0)

    def fill() -> None:
        acted.release()
        raise RuntimeError("nobody foresaw it")

    made = Keeper(fill=fill, fill_every=0.001, reclaim=lambda: None, reclaim_every=1e6)
    for _ in range(3):
        made.start()
        assert acted.acquire(timeout=10)
        for thread in threading.enumerate():
            if thread.name == "openpcc-tokens-fill":
                thread.join(timeout=10)
    threads = [one for one in threading.enumerate() if one.name == "openpcc-tokens-reclaim"]
    made.close()
    assert len(threads) == 1


def test_it_remembers_the_last_problem_until_it_is_over():
    turns: queue.Queue[bool] = queue.Queue()
    begun = threading.Semaphore(0)

    def fill() -> None:
        begun.release()
        if turns.get(timeout=10):
            raise WalletError("full", "no room")

    made = Keeper(fill=fill, fill_every=0.001, reclaim=lambda: None, reclaim_every=1e6)
    made.start()
    assert begun.acquire(timeout=10)
    turns.put(True)
    assert begun.acquire(timeout=10)  # the second begins after the first has ended
    assert isinstance(made.problems["fill"], WalletError)
    turns.put(False)
    assert begun.acquire(timeout=10)
    assert made.problems == {}
    turns.put(False)
    made.close()


def test_a_closed_one_does_not_begin():
    made = Keeper(fill=pytest.fail, fill_every=0.001, reclaim=pytest.fail, reclaim_every=0.001)
    made.close()
    made.start()
    assert made._threads == {}
