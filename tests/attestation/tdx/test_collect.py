"""Quotes through a mounted kernel, with what the agent measured, are what the verifier accepts."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from attestation.ccel import ccel_events, replay_ccel
from attestation.configfs_tsm import TsmReport
from attestation.errors import AttesterError
from attestation.eventlog import UNTOUCHED, text_digest
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
from tests.fakes.intel import intel
from tests.standins.running import Guest, guest

BINDING = bytes(range(64))
FIRMWARE = tcg.header() + tcg.record(1, b"firmware") + tcg.record(2, b"loader") + b"\xff" * 512
HIDING = FIRMWARE[:28] + (len(FIRMWARE)).to_bytes(4, "little") + tcg.header()[32:]
MODELS = (("zebra", bytes(32)), ("demo", b"d" * 32))
ARGUMENTS = ("--max-model-len", "1024")


@pytest.fixture(scope="module")
def mounted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guest]:
    with guest(tmp_path_factory.mktemp("guest"), "intel") as mounted:
        yield mounted


@pytest.fixture
def machine(mounted: Guest) -> Guest:
    """A guest that has just started: its registers are untouched."""
    mounted.start_again()
    mounted.ccel.write_bytes(FIRMWARE)
    return mounted


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
    first = f'["model", "demo", "{(b"d" * 32).hex()}"]'
    rtmr(machine).write_bytes(text_digest(first))
    machine.fail("extend3.EIO")
    with pytest.raises(AttesterError, match=r"rtmr3.*run as root"):
        attester_of(machine).boot(MODELS, ARGUMENTS)
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
        pytest.param(HIDING, "its header is cut", id="header too long"),
        pytest.param(bytes(2**20 + 1), "CCEL.*more than", id="too long"),
        pytest.param(tcg.old_record(1, 5, b"one"), "with SHA-384", id="old form"),
    ],
)
def test_refuses_a_log_that_no_guest_can_have(machine: Guest, log: bytes, said: str):
    machine.ccel.write_bytes(log)
    with pytest.raises(AttesterError, match=said):
        attester_of(machine).boot(MODELS, ARGUMENTS)
    assert rtmr(machine).read_bytes() == UNTOUCHED


def copied(machine: Guest, tmp_path: Path, missing: Path) -> Path:
    """A root whose files are those of the guest, but for one folder or file."""
    root = tmp_path / "copy"
    for one in (CCEL, MEASUREMENTS):
        if one != missing:
            (root / one).parent.mkdir(parents=True, exist_ok=True)
            os.symlink(machine.root / one, root / one)
    os.symlink(machine.root / "sys/kernel", root / "sys/kernel")
    return root


@pytest.mark.parametrize(
    ("missing", "remedy"), [(CCEL, "firmware that writes a CCEL"), (MEASUREMENTS, "Linux 6.16")]
)
def test_says_what_is_missing(machine: Guest, tmp_path: Path, missing: Path, remedy: str):
    attester = TdxAttester.open(copied(machine, tmp_path, missing), pause=lambda _: None)
    with pytest.raises(AttesterError, match=remedy):
        attester.boot(MODELS, ARGUMENTS)


def test_says_whose_answer_it_is_where_it_is_another_guests(tmp_path: Path):
    said = "answered by sev_guest, expected tdx_guest"
    with guest(tmp_path) as mounted, pytest.raises(AttesterError, match=said):
        attester_of(mounted)


@pytest.mark.parametrize(
    ("quote", "said"),
    [
        pytest.param(b"\xd2\x84" + bytes(9000), "must offer DCAP quotes", id="a CWT"),
        pytest.param(intel().quote(), "over other bytes", id="over other bytes"),
        pytest.param(
            intel().quote(body={"report_data": bytes(64)}, machine=intel().pck(sgx=b"\x30\x00")),
            "register the platform",
            id="of no platform",
        ),
    ],
)
def test_refuses_a_quote_it_cannot_use(monkeypatch: pytest.MonkeyPatch, quote: bytes, said: str):
    found = TsmReport(outblob=quote, auxblob=b"", manifestblob=b"")
    monkeypatch.setattr("attestation.tdx.collect.read_report", lambda *_, **__: found)
    with pytest.raises(AttesterError, match=said):
        TdxAttester.open(Path("/"), pause=lambda _: None)


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
