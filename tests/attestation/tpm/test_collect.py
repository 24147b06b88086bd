"""Quotes of a software TPM by the real tpm2-tools, under hardware that names its key."""

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from attestation.binding import tpm_binding
from attestation.errors import AttesterError, MalformedEvidenceError
from attestation.sections import MAX_EVENT_LOG
from attestation.simulated.collect import SimulatedAttester
from attestation.tcg_log import Bank
from attestation.tpm.collect import (
    AGENT_PCR,
    AK_HANDLE,
    FIRMWARE_LOG,
    VtpmAttester,
    append,
    expected_registers,
)
from attestation.tpm.device import Tpm
from attestation.tpm.document import Direct, TpmQuote
from attestation.tpm.pcrs import replay_pcrs
from attestation.verifier import verify_parts
from tests.attestation.tpm.test_ima import BOOT_AGGREGATE, record
from tests.fakes import simulated, tcg
from tests.fakes.vtpm_bundles import policy
from tests.standins.paravisor import run
from tests.standins.running import tpm as running_tpm

BINDING = bytes(range(64))
MODELS = (("demo", b"d" * 32),)
ARGUMENTS = ("--max-model-len", "1024")
BANKS = (tcg.SHA256, tcg.SHA384)
FIRMWARE = tcg.header(BANKS) + tcg.record(0, b"firmware", banks=BANKS) + b"\xff" * 64


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Path]:
    """A root with a TPM in which nothing was measured yet."""
    with running_tpm(tmp_path):
        yield tmp_path


def on_simulated(machine: Path, log: Path | None = None) -> VtpmAttester:
    return VtpmAttester(Tpm.below(machine), log, lambda: SimulatedAttester(simulated.machine()))


def measure(machine: Path, pcr: int, data: bytes) -> None:
    Tpm.below(machine).extend(pcr, hashlib.sha384(data).digest())


def test_quote_and_log_agree_and_are_authentic(machine: Path):
    attester = on_simulated(machine)
    log = attester.boot(MODELS, ARGUMENTS)
    quote = attester.quote(BINDING)
    document = TpmQuote.parse(quote)
    assert isinstance(document.hardware, Direct)
    assert document.attest.extra_data == tpm_binding(BINDING)
    assert document.pcrs[Bank.SHA384][AGENT_PCR] == replay_pcrs(log)[AGENT_PCR]
    assert expected_registers(MODELS, ARGUMENTS) == {AGENT_PCR: replay_pcrs(log)[AGENT_PCR]}
    appraisal = verify_parts(
        "simulated-vtpm",
        quote,
        attester.endorsements(),
        now=simulated.NOW,
        policy=policy("simulated-vtpm", simulated.vendor().root_spki_sha256),
    )
    assert appraisal.accepted
    assert appraisal.machine == attester.machine == simulated.MACHINE_ID
    assert [device.kind for device in attester.devices(bytes(32))] == ["simulated-gpu"]


def test_an_agent_that_starts_again_keeps_key_and_measures_nothing_twice(machine: Path):
    first = on_simulated(machine)
    log, quote = first.boot(MODELS, ARGUMENTS), TpmQuote.parse(first.quote(BINDING))
    second = on_simulated(machine)
    assert second.boot(MODELS, ARGUMENTS) == log
    again = TpmQuote.parse(second.quote(BINDING))
    assert again.pcrs == quote.pcrs
    assert again.ak.public_numbers() == quote.ak.public_numbers()
    with pytest.raises(AttesterError, match="PCR 15: holds what this agent did not measure"):
        second.boot((), ARGUMENTS)


def test_the_agent_measures_behind_the_firmware(machine: Path):
    log = machine / FIRMWARE_LOG
    log.parent.mkdir(parents=True)
    log.write_bytes(FIRMWARE)
    measure(machine, 0, b"firmware")
    attester = on_simulated(machine, log)
    registers = replay_pcrs(attester.boot(MODELS, ARGUMENTS))
    assert registers[0] == tcg.replayed("sha384", b"firmware")
    assert registers[AGENT_PCR] == expected_registers(MODELS, ARGUMENTS)[AGENT_PCR]


