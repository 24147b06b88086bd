"""Signatures are verified ahead by a thread that decides nothing and outlives nobody."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import lru_cache

import pytest

from attestation import ahead, certificates, devices
from attestation.checks import Checks
from attestation.claims import Context
from attestation.errors import AppraisalError, MalformedEvidenceError
from attestation.evidence import DeviceEvidence
from attestation.nvidia import authenticate, ocsp, signatures
from attestation.reference_values import ReferenceValues
from tests.fakes.nvidia import NONCE, Chip, Nvidia, key_of

MEMORIES = (certificates._verify_issued, signatures._verify, ocsp._signers)
"""What remembers the verifications of devices' signatures."""

TWO_CORES = pytest.mark.skipif(ahead.cores() < 2, reason="one core: nothing is verified ahead")


@pytest.fixture(autouse=True)
def alone() -> Iterator[None]:
    settle()
    yield
    settle()


def settle() -> None:
    """Wait until no thread verifies."""
    for one in threading.enumerate():
        if one.name == ahead.NAME:
            one.join(timeout=10)


def misses() -> list[int]:
    """Count the verifications that were not remembered, by memory."""
    return [one.cache_info().misses for one in MEMORIES]


@lru_cache
def vendor() -> Nvidia:
    return Nvidia("GH100", root="verified ahead ")


def machine(*chips: Chip, **changes) -> tuple[tuple[DeviceEvidence, ...], Context]:
    """Give devices with all that is stapled for them; keywords as of `endorsements`."""
    found = tuple(one.evidence(vendor().report(one)) for one in chips)
    return found, vendor().context(vendor().endorsements(*chips, **changes))


def judge(found: tuple[DeviceEvidence, ...], context: Context) -> list[str]:
    """Judge step 6; give what refuses, waiting for the thread."""
    checks = Checks()
    release = ReferenceValues(
        measurement=b"",
        registers={},
        device_count=len(found),
        device_kinds=("nvidia-gpu",),
        models={},
    )
    devices.appraise_devices(found, nonce=NONCE, release=release, context=context, checks=checks)
    settle()
    return [one.id for one in checks.done() if one.refuses and one.id.startswith("6.")]


def test_hints_are_all_that_judging_asks_for_and_nothing_else(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ahead, "cores", lambda: 1)
    found, context = machine(vendor().device("hinted"), vendor().device("hinted too"))
    for call in authenticate.verifications(found, context.endorsements):
        call()
    hinted = misses()
    assert judge(found, context) == []
    # But for the self-signatures of two roots: this vendor's are pinned by key alone.
    assert misses() == [hinted[0] + 2, *hinted[1:]]
    for call in authenticate.verifications(found, context.endorsements):
        call()
    assert misses() == [hinted[0] + 2, *hinted[1:]]


@TWO_CORES
def test_the_thread_leaves_nothing_to_verify():
    found, context = machine(vendor().device("drained"))
    ahead.verify_ahead(authenticate.verifications(found, context.endorsements))
    settle()
    hinted = misses()
    assert judge(found, context) == []
    assert misses()[1:] == hinted[1:]
    assert misses()[0] - hinted[0] in (0, 2)  # self-signatures of roots


def forged_report() -> tuple[tuple[DeviceEvidence, ...], Context]:
    chip = vendor().device("forged")
    forged = chip.evidence(vendor().report(chip, key=key_of("another")))
    return (forged,), machine(chip)[1]


def forged_rim() -> tuple[tuple[DeviceEvidence, ...], Context]:
    rims = vendor().rims(after=lambda text: text.replace("Measurement_7", "Measurement_8"))
    return machine(vendor().device(), rims=rims)


def forged_rim_signature() -> tuple[tuple[DeviceEvidence, ...], Context]:
    swapped = vendor().rims()[0].decode()
    head, _, rest = swapped.partition("SignatureValue>")
    value, _, tail = rest.partition("<")
    other = ("B" if value.strip()[0] == "A" else "A") + value.strip()[1:]
    forged = f"{head}SignatureValue>{other}<{tail}".encode()
    return machine(vendor().device(), rims=(forged, *vendor().rims()[1:]))


def no_answers() -> tuple[tuple[DeviceEvidence, ...], Context]:
    return machine(vendor().device(), answers=())


def foreign_chain() -> tuple[tuple[DeviceEvidence, ...], Context]:
    stranger = Nvidia("GH100", root="a stranger's ")
    chip = stranger.device()
    return (chip.evidence(stranger.report(chip)),), machine(vendor().device())[1]


