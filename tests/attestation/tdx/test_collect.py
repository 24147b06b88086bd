"""Quotes through a mounted kernel, with what the agent measured, are what the verifier accepts."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from attestation.ccel import ccel_events, replay_ccel
from attestation.errors import AttesterError
from attestation.eventlog import UNTOUCHED
from attestation.policy import AppraisalPolicy
from attestation.tdx.collect import (
    AGENT_REGISTER,
    CCEL,
    MEASUREMENTS,
    TdxAttester,
    expected_registers,
)
from attestation.tdx.evidence import Quote
from attestation.verifier import verify_parts
from tests.fakes import tcg
from tests.fakes.amd import NOW
from tests.standins.running import Guest, guest

BINDING = bytes(range(64))
FIRMWARE = tcg.header() + tcg.record(1, b"firmware") + tcg.record(2, b"loader") + b"\xff" * 512
MODELS = (("zebra", bytes(32)), ("demo", b"d" * 32))
ARGUMENTS = ("--max-model-len", "1024")


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Guest]:
    """A guest that has just started: registers cannot be set back."""
    with guest(tmp_path, "intel", FIRMWARE) as mounted:
        yield mounted


def attester_of(machine: Guest) -> TdxAttester:
    return TdxAttester.open(machine.root, pause=lambda _: None)


def rtmr(machine: Guest, index: int = AGENT_REGISTER) -> Path:
    return machine.root / MEASUREMENTS / f"rtmr{index}:sha384"


def test_quote_and_log_agree_and_are_authentic(machine: Guest):
    attester = attester_of(machine)
    log = attester.boot(MODELS, ARGUMENTS)
    quote = Quote.parse(attester.quote(BINDING))
    assert quote.trailing_bytes == 0
    assert quote.td is not None
    assert quote.td.report_data == BINDING
    assert quote.registers[AGENT_REGISTER] == replay_ccel(log)[AGENT_REGISTER]
    assert quote.registers[AGENT_REGISTER] == expected_registers(MODELS, ARGUMENTS)[AGENT_REGISTER]
    appraisal = verify_parts(
        "tdx",
        quote.data,
        (*attester.endorsements(), *machine.endorsements),
        now=NOW,
        policy=AppraisalPolicy(platforms=("tdx",), roots={"tdx": machine.vendor_root}),
    )
    assert appraisal.accepted
    assert appraisal.machine == attester.machine
    assert attester.devices(bytes(32)) == ()


def test_the_log_says_what_was_loaded_behind_what_the_firmware_did(machine: Guest):
    log = attester_of(machine).boot(MODELS, ARGUMENTS)
    assert [(event.register, event.text) for event in ccel_events(log)] == [
        (0, "firmware"),
        (1, "loader"),
        (3, f'["model", "demo", "{(b"d" * 32).hex()}"]'),
        (3, f'["model", "zebra", "{bytes(32).hex()}"]'),
        (3, '["engine arguments", "--max-model-len", "1024"]'),
    ]


def test_an_agent_that_starts_again_measures_nothing_twice(machine: Guest):
    first = attester_of(machine).boot(MODELS, ARGUMENTS)
    value = rtmr(machine).read_bytes()
    assert attester_of(machine).boot(MODELS, ARGUMENTS) == first
    assert rtmr(machine).read_bytes() == value != UNTOUCHED


def test_an_agent_that_was_interrupted_goes_on(machine: Guest):
    machine.fail("extend3.EIO")
    with pytest.raises(AttesterError, match=r"rtmr3.*run as root"):
        attester_of(machine).boot(MODELS, ARGUMENTS)
    (machine.faults / "extend3.EIO.0").unlink(missing_ok=True)
    log = attester_of(machine).boot(MODELS, ARGUMENTS)
    assert rtmr(machine).read_bytes() == replay_ccel(log)[AGENT_REGISTER]


def test_refuses_a_register_that_holds_something_else(machine: Guest):
    rtmr(machine).write_bytes(b"x" * 48)
    with pytest.raises(AttesterError, match="did not measure"):
        attester_of(machine).boot(MODELS, ARGUMENTS)


def test_other_models_need_another_start(machine: Guest):
    attester = attester_of(machine)
    attester.boot(MODELS, ARGUMENTS)
    with pytest.raises(AttesterError, match="start the guest again"):
        attester.boot((("other", bytes(32)),), ARGUMENTS)


def test_notices_a_measurement_that_was_lost(machine: Guest):
    machine.fail("extend3.LOST")
    with pytest.raises(AttesterError, match="something else extends it"):
        attester_of(machine).boot(MODELS, ARGUMENTS)


@pytest.mark.parametrize(
    ("log", "said"),
    [
        pytest.param(FIRMWARE[:70], "boot with other firmware", id="cut"),
        pytest.param(bytes(2**20 + 1), "CCEL.*more than", id="too long"),
        pytest.param(tcg.old_record(1, 5, b"one"), "with SHA-384", id="old form"),
    ],
)
def test_refuses_a_log_that_no_guest_can_have(tmp_path: Path, log: bytes, said: str):
    with guest(tmp_path, "intel", log) as machine:
        with pytest.raises(AttesterError, match=said):
            attester_of(machine).boot(MODELS, ARGUMENTS)


@contextmanager
def copied(machine: Guest, tmp_path: Path, missing: Path) -> Iterator[Path]:
    """A root whose files are those of the guest, but for one folder or file."""
    root = tmp_path / "copy"
    for one in (CCEL, MEASUREMENTS):
        if one != missing:
            (root / one).parent.mkdir(parents=True, exist_ok=True)
            os.symlink(machine.root / one, root / one)
    os.symlink(machine.root / "sys/kernel", root / "sys/kernel")
    yield root


@pytest.mark.parametrize(
    ("missing", "remedy"), [(CCEL, "firmware that writes a CCEL"), (MEASUREMENTS, "Linux 6.16")]
)
def test_says_what_is_missing(machine: Guest, tmp_path: Path, missing: Path, remedy: str):
    with copied(machine, tmp_path, missing) as root:
        with pytest.raises(AttesterError, match=remedy):
            TdxAttester.open(root, pause=lambda _: None).boot(MODELS, ARGUMENTS)


def test_refuses_to_read_what_is_no_quote(tmp_path: Path):
    with guest(tmp_path) as mounted:
        with pytest.raises(AttesterError, match="answered by sev_guest, expected tdx_guest"):
            attester_of(mounted)


class TestTheStandIn:
    """Registers as the kernel has them."""

    @pytest.mark.parametrize("size", [0, 47, 49])
    def test_takes_digests_of_one_size(self, machine: Guest, size: int):
        with (
            rtmr(machine).open("r+b", buffering=0) as file,
            pytest.raises(OSError, match="Invalid"),
        ):
            file.write(bytes(size) or bytes(96))

    def test_every_register_extends(self, machine: Guest):
        for index in range(4):
            rtmr(machine, index).write_bytes(b"d" * 48)
            assert rtmr(machine, index).read_bytes() != UNTOUCHED