def test_what_linux_measured_by_itself_is_put_into_the_log(machine: Path):
    measure(machine, 10, BOOT_AGGREGATE)
    with pytest.raises(AttesterError, match="PCR 10: holds what"):
        on_simulated(machine).boot(MODELS, ARGUMENTS)
    path = machine / "ima"
    path.write_bytes(record())

    def opened() -> VtpmAttester:
        simulated_below = lambda: SimulatedAttester(simulated.machine())  # noqa: E731
        return VtpmAttester(Tpm.below(machine), None, simulated_below, ima_list=path)

    log = opened().boot(MODELS, ARGUMENTS)
    assert replay_pcrs(log)[10] == tcg.replayed("sha384", BOOT_AGGREGATE)
    assert opened().boot(MODELS, ARGUMENTS) == log
    path.write_bytes(record()[:-1])
    with pytest.raises(AttesterError, match="IMA's list: cut"):
        opened().boot(MODELS, ARGUMENTS)


def test_names_the_pcr_that_the_log_does_not_explain(machine: Path):
    measure(machine, 11, b"enter-initrd")
    with pytest.raises(AttesterError, match=r"PCR 11: .*turn off .*systemd-pcrphase"):
        on_simulated(machine).boot(MODELS, ARGUMENTS)


@pytest.mark.parametrize(
    ("log", "said"),
    [
        pytest.param(None, "mount securityfs", id="none"),
        pytest.param(FIRMWARE[:-66], "boot with other firmware", id="cut"),
        pytest.param(bytes(MAX_EVENT_LOG + 1), "more than", id="too long"),
        pytest.param(tcg.header((tcg.SHA256,)), "with SHA384", id="without the bank"),
    ],
)
def test_refuses_a_log_that_leads_nowhere(machine: Path, log: bytes | None, said: str):
    path = machine / "log"
    if log is not None:
        path.write_bytes(log)
    with pytest.raises(AttesterError, match=said):
        on_simulated(machine, path).boot(MODELS, ARGUMENTS)


def test_refuses_a_key_that_signs_anything(machine: Path):
    context = str(machine / "key")
    run(machine, "tpm2_createprimary", "-C", "o", "-G", "ecc256", "-c", context,
        "-a", "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|sign")  # fmt: skip
    run(machine, "tpm2_evictcontrol", "-C", "o", "-c", context, hex(AK_HANDLE))
    with pytest.raises(AttesterError, match="is no AK; remove it"):
        on_simulated(machine)


class Lying(Tpm):
    """Quotes other bytes, or tells other PCRs than it quoted."""

    def __init__(self, tcti: str, *, qualifying: bytes | None = None, pcr: bytes = b"") -> None:
        super().__init__(tcti)
        self._other, self._pcr = qualifying, pcr

    def quote(self, handle: int, qualifying: bytes) -> tuple[bytes, bytes, Mapping[int, bytes]]:
        message, signature, pcrs = super().quote(handle, self._other or qualifying)
        return message, signature, {**pcrs, **({0: self._pcr} if self._pcr else {})}


@pytest.mark.parametrize(
    ("lie", "said"),
    [
        ({"qualifying": b"another question"}, "a quote over other bytes"),
        ({"pcr": b"p" * 48}, "PCR digest: .*; quote again"),
    ],
)
def test_hands_out_no_quote_that_clients_would_refuse(machine: Path, lie: Any, said: str):
    path = (machine / "dev" / "tpmrm0").resolve()
    lying = Lying(f"swtpm:path={path}", **lie)
    attester = VtpmAttester(lying, None, lambda: SimulatedAttester(simulated.machine()))
    with pytest.raises(AttesterError, match=said):
        attester.quote(BINDING)


def test_says_that_there_is_no_tpm(tmp_path: Path):
    with pytest.raises(AttesterError, match="give the machine a TPM"):
        Tpm.below(tmp_path)


def test_says_that_the_tpm_does_not_answer(tmp_path: Path):
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev" / "tpmrm0").write_bytes(b"")
    with pytest.raises(AttesterError, match=r"tpm2_getcap: ERROR.*this user may use device:"):
        on_simulated(tmp_path)


def test_says_that_the_programs_are_missing(machine: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", str(machine))
    with pytest.raises(AttesterError, match="install tpm2-tools"):
        on_simulated(machine)


@pytest.mark.parametrize("text", ["", "a\nb", "a" * 65537])
def test_measures_no_event_that_a_log_cannot_have(text: str):
    with pytest.raises(AttesterError, match="printable characters"):
        append(b"", text)


def test_says_when_the_log_is_full():
    full = FIRMWARE[:-64]
    full += tcg.record(1, bytes(MAX_EVENT_LOG - len(full) - 150), banks=BANKS)
    with pytest.raises(AttesterError, match="measure less"):
        append(full, "a" * 100)
    with pytest.raises(MalformedEvidenceError):
        append(bytes(MAX_EVENT_LOG + 1), "a")