@TWO_CORES
@pytest.mark.parametrize(
    ("made", "refusing"),
    [
        (forged_report, ["6.authentic"]),
        (forged_rim, ["6.measurements"]),
        (forged_rim_signature, ["6.measurements"]),
        (no_answers, ["6.authentic", "6.measurements"]),
        (foreign_chain, ["6.authentic"]),
    ],
)
def test_what_was_verified_ahead_is_refused_like_anything_else(
    made: Callable[[], tuple[tuple[DeviceEvidence, ...], Context]], refusing: list[str]
):
    found, context = made()
    ahead.verify_ahead(authenticate.verifications(found, context.endorsements))
    settle()
    assert judge(found, context) == refusing
    assert judge(found, context) == refusing


def test_hints_of_what_does_not_parse_end_and_raise_nothing():
    made: list[str] = []

    def calls() -> Iterator[ahead.Call]:
        yield lambda: made.append("before")
        raise MalformedEvidenceError("not what it should be")

    ahead.verify_ahead(calls())
    settle()
    assert made == ["before"] * (ahead.cores() > 1)
    found, context = machine(vendor().device())
    unread = (DeviceEvidence(kind="nvidia-gpu", report=b"?", certificates=b"?", mode="on"), *found)
    assert judge(unread, context) == ["6.authentic", "6.nonce", "6.measurements"]


@TWO_CORES
def test_calls_are_made_last_first_and_a_refusal_ends_none():
    made: list[int] = []

    def call(number: int) -> ahead.Call:
        def run() -> None:
            made.append(number)
            raise AppraisalError("signature", expected="another", actual=str(number))

        return run

    ahead.verify_ahead(call(number) for number in range(2 * ahead.MAX_CALLS))
    settle()
    assert made == list(reversed(range(ahead.MAX_CALLS)))


@TWO_CORES
def test_calls_that_take_long_end_the_thread():
    made: list[int] = []

    def slow() -> None:
        made.append(1)
        until = time.thread_time() + ahead.MAX_SECONDS / 10
        while time.thread_time() < until:
            pass

    ahead.verify_ahead([slow] * ahead.MAX_CALLS)
    settle()
    assert 1 <= len(made) <= 11


@TWO_CORES
def test_there_is_one_thread_at_most_and_it_is_no_daemon():
    gate, seen = threading.Event(), []
    ahead.verify_ahead([gate.wait])
    (thread,) = (one for one in threading.enumerate() if one.name == ahead.NAME)
    assert not thread.daemon
    ahead.verify_ahead([lambda: seen.append("second")])
    gate.set()
    settle()
    assert seen == []
    ahead.verify_ahead([lambda: seen.append("third")])
    settle()
    assert seen == ["third"]


def test_where_no_thread_is_to_be_had_nothing_is_raised(monkeypatch: pytest.MonkeyPatch):
    def start(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    ahead.verify_ahead([lambda: None])


@pytest.mark.parametrize(
    ("script", "said"),
    [
        # On one core there is no thread, and nobody is even asked what to verify.
        (
            "os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
            "ahead.verify_ahead(print('asked') for _ in [0])\n"
            "print(threading.active_count())",
            "1",
        ),
        # A child that is forked while a thread verifies has none, and may start one.
        (
            "gate = threading.Event()\n"
            "ahead.verify_ahead([gate.wait])\n"
            "if child := os.fork():\n"
            "    gate.set()\n"
            "    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
            "ahead.verify_ahead([lambda: print('in the child')])",
            "in the child",
        ),
        # An interpreter that ends meanwhile waits for the calls, which are few.
        (
            "key = ec.generate_private_key(ec.SECP384R1())\n"
            "made = key.sign(b'', ec.ECDSA(hashes.SHA384()))\n"
            "one = lambda: key.public_key().verify(made, b'', ec.ECDSA(hashes.SHA384()))\n"
            "ahead.verify_ahead([lambda: print('made'), *[one] * 60])",
            "made",
        ),
    ],
)
@TWO_CORES
def test_processes_end_and_fork_as_ever(script: str, said: str):
    imports = (
        "import os, sys, threading\n"
        "from cryptography.hazmat.primitives import hashes\n"
        "from cryptography.hazmat.primitives.asymmetric import ec\n"
        "from attestation import ahead\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", imports + script],
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, said, "")
